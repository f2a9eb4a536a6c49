"""Queries and panels that more than one dashboard has."""

from __future__ import annotations

from typing import Final

from offpath.dashboards import no_data
from offpath.dashboards.alerts_hooks import BEHIND_SECONDS
from offpath.dashboards.panel import Panel, Target, Threshold, legend
from offpath.dashboards.promql import Series, added, largest, per_hour, share, smallest
from offpath.dashboards.recording_service import RUN_ROUTE
from offpath.telemetry.names import (
    AGENT_NAME,
    CLIENT_DURATION_NAME,
    CLIENT_FIRST_CHUNK_NAME,
    CLIENT_TOKENS_NAME,
    EVALUATION_NAME,
    HOOK,
    HTTP_METHOD,
    HTTP_ROUTE,
    HTTP_STATUS,
    OUTCOME,
    RATE_BOUND,
    RUN_NESTED,
    STATE,
    SUBJECT,
)

# Another run waits for a nested one, not a caller.
RUNS: Final = Series.of("offpath.runs").where(RUN_NESTED, "false")
RUN_REQUESTS: Final = (
    Series.of("http.server.request.duration")
    .where(HTTP_METHOD, "POST")
    .like(HTTP_ROUTE, RUN_ROUTE)
    .like(HTTP_STATUS, "2..")
)
"""As the alert OffpathLatencyBudgetBurn has them: what was refused at once would make answers look fast."""
CALLS: Final = Series.of(CLIENT_DURATION_NAME)
FIRST_CHUNK: Final = Series.of(CLIENT_FIRST_CHUNK_NAME)
TOKENS: Final = Series.of(CLIENT_TOKENS_NAME)
AGENT_DURATION: Final = Series.of("gen_ai.invoke_agent.duration")
WORKFLOW_DURATION: Final = Series.of("gen_ai.invoke_workflow.duration")
TOOL_DURATION: Final = Series.of("gen_ai.execute_tool.duration")
OVERHEAD: Final = Series.of("offpath.response.overhead")
HOOK_DURATION: Final = Series.of("offpath.hook.duration")
QUEUE_DELAY: Final = Series.of("offpath.hook.queue.delay")
FINISHED: Final = Series.of("offpath.hooks.finished")
BACKLOG: Final = Series.of("offpath.hooks.backlog")
AGE: Final = Series.of("offpath.hooks.oldest.age")
RATE: Final = Series.of("offpath.evaluation.rate")
RESULTS: Final = (
    Series.of("offpath.evaluation.results")
    .like(EVALUATION_NAME, "$evaluator")
    .like(SUBJECT, "$subject")
    .like(AGENT_NAME, "$agent")
)
COST: Final = Series.of("offpath.cost")

NO_FAILURE: Final = "|CancelledError"
"""Types of error that are none: all went well, or the caller cancelled."""

AGE_LIMITS: Final = (Threshold(BEHIND_SECONDS / 10, "yellow"), Threshold(BEHIND_SECONDS, "red"))
"""Red where the alert OffpathHooksBehind begins."""
SILENCE_LIMITS: Final = (Threshold(10, "yellow"), Threshold(60, "red"))
"""Red where the alert OffpathWorkerStuck begins."""
FAILURE_LIMITS: Final = (Threshold(0.01, "yellow"), Threshold(0.1, "red"))
"""Red where the alert OffpathErrorRate begins."""
ANY_IS_BAD: Final = (Threshold(1, "red"),)
RATE_LIMITS: Final = (Threshold(0.8, "yellow"), Threshold(0.95, "green"))
"""Of what is good when it is high: with the base red."""


def oldest_job(by_hook: Series = AGE) -> Panel:
    return Panel(
        "Oldest job",
        "Do hooks keep up? Age of the oldest job that waits, one whose retries wait for an outage to end included.",
        (Target(largest(by_hook.shared(HOOK))),),
        "s",
        no_data.WORKER,
        "stat",
        3,
        4,
        thresholds=AGE_LIMITS,
    )


def dead_letters(backlog: Series = BACKLOG) -> Panel:
    return Panel(
        "Dead letters",
        "Which jobs need a person? Those whose attempts are used up; `offpath hooks dead` lists them and "
        "`offpath hooks retry` brings them back.",
        (Target(added(backlog.where(STATE, "dead").shared(HOOK, STATE))),),
        "short",
        no_data.WORKER,
        "stat",
        3,
        4,
        thresholds=ANY_IS_BAD,
    )


def failing_attempts(finished: Series = FINISHED) -> Panel:
    failed = finished.where_not(OUTCOME, "success").rate()
    return Panel(
        "Failed attempts",
        "Do hooks work? Share of the attempts that ended in an error, at their time limit, or with a killed executor; "
        "most are tried again.",
        (Target(share(failed, finished.rate())),),
        "percentunit",
        no_data.HOOKS,
        "stat",
        3,
        4,
        thresholds=(Threshold(0.05, "yellow"), Threshold(0.25, "red")),
    )


def lowest_rate(rate: Series = RATE) -> Panel:
    lowest = f"bottomk (1, {smallest(_rate(rate, 'estimate'), EVALUATION_NAME)})"
    return Panel(
        "Lowest pass rate",
        "Are the answers good? The evaluator of which the smallest weighted share of the last 24 hours' runs passes, "
        "at its worst agent.",
        (Target(lowest, legend(EVALUATION_NAME)),),
        "percentunit",
        no_data.RATES,
        "stat",
        3,
        4,
        base="red",
        thresholds=RATE_LIMITS,
        names=True,
    )


def spend(*, title: str, cost: Series, description: str, no_value: str = no_data.COSTS) -> Panel:
    return Panel(
        title,
        description,
        (Target(per_hour(cost.rate())),),
        "currencyUSD",
        no_value,
        "stat",
        3,
        4,
    )


def _rate(rate: Series, bound: str) -> str:
    return rate.where(RATE_BOUND, bound).shared(EVALUATION_NAME, AGENT_NAME)
