"""The dashboard "Evaluations": are the answers good, how sure is that, what was left out, and what do judges cost."""

from __future__ import annotations

from typing import Final

from offpath.dashboards import no_data
from offpath.dashboards.colors import FEEDBACK_COLORS, SKIP_COLORS
from offpath.dashboards.dashboard import Dashboard, Row, Variable
from offpath.dashboards.judges import BUDGET, JUDGE_COST, JUDGES
from offpath.dashboards.panel import DEPLOYMENT_COLUMNS, DEPLOYMENT_LEGEND, Panel, Target, Threshold, legend
from offpath.dashboards.promql import Series, label, per_minute, share, smallest, some
from offpath.dashboards.shared_panels import (
    FAILURE_LIMITS,
    RATE,
    RATE_LIMITS,
    RESULTS,
    lowest_rate,
    spend,
)
from offpath.telemetry.names import (
    AGENT_NAME,
    ERROR_TYPE,
    EVALUATION_NAME,
    EVALUATION_SKIP,
    EVALUATOR_VERSION,
    FEEDBACK_LABEL,
    JUDGE_MODEL,
    PASSED,
    RATE_BOUND,
    SAMPLE_RATE,
    SCORE_LABEL,
    SUBJECT,
    WINDOW,
)


def _of_evaluator(name: str) -> Series:
    return Series.of(name).like(EVALUATION_NAME, "$evaluator")


_RATE: Final = RATE.like(EVALUATION_NAME, "$evaluator").like(AGENT_NAME, "$agent")
_SCORE: Final = _of_evaluator("offpath.evaluation.score").like(SUBJECT, "$subject").like(AGENT_NAME, "$agent")
_SKIPPED: Final = _of_evaluator("offpath.evaluation.skipped")
_FAILED: Final = RESULTS.where_not(ERROR_TYPE, "")
_FEEDBACK: Final = Series.of("offpath.feedback").like(AGENT_NAME, "$agent")
_WHOSE: Final = legend(EVALUATION_NAME, AGENT_NAME)
_COVERAGE_LIMITS: Final = (Threshold(0.5, "yellow"), Threshold(0.9, "green"))


def _bound(bound: str) -> str:
    return _RATE.where(RATE_BOUND, bound).shared(EVALUATION_NAME, AGENT_NAME)


def _if_few(bound: str) -> str:
    """Nothing if there are many rates: their bounds would cover each other."""
    return f"{_bound(bound)} and on () (count ({_bound('estimate')}) <= 4)"


_NOW: Final = Row(
    "Now",
    (
        lowest_rate(_RATE),
        Panel(
            "Lowest coverage",
            "How much do the rates of 24 hours rest on? The smallest share of the runs that an evaluator is for and "
            "that it has scored, as their weights estimate it. Runs that chance left out are stood for by the others.",
            (Target(smallest(_bound("coverage"))),),
            "percentunit",
            no_data.RATES,
            "stat",
            3,
            4,
            base="red",
            thresholds=_COVERAGE_LIMITS,
        ),
        Panel(
            "Evals per minute",
            "How much is evaluated? Those that ended, with a score or a failure.",
            (Target(per_minute(RESULTS.rate())),),
            "short",
            no_data.EVALUATIONS,
            "stat",
            3,
            4,
        ),
        Panel(
            "Failed evals",
            "Do the evaluators work? Share of the evaluations that ended in an error and have no score.",
            (Target(share(_FAILED.rate(), RESULTS.rate())),),
            "percentunit",
            no_data.EVALUATIONS,
            "stat",
            3,
            4,
            thresholds=FAILURE_LIMITS,
        ),
        Panel(
            "Negative feedback",
            "Do users agree? Share of their feedback that is negative.",
            (Target(share(_FEEDBACK.where(FEEDBACK_LABEL, "negative").grown(), _FEEDBACK.grown())),),
            "percentunit",
            no_data.FEEDBACK,
            "stat",
            3,
            4,
            thresholds=(Threshold(0.1, "yellow"), Threshold(0.3, "red")),
        ),
        spend(
            title="Hourly judge cost",
            cost=JUDGE_COST,
            description="What does judging cost? Calls whose price is known.",
            no_value=no_data.JUDGES,
        ),
        Panel(
            "Budget left",
            "How much may judges still spend in this window? At 0 they are not asked, and it is counted as `budget` "
            "below. Of several deployments the one that has least left.",
            (Target(smallest(BUDGET.shared(WINDOW), WINDOW), legend(WINDOW)),),
            "currencyUSD",
            no_data.BUDGET,
            "stat",
            3,
            4,
            base="red",
            thresholds=(Threshold(0.000001, "green"),),
        ),
        Panel(
            "Skips per minute",
            "How much is passed over? By chance, by a filter, for want of budget or time, or because the evaluator has "
            "nothing to say about it.",
            (Target(per_minute(_SKIPPED.rate())),),
            "short",
            no_data.EVALUATIONS,
            "stat",
            3,
            4,
        ),
    ),
)

