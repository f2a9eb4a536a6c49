"""Findings to draw: of latencies that a formula gives, so that each arm, case and run has figures of its own."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence

from offpath.proof.comparing import compare_arms, histogram_edges
from offpath.proof.findings import (
    Case,
    Comparison,
    Estimate,
    Findings,
    HookTrace,
    QuantileComparison,
    Resolution,
    RunTrace,
    Verdict,
)

PAIRS, REQUESTS = 4, 120


def latencies(seed: int, model: float, scale: float) -> list[list[float]]:
    draw = random.Random(seed)
    return [[model + scale * math.exp(draw.gauss(0, 0.25)) for _ in range(REQUESTS // PAIRS)] for _ in range(PAIRS)]


@functools.cache
def comparisons(model: float = 0.2, slower: float = 1.0) -> tuple[Comparison, ...]:
    off, again, on = (latencies(seed, model, 0.0024 * factor) for seed, factor in ((1, 1.0), (2, 1.0), (3, slower)))
    unsaved = latencies(4, model, 0.0015)
    edges = histogram_edges([value for arm in (off, again, on, unsaved) for block in arm for value in block])
    return (
        compare_arms("off", "off again", off, again, edges),
        compare_arms("off", "on", off, on, edges),
        compare_arms("no storage", "off", unsaved, off, edges),
    )


def bare(
    ratio: Estimate, *, a: float = 0.002, counts: tuple[int, ...] = (), edges: tuple[float, ...] = ()
) -> Comparison:
    """Off against on, with one quantile."""
    at = QuantileComparison(0.5, a, a * ratio.value, ratio, Estimate(1.0, -1.0, 2.0))
    return Comparison("off", "on", 10, 2, (at,), edges, counts, counts)


def trace(*hooks: tuple[str, float, float, float, str, int], responded: float = 0.203, run: str = "run-1") -> RunTrace:
    return RunTrace(run, responded, tuple(HookTrace(*hook) for hook in hooks))


SEED_RUN = trace(
    ("log_analytics", 0.201, 0.206, 2.209, "succeeded", 1), ("send_notification", 0.201, 0.207, 3.21, "succeeded", 1)
)


def case(profile: str = "seed", model: float = 0.2, **changes: object) -> Case:
    fields: dict[str, object] = {
        "profile": profile,
        "description": "two hooks that sleep",
        "model_seconds": model,
        "rate": 150.0,
        "connections": 8,
        "comparisons": comparisons(model),
        "resolutions": (Resolution(0.5, 0.01, 0.004, 41, True), Resolution(0.99, 0.05, 0.0731, 257, False)),
        "waterfall": (SEED_RUN,),
        "others_cpu_share": 0.034,
        "seconds": 12.0,
    }
    return Case(**(fields | changes))  # type: ignore[arg-type]


def findings(*cases: Case, verdicts: Sequence[Verdict] = (), **changes: object) -> Findings:
    fields: dict[str, object] = {
        "version": 1,
        "offpath": "1.2.3",
        "began": "2026-11-20T18:40:00+00:00",
        "seconds": 318.0,
        "target": "demo",
        "machine": {"system": "Linux 6", "cores": 2},
        "command": "offpath prove --pairs 4",
        "cases": cases,
        "verdicts": tuple(verdicts),
    }
    return Findings(**(fields | changes))  # type: ignore[arg-type]
