"""Rows and queries about judges, on the dashboard "Evaluations"."""

from __future__ import annotations

from typing import Final

from offpath.dashboards import no_data
from offpath.dashboards.colors import TOKEN_COLORS
from offpath.dashboards.dashboard import Row
from offpath.dashboards.panel import Panel, Target, legend
from offpath.dashboards.promql import Series, label, per_hour, per_minute, smallest, some
from offpath.dashboards.shared_panels import COST, HOOK_DURATION
from offpath.telemetry.names import (
    EVALUATION_NAME,
    HOOK,
    HOOK_KIND,
    PURPOSE,
    REQUEST_MODEL,
    TOKEN_TYPE,
    WINDOW,
)

# A judged evaluator has a hook of its own that ends with its name, those that ask no judge share one.
_JUDGED: Final = ".+[.]evaluate[.]$evaluator"

JUDGE_COST: Final = COST.where(PURPOSE, "judge")
BUDGET: Final = Series.of("offpath.judge.budget.remaining")
_LIMIT: Final = Series.of("offpath.judge.budget.limit")
_JUDGE_TOKENS: Final = Series.of("offpath.evaluation.judge.tokens").like(EVALUATION_NAME, "$evaluator")
# Tokens are not counted by agent and subject.
_ENDED: Final = Series.of("offpath.evaluation.results").like(EVALUATION_NAME, "$evaluator")
_ASKING: Final = HOOK_DURATION.where(HOOK_KIND, "evaluation").like(HOOK, _JUDGED)
_REPEATED: Final = Series.of("offpath.hooks.retried").where(HOOK_KIND, "evaluation").like(HOOK, _JUDGED)

JUDGES: Final = Row(
    "Judges",
    (
        Panel(
            "Judges' tokens per minute, by evaluator",
            "Which evaluators use the judge most?",
            (Target(per_minute(_JUDGE_TOKENS.rate(EVALUATION_NAME, TOKEN_TYPE)), legend(EVALUATION_NAME, TOKEN_TYPE)),),
            "short",
            no_data.JUDGES,
            stacked=True,
            colors=TOKEN_COLORS,
        ),
        Panel(
            "Judges' spend per hour, by model",
            "Which judge costs how much?",
            (Target(per_hour(JUDGE_COST.rate(REQUEST_MODEL)), legend(REQUEST_MODEL)),),
            "currencyUSD",
            no_data.JUDGES,
            stacked=True,
        ),
        Panel(
            "Budget that is left, over time",
            "Does the budget last until its window ends? Of several deployments the one that has least left.",
            (
                Target(smallest(BUDGET.shared(WINDOW), WINDOW), "left for the " + legend(WINDOW)),
                Target(smallest(_LIMIT.shared(WINDOW), WINDOW), legend(WINDOW) + ", all of it", dashed=True),
            ),
            "currencyUSD",
            no_data.BUDGET,
        ),
        Panel(
            "Time of a judged evaluation, p95, by hook",
            "Is the judge fast? Attempts of the hooks that ask it, calls that had to be repeated included.",
            (Target(_ASKING.quantile(0.95, HOOK), legend(HOOK), True),),
            "s",
            no_data.JUDGES,
        ),
        Panel(
            "Judged evaluations that are tried again, by hook",
            "Does the judge answer? Attempts that will be repeated, shortly before each point.",
            (Target(some(_REPEATED.increase(HOOK)), legend(HOOK), color="orange"),),
            "short",
            no_data.RETRIES,
            stacked=True,
            bars=True,
        ),
        Panel(
            "Judges' tokens for a result, by evaluator",
            "How much does a verdict read and write? Mean over the evaluations that ended.",
            (
                Target(
                    f"{_JUDGE_TOKENS.rate(EVALUATION_NAME, TOKEN_TYPE)} / on ({label(EVALUATION_NAME)}) group_left () "
                    f"({_ENDED.rate(EVALUATION_NAME)} > 0)",
                    legend(EVALUATION_NAME, TOKEN_TYPE),
                ),
            ),
            "short",
            no_data.JUDGES,
            colors=TOKEN_COLORS,
        ),
    ),
)