_QUALITY: Final = Row(
    "Are the answers good?",
    (
        Panel(
            "Pass rates of the last 24 hours",
            "Who passes, and how sure is that? Weighted share of the runs that pass, or their mean score where the "
            "evaluator has no threshold. It would lie between low and high whatever the runs without a score had got, "
            "with 95 % confidence. Coverage is the share that has a score.",
            (
                Target(_bound("estimate"), "Pass rate", thresholds=RATE_LIMITS, base="red"),
                Target(_bound("low"), "Low"),
                Target(_bound("high"), "High"),
                Target(_bound("coverage"), "Coverage", thresholds=_COVERAGE_LIMITS, base="red"),
            ),
            "percentunit",
            no_data.RATES,
            "table",
            12,
            9,
            columns=((EVALUATION_NAME, "Evaluator"), (AGENT_NAME, "Agent"), *DEPLOYMENT_COLUMNS),
            sort=("Pass rate", "up"),
        ),
        Panel(
            "Pass rate with its interval",
            "Does quality hold? The line is the weighted share of the last 24 hours' runs that pass, or their mean "
            "score, its bounds are dashed. They are drawn while no more than "
            "four of evaluator and agent are chosen above.",
            (
                Target(_bound("estimate"), f"{_WHOSE} {DEPLOYMENT_LEGEND}"),
                Target(_if_few("low"), f"{_WHOSE} low {DEPLOYMENT_LEGEND}", color="text", dashed=True),
                Target(_if_few("high"), f"{_WHOSE} high {DEPLOYMENT_LEGEND}", color="text", dashed=True),
            ),
            "percentunit",
            no_data.RATES,
            width=12,
            height=9,
            maximum=1,
        ),
        Panel(
            "Score, by evaluator",
            "Which way do scores go? Mean of what was scored shortly before each point: 1 is good. Not weighted.",
            (Target(_SCORE.mean(EVALUATION_NAME, SUBJECT), legend(EVALUATION_NAME, SUBJECT)),),
            "percentunit",
            no_data.EVALUATIONS,
            maximum=1,
        ),
        Panel(
            "Score, by agent",
            "Which agents are getting better or worse? Mean over all evaluators that are chosen above.",
            (Target(_SCORE.mean(AGENT_NAME), legend(AGENT_NAME)),),
            "percentunit",
            no_data.EVALUATIONS,
            maximum=1,
        ),
        Panel(
            "Distribution of scores",
            "Are scores good and bad, or all middling? Scores shortly before each point, by tenths.",
            (Target(_SCORE.buckets(), exemplars=True),),
            "short",
            no_data.EVALUATIONS,
            "heatmap",
        ),
        Panel(
            "Share that passes, by subject",
            "Is it what users send, what they get, or how tools are used? Of the results that pass or fail in each "
            "interval; those of evaluators without a threshold do neither. Not weighted.",
            (
                Target(
                    share(
                        RESULTS.where(PASSED, "true").rate(SUBJECT),
                        RESULTS.where(PASSED, "true", "false").rate(SUBJECT),
                    ),
                    legend(SUBJECT),
                ),
            ),
            "percentunit",
            no_data.EVALUATIONS,
            maximum=1,
        ),
        Panel(
            "Labels per minute, by evaluator",
            "What do evaluators say, in a word? `other` is a label that the evaluator has not declared.",
            (
                Target(
                    per_minute(RESULTS.where_not(SCORE_LABEL, "").rate(EVALUATION_NAME, SCORE_LABEL)),
                    legend(EVALUATION_NAME, SCORE_LABEL),
                ),
            ),
            "short",
            "no evaluator gave a label in this time",
            stacked=True,
        ),
        Panel(
            "Shares of labels, by evaluator",
            "How do its labels share an evaluator's results? Choose one evaluator above.",
            (
                Target(
                    f"{RESULTS.where_not(SCORE_LABEL, '').rate(EVALUATION_NAME, SCORE_LABEL)} / on "
                    f"({label(EVALUATION_NAME)}) group_left () "
                    f"({RESULTS.where_not(SCORE_LABEL, '').rate(EVALUATION_NAME)} > 0)",
                    legend(EVALUATION_NAME, SCORE_LABEL),
                ),
            ),
            "percentunit",
            "no evaluator gave a label in this time",
            maximum=1,
        ),
    ),
)

