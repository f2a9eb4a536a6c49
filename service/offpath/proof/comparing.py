"""What the blocks of two arms say about each other: quantiles with intervals, and one histogram for both."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from offpath.proof.estimates import compare_quantiles, quantiles
from offpath.proof.findings import ArmName, Comparison

QUANTILES: Final = (0.5, 0.95, 0.99)
BINS: Final = 96
_REACH: Final = (0.0005, 0.9995)
"""The histogram reaches from one of these quantiles to the other; its end bins hold what lies outside."""

Blocks = Sequence[Sequence[float]]
"""Latencies of an arm in seconds, by round."""


def compare_arms(a: ArmName, b: ArmName, of_a: Blocks, of_b: Blocks, edges: Sequence[float]) -> Comparison:
    """Arm `b` against arm `a` over the same rounds.

    Raises:
        ValueError: Without rounds, or with a round without a latency.
    """
    pairs = list(zip(of_a, of_b, strict=True))
    return Comparison(
        a=a,
        b=b,
        requests=min(sum(map(len, of_a)), sum(map(len, of_b))),
        pairs=len(pairs),
        quantiles=tuple(compare_quantiles(pairs, QUANTILES)),
        edges_seconds=tuple(edges),
        a_counts=counts(of_a, edges),
        b_counts=counts(of_b, edges),
    )


def histogram_edges(values: Sequence[float], bins: int = BINS) -> tuple[float, ...]:
    """Edges of bins of equal ratios over nearly all values, which are positive."""
    low, high = quantiles(values, *_REACH)
    if high <= low * 1.001:  # all alike: bins of no width would hold nothing
        low, high = low / 1.01, low * 1.01
    step = math.log(high / low) / bins
    return tuple(low * math.exp(step * number) for number in range(bins + 1))


def counts(blocks: Blocks, edges: Sequence[float]) -> tuple[int, ...]:
    """How many values lie in each bin, those beyond the ends in the first and the last."""
    inner = edges[1:-1]
    found = [0] * (len(edges) - 1)
    for block in blocks:
        for value in block:
            found[bisect_left(inner, value)] += 1
    return tuple(found)
