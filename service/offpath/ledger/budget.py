"""Budget: the windows of time that the judge's budget is counted in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo

Window = Literal["hour", "day", "month"]

_HOUR: Final = 3_600


def zone_of(name: str) -> tzinfo:
    """The time zone of a name such as "Europe/Berlin".

    Raises:
        zoneinfo.ZoneInfoNotFoundError: Neither the system nor the tzdata package knows it.
    """
    return UTC if name.upper() == "UTC" else ZoneInfo(name)


def window_of(time: float, window: Window, zone: tzinfo = UTC) -> str:
    """The name of the window that a time lies in. Names of windows of one length sort by time, have the same number of
    characters, and are never used twice.

    A day is named by its date ("2026-11-20") and a month alike ("2026-11"), as the zone's clocks show them. An hour is
    named by the moment at which it begins, in UTC ("2026-11-20T14:00Z"): when clocks go back, two hours look the same
    on them, and the second is another window.

    Args:
        time: Seconds since the epoch.
        zone: Where days and months begin. Hours begin when its clocks show a full one.
    """
    if window == "hour":
        return f"{datetime.fromtimestamp(_hour_start(time, zone), UTC):%Y-%m-%dT%H:%MZ}"
    local = datetime.fromtimestamp(time, zone)
    return f"{local:%Y-%m-%d}" if window == "day" else f"{local:%Y-%m}"


def next_window(time: float, window: Window, zone: tzinfo = UTC) -> float:
    """When the window after that of `time` begins, in seconds since the epoch; always later than `time`."""
    if window == "hour":
        return float(_hour_start(time, zone) + _HOUR)
    local = datetime.fromtimestamp(time, zone)
    midnight = datetime(local.year, local.month, local.day, tzinfo=zone)
    if window == "day":
        begins = midnight + timedelta(days=1)  # on the clock, however long the day is
    elif local.month == 12:
        begins = midnight.replace(year=local.year + 1, month=1, day=1)
    else:
        begins = midnight.replace(month=local.month + 1, day=1)
    return begins.timestamp()


def _hour_start(time: float, zone: tzinfo) -> int:
    local = datetime.fromtimestamp(time, zone)
    return int(time // 1) - local.minute * 60 - local.second
