"""Recorded series about background hooks."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.rule import RecordingRule
from offpath.dashboards.rule_expression import highest, series
from offpath.telemetry import names

DEAD: Final = "offpath:hooks_dead:max"
SEEN: Final = "offpath:queue_seen:max"


def hook_rules() -> tuple[RecordingRule, ...]:
    """How many dead letters each hook has. Recorded, so that it goes on when the process that shows it is another."""
    dead = series("offpath.hooks.backlog").where(names.STATE, "dead").selector()
    paused = series("offpath.hooks.paused").selector()
    return (
        RecordingRule(
            DEAD,
            # The backlog has hooks with jobs only, the other one all that are there: a first dead letter grows from 0.
            f"{highest(dead, names.HOOK)}\nor\n0 * {highest(paused, names.HOOK)}",
            "Dead letters in the queue, 0 for hooks without any.",
        ),
        RecordingRule(SEEN, highest(paused), "Whether the queue is seen: there is a page that shows it."),
    )
