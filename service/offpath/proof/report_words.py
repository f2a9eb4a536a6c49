"""The report's sentences: what the figures say, and what they do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from offpath.proof.findings import Case, Estimate, Findings, QuantileComparison, Resolution, Verdict
from offpath.proof.plots.markup import Element, tag
from offpath.proof.plots.words import difference_text, percent_text, quantile_name, ratio_text, share_text
from offpath.proof.resolution import disturbed, resolved_by

Words = list[Element | str]
BUSY: Final = 0.1
"""Share of the cores that others used from which a reader is warned."""


def answer(case: Case, q: float) -> QuantileComparison | None:
    """Hooks on against off, at one quantile."""
    comparison = case.comparison("off", "on")
    return comparison.quantile(q) if comparison else None


def check(case: Case, q: float) -> Estimate | None:
    """The A/A interval: off against off again."""
    comparison = case.comparison("off", "off again")
    found = comparison.quantile(q) if comparison else None
    return found.ratio if found else None


def verdict_of(findings: Findings, case: Case, q: float) -> Verdict | None:
    return next((each for each in findings.verdicts if each.case == case.name and each.q == q), None)


def quantiles_of(cases: Iterable[Case]) -> list[float]:
    """Those that were compared in any of the cases."""
    return sorted({each.q for case in cases for comparison in case.comparisons for each in comparison.quantiles})


def band(case: Case, q: float) -> Estimate | None:
    """The ratios that this machine cannot tell from 1: `resolved_by` of the A/A interval, as a factor either way."""
    found = check(case, q)
    if found is None:
        return None
    most = 1 + resolved_by(found)
    return Estimate(1.0, 1 / most, most)


def unseen(case: Case) -> Resolution | None:
    """What could not have been seen at p50, if no difference was, and a smaller one was asked for."""
    at, found = answer(case, 0.5), next((each for each in case.resolutions if each.q == 0.5), None)
    return found if at and found and not found.enough and at.ratio.low <= 1 <= at.ratio.high else None


def headline(findings: Findings) -> Words:
    """The result in one sentence: of several cases, the one with the highest upper end."""
    found = [(case, at) for case in findings.cases if (at := answer(case, 0.5))]
    if not found:
        return ["Nothing was compared: there is no measurement with hooks on and off."]
    case, at = max(found, key=lambda each: each[1].ratio.high)
    begin = f"Hooks on, worst of {len(found)} cases: " if len(found) > 1 else "Hooks on: "
    if findings.planted:
        begin = f"With answers made {share_text(findings.planted)} later on purpose. {begin}"
    resolution = unseen(case)
    words: Words = [f"{begin}p50 ", _figure(percent_text(at.ratio)), ", ", _figure(difference_text(at.difference_us))]
    if resolution:
        resolved = _figure(share_text(resolution.resolved))
        words = [f"{begin}no difference seen at p50, but less than ", resolved, " could not be seen here"]
    return [*words, tag("small", f" ({case.name})")] if len(found) > 1 else words


def _figure(words: str) -> Element:
    return tag("span", words, class_="figure")


def meaning(at: QuantileComparison) -> str:
    """What an interval says about hooks."""
    name = quantile_name(at.q)
    if at.ratio.low > 1:
        return f"The interval lies above no change: with hooks on, {name} of the response is slower."
    if at.ratio.high < 1:
        return (
            f"The interval lies below no change: with hooks on, {name} of the response was faster. Hooks cannot speed "
            "up a response, so something else differed between the arms."
        )
    if at.ratio.low <= 1 <= at.ratio.high:
        return f"The interval holds no change: at {name}, no difference between hooks on and off was found."
    return f"{name} has no interval."


def across(cases: Sequence[Case]) -> str:
    """How many of several cases show a difference at p50, and which."""
    found = [(case.name, at.ratio) for case in cases if (at := answer(case, 0.5))]
    slower = [name for name, ratio in found if ratio.low > 1]
    faster = [name for name, ratio in found if ratio.high < 1]
    none = sum(ratio.low <= 1 <= ratio.high for _, ratio in found)
    parts = [f"In {none} of {len(found)} cases the p50 interval holds no change."]
    parts += [f"It lies above, so the response is slower with hooks, in: {'; '.join(slower)}."] if slower else []
    parts += [f"It lies below in: {'; '.join(faster)}; hooks cannot cause that."] if faster else []
    return " ".join(parts)


def sentence(at: QuantileComparison) -> str:
    return f"{quantile_name(at.q)} {percent_text(at.ratio)}, {difference_text(at.difference_us)}"


def as_sentence(words: str) -> str:
    """Words with a capital letter and a full stop."""
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?")) else f"{words}."


def model_of(case: Case) -> str:
    """What answered, and how fast."""
    return "the service's own model" if case.own_model else f"model {case.model_seconds * 1e3:g} ms"


def load(case: Case) -> str:
    """Under which load a case was measured."""
    connections = f"{case.connections:,} connection{'' if case.connections == 1 else 's'}"
    arrivals = f"{case.rate:,.4g} requests/s on average" if case.rate else "As many requests as are answered"
    parts = [f"{arrivals} over {connections}."]
    largest = max(case.comparisons, key=lambda each: each.requests, default=None)
    if largest:
        pairs = f"{largest.pairs:,} pair{'' if largest.pairs == 1 else 's'} of blocks"
        parts.append(f"{largest.requests:,} requests an arm in {pairs}.")
    parts.append(f"Other programs used {share_text(case.others_cpu_share)} of all cores meanwhile.")
    return " ".join(parts)


def warnings(findings: Findings) -> list[str]:
    """What a reader must know before believing a figure."""
    found = (
        ["The experiment was interrupted: this is what had been measured until then."] if findings.interrupted else []
    )
    if findings.error:
        found.append(f"It ended with an error, and what came after was not measured: {findings.error}")
    busiest = max((case.others_cpu_share for case in findings.cases), default=0.0)
    if busiest > BUSY:
        found.append(
            f"Other programs used up to {share_text(busiest)} of the machine meanwhile: measure when it is quiet."
        )
    unchecked = [
        case.name for case in findings.cases if case.comparison("off", "on") and not case.comparison("off", "off again")
    ]
    if unchecked:
        names = "; ".join(unchecked)
        found.append(f"Without an A/A check nothing says what this machine can tell apart. It lacks in: {names}.")
    uneven = []
    for case in findings.cases:
        checks = [(q, ratio) for q in quantiles_of([case]) if (ratio := check(case, q)) and disturbed(ratio)]
        uneven += [f"{case.name}, {quantile_name(q)}: {ratio_text(ratio)}" for q, ratio in checks]
    if uneven:
        found.append(
            "Two arms that do the same should have a ratio of 1. Here the A/A interval does not hold 1, so the machine "
            f"disturbed the arms unequally, or it is the one interval in twenty that misses: {'; '.join(uneven)}."
        )
    return found
