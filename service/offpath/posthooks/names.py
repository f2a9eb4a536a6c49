"""Registered names of the built-in hooks."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "offpath."
EVALUATE: Final = "offpath.evaluate"
"""All deterministic evaluators of a run in one job."""
ANALYTICS: Final = "offpath.analytics"
NOTIFY: Final = "offpath.notify"


def judged(name: str) -> str:
    """The hook of one judged evaluator."""
    return f"{EVALUATE}.{name}"


def is_judged(hook: str) -> bool:
    """Whether a hook is one that asks a judge."""
    return hook.startswith(f"{EVALUATE}.")
