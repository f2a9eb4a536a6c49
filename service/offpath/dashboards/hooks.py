"""The dashboard "Hooks": do background hooks keep up, do they work, and what do they cost the response path."""

from __future__ import annotations

from typing import Final

from offpath.dashboards import no_data
from offpath.dashboards.colors import OUTCOME_COLORS, STAGE_COLORS, STATE_COLORS
from offpath.dashboards.dashboard import Dashboard, Row, Variable
from offpath.dashboards.notifications import NOTIFICATIONS
from offpath.dashboards.panel import DEPLOYMENT_COLUMNS, Panel, Target, Threshold, legend
from offpath.dashboards.promql import Series, added, largest, per_minute, some
from offpath.dashboards.shared_panels import (
    AGE,
    AGE_LIMITS,
    ANY_IS_BAD,
    BACKLOG,
    FINISHED,
    HOOK_DURATION,
    OVERHEAD,
    QUEUE_DELAY,
    SILENCE_LIMITS,
    dead_letters,
    failing_attempts,
    oldest_job,
)
from offpath.telemetry.names import (
    DEAD_REASON,
    ERROR_TYPE,
    HOOK,
    HOOK_KIND,
    KILL_REASON,
    OUTCOME,
    SKIP_REASON,
    STAGE,
    STATE,
)

_CHOSEN: Final = "$hook"
_AGE: Final = AGE.like(HOOK, _CHOSEN)
_BACKLOG: Final = BACKLOG.like(HOOK, _CHOSEN)
_PAUSED: Final = Series.of("offpath.hooks.paused").like(HOOK, _CHOSEN)
_QUEUED: Final = Series.of("offpath.hooks.queued").like(HOOK, _CHOSEN)
_STARTED: Final = Series.of("offpath.hooks.started").like(HOOK, _CHOSEN)
_FINISHED: Final = FINISHED.like(HOOK, _CHOSEN)
_DURATION: Final = HOOK_DURATION.like(HOOK, _CHOSEN)
_DELAY: Final = QUEUE_DELAY.like(HOOK, _CHOSEN)
_HEARTBEAT: Final = Series.of("offpath.worker.heartbeat.age")

_NOW: Final = Row(
    "Now",
    (
        Panel(
            "Workers",
            "Is there anybody to do the work? Workers that are alive, on all machines.",
            (Target(Series.of("offpath.workers").total()),),
            "short",
            no_data.WORKER,
            "stat",
            3,
            4,
            base="red",
            thresholds=(Threshold(1, "green"),),
        ),
        Panel(
            "Last sign of life",
            "Does each worker still work? Seconds since the most silent one last said so; it speaks once a second.",
            (Target(f"max ({_HEARTBEAT.selector()})"),),
            "s",
            no_data.WORKER,
            "stat",
            3,
            4,
            thresholds=SILENCE_LIMITS,
        ),
        oldest_job(_AGE),
        Panel(
            "Jobs that wait",
            "How much work is left? Jobs that are ready to start, and those that wait for a retry.",
            (Target(added(_BACKLOG.where(STATE, "ready", "scheduled").shared(HOOK, STATE))),),
            "short",
            no_data.WORKER,
            "stat",
            3,
            4,
        ),
        dead_letters(_BACKLOG),
        failing_attempts(_FINISHED),
        Panel(
            "Wait, p95",
            "How soon do hooks start? From when a job may start to when it does, its first attempt only.",
            (Target(_DELAY.quantile(0.95)),),
            "s",
            no_data.HOOKS,
            "stat",
            3,
            4,
            thresholds=(Threshold(5, "yellow"), Threshold(60, "red")),
        ),
        Panel(
            "Paused hooks",
            "Which hooks wait for a person? Those that had to be killed too often. Their jobs are kept, and start "
            "after `offpath hooks resume`.",
            (Target(added(_PAUSED.shared(HOOK))),),
            "short",
            no_data.WORKER,
            "stat",
            3,
            4,
            thresholds=ANY_IS_BAD,
        ),
    ),
)


def _now(state: str) -> str:
    return _BACKLOG.where(STATE, state).shared(HOOK)


