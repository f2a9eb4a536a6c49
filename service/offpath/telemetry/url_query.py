"""Queries of URLs as spans and log lines show them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["shown_query"]

_SHOWN_PARAMETERS: Final = frozenset(
    ("group_by", "limit", "page", "sort_by", "sort_order", "state", "status", "stream", "type", "window")
)
_PLAIN_VALUE: Final = re.compile(r"[A-Za-z0-9_]{0,32}")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_REDACTED: Final = "REDACTED"
_MOST_SHOWN: Final = 2_000
"""Characters of a query that are looked at."""


def shown_query(query: str) -> str:
    """A query with the values of the few parameters that only choose and page; all others are `REDACTED`.

    People put keys into URLs, under any name, so a list of the names that are secret would never be complete.
    """
    return "&".join(_shown_parameter(part) for part in query[:_MOST_SHOWN].split("&"))


def _shown_parameter(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals or not _PLAIN_NAME.fullmatch(name):
        return _REDACTED if part else ""
    shown = name in _SHOWN_PARAMETERS and _PLAIN_VALUE.fullmatch(value)
    return part if shown else f"{name}={_REDACTED}"
