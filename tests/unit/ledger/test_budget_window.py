"""The windows of the judge's budget."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.budget import Window, next_window, window_of, zone_of

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana")
LENGTHS: tuple[Window, ...] = get_args(Window)
times = st.floats(1.5e9, 2.2e9, allow_nan=False)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("window", "zone", "name"),
    [
        ("hour", "UTC", "2026-11-20T14:00Z"),
        ("hour", "Asia/Kolkata", "2026-11-20T14:30Z"),
        ("day", "UTC", "2026-11-20"),
        ("day", "Asia/Tokyo", "2026-11-20"),
        ("day", "Pacific/Auckland", "2026-11-21"),
        ("month", "UTC", "2026-11"),
    ],
)
def test_names(window: Window, zone: str, name: str) -> None:
    assert window_of(at("2026-11-20T14:45:10+00:00"), window, zone_of(zone)) == name


def test_a_month_ends_where_its_zone_says() -> None:
    time = at("2026-12-31T23:30:00+00:00")
    assert window_of(time, "month") == "2026-12"
    assert window_of(time, "month", zone_of("Europe/Berlin")) == "2027-01"
    assert next_window(time, "month") == at("2027-01-01T00:00:00+00:00")
    assert next_window(time, "month", zone_of("Europe/Berlin")) == at("2027-02-01T00:00:00+01:00")


def test_the_hour_that_comes_twice_when_clocks_go_back_is_two_windows() -> None:
    berlin = zone_of("Europe/Berlin")
    first, second = at("2026-10-25T02:30:00+02:00"), at("2026-10-25T02:30:00+01:00")
    names = [window_of(time, "hour", berlin) for time in (first, second)]
    assert names == ["2026-10-25T00:00Z", "2026-10-25T01:00Z"]
    assert window_of(first, "day", berlin) == window_of(second, "day", berlin) == "2026-10-25"
    assert next_window(first, "day", berlin) - at("2026-10-25T00:00:00+02:00") == 25 * 3600


def test_a_day_that_begins_at_one_begins_there() -> None:
    # In Havana clocks go from 0:00 to 1:00.
    havana = zone_of("America/Havana")
    before = at("2026-03-07T12:00:00-05:00")
    begins = next_window(before, "day", havana)
    assert datetime.fromtimestamp(begins, havana).isoformat() == "2026-03-08T01:00:00-04:00"
    assert window_of(begins - 1, "day", havana) == "2026-03-07"


@given(first=times, second=times, window=st.sampled_from(LENGTHS), zone=st.sampled_from(ZONES))
def test_names_sort_by_time(first: float, second: float, window: Window, zone: str) -> None:
    where = zone_of(zone)
    earlier, later = sorted((first, second))
    names = window_of(earlier, window, where), window_of(later, window, where)
    assert names[0] <= names[1]
    assert len(names[0]) == len(names[1])


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("window", LENGTHS)
def test_around_changes_of_the_clock_windows_follow_each_other(window: Window, zone: str) -> None:
    where = zone_of(zone)
    time = end = at("2026-03-01T00:00:00+00:00")
    end += 260 * 86_400
    step = 1_700 if window == "hour" else 20_000
    while time < end:
        name, begins = window_of(time, window, where), next_window(time, window, where)
        assert begins > time
        assert name < window_of(begins, window, where)
        assert window_of(begins - 0.001, window, where) >= name
        if window != "hour" or zone != "Australia/Lord_Howe":  # whose clocks move by half an hour
            assert window_of(begins - 0.001, window, where) == name
        time += step


def test_utc_needs_no_data_of_zones() -> None:
    assert zone_of("UTC") is UTC
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")
