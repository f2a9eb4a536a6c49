"""The dashboard "Overview": are users served fast, do the hooks keep up, are the answers good, what does it cost."""

from __future__ import annotations

from typing import Final

from offpath.dashboards import no_data
from offpath.dashboards.colors import (
    ENDING_COLORS,
    FEEDBACK_COLORS,
    OUTCOME_COLORS,
    STAGE_COLORS,
    STATE_COLORS,
    STATUS_COLORS,
    TOKEN_COLORS,
)
from offpath.dashboards.dashboard import Dashboard, Row
from offpath.dashboards.panel import Panel, Target, Threshold, legend
from offpath.dashboards.promql import Series, added, per_hour, per_minute, share, smallest, some
from offpath.dashboards.recording_service import LatencyObjective
from offpath.dashboards.shared_panels import (
    AGENT_DURATION,
    BACKLOG,
    COST,
    FAILURE_LIMITS,
    FINISHED,
    HOOK_DURATION,
    OVERHEAD,
    QUEUE_DELAY,
    RATE,
    RUN_REQUESTS,
    RUNS,
    TOKENS,
    WORKFLOW_DURATION,
    dead_letters,
    lowest_rate,
    oldest_job,
    spend,
)
from offpath.telemetry.names import (
    AGENT_NAME,
    ERROR_TYPE,
    EVALUATION_NAME,
    FEEDBACK_LABEL,
    GUARDRAIL,
    HOOK,
    HTTP_STATUS,
    OUTCOME,
    PURPOSE,
    RATE_BOUND,
    RUN_KIND,
    RUN_STATUS,
    SIGNAL,
    STAGE,
    STATE,
    STORE,
    TOKEN_TYPE,
    WORKFLOW_NAME,
)

_ENDED_BADLY: Final = RUNS.where(RUN_STATUS, "error", "interrupted")
_COMMITS: Final = Series.of("offpath.commit.duration")
_RUN_COST: Final = COST.where(PURPOSE, "run").of_all_instances()
_REQUESTS: Final = Series.of("http.server.request.duration")

_RUNS_NOW: Final = (
    Panel(
        "Runs per minute",
        "Is it used? Runs that callers asked for and that ended; nested ones are not counted.",
        (Target(per_minute(RUNS.rate())),),
        "short",
        no_data.RUNS,
        "stat",
        3,
        4,
    ),
    Panel(
        "Runs that fail",
        "Are users served? Share of the runs that ended in an error, or with their process. What a guardrail "
        "refused or a caller cancelled is no failure.",
        (Target(share(_ENDED_BADLY.rate(), RUNS.rate())),),
        "percentunit",
        no_data.RUNS,
        "stat",
        3,
        4,
        thresholds=FAILURE_LIMITS,
    ),
)

_REST_NOW: Final = (
    Panel(
        "Added by hooks",
        "What do callers wait for because of hooks? On average: choosing hooks, encoding what they need, and the "
        "commit. It is an upper bound, since a run without hooks has to be stored too.",
        (Target(f"{OVERHEAD.sum_rate()} / ({OVERHEAD.where(STAGE, 'commit').count_rate()} > 0)"),),
        "s",
        no_data.RUNS,
        "stat",
        3,
        4,
        thresholds=(Threshold(0.05, "yellow"), Threshold(0.25, "red")),
    ),
    oldest_job(),
    dead_letters(),
    lowest_rate(),
    spend(
        title="Spend per hour",
        cost=COST,
        description="What does it cost? Calls to models whose price is known, of runs and of judges.",
    ),
)


def _now(objective: LatencyObjective) -> Row:
    answer_time = Panel(
        "Answer time, p95",
        "Are they served fast? In this time 95 % of the requests for a run were answered, streams to their end. "
        f"Red is slower than the objective of the alerts: {objective.share * 100:g} % within {objective.seconds:g} s.",
        (Target(RUN_REQUESTS.quantile(0.95)),),
        "s",
        no_data.RUNS,
        "stat",
        3,
        4,
        thresholds=(Threshold(objective.seconds, "red"),),
    )
    return Row("Now", (*_RUNS_NOW, answer_time, *_REST_NOW))


