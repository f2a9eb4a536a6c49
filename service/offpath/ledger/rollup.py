"""Sums over runs, by hour, day and week: plain nested objects of numbers, which are added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

Measure = Literal["evaluation", "usage"]
Grain = Literal["hour", "day", "week"]
Sums = dict[str, Any]
"""Numbers, and objects of such, by name. Adding is by name; nothing else is ever stored in one."""
LATEST: Final = "latest"
"""The one name under which numbers are not added: the greater one stays. What was once the latest remains so."""

HOUR: Final = 3_600
DAY: Final = 86_400
WEEK: Final = 7 * DAY
"""Of sums by user alone, of which there are very many; begins on Thursday, as the epoch did."""


class RollupKey(NamedTuple):
    """The key of a row of `rollups`."""

    measure: Measure
    grain: Grain
    start: int
    """Beginning of the hour, day or week in UTC, in seconds since the epoch."""
    facet: str
    """What `value` is: "evaluator" for evaluations; "component", "model", "user" or "tool" for usage."""
    component_kind: str
    component_id: str
    value: str
    """The evaluation's name; the model, user or tool; "" for the facet "component"."""


def bucket(time: float, grain: Grain) -> int:
    """The beginning of the hour, day or week, in UTC, that a time lies in."""
    length = {"hour": HOUR, "day": DAY, "week": WEEK}[grain]
    return int(time // length) * length


def add(into: Sums, other: Mapping[str, Any]) -> Sums:
    """Add the numbers of `other` to `into`, name by name; gives `into`."""
    for name, value in other.items():
        # Thousands of rows are added up for one answer, and asking whether something is a Mapping takes its time.
        if isinstance(value, dict):
            inner = into.get(name)
            if inner is None:
                inner = into[name] = {}
            add(inner, value)
        else:
            into[name] = max(into.get(name, value), value) if name == LATEST else into.get(name, 0) + value
    return into


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def encode_sums(sums: Sums) -> str:
    """As they are stored."""
    return _encode(sums).decode()


def decode_sums(text: str | bytes) -> Sums:
    return _decode(text)


def merged(stored: str | bytes | None, delta: Sums) -> str:
    """The stored sums with a delta added, as they are to be stored."""
    return encode_sums(add({} if stored is None else decode_sums(stored), delta))
