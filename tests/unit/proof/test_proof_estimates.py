"""Quantiles, and intervals of ratios from block pairs."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.proof.estimates import bootstrap, mean_ratio, quantile, quantile_difference, quantile_ratio, quantiles

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
    assert held >= 32  # 95 % of 40 is 38; percentile intervals of ten pairs hold somewhat less often
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
