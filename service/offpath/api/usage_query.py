"""What a request for analytics asks, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from offpath.errors import InvalidInputError
from offpath.ledger.moment import seconds_at
from offpath.ledger.rollup import DAY, WEEK, bucket
from offpath.ledger.usage_report import COMPONENTS, FACETS, GROUPS, TIMES, OrderBy, facet_of
from offpath.ledger.window import Stretch, hours, seconds_of, stretches

MOST_USERS: Final = 1_000
"""Of one answer."""


class UsageQuery(NamedTuple):
    """What is asked."""

    group_by: tuple[str, ...]
    facet: str
    """Whose rows are read."""
    stretches: list[Stretch]
    """The rows that make up the window, in the order of time; whole hours or days."""
    component: tuple[str, str] | None
    """Kind and id of the only one that is asked for."""
    order_by: OrderBy
    limit: int

    @property
    def start(self) -> int:
        return self.stretches[0].start

    @property
    def end(self) -> int:
        """May lie ahead: the end of the week, if the window ends now."""
        return self.stretches[-1].end


def usage_query(
    now: float,
    *,
    window: str | None = None,
    since: str | None = None,
    until: str | None = None,
    group_by: str = "component",
    components: Sequence[tuple[str, str]] = (),
    order_by: OrderBy = "runs",
    limit: int = 100,
) -> UsageQuery:
    """What a request asks, checked.

    Args:
        now: Seconds since the epoch.
        components: Kind and id of each that the answer is to be limited to; one at most.

    Raises:
        InvalidInputError: Something is no time or group, or cannot be answered from the sums; the text says what.
    """
    groups = _groups(group_by)
    if len(components) > 1:
        raise InvalidInputError("agent, team and workflow exclude each other: name one of them")
    if components and "user" in groups:
        raise InvalidInputError("users are summed over all components together: leave out agent, team and workflow")
    if "user" in groups and limit > MOST_USERS:
        raise InvalidInputError(f"limit={limit} is too many users; ask for the first {MOST_USERS} at most")
    start, end = _times(now, window, since, until)
    days = _longest(groups)
    if days is not None and end - start > days * DAY:
        by = " and ".join(groups)
        raise InvalidInputError(f"by {by} a window has at most {days} days, for there are many rows; ask for less")
    component = components[0] if components else None
    return UsageQuery(groups, facet_of(groups), _stretches(groups, start, end, now), component, order_by, limit)


def _longest(groups: Sequence[str]) -> int | None:
    """Days of the longest window, where an answer takes many rows."""
    if "hour" in groups:
        return 7 if facet_of(groups) == "component" else 2
    if "user" in groups:
        return 7 if "day" in groups else 366
    return None


def _groups(text: str) -> tuple[str, ...]:
    groups = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    unknown = [name for name in groups if name not in GROUPS]
    if unknown or not groups:
        raise InvalidInputError(f"group_by={text[:100]!r} must name some of: {', '.join(GROUPS)}")
    for names, few in ((FACETS, "model, user and tool"), (TIMES, "day and hour")):
        if len(names.intersection(groups)) > 1:
            raise InvalidInputError(f"group_by takes one of {few}, not several: the sums do not have them together")
    if "user" in groups and (COMPONENTS | {"hour"}).intersection(groups):
        raise InvalidInputError("users are summed by day, over all components together: group_by=user or user,day")
    if "component" in groups and len(COMPONENTS.intersection(groups)) > 1:
        raise InvalidInputError("component stands for agent, team and workflow: leave those out")
    return groups


def _times(now: float, window: str | None, since: str | None, until: str | None) -> tuple[float, float]:
    if window is not None and since is not None:
        raise InvalidInputError("window and since exclude each other: send one of them, perhaps with until")
    end = now if until is None else _time("until", until)
    start = _time("since", since) if since is not None else end - _length(window or "24h")
    if not 0 <= start < end:
        raise InvalidInputError("since must be before until, and not before 1970")
    return start, end


def _stretches(groups: Sequence[str], start: float, end: float, now: float) -> list[Stretch]:
    if "user" in groups:
        return _whole_days(start, end, weeks="day" not in groups, open_end=end >= now)
    return hours(start, end) if "hour" in groups else stretches(start, end, now)


def _whole_days(start: float, end: float, *, weeks: bool, open_end: bool) -> list[Stretch]:
    """Days at the edges, and weeks in the middle; nothing comes after an open end, so that its week is taken whole."""
    first, last = bucket(start, "day"), _up(end, DAY)
    if not weeks:
        return [Stretch("day", first, last)]
    week, past = _up(first, WEEK), _up(last, WEEK) if open_end else bucket(last, "week")
    if week >= past:
        return [Stretch("day", first, last)]
    parts = [Stretch("day", first, week), Stretch("week", week, past), Stretch("day", past, last)]
    return [part for part in parts if part.start < part.end]


def _up(time: float, length: int) -> int:
    """The first multiple of a length that is not before a time."""
    return -int(-time // length) * length


def _length(window: str) -> int:
    try:
        return seconds_of(window)
    except ValueError as error:
        raise InvalidInputError(f"window: {error}") from None


def _time(name: str, text: str) -> float:
    try:
        return seconds_at(text)
    except ValueError as error:
        raise InvalidInputError(f"{name}: {error}") from None
