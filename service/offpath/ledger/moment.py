"""Times as people write and read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

LATEST: Final = 253_402_300_800
"""The year 10,000, in seconds since the epoch."""


def seconds_at(text: str) -> float:
    """Seconds since the epoch, from such or from ISO 8601; without a zone it is UTC.

    Raises:
        ValueError: It is no time, or not between 1970 and the year 10,000.
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text.strip())
            seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            seconds = math.nan
    if not 0 <= seconds < LATEST:
        raise ValueError(f"{text[:50]!r} is no time; write 2026-11-20, 2026-11-20T15:00:00Z or seconds since 1970")
    return seconds


def moment(seconds: float) -> str:
    """A time in UTC, to the second, as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