_PROMISE: Final = Row(
    "The promise: hooks never hold up the response",
    (
        Panel(
            "Response path against hook time",
            "Do hooks hold up answers? Blue is what callers wait for. Green, yellow and the colour of text is what "
            "hooks add to it: commit, encode, plan. Orange is how long hooks run and purple how long their jobs "
            "wait, both after the answer. The scale is logarithmic: orange and purple may rise as they like, and "
            "blue must not follow.",
            (
                Target(RUN_REQUESTS.quantile(0.95), "answer, p95", exemplars=True, color="blue"),
                Target(RUN_REQUESTS.quantile(0.5), "answer, p50", color="light-blue", dashed=True),
                *(
                    Target(OVERHEAD.where(STAGE, stage).quantile(0.95), f"added to it: {stage}, p95", color=color)
                    for stage, color, _ in STAGE_COLORS
                ),
                Target(HOOK_DURATION.quantile(0.95), "hook, p95", exemplars=True, color="orange"),
                Target(HOOK_DURATION.quantile(0.5), "hook, p50", color="light-orange", dashed=True),
                Target(QUEUE_DELAY.quantile(0.95), "hook waits, p95", color="purple"),
            ),
            "s",
            no_data.RUNS,
            width=24,
            height=10,
            logarithmic=True,
            table_legend=True,
        ),
    ),
)

_TRAFFIC: Final = Row(
    "Runs",
    (
        Panel(
            "Runs per minute, by how they ended",
            "How do runs end? `interrupted` ended with their process; a guardrail refused the blocked ones.",
            (Target(per_minute(RUNS.rate(RUN_STATUS)), legend(RUN_STATUS)),),
            "short",
            no_data.RUNS,
            stacked=True,
            colors=ENDING_COLORS,
        ),
        Panel(
            "Runs per minute, by agent",
            "Which agents, teams and workflows are used?",
            (Target(per_minute(RUNS.rate(AGENT_NAME)), legend(AGENT_NAME)),),
            "short",
            no_data.RUNS,
            stacked=True,
        ),
        Panel(
            "Errors, by type",
            "What goes wrong, and where? Runs that failed shortly before each point.",
            (
                Target(
                    some(RUNS.where(RUN_STATUS, "error").grown(AGENT_NAME, ERROR_TYPE)),
                    legend(AGENT_NAME, ERROR_TYPE),
                    color="red",
                ),
            ),
            "short",
            no_data.ERRORS,
            stacked=True,
            bars=True,
        ),
        Panel(
            "Time of a run, p95, by agent",
            "Which agents and teams are slow? Runs inside other runs count too.",
            (Target(AGENT_DURATION.where(PURPOSE, "run").quantile(0.95, AGENT_NAME), legend(AGENT_NAME), True),),
            "s",
            no_data.RUNS,
        ),
        Panel(
            "Time of a run, p95, by workflow",
            "Which workflows are slow?",
            (
                Target(
                    WORKFLOW_DURATION.where(PURPOSE, "run").quantile(0.95, WORKFLOW_NAME), legend(WORKFLOW_NAME), True
                ),
            ),
            "s",
            "no runs of workflows in this time",
        ),
        Panel(
            "Under way",
            "How much is going on at once? Runs by what runs, and requests of all kinds.",
            (
                Target(Series.of("offpath.runs.active").total(RUN_KIND), legend("runs:", RUN_KIND)),
                Target(Series.of("http.server.active_requests").total(), "requests"),
            ),
            "short",
            no_data.REQUESTS,
        ),
    ),
)