_KEEPING_UP: Final = Row(
    "Do they keep up?",
    (
        Panel(
            "Hooks now",
            "Which hook is behind, and which needs a person? Jobs by how they stand, and the age of the oldest that "
            "waits. A paused hook, 1, starts none until `offpath hooks resume`; `offpath hooks stats` says why.",
            (
                Target(_PAUSED.shared(HOOK), "Paused", thresholds=ANY_IS_BAD),
                Target(_now("ready"), "Ready"),
                Target(_now("scheduled"), "Scheduled"),
                Target(_now("running"), "Running"),
                Target(_now("dead"), "Dead", thresholds=ANY_IS_BAD),
                Target(_AGE.shared(HOOK), "Oldest", unit="s", thresholds=AGE_LIMITS),
            ),
            "short",
            no_data.WORKER,
            "table",
            24,
            8,
            columns=((HOOK, "Hook"), *DEPLOYMENT_COLUMNS),
            sort=("Oldest", "down"),
        ),
        Panel(
            "Age of the oldest job, by hook",
            "Which hook is behind, and since when? One that is paused, or whose retries wait for an outage to end, "
            "grows older by a second each second.",
            (Target(largest(_AGE.shared(HOOK), HOOK), legend(HOOK)),),
            "s",
            no_data.WORKER,
            thresholds=AGE_LIMITS,
        ),
        Panel(
            "Jobs, by how they stand",
            "Does work pile up, and as what? A full queue is `ready`, an outage of what hooks call is `scheduled`.",
            (
                Target(
                    added(_BACKLOG.where(STATE, "ready", "scheduled", "running").shared(HOOK, STATE), STATE),
                    legend(STATE),
                ),
            ),
            "short",
            no_data.WORKER,
            stacked=True,
            colors=STATE_COLORS,
        ),
        Panel(
            "Jobs that wait, by hook",
            "Of which hook is the work that piles up?",
            (Target(added(_BACKLOG.where(STATE, "ready", "scheduled").shared(HOOK, STATE), HOOK), legend(HOOK)),),
            "short",
            no_data.WORKER,
            stacked=True,
        ),
        Panel(
            "Wait for a start",
            "How soon do hooks start after the answer?",
            (
                Target(_DELAY.quantile(0.99), "p99", True, color="purple"),
                Target(_DELAY.quantile(0.95), "p95", color="blue"),
                Target(_DELAY.quantile(0.5), "p50", color="light-blue", dashed=True),
            ),
            "s",
            no_data.HOOKS,
            logarithmic=True,
        ),
        Panel(
            "Wait for a start, p95, by hook",
            "Which hooks start late?",
            (Target(_DELAY.quantile(0.95, HOOK), legend(HOOK), True),),
            "s",
            no_data.HOOKS,
        ),
        Panel(
            "Queued, started, finished per minute",
            "Is as much done as comes in? Attempts are more than jobs where some are tried again.",
            (
                Target(per_minute(_QUEUED.rate()), "jobs queued"),
                Target(per_minute(_STARTED.rate()), "attempts started"),
                Target(per_minute(_FINISHED.rate()), "attempts finished"),
            ),
            "short",
            no_data.HOOKS,
        ),
    ),
)

_WORKING: Final = Row(
    "Do they work?",
    (
        Panel(
            "Attempts per minute, by outcome",
            "How do attempts end?",
            (Target(per_minute(_FINISHED.rate(OUTCOME)), legend(OUTCOME)),),
            "short",
            no_data.HOOKS,
            stacked=True,
            colors=OUTCOME_COLORS,
        ),
        Panel(
            "Attempts per minute, by hook",
            "Which hooks run how often?",
            (Target(per_minute(_FINISHED.rate(HOOK)), legend(HOOK)),),
            "short",
            no_data.HOOKS,
            stacked=True,
        ),
        Panel(
            "Failed attempts, by hook and error",
            "Which hooks fail, and why? Shortly before each point. What is cut off or killed has no type of error.",
            (
                Target(
                    some(_FINISHED.where_not(OUTCOME, "success").grown(HOOK, OUTCOME, ERROR_TYPE)),
                    legend(HOOK, OUTCOME, ERROR_TYPE),
                    color="red",
                ),
            ),
            "short",
            no_data.FAILED_HOOKS,
            stacked=True,
            bars=True,
        ),
        Panel(
            "Retries, by hook",
            "Which hooks need more than one attempt? Attempts that will be repeated, shortly before each point.",
            (
                Target(
                    some(Series.of("offpath.hooks.retried").like(HOOK, _CHOSEN).increase(HOOK)),
                    legend(HOOK),
                    color="orange",
                ),
            ),
            "short",
            no_data.RETRIES,
            stacked=True,
            bars=True,
        ),
        Panel(
            "New dead letters, by hook and reason",
            "Which jobs were given up, and why? Shortly before each point. `unknown_hook`: no code has the "
            "hook any more.",
            (
                Target(
                    some(Series.of("offpath.hooks.dead").like(HOOK, _CHOSEN).increase(HOOK, DEAD_REASON)),
                    legend(HOOK, DEAD_REASON),
                    color="red",
                ),
            ),
            "short",
            no_data.DEAD,
            stacked=True,
            bars=True,
        ),
        Panel(
            "Skipped, by hook and reason",
            "Which hooks did not run, and why? Shortly before each point: the hook does not want runs that "
            "ended like this, the run was deleted, or too many jobs waited.",
            (
                Target(
                    some(Series.of("offpath.hooks.skipped").like(HOOK, _CHOSEN).increase(HOOK, SKIP_REASON)),
                    legend(HOOK, SKIP_REASON),
                    color="blue",
                ),
            ),
            "short",
            no_data.SKIPPED,
            stacked=True,
            bars=True,
        ),
    ),
)

