"""Recorded series about evaluations: the last hour, and the day before it to compare with."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.rule import RecordingRule
from offpath.dashboards.rule_expression import grown, series, total
from offpath.telemetry import names

JUDGED: Final = "offpath:evaluations_judged:increase1h"
PASSED: Final = "offpath:evaluations_passed:increase1h"
RATE: Final = "offpath:evaluations_passed:ratio_1h"
JUDGED_BEFORE: Final = "offpath:evaluations_judged_before:increase1d"
PASSED_BEFORE: Final = "offpath:evaluations_passed_before:increase1d"
RATE_BEFORE: Final = "offpath:evaluations_passed_before:ratio_1d"
RATE_ERROR: Final = "offpath:evaluations_passed:standard_error"
SCORED: Final = "offpath:evaluations_scored:increase1h"
SCORE: Final = "offpath:evaluations_score:mean_1h"
SCORED_BEFORE: Final = "offpath:evaluations_scored_before:increase1d"
SCORE_BEFORE: Final = "offpath:evaluations_score_before:mean_1d"
SCORE_ERROR: Final = "offpath:evaluations_score:standard_error"
WANTED: Final = "offpath:evaluations_wanted:increase1h"
MISSING: Final = "offpath:evaluations_missing:increase1h"
MISSING_SHARE: Final = "offpath:evaluations_missing:ratio_1h"
WANTED_BEFORE: Final = "offpath:evaluations_wanted_before:increase1d"
MISSING_BEFORE: Final = "offpath:evaluations_missing_before:increase1d"
MISSING_SHARE_BEFORE: Final = "offpath:evaluations_missing_before:ratio_1d"

_FACET: Final = (names.EVALUATION_NAME, names.SUBJECT, names.AGENT_NAME)


def pass_rules() -> tuple[RecordingRule, ...]:
    """How many evaluations of outputs and tools said "passed" or "failed", by evaluator and agent.

    What users send is not the agent's doing: subject input is left out.
    """
    judged = (
        series("offpath.evaluation.results")
        .where(names.SUBJECT, "output", "tools")
        .where(names.PASSED, "true", "false")
        .selector("_total")
    )
    passed = (
        series("offpath.evaluation.results")
        .where(names.SUBJECT, "output", "tools")
        .where(names.PASSED, "true")
        .selector("_total")
    )
    return (
        RecordingRule(JUDGED, total(grown(judged, "1h"), *_FACET), "Evaluations that passed or did not, last hour."),
        RecordingRule(PASSED, f"{total(grown(passed, '1h'), *_FACET)}\nor\n0 * {JUDGED}", "Those of them that passed."),
        RecordingRule(
            JUDGED_BEFORE, total(f"increase({judged}[1d] offset 1h)", *_FACET), "The same in the day before that hour."
        ),
        RecordingRule(
            PASSED_BEFORE,
            f"{total(f'increase({passed}[1d] offset 1h)', *_FACET)}\nor\n0 * {JUDGED_BEFORE}",
            "Those of them that passed.",
        ),
        RecordingRule(RATE, f"{PASSED} / {JUDGED}", "The share that passed."),
        RecordingRule(RATE_BEFORE, f"{PASSED_BEFORE} / {JUDGED_BEFORE}", "The share that passed before."),
        RecordingRule(
            RATE_ERROR,
            _error(f"({PASSED} + {PASSED_BEFORE})", JUDGED, JUDGED_BEFORE),
            "The standard error of the difference between the two shares if nothing has changed.",
        ),
    )


def score_rules() -> tuple[RecordingRule, ...]:
    """The mean score of evaluators whose results neither pass nor fail, since they have no threshold."""
    scores = series("offpath.evaluation.score").where(names.SUBJECT, "output", "tools")
    count, of_all = scores.selector("_count"), scores.selector("_sum")
    return (
        RecordingRule(
            SCORED,
            f"{total(grown(count, '1h'), *_FACET)}\nunless {JUDGED} > 0",
            "Scores of the last hour, by evaluators whose results neither pass nor fail.",
        ),
        RecordingRule(SCORE, f"{total(grown(of_all, '1h'), *_FACET)}\n/ ({SCORED} > 0)", "Their mean."),
        RecordingRule(
            SCORED_BEFORE,
            f"{total(f'increase({count}[1d] offset 1h)', *_FACET)}\nunless {JUDGED_BEFORE} > 0",
            "The same in the day before that hour.",
        ),
        RecordingRule(
            SCORE_BEFORE,
            f"{total(f'increase({of_all}[1d] offset 1h)', *_FACET)}\n/ ({SCORED_BEFORE} > 0)",
            "Their mean.",
        ),
        RecordingRule(
            SCORE_ERROR,
            # Scores from 0 to 1 spread at most as far as zeros and ones with their mean do.
            _error(f"({SCORE} * {SCORED} + {SCORE_BEFORE} * {SCORED_BEFORE})", SCORED, SCORED_BEFORE),
            "The standard error of the difference between the two means if nothing has changed, at most.",
        ),
    )


def _error(both: str, count: str, count_before: str) -> str:
    share = f"({both} / ({count} + {count_before}))"
    # Rounding must not make the product negative where all are 0 or 1.
    return f"sqrt(\n  clamp_min({share} * (1 - {share}), 0)\n  * (1 / {count} + 1 / {count_before})\n)"


def coverage_rules() -> tuple[RecordingRule, ...]:
    """How many runs should have had a result, and how many of them have none, by evaluator.

    Runs that chance or a filter left out, and those that the evaluator has nothing to say about, should not.
    """
    skipped = (
        series("offpath.evaluation.skipped")
        .where(names.EVALUATION_SKIP, "budget", "overload", "abstained")
        .selector("_total")
    )
    failed = series("offpath.evaluation.results").where_not(names.ERROR_TYPE, "").selector("_total")
    scored = series("offpath.evaluation.results").where(names.ERROR_TYPE, "").selector("_total")
    name = names.EVALUATION_NAME
    before = [f"increase({each}[1d] offset 1h)" for each in (skipped, failed, scored)]
    return (
        RecordingRule(
            MISSING,
            total(f"{grown(skipped, '1h')}\nor\n{grown(failed, '1h')}", name),
            "Runs without a result in the last hour: the judge's budget, overload, an undecided judge, a failed "
            "assessment.",
        ),
        RecordingRule(
            WANTED,
            total("\nor\n".join(grown(each, "1h") for each in (skipped, failed, scored)), name),
            "Runs that should have one: those, and those that have.",
        ),
        RecordingRule(MISSING_BEFORE, total("\nor\n".join(before[:2]), name), "The same in the day before that hour."),
        RecordingRule(WANTED_BEFORE, total("\nor\n".join(before), name), "The same in the day before that hour."),
        RecordingRule(MISSING_SHARE, f"{MISSING} / {WANTED}", "The share without a result."),
        RecordingRule(MISSING_SHARE_BEFORE, f"{MISSING_BEFORE} / {WANTED_BEFORE}", "The share in the day before."),
    )
