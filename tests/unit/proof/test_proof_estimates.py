"""Quantiles, and intervals of ratios from block pairs."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offpath.proof.estimates import (
    Pair,
    bootstrap,
    compare_quantiles,
    mean_ratio,
    quantile,
    quantile_difference,
    quantile_ratio,
    quantiles,
    tail,
)
from offpath.proof.pooled import PooledBlocks

VALUES = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=2, max_size=60)


def test_quantile_lies_between_the_nearest_values() -> None:
    assert quantile([4, 1, 3, 2], 0) == 1
    assert quantile([4, 1, 3, 2], 1) == 4
    assert quantile([4, 1, 3, 2], 0.5) == 2.5
    assert quantile([10], 0.99) == 10
    assert quantiles(list(range(101)), 0.5, 0.99) == [50, 99]


@given(VALUES)
def test_quantiles_agree_with_the_standard_library(values: list[float]) -> None:
    expected = statistics.quantiles(values, n=20, method="inclusive")
    assert quantiles(values, *(step / 20 for step in range(1, 20))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("values", "q"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_quantile_of_nothing_is_refused(values: list[float], q: float) -> None:
    with pytest.raises(ValueError, match=r"nothing was measured|between 0 and 1"):
        quantile(values, q)


def blocks(draw: random.Random, count: int, slower: float) -> list[tuple[list[float], list[float]]]:
    """Pairs that share a drift of the machine; B is `slower` times as slow as A."""
    pairs = []
    for _ in range(count):
        drift = draw.uniform(0.8, 1.5)
        a = [drift * draw.lognormvariate(0, 0.3) for _ in range(200)]
        b = [slower * drift * draw.lognormvariate(0, 0.3) for _ in range(200)]
        pairs.append((a, b))
    return pairs


@pytest.mark.parametrize("slower", [1.0, 1.2])
def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says(slower: float) -> None:
    draw = random.Random(5)
    estimates = [quantile_ratio(blocks(draw, 10, slower), 0.5, resamples=200) for _ in range(40)]
    held = sum(estimate.low <= slower <= estimate.high for estimate in estimates)
    assert held >= 35  # 95 % of 40 is 38
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in estimates)


def test_a_real_difference_is_seen_in_spite_of_drift() -> None:
    estimate = quantile_ratio(blocks(random.Random(1), 12, 1.2), 0.5)
    assert estimate.low > 1.1
    assert estimate.high < 1.3


def test_differences_and_means() -> None:
    pairs = [([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])] * 4
    difference = quantile_difference(pairs, 0.5)
    assert (difference.value, difference.low, difference.high) == (2.0, 2.0, 2.0)
    assert mean_ratio(pairs).value == 2.0


def test_whole_pairs_are_resampled() -> None:
    seen: set[tuple[float, float]] = set()

    def note(drawn: object) -> float:
        for a, b in drawn:  # type: ignore[attr-defined]
            seen.add((a[0], b[0]))
        return 0.0

    bootstrap([([1.0], [10.0]), ([2.0], [20.0])], note, resamples=20)
    assert seen == {(1.0, 10.0), (2.0, 20.0)}


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        quantile_ratio([], 0.5)


BLOCKS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 30).map(float), min_size=1, max_size=90),
        st.lists(st.integers(1, 30).map(float), min_size=1, max_size=90),
    ),
    min_size=1,
    max_size=6,
)


@given(BLOCKS, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
@settings(max_examples=60, deadline=None)
def test_quantiles_of_resamples_are_those_of_sorting_each_one(
    pairs: list[tuple[list[float], list[float]]], q: float
) -> None:
    def naive(drawn: Sequence[Pair], side: int) -> float:
        return quantile([value for pair in drawn for value in pair[side]], q)

    found = compare_quantiles(pairs, (q,), resamples=20)[0]
    ratio = bootstrap(pairs, lambda drawn: naive(drawn, 1) / naive(drawn, 0), resamples=20)
    difference = bootstrap(pairs, lambda drawn: (naive(drawn, 1) - naive(drawn, 0)) * 1e6, resamples=20)
    assert found.ratio == ratio
    assert (found.difference_us.low, found.difference_us.high) == pytest.approx((difference.low, difference.high))
    assert (found.a_seconds, found.b_seconds) == (naive(pairs, 0), naive(pairs, 1))


@given(
    st.lists(st.tuples(st.lists(st.floats(0, 1e3), min_size=1, max_size=200), st.integers(0, 3)), min_size=1),
    st.floats(0, 1),
)
@settings(deadline=None)
def test_a_block_counts_as_often_as_its_weight_says(blocks: list[tuple[list[float], int]], q: float) -> None:
    pooled = PooledBlocks([values for values, _ in blocks])
    weights = [weight for _, weight in blocks]
    repeated = [value for values, weight in blocks for value in values * weight]
    if repeated:
        assert pooled.quantiles(weights, [q]) == [quantile(repeated, q)]
    else:
        with pytest.raises(ValueError, match="nothing was drawn"):
            pooled.quantiles(weights, [q])


def test_every_rank_of_many_values_is_the_right_one() -> None:
    values = list(range(700))
    random.Random(3).shuffle(values)
    pooled = PooledBlocks([values[first::5] for first in range(5)])
    for weights in ([1, 1, 1, 1, 1], [0, 2, 1, 3, 0]):
        repeated = sorted(value for first in range(5) for value in values[first::5] * weights[first])
        last = len(repeated) - 1
        found = pooled.quantiles(weights, [rank / last for rank in range(last + 1)])
        assert found == pytest.approx(repeated, abs=1e-9)


@pytest.mark.parametrize("rounds", [6, 12])
def test_intervals_of_noisy_rounds_hold_the_truth_as_often_as_they_say(rounds: int) -> None:
    draw, held, times = random.Random(11), 0, 80
    for _ in range(times):
        pairs = []
        for _ in range(rounds):
            drift = draw.uniform(0.9, 1.3)  # what the machine does to both
            shares = (draw.gauss(1, 0.01), 1.02 * draw.gauss(1, 0.01))  # and to each block by itself
            pairs.append(tuple([drift * share * draw.lognormvariate(0, 0.3) for _ in range(60)] for share in shares))
        ratio = compare_quantiles(pairs, (0.5,), resamples=300)[0].ratio
        held += ratio.low <= 1.02 <= ratio.high
    assert held >= 0.89 * times  # 95, and chance


def test_few_blocks_cut_off_less() -> None:
    # Student's quantile times sqrt(n / (n - 1)), as a normal probability: 2.201 * 1.0445 for a dozen blocks.
    assert tail(12) == pytest.approx(NormalDist().cdf(-2.201 * math.sqrt(12 / 11)), rel=1e-3)
    assert tail(1) == 0.0
    assert tail(3) < tail(12) < tail(1_000) == pytest.approx(0.025, rel=0.02)
