"""What an experiment found: the JSON that `offpath prove --json` writes, and what table and report are made from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

FORMAT: Final = 1
"""`Findings.version`; a change that older readers would misread has the next number."""

ArmName = Literal["on", "off", "off again", "no storage"]
"""A setting under measurement. "off again" is "off" once more, for the A/A check."""


class Estimate(msgspec.Struct, frozen=True):
    """A figure with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


class QuantileComparison(msgspec.Struct, frozen=True):
    """One quantile of two arms."""

    q: float
    """0.5, 0.95 or 0.99."""
    a_seconds: float
    b_seconds: float
    ratio: Estimate
    """b / a."""
    difference_us: Estimate
    """b - a, in microseconds."""


class Comparison(msgspec.Struct, frozen=True):
    """Arm `b` against arm `a`, measured under the same arrivals.

    ("off", "off again") is the A/A check, ("off", "on") the answer, and ("no storage", "off") what saving a run costs.
    """

    a: ArmName
    b: ArmName
    requests: int
    """Of each arm; the smaller of both numbers."""
    pairs: int
    quantiles: tuple[QuantileComparison, ...]
    edges_seconds: tuple[float, ...] = ()
    """Of the histogram's bins, ascending, at equal ratios: one more than there are bins. The first bin holds all that
    is faster too, the last all that is slower."""
    a_counts: tuple[int, ...] = ()
    b_counts: tuple[int, ...] = ()

    def quantile(self, q: float) -> QuantileComparison | None:
        """The comparison at one quantile; None if it was not made."""
        return next((each for each in self.quantiles if each.q == q), None)


class HookTrace(msgspec.Struct, frozen=True):
    """One background hook of a run. Times in seconds from the run's request."""

    name: str
    queued: float
    started: float
    ended: float
    state: str
    attempts: int


class RunTrace(msgspec.Struct, frozen=True):
    """One run and its hooks; the request is at 0."""

    run_id: str
    responded: float
    hooks: tuple[HookTrace, ...]


class Resolution(msgspec.Struct, frozen=True):
    """How small a difference the A/A check can tell from none, at one quantile."""

    q: float
    wanted: float
    """The difference that is asked for, as a share: 0.01 for a limit of 1.01."""
    resolved: float
    """The difference that these measurements can resolve."""
    requests_needed: int
    """An arm, to two figures: with so many, an assertion of what is wanted is kept in some nine of ten measurements
    where hooks cost nothing."""
    enough: bool


class Case(msgspec.Struct, frozen=True):
    """One set of hooks under one load."""

    profile: str
    description: str
    model_seconds: float
    """What the model takes to answer."""
    rate: float
    """Requests a second, on average."""
    connections: int
    comparisons: tuple[Comparison, ...]
    resolutions: tuple[Resolution, ...] = ()
    waterfall: tuple[RunTrace, ...] = ()
    hooks_failed: int = 0
    others_cpu_share: float = 0.0
    """Share of all cores, from 0 to 1, that other programs used meanwhile."""
    notes: tuple[str, ...] = ()
    own_model: bool = False
    """Whether the service's own model answered, and `model_seconds` says nothing."""
    seconds: float = 0.0
    """What the rounds of all arms took, lead-ins and hooks included."""

    @property
    def name(self) -> str:
        """Such as "seed, model 200 ms"."""
        return self.profile if self.own_model else f"{self.profile}, model {self.model_seconds * 1e3:g} ms"

    def comparison(self, a: ArmName, b: ArmName) -> Comparison | None:
        """The comparison of two arms; None if it was not made."""
        return next((each for each in self.comparisons if (each.a, each.b) == (a, b)), None)


class Verdict(msgspec.Struct, frozen=True):
    """What became of one assertion in one case."""

    case: str
    """`Case.name`."""
    q: float
    limit: float
    upper: float
    """Upper end of the interval of on / off."""
    kept: bool
    reason: str
    resolved: bool = True
    """Whether the machine could tell; if it could not, `kept` is False."""


class Findings(msgspec.Struct, frozen=True):
    """All that one call of `offpath prove` found."""

    version: int
    offpath: str
    """Version of offpath."""
    began: str
    """ISO 8601, UTC."""
    seconds: float
    target: str
    machine: dict[str, str | int | float]
    command: str
    """To measure it again."""
    cases: tuple[Case, ...]
    verdicts: tuple[Verdict, ...] = ()
    interrupted: bool = False
    """Whether it was ended before all was measured."""
    error: str = ""
    """Why a case could not be measured, and none after it was tried."""
    planted: float = 0.0
    """Share by which each answer with hooks on was made later on purpose, to see whether that is found."""
    running: bool = False
    """Whether the arms were two services that ran already; else all were started for this."""


def encode_findings(findings: Findings) -> bytes:
    """As indented JSON, with a line's end; JSON has no infinite figures, so they are "inf", "-inf" and "nan"."""
    return msgspec.json.format(msgspec.json.encode(_spelled(msgspec.to_builtins(findings))), indent=2) + b"\n"


def read_findings(path: Path) -> Findings:
    """What `--json` wrote.

    Raises:
        msgspec.ValidationError: It is no such file.
        ValueError: It is of a version of offpath with another format.
    """
    findings = msgspec.convert(_figures(msgspec.json.decode(path.read_bytes())), Findings)
    if findings.version != FORMAT:
        raise ValueError(f"{path} has format {findings.version}; this version of offpath reads format {FORMAT}")
    return findings


_FLOATS: Final = frozenset(
    field.name
    for struct in (Estimate, QuantileComparison, HookTrace, RunTrace, Resolution, Case, Verdict, Findings)
    for field in msgspec.structs.fields(struct)
    if field.type is float
)


def _spelled(found: Any) -> Any:
    """With words in place of figures that JSON cannot hold."""
    if isinstance(found, float):
        return found if math.isfinite(found) else str(found)
    if isinstance(found, dict):
        return {name: _spelled(value) for name, value in found.items()}
    return [_spelled(value) for value in found] if isinstance(found, list | tuple) else found


def _figures(found: Any, name: str = "") -> Any:
    """With figures in place of these words; a hook may be called "inf", so only where a figure has to be."""
    if name in _FLOATS and found in ("inf", "-inf", "nan"):
        return float(found)
    if isinstance(found, dict):
        return {key: _figures(value, key) for key, value in found.items()}
    return [_figures(value) for value in found] if isinstance(found, list) else found
