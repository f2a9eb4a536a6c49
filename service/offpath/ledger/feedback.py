"""Feedback: what a person says of a run."""

from __future__ import annotations

import msgspec


class Feedback(msgspec.Struct, omit_defaults=True):
    """A row of `feedback`. Stored beside evaluations, never mixed with them."""

    id: str
    run_id: str
    created_at: float
    """Seconds since the epoch."""
    author: str | None
    """Who says it, as the caller named them or as the key's user is called."""
    name: str
    """What is rated: "thumb", or a name that the caller chose."""
    score: float | None = None
    """From 0 to 1, where 1 is good: a thumb is 1 or 0."""
    label: str | None = None
    """A category: "wrong", "too long"."""
    comment: str | None = None
