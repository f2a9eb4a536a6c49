"""Whether assertions are kept, and the exit code that says so. The first result counts: nothing is measured again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from offpath.proof.findings import Case, Findings, Resolution, Verdict
from offpath.proof.plan import LEAST_PAIRS
from offpath.proof.resolution import disturbed
from offpath.proof.words import spell_share

KEPT: Final = 0
MISSED: Final = 1
NOT_RESOLVED: Final = 3
"""2 is for wrong usage."""
NOT_MEASURED: Final = 4
INTERRUPTED: Final = 130


_LIKELY: Final = "would keep it in some 9 of 10 measurements if hooks cost nothing"


def judge(case: Case, limits: Mapping[float, float]) -> list[Verdict]:
    """One verdict for each limit of on / off, by quantile.

    The upper end of the interval is judged. Where the A/A check cannot resolve the limit, nothing is ever kept; it is
    missed only if the whole interval lies above, by more than the arms are disturbed.
    """
    return [_judge(case, q, limit) for q, limit in sorted(limits.items())]


def _judge(case: Case, q: float, limit: float) -> Verdict:
    answer, check = case.comparison("off", "on"), case.comparison("off", "off again")
    compared = answer.quantile(q) if answer else None
    if answer is None or compared is None:
        return Verdict(case.name, q, limit, 0.0, False, "hooks on against off was not measured", resolved=False)
    ratio = compared.ratio
    checked = check.quantile(q) if check else None
    resolution = next((each for each in case.resolutions if each.q == q), None)

    def verdict(kept: bool, reason: str, *, resolved: bool = True) -> Verdict:
        return Verdict(case.name, q, limit, ratio.high, kept, reason, resolved)

    if checked is None or resolution is None:
        return verdict(False, "there was no A/A check to say what can be resolved", resolved=False)
    if resolution.enough:
        if ratio.high <= limit:
            return verdict(True, f"the interval ends at {ratio.high:.3f}, within {limit:g}")
        interval = f"the interval [{ratio.low:.3f}, {ratio.high:.3f}]"
        if ratio.low > limit:
            return verdict(False, f"{interval} lies above {limit:g}")
        return verdict(False, f"{interval} reaches above {limit:g}{_chance(resolution, answer.requests)}")
    surely = 1 + resolution.resolved if disturbed(checked.ratio) else limit
    if ratio.low > max(surely, limit):
        return verdict(False, f"the whole interval [{ratio.low:.3f}, {ratio.high:.3f}] lies above {limit:g}")
    if check is not None and check.pairs < LEAST_PAIRS:
        return verdict(False, f"{check.pairs} rounds are too few, {LEAST_PAIRS} are needed", resolved=False)
    return verdict(
        False,
        f"differences below {spell_share(resolution.resolved)} cannot be told from none here, and "
        f"{spell_share(resolution.wanted)} is "
        f"asked for: about {resolution.requests_needed:,} requests an arm {_LIKELY}",
        resolved=False,
    )


def _chance(resolution: Resolution, requests: int) -> str:
    """Whether an interval may well reach above a limit for no other reason than that it is wide."""
    if resolution.requests_needed <= requests:
        return ""
    return f", as it often does with {requests:,} requests an arm: about {resolution.requests_needed:,} {_LIKELY}"


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """1 if an assertion is missed, else 3 if one could not be resolved, else 0."""
    if any(not each.kept and each.resolved for each in verdicts):
        return MISSED
    return NOT_RESOLVED if any(not each.kept for each in verdicts) else KEPT


def exit_code_of(findings: Findings) -> int:
    """Of a whole experiment; one that did not come to its end has no other result."""
    if findings.interrupted:
        return INTERRUPTED
    return NOT_MEASURED if findings.error else exit_code(findings.verdicts)
