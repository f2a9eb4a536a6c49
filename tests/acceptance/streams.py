"""Streams of events as clients read them."""

from __future__ import annotations

import json
from typing import Any


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream that arrived whole: names and data."""
    found = []
    for frame in text.split("\n\n")[:-1]:
        name, _, data = frame.partition("\ndata: ")
        if name.startswith("event: "):
            found.append((name.removeprefix("event: "), json.loads(data)))
    return found
