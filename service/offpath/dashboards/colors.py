"""Colours by what series mean, alike in all dashboards: red is what failed, orange what is late or tried again."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.panel import Color

ENDING_COLORS: Final = (
    ("completed", "green"),
    ("error", "red"),
    ("cancelled", "text"),
    ("interrupted", "orange"),
    ("blocked", "yellow"),
)
"""Of runs."""
OUTCOME_COLORS: Final = (
    ("success", "green"),
    ("error", "red"),
    ("timeout", "orange"),
    ("cancelled", "text"),
    ("killed", "purple"),
)
"""Of attempts."""
STATE_COLORS: Final = (("ready", "blue"), ("scheduled", "orange"), ("running", "green"))
"""Of jobs."""
STAGE_COLORS: Final[tuple[tuple[str, Color, Color], ...]] = (
    ("commit", "green", "light-green"),
    ("encode", "yellow", "light-yellow"),
    ("plan", "text", "text"),
)
"""Of what hooks add to an answer: of its p95, and of its p50."""
SKIP_COLORS: Final = (
    ("budget", "red"),
    ("overload", "orange"),
    ("abstained", "yellow"),
    ("sampled_out", "blue"),
    ("filtered", "purple"),
    ("not_applicable", "text"),
)
"""Of why a run was not evaluated."""
FEEDBACK_COLORS: Final = (("/positive$/", "green"), ("/negative$/", "red"))
TOKEN_COLORS: Final = (("/input$/", "blue"), ("/output$/", "orange"))
STATUS_COLORS: Final = (("/^[123]../", "green"), ("/^4../", "orange"), ("/^5../", "red"))
"""Of HTTP."""