_TIME: Final = Row(
    "How long do they take?",
    (
        Panel(
            "Time of an attempt, p95, by hook",
            "Which hooks are slow? Attempts of every outcome.",
            (Target(_DURATION.quantile(0.95, HOOK), legend(HOOK), True),),
            "s",
            no_data.HOOKS,
            logarithmic=True,
        ),
        Panel(
            "Time of an attempt, p50, by kind",
            "How long do they usually take, by what kind of hook it is?",
            (Target(_DURATION.quantile(0.5, HOOK_KIND), legend(HOOK_KIND), True),),
            "s",
            no_data.HOOKS,
            logarithmic=True,
        ),
        Panel(
            "Times of attempts",
            "Are they fast and slow, or all alike? Attempts shortly before each point, by how long they took.",
            (Target(_DURATION.buckets(), exemplars=True),),
            "s",
            no_data.HOOKS,
            "heatmap",
        ),
    ),
)

_WORKERS: Final = Row(
    "Workers",
    (
        Panel(
            "Workers and executors",
            "How many processes do the work? Executors run the hooks; there are as many as there is work for.",
            (
                Target(Series.of("offpath.workers").total(), "workers"),
                Target(Series.of("offpath.executors").total(), "executors"),
            ),
            "short",
            no_data.WORKER,
        ),
        Panel(
            "Last sign of life, by worker",
            "Which worker is silent? One that cannot reach its database does not say that it is alive.",
            (Target(f"max by (instance) ({_HEARTBEAT.selector()})", "{{instance}}"),),
            "s",
            no_data.WORKER,
            thresholds=SILENCE_LIMITS,
        ),
        Panel(
            "Executors that were killed, by reason",
            "Does a hook run away? Shortly before each point: over its time or memory, or stuck; `died` was not "
            "killed by us.",
            (
                Target(
                    some(Series.of("offpath.executor.killed").increase(KILL_REASON)), legend(KILL_REASON), color="red"
                ),
            ),
            "short",
            no_data.NOTHING_KILLED,
            stacked=True,
            bars=True,
        ),
    ),
)

_RESPONSE: Final = Row(
    "On the response path",
    (
        Panel(
            "What hooks add to an answer, by stage",
            "What do callers wait for? `plan` is choosing the hooks, `encode` is encoding what they need, and `commit` "
            "is the transaction that stores the run, with its jobs.",
            (
                *(
                    Target(OVERHEAD.where(STAGE, stage).quantile(0.95), f"{stage}, p95", exemplars=True, color=color)
                    for stage, color, _ in STAGE_COLORS
                ),
                *(
                    Target(OVERHEAD.where(STAGE, stage).quantile(0.5), f"{stage}, p50", color=color, dashed=True)
                    for stage, _, color in STAGE_COLORS
                ),
            ),
            "s",
            no_data.RUNS,
            width=24,
            logarithmic=True,
            table_legend=True,
        ),
    ),
)

HOOKS: Final = Dashboard(
    "offpath-hooks",
    "offpath / Hooks",
    "Do background hooks keep up, do they work, how long do they take, and what do they cost the response path?",
    (_NOW, _KEEPING_UP, _WORKING, _TIME, _WORKERS, _RESPONSE, NOTIFICATIONS),
    (Variable.of("hook", "Hook", Series.of("offpath.hooks.queued").selector("_total"), HOOK),),
)
