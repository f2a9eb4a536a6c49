"""Recorded series about background hooks."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.rule import RecordingRule
from offpath.dashboards.rule_expression import highest, series
from offpath.telemetry import names

DEAD: Final = "offpath:hooks_dead:max"


def hook_rules() -> tuple[RecordingRule, ...]:
    """How many dead letters each hook has. Recorded, so that it goes on when the process that shows it is another."""
    dead = series("offpath.hooks.backlog").where(names.STATE, "dead").selector()
    return (RecordingRule(DEAD, highest(dead, names.HOOK), "Dead letters in the queue."),)
