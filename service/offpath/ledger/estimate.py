"""Estimates from the sums of evaluations: rates and means of all runs, from those that were evaluated.

What is estimated is the rate among the runs that an evaluator is for. Filtered runs and those that it has nothing to
say about are outside; runs that chance left out are stood for by the weights of the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from offpath.ledger.rollup import LATEST, RollupKey, Sums, add
from offpath.ledger.state import MISSING

Z: Final = 1.959964
"""Of the normal distribution: 95 % lie within it on both sides."""
FEWEST_VALUES: Final = 5
"""Effective number of values from which their own spread is believed."""


class Estimate(msgspec.Struct, frozen=True):
    """A rate or a mean, from 0 to 1."""

    estimate: float
    """Hajek's: each run weighs 1 / probability, and the weighted sum is divided by the sum of the weights."""
    low: float
    high: float
    """Between these it lies with 95 % confidence, as far as the scored runs go."""
    worst: float
    best: float
    """The same interval if all runs without a score had failed (0), or passed (1)."""
    naive: float
    """Without weights: of the runs that happened to be evaluated."""
    n: int
    """Runs that it rests on."""
    effective_n: float
    """As many runs of equal weight would tell as much."""


class VersionSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """The results of one version of an evaluator: same code, options, prompt and judge."""

    fingerprint: str
    scored: int
    evaluated_at: float
    """The last of them, in seconds since the epoch."""
    coverage: float
    stand_in: int = 0
    """Runs whose judge was the offline stand-in: their scores say nothing about the answers."""
    pass_rate: Estimate | None = None
    mean: Estimate | None = None
    labels: dict[str, float] = {}
    """Weighted shares among the scored runs."""
    histogram: dict[str, float] = {}
    """Weighted shares of values by tenth; "0.3" is above 0.2 and at most 0.3."""