_LEDGER: Final = Row(
    "What was not evaluated, and why",
    (
        Panel(
            "Not evaluated per minute, by reason",
            "Why have runs no score? `sampled_out` is chance, `filtered` a rule, `budget` and `overload` are want of "
            "money and time; an evaluator found them `not_applicable`, or its judge `abstained`.",
            (Target(per_minute(_SKIPPED.rate(EVALUATION_SKIP)), legend(EVALUATION_SKIP)),),
            "short",
            no_data.EVALUATIONS,
            stacked=True,
            colors=SKIP_COLORS,
        ),
        Panel(
            "Not evaluated per minute, by evaluator",
            "Which evaluators pass over most?",
            (Target(per_minute(_SKIPPED.rate(EVALUATION_NAME)), legend(EVALUATION_NAME)),),
            "short",
            no_data.EVALUATIONS,
            stacked=True,
        ),
        Panel(
            "Failed evaluations, by evaluator and error",
            "Which evaluators break, and how? Shortly before each point.",
            (
                Target(
                    some(_FAILED.grown(EVALUATION_NAME, ERROR_TYPE)), legend(EVALUATION_NAME, ERROR_TYPE), color="red"
                ),
            ),
            "short",
            "no evaluation failed in this time",
            stacked=True,
            bars=True,
        ),
        Panel(
            "Evaluators that are on",
            "What is evaluated by what? The share of runs that each looks at is its sample rate.",
            (
                Target(
                    _of_evaluator("offpath.evaluator.info").shared(
                        EVALUATION_NAME, EVALUATOR_VERSION, JUDGE_MODEL, SAMPLE_RATE
                    ),
                    "On",
                ),
            ),
            "short",
            no_data.RATES,
            "table",
            12,
            values=False,
            columns=(
                (EVALUATION_NAME, "Evaluator"),
                (EVALUATOR_VERSION, "Version"),
                (JUDGE_MODEL, "Judge"),
                (SAMPLE_RATE, "Sample rate"),
                *DEPLOYMENT_COLUMNS,
            ),
        ),
        Panel(
            "Feedback, by agent",
            "What do users say about whom? Shortly before each point.",
            (Target(some(_FEEDBACK.grown(AGENT_NAME, FEEDBACK_LABEL)), legend(AGENT_NAME, FEEDBACK_LABEL)),),
            "short",
            no_data.FEEDBACK,
            width=12,
            stacked=True,
            bars=True,
            colors=FEEDBACK_COLORS,
        ),
    ),
)

EVALUATIONS: Final = Dashboard(
    "offpath-evaluations",
    "offpath / Evaluations",
    "Are the answers good, how sure is that, what was not evaluated and why, and what do judges cost?",
    (_NOW, _QUALITY, _LEDGER, JUDGES),
    (
        Variable.of(
            "evaluator", "Evaluator", Series.of("offpath.evaluation.skipped").selector("_total"), EVALUATION_NAME
        ),
        # Shown at 0 for every evaluator and agent from the start, unlike the results.
        Variable.of("subject", "Subject", Series.of("offpath.evaluation.score").selector("_count"), SUBJECT),
        Variable.of("agent", "Agent", Series.of("offpath.evaluation.score").selector("_count"), AGENT_NAME),
    ),
)
