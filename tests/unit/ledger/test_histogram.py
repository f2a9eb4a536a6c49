"""Histograms that can be added up, and the quantiles estimated of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.histogram import LEAST, RELATIVE_ERROR, bucket_of, histogram, quantile, quantiles
from offpath.ledger.rollup import add

seconds = st.floats(LEAST, 1e6)


def true_quantile(times: list[float], share: float) -> float:
    return sorted(times)[max(1, math.ceil(share * len(times))) - 1]


@given(st.lists(seconds, min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_off_by_at_most_the_promised_share(times: list[float], share: float) -> None:
    true, estimate = true_quantile(times, share), quantile(histogram(times), share)
    assert estimate is not None
    assert abs(estimate - true) <= true * RELATIVE_ERROR * (1 + 1e-9)


def test_the_promised_share_is_below_five_percent() -> None:
    assert RELATIVE_ERROR < 0.05


@given(st.lists(seconds, max_size=50), st.lists(seconds, max_size=50))
def test_added_histograms_are_the_histogram_of_all(first: list[float], second: list[float]) -> None:
    assert add(histogram(first), histogram(second)) == histogram(first + second)


@pytest.mark.parametrize("time", [0.0, 1e-9, LEAST, -1.0, math.nan])
def test_what_is_too_short_to_tell_apart_is_in_the_first_bucket(time: float) -> None:
    assert bucket_of(time) == "0"
    assert quantile({"0": 3}, 0.5) == LEAST


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantiles({}, [0.5, 0.99]) == [None, None]


def test_a_day_fits_into_few_buckets() -> None:
    assert int(bucket_of(86_400.0)) < 220
