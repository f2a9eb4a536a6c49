"""Windows, and the rows of sums that make them up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.rollup import DAY, HOUR
from offpath.ledger.window import Stretch, hours, seconds_of, stretches


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5_400), ("24h", DAY), (" 7D ", 7 * DAY), ("2w", 14 * DAY)])
def test_lengths_of_time_are_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "7 days", "1e3h", "٣d", "9999999d"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 24h or 7d"):
        seconds_of(text)


def test_days_are_in_the_middle_and_hours_at_the_edges() -> None:
    since, until = 10 * DAY + 22.5 * HOUR, 13 * DAY + 1.5 * HOUR
    assert stretches(since, until, now=20 * DAY) == [
        Stretch("hour", 10 * DAY + 22 * HOUR, 11 * DAY),
        Stretch("day", 11 * DAY, 13 * DAY),
        Stretch("hour", 13 * DAY, 13 * DAY + 2 * HOUR),
    ]


def test_a_day_that_goes_on_needs_no_hours() -> None:
    now = 13 * DAY + 1.5 * HOUR
    assert stretches(12 * DAY, now, now) == [Stretch("day", 12 * DAY, 14 * DAY)]
    assert stretches(now - HOUR / 2, now, now) == [Stretch("hour", 13 * DAY + HOUR, 14 * DAY)]


@given(st.floats(0, 400 * DAY), st.floats(0, 40 * DAY), st.floats(0, 3 * DAY))
def test_every_hour_of_a_window_is_counted_once(since: float, length: float, ago: float) -> None:
    until = since + length
    now = until + ago
    counted: list[int] = []
    for grain, start, end in stretches(since, until, now):
        step = HOUR if grain == "hour" else DAY
        assert start % step == end % step == 0
        counted += range(start, end, HOUR)
    assert counted == sorted(set(counted))
    wanted = [hour for _, start, end in hours(since, until) for hour in range(start, end, HOUR)]
    assert set(wanted) <= set(counted)
    # What is counted besides lies after now, where there is nothing.
    assert all(hour > now - HOUR for hour in set(counted) - set(wanted))
