"""Window: the stretch of time that sums are asked for, and the rows that make it up."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from offpath.ledger.rollup import DAY, HOUR, Grain, bucket

_UNITS: Final = {"m": 60, "h": HOUR, "d": DAY, "w": 7 * DAY}
_LENGTH: Final = re.compile(r"([0-9]{1,6})([mhdw])")


class Stretch(NamedTuple):
    """Rows of one grain: all with `start <= key.start < end`."""

    grain: Grain
    start: int
    end: int


def seconds_of(text: str) -> int:
    """The seconds in "90m", "24h", "7d" or "2w".

    Raises:
        ValueError: It is none of these, or no time at all.
    """
    found = _LENGTH.fullmatch(text.strip().lower())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not seconds:
        raise ValueError(f"{text[:40]!r} is no length of time; write a number and m, h, d or w, such as 24h or 7d")
    return seconds


def stretches(since: float, until: float, now: float) -> list[Stretch]:
    """The fewest rows that cover a window, in the order of time: of days in its middle, of hours at its edges.

    Its edges are moved outwards to whole hours in UTC; where it ends now, to the end of the day, which has no more yet.

    Args:
        since: Seconds since the epoch, as all times here.
    """
    start, end = bucket(since, "hour"), _next(until, "day" if until >= now else "hour")
    first, last = _next(start, "day"), bucket(end, "day")
    if first >= last:
        return [Stretch("hour", start, end)] if start < end else []
    found = [Stretch("hour", start, first), Stretch("day", first, last), Stretch("hour", last, end)]
    return [each for each in found if each.start < each.end]


def hours(since: float, until: float) -> list[Stretch]:
    """Rows of hours alone that cover a window."""
    start, end = bucket(since, "hour"), _next(until, "hour")
    return [Stretch("hour", start, end)] if start < end else []


def _next(time: float, grain: Grain) -> int:
    """The first beginning of an hour or day that is not before a time."""
    found = bucket(time, grain)
    return found if found == time else found + (HOUR if grain == "hour" else DAY)