_QUALITY: Final = Row(
    "Quality and cost",
    (
        Panel(
            "Pass rate of the last 24 hours",
            "Does quality hold? Weighted share of the runs that pass, at each evaluator's worst agent; the dashboard "
            "Evaluations has the intervals.",
            (
                Target(
                    smallest(RATE.where(RATE_BOUND, "estimate").shared(EVALUATION_NAME, AGENT_NAME), EVALUATION_NAME),
                    legend(EVALUATION_NAME),
                ),
            ),
            "percentunit",
            no_data.RATES,
            maximum=1,
        ),
        Panel(
            "Feedback",
            "What do users say? Shortly before each point.",
            (Target(some(Series.of("offpath.feedback").grown(FEEDBACK_LABEL)), legend(FEEDBACK_LABEL)),),
            "short",
            no_data.FEEDBACK,
            stacked=True,
            bars=True,
            colors=FEEDBACK_COLORS,
        ),
        Panel(
            "Blocked by guardrails",
            "What do guardrails refuse? Runs shortly before each point.",
            (
                Target(
                    some(Series.of("offpath.guardrail.blocked").increase(GUARDRAIL, AGENT_NAME)),
                    legend(GUARDRAIL, AGENT_NAME),
                    color="yellow",
                ),
            ),
            "short",
            no_data.GUARDRAILS,
            stacked=True,
            bars=True,
        ),
        Panel(
            "Tokens per minute",
            "How much goes to models and comes back, for users? Judges' tokens are on the dashboard Evaluations.",
            (
                Target(
                    per_minute(TOKENS.where(PURPOSE, "run").sum_rate(TOKEN_TYPE)),
                    legend(TOKEN_TYPE),
                ),
            ),
            "short",
            no_data.MODELS,
            stacked=True,
            colors=TOKEN_COLORS,
        ),
        Panel(
            "Spend per hour, by purpose",
            "What do users' answers cost, and what does judging them cost?",
            (Target(per_hour(COST.rate(PURPOSE)), legend(PURPOSE)),),
            "currencyUSD",
            no_data.COSTS,
            stacked=True,
            colors=(("run", "blue"), ("judge", "orange"), ("hook", "purple")),
        ),
        Panel(
            "Cost of a run",
            "What does one run cost on average, the ones inside it included? Judges are left out. Workers add costs "
            "up and services count runs, so it is of all of them.",
            (Target(f"{_RUN_COST.rate()} / ({RUNS.of_all_instances().rate()} > 0)", "run"),),
            "currencyUSD",
            no_data.COSTS,
        ),
    ),
)

_HOOKS: Final = Row(
    "Hooks",
    (
        Panel(
            "Waiting and running jobs",
            "Does work pile up? Jobs by how they stand: ready to start, scheduled for a retry, running.",
            (
                Target(
                    added(BACKLOG.where(STATE, "ready", "scheduled", "running").shared(HOOK, STATE), STATE),
                    legend(STATE),
                ),
            ),
            "short",
            no_data.WORKER,
            stacked=True,
            colors=STATE_COLORS,
        ),
        Panel(
            "Wait for a start, p95",
            "How soon after the answer do hooks start? From when a job may start to when it does.",
            (Target(QUEUE_DELAY.quantile(0.95), "all hooks", exemplars=True),),
            "s",
            no_data.HOOKS,
        ),
        Panel(
            "Attempts per minute, by outcome",
            "Do hooks work?",
            (Target(per_minute(FINISHED.rate(OUTCOME)), legend(OUTCOME)),),
            "short",
            no_data.HOOKS,
            stacked=True,
            colors=OUTCOME_COLORS,
        ),
    ),
)

_SERVICE: Final = Row(
    "The service itself",
    (
        Panel(
            "Requests per minute, by status",
            "What do callers get? Requests of all kinds, without those for health and metrics.",
            (Target(per_minute(_REQUESTS.count_rate(HTTP_STATUS)), legend(HTTP_STATUS)),),
            "short",
            no_data.REQUESTS,
            width=6,
            stacked=True,
            colors=STATUS_COLORS,
        ),
        Panel(
            "Time to store a run",
            "Is the database fast?",
            (
                Target(_COMMITS.quantile(0.95, STORE), legend(STORE) + ", p95", exemplars=True, color="blue"),
                Target(_COMMITS.quantile(0.5, STORE), legend(STORE) + ", p50", color="light-blue", dashed=True),
            ),
            "s",
            no_data.RUNS,
            width=6,
        ),
        Panel(
            "Runs that could not be stored",
            "Does the database take what comes? Shortly before each point.",
            (
                Target(
                    some(Series.of("offpath.commit.errors").grown(STORE, ERROR_TYPE)),
                    legend(STORE, ERROR_TYPE),
                    color="red",
                ),
            ),
            "short",
            no_data.NOTHING_LOST,
            width=6,
            bars=True,
        ),
        Panel(
            "Telemetry that was lost",
            "Is what is shown here complete? Spans, points of metrics and log records that did not reach the "
            "collector, and snapshots that could not be read, shortly before each point.",
            (Target(some(Series.of("offpath.telemetry.dropped").increase(SIGNAL)), legend(SIGNAL), color="orange"),),
            "short",
            no_data.NOTHING_LOST,
            width=6,
            bars=True,
        ),
    ),
)


def overview(objective: LatencyObjective) -> Dashboard:
    """The dashboard, with this objective for answers."""
    return Dashboard(
        "offpath-overview",
        "offpath / Overview",
        "Are users served fast, do the hooks keep up, are the answers good, and what does it cost?",
        (_now(objective), _PROMISE, _TRAFFIC, _QUALITY, _HOOKS, _SERVICE),
    )
