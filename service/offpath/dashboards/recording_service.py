"""Recorded series about runs and how fast they are answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from offpath.dashboards.rule import RecordingRule
from offpath.dashboards.rule_expression import grown, series, total
from offpath.errors import ConfigurationError
from offpath.telemetry import names

RUNS: Final = "offpath:runs:increase10m"
RUNS_FAILED: Final = "offpath:runs_failed:increase10m"
ANSWERS: Final = "offpath:answers:increase5m"
SLOW: Final = "offpath:answers_slow:increase5m"
ALLOWED: Final = "offpath:answers_slow:allowed_ratio"

RUN_ROUTE: Final = ".*/(agents|teams|workflows)/[^/]+/runs"


@dataclass(frozen=True, slots=True)
class LatencyObjective:
    """How fast runs shall be answered: a share of them within so many seconds, to the end of the answer.

    Raises:
        ConfigurationError: The share is not between 0 and 1, or the metric has no bucket that ends at these seconds.
    """

    share: float = 0.95
    seconds: float = 25.6

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigurationError(f"the share of fast answers is {self.share:g}; it must lie between 0 and 1")
        if self.seconds not in names.HTTP_SECONDS:
            bounds = ", ".join(f"{bound:g}" for bound in names.HTTP_SECONDS)
            raise ConfigurationError(
                f"a latency objective of {self.seconds:g} s: no bucket ends at {self.seconds:g} s; take one of {bounds}"
            )


def run_rules() -> tuple[RecordingRule, ...]:
    """How many runs ended, and how many of them failed, by agent. Runs that others started count with these."""
    runs = series("offpath.runs").where(names.RUN_NESTED, "false")
    failed = runs.where(names.RUN_STATUS, "error", "interrupted")
    return (
        RecordingRule(RUNS, total(grown(runs.selector("_total"), "10m"), names.AGENT_NAME), "Runs that ended."),
        RecordingRule(
            RUNS_FAILED,
            total(grown(failed.selector("_total"), "10m"), names.AGENT_NAME),
            "Those of them that ended with an error, or with the process that they ran in.",
        ),
    )


def answer_rules(objective: LatencyObjective) -> tuple[RecordingRule, ...]:
    """How many runs were answered, how many of them slowly, and how many may be."""
    answers = (
        series("http.server.request.duration")
        .where(names.HTTP_METHOD, "POST")
        .like(names.HTTP_ROUTE, RUN_ROUTE)
        .like(names.HTTP_STATUS, "2..")
    )
    in_time = replace(answers, matchers=(*answers.matchers, f'le="{objective.seconds}"'))
    return (
        RecordingRule(
            ALLOWED,
            f"vector({1 - objective.share:g})",
            "THE OBJECTIVE, first half: so large a share of all answers may be slow.",
        ),
        RecordingRule(ANSWERS, total(grown(answers.selector("_count"), "5m")), "Runs that were answered."),
        RecordingRule(
            SLOW,
            f"clamp_min(\n  {ANSWERS}\n  - {continued(total(grown(in_time.selector('_bucket'), '5m')))},\n  0\n)",
            f'THE OBJECTIVE, second half: an answer is slow after le="{objective.seconds}" seconds, the end of a '
            "bucket.",
        ),
    )


def continued(text: str) -> str:
    """An expression that begins within a line, its other lines as far to the right as that."""
    return text.replace("\n", "\n    ")


def share_of_slow(window: str) -> str:
    """What share of the answers of a window was slow."""
    return f"sum_over_time({SLOW}[{window}]) / sum_over_time({ANSWERS}[{window}])"


def count_of_slow(window: str) -> str:
    """How many answers of a window were slow, from what is recorded once a minute about five minutes."""
    return f"sum_over_time({SLOW}[{window}]) / 5"