class Summary(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an evaluator says of many runs."""

    runs: int
    """All, whatever became of them; the states add up to it."""
    states: dict[str, int]
    population: float
    """How many runs the evaluator is for, as the weights estimate it: scored or without a score."""
    coverage: float | None = None
    """Weighted share of the population that the newest version has scored; None: there is no population."""
    stand_in: int = 0
    """Of the newest version."""
    pass_rate: Estimate | None = None
    """Of the newest version; None if nothing passes or fails, or nothing is scored."""
    mean: Estimate | None = None
    """Of the values of the newest version."""
    labels: dict[str, float] = {}
    histogram: dict[str, float] = {}
    mixed: bool = False
    """Several versions have scored runs. Their results are not comparable, so what is above is of the newest alone, and
    runs that older ones scored count as runs without a score."""
    versions: list[VersionSummary] = []
    """Newest first."""


def summarize(sums: Mapping[str, Any]) -> Summary:
    """What sums of evaluations (see `evaluation_sums`) say."""
    states: dict[str, int] = {state: count for state, count in sums.get("states", {}).items() if count}
    weights = sums.get("weights", {})
    population = max(weights.get("scored", 0.0), 0.0) + sum(max(weights.get(state, 0.0), 0.0) for state in MISSING)
    versions = [
        _version(fingerprint, of_version, population)
        for fingerprint, of_version in sums.get("fp", {}).items()
        if of_version.get("n", 0) > 0
    ]
    versions.sort(key=lambda version: (-version.evaluated_at, version.fingerprint))
    newest = versions[0] if versions else None
    coverage = (newest.coverage if newest else 0.0) if population > 0 else None
    shown: dict[str, Any] = {}
    if newest is not None:
        shown = {name: getattr(newest, name) for name in ("stand_in", "pass_rate", "mean", "labels", "histogram")}
    return Summary(
        runs=sum(states.values()),
        states=states,
        population=population,
        coverage=coverage,
        mixed=len(versions) > 1,
        versions=versions,
        **shown,
    )


def rate_points(rollups: Iterable[tuple[RollupKey, Sums]]) -> list[tuple[str, str, str, float]]:
    """What the gauge of pass rates shows.

    Args:
        rollups: Rows of the measure "evaluation", of one grain.

    Returns:
        Evaluation, component's id, bound (estimate, low, high or coverage) and value. `low` and `high` are the interval
        with every run without a score failed, or passed. An evaluator that has only values gives their mean; one
        without a score in that time its coverage alone.
    """
    found: dict[tuple[str, str], Sums] = {}
    for key, sums in rollups:
        add(found.setdefault((key.value, key.component_id), {}), sums)
    points: list[tuple[str, str, str, float]] = []
    for (name, component_id), sums in found.items():
        summary = summarize(sums)
        rate = summary.pass_rate or summary.mean
        if rate is not None:
            points += [
                (name, component_id, "estimate", rate.estimate),
                (name, component_id, "low", rate.worst),
                (name, component_id, "high", rate.best),
            ]
        if summary.coverage is not None:
            points.append((name, component_id, "coverage", summary.coverage))
    return points


def share_interval(share: float, size: float) -> tuple[float, float]:
    """Wilson's interval of 95 % around a share that was seen in `size` runs, which need not be a whole number.

    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference", JASA 22, 209-212.
    """
    if size <= 0:
        return 0.0, 1.0
    spread = Z * math.sqrt(max(share * (1 - share), 0.0) / size + Z * Z / (4 * size * size))
    middle, scale = share + Z * Z / (2 * size), 1 + Z * Z / size
    # At 0 and 1 the bound is exact; rounding would leave a trace.
    low = 0.0 if share <= 0 else (middle - spread) / scale
    high = 1.0 if share >= 1 else (middle + spread) / scale
    return low, high


def _version(fingerprint: str, sums: Mapping[str, Any], population: float) -> VersionSummary:
    scored: int = sums["n"]
    labels = {label: found["w"] for label, found in sums.get("labels", {}).items() if found.get("n", 0) > 0}
    bounds = sorted((bound, weight) for bound, weight in sums.get("hist", {}).items() if weight > 0)
    pass_rate = _pass_rate(sums, population)
    mean = _mean(sums, population)
    weight = sums.get("cw", 0.0)
    return VersionSummary(
        fingerprint=fingerprint,
        scored=scored,
        evaluated_at=float(sums.get(LATEST, 0)),
        coverage=_coverage(weight, population),
        stand_in=sums.get("s", 0),
        pass_rate=pass_rate,
        mean=mean,
        labels=_shares(labels.items()),
        histogram=_shares(bounds),
    )


def _pass_rate(sums: Mapping[str, Any], population: float) -> Estimate | None:
    """The weighted share that passed, R = sum w y / sum w, with Wilson's interval at the effective sample size.

    Its variance is that of a linearised ratio, sum w^2 (y - R)^2 / (sum w)^2: Saerndal, Swensson, Wretman (1992), Model
    Assisted Survey Sampling, section 5.6, with runs drawn independently and taken for a sample of what the agent does
    (no correction for a finite number of runs). The effective size is R (1 - R) over it, at most the number of runs:
    Korn, Graubard (1998), "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data", Survey Methodology 24, 193-201; and at most Kish's, (sum w)^2 / sum w^2: Kish (1965), Survey
    Sampling, section 11.7. Where failures are rare and weights unequal, those that happened to be drawn say too little
    about the variance: without that limit an interval of 95 % covered 73 % in simulations, with it 94 % and more.
    """
    n: int = sums.get("j", 0)
    weight, squares = sums.get("w", 0.0), sums.get("w2", 0.0)
    if n <= 0 or weight <= 0:
        return None
    passed: int = sums.get("y", 0)
    rate = 0.0 if passed <= 0 else 1.0 if passed >= n else min(max(sums.get("wy", 0.0) / weight, 0.0), 1.0)
    size = kish = weight * weight / squares
    if 0 < passed < n:
        passing = sums.get("w2y", 0.0)
        spread = passing * (1 - rate) ** 2 + (squares - passing) * rate**2
        if spread > 0:
            size = rate * (1 - rate) * weight * weight / spread
    size = min(size, kish, n)
    return _estimate(rate, share_interval(rate, size), _coverage(weight, population), passed / n, n, size)


def _mean(sums: Mapping[str, Any], population: float) -> Estimate | None:
    """The weighted mean M = sum w v / sum w, with the interval of Student's t.

    Its variance is sum w^2 (v - M)^2 / (sum w)^2, see `_pass_rate`, times m / (m - 1) with m Kish's effective size; t
    has m - 1 degrees of freedom. From fewer than five values, or equal ones, no spread can be told: then Wilson's
    interval is taken, since no values from 0 to 1 with that mean spread more than zeros and ones do.
    """
    n: int = sums.get("nv", 0)
    weight, squares = sums.get("vw", 0.0), sums.get("vw2", 0.0)
    if n <= 0 or weight <= 0:
        return None
    mean = min(max(sums.get("wv", 0.0) / weight, 0.0), 1.0)
    size = min(weight * weight / squares, n)
    spread = sums.get("w2v2", 0.0) - 2 * mean * sums.get("w2v", 0.0) + mean * mean * squares
    # Below a deviation of 1e-4 it is what rounding left of equal values.
    if size < FEWEST_VALUES or spread <= 1e-8 * squares:
        interval = share_interval(mean, size)
    else:
        half = student_t(size - 1) * math.sqrt(spread * size / (size - 1)) / weight
        interval = max(mean - half, 0.0), min(mean + half, 1.0)
    return _estimate(mean, interval, _coverage(weight, population), sums.get("v", 0.0) / n, n, size)


def student_t(freedom: float) -> float:
    """The quantile 0.975 of Student's t; within 1 % from 4 degrees of freedom on.

    Abramowitz, Stegun (1964), Handbook of Mathematical Functions, 26.7.5.
    """
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def _estimate(
    value: float, interval: tuple[float, float], coverage: float, naive: float, n: int, size: float
) -> Estimate:
    low, high = interval
    return Estimate(
        estimate=value,
        low=low,
        high=high,
        worst=low * coverage,
        best=high * coverage + (1 - coverage),
        naive=naive,
        n=n,
        effective_n=size,
    )


def _coverage(weight: float, population: float) -> float:
    return min(weight / population, 1.0) if population > 0 else 0.0


def _shares(weights: Iterable[tuple[str, float]]) -> dict[str, float]:
    found = dict(weights)
    total = sum(found.values())
    return {name: weight / total for name, weight in found.items()} if total > 0 else {}
