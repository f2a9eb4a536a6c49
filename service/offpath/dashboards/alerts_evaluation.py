"""Alerts about evaluations, and what judges and models cost."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.recording_evaluation import (
    JUDGED,
    JUDGED_BEFORE,
    MISSING_SHARE,
    MISSING_SHARE_BEFORE,
    RATE,
    RATE_BEFORE,
    RATE_ERROR,
    SCORE,
    SCORE_BEFORE,
    SCORE_ERROR,
    SCORED,
    SCORED_BEFORE,
    WANTED,
)
from offpath.dashboards.rule import AlertRule
from offpath.dashboards.rule_expression import COUNT, PERCENT, grown, highest, series, shown, total
from offpath.telemetry import names

FEWEST_JUDGED: Final = 30
FEWEST_JUDGED_BEFORE: Final = 100
STANDARD_ERRORS: Final = 3
"""Chance alone goes that far below once in 740 hours, of one evaluator and agent."""
FEWEST_WANTED: Final = 20


def evaluation_alerts() -> tuple[AlertRule, ...]:
    """Whether answers became worse, and whether they are evaluated at all."""
    evaluation, agent = shown(names.EVALUATION_NAME), shown(names.AGENT_NAME)
    # What it was before counts once it covers a day: of an evaluator that failed from its start on it would soon be the
    # same. Six hours, since Prometheus may have been away for some of them.
    usual = f"{MISSING_SHARE_BEFORE} >= {MISSING_SHARE} - 0.1 and present_over_time({WANTED}[6h] offset 19h)"
    return (
        AlertRule(
            "OffpathPassRateDrop",
            f"{RATE} < {RATE_BEFORE} - 0.1\n"
            f"and {RATE} < {RATE_BEFORE} - {STANDARD_ERRORS} * {RATE_ERROR}\n"
            f"and {JUDGED} >= {FEWEST_JUDGED}\n"
            f"and {JUDGED_BEFORE} >= {FEWEST_JUDGED_BEFORE}",
            "warning",
            f"Fewer answers of {agent} pass {evaluation}.",
            f"{PERCENT} of the evaluations of {agent} by {evaluation} ({shown(names.SUBJECT)}) passed in the last "
            "hour, over 10 points fewer than in the day before, and more than chance explains.",
            lasting="10m",
        ),
        AlertRule(
            "OffpathPassRateDrop",
            f"{SCORE} < {SCORE_BEFORE} - 0.1\n"
            f"and {SCORE} < {SCORE_BEFORE} - {STANDARD_ERRORS} * {SCORE_ERROR}\n"
            f"and {SCORED} >= {FEWEST_JUDGED}\n"
            f"and {SCORED_BEFORE} >= {FEWEST_JUDGED_BEFORE}",
            "warning",
            f"Scores of {agent} by {evaluation} are lower.",
            f"{PERCENT} is the mean score of {agent} by {evaluation} ({shown(names.SUBJECT)}), which has no threshold, "
            "in the last hour: over 10 points less than in the day before, and more than chance explains.",
            lasting="10m",
            labels=(("of", "scores"),),
        ),
        AlertRule(
            "OffpathCoverageDrop",
            f"{MISSING_SHARE} > 0.2\nunless ({usual})\nand {WANTED} >= {FEWEST_WANTED}",
            "warning",
            f"Runs go without the evaluation {evaluation}.",
            f"{PERCENT} of the runs that {evaluation} is for got no result in the last hour, over 10 points more than "
            "in the day before, or it has not been on for a day: pass rates rest on the others alone.",
            lasting="10m",
        ),
    )


def cost_alerts() -> tuple[AlertRule, ...]:
    """Whether judges will have to stop, and whether the costs that are shown are all there are."""
    unpriced = grown(series("offpath.cost.unpriced").selector("_total"), "1h")
    return (
        AlertRule(
            "OffpathJudgeBudgetLow",
            f"{_of_budget('remaining')}\n/ {_of_budget('limit')}\n< 0.1",
            "warning",
            f"The judges' budget of this {shown(names.WINDOW)} is nearly spent.",
            f"{PERCENT} of the budget of this {shown(names.WINDOW)} is left. Once it is spent, judged evaluators are "
            "skipped until the next one begins.",
        ),
        AlertRule(
            "OffpathUnpricedModels",
            total(unpriced, names.REQUEST_MODEL) + " > 0",
            "info",
            f"The price of {shown(names.REQUEST_MODEL)} is not known.",
            f"Calls to {shown(names.REQUEST_MODEL)} in the last hour that are missing in all costs: {COUNT}.",
        ),
    )


def _of_budget(what: str) -> str:
    return highest(series(f"offpath.judge.budget.{what}").selector(), names.WINDOW)
