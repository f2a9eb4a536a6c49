"""Alerts about background hooks, the worker that runs them, and notifications."""

from __future__ import annotations

from offpath.dashboards.promql import DEPLOYMENT, TARGET
from offpath.dashboards.recording_hooks import DEAD, SEEN
from offpath.dashboards.rule import AlertRule
from offpath.dashboards.rule_expression import (
    COUNT,
    DURATION,
    grown,
    highest,
    series,
    shown,
    total,
)
from offpath.telemetry import names

BEHIND_SECONDS = 600
"""Well above the waits between the first retries of a hook, whose jobs count too."""


def worker_alerts() -> tuple[AlertRule, ...]:
    """Whether there is a worker, whether it works, and whether it had to kill executors."""
    workers = series("offpath.workers").selector()
    killed = f"increase({series('offpath.executor.killed').selector('_total')}[15m])"
    return (
        AlertRule(
            "OffpathWorkerGone",
            f"{highest(workers)} == 0\nor\n{highest(f'max_over_time({workers}[1h])')} > 0 unless {highest(workers)}",
            "critical",
            "No worker of {{ $labels.job }} is alive.",
            "No worker runs the background hooks of {{ $labels.job }}. Answers are not affected, and jobs are kept: "
            "they run when a worker is back.",
            lasting="2m",
        ),
        AlertRule(
            "OffpathWorkerStuck",
            f"max by ({', '.join(TARGET)}) ({series('offpath.worker.heartbeat.age').selector()}) > 60",
            "critical",
            "A worker at {{ $labels.instance }} does nothing.",
            f"The worker at {{{{ $labels.instance }}}} gave no sign of life for {DURATION}: its event loop hangs, or "
            "its database does not answer.",
            lasting="1m",
        ),
        AlertRule(
            "OffpathExecutorKilled",
            total(killed, names.KILL_REASON) + " > 0",
            "warning",
            f"Processes that ran hooks were killed: {shown(names.KILL_REASON)}.",
            f"Executors of {{{{ $labels.job }}}} killed in the last 15 minutes ({shown(names.KILL_REASON)}): {COUNT}. "
            "A hook that causes it again and again is paused.",
        ),
    )


def hook_alerts() -> tuple[AlertRule, ...]:
    """Whether hooks keep up, and whether jobs wait for a person."""
    hook, deployment = shown(names.HOOK), ", ".join(DEPLOYMENT)
    shed = series("offpath.hooks.skipped").where(names.SKIP_REASON, "overload").selector("_total")
    age = series("offpath.hooks.oldest.age").selector()
    return (
        AlertRule(
            "OffpathHooksBehind",
            f"{highest(age, names.HOOK)} > {BEHIND_SECONDS}",
            "warning",
            f"Hook {hook} falls behind.",
            f"The oldest job of {hook} was queued {DURATION} ago and has not ended.",
            lasting="5m",
        ),
        AlertRule(
            "OffpathHooksShed",
            total(f"increase({shed}[15m])", names.HOOK) + " > 0",
            "warning",
            f"Runs go without {hook}: too many jobs wait.",
            f"Runs of the last 15 minutes that {hook} did not get, because more jobs waited than OFFPATH_MAX_BACKLOG "
            f"allows: {COUNT}. Nothing makes up for them by itself.",
        ),
        AlertRule(
            "OffpathDeadLetters",
            # All are new of a hook that no worker has, and that had none while the queue was seen before: not of one
            # that Prometheus did not see an hour ago. 65 minutes: a sample counts for 5 minutes.
            f"(\n  ({DEAD} unless {DEAD} offset 1h)\n"
            f"  and (count_over_time({DEAD}[65m]) < on ({deployment}) group_left () count_over_time({SEEN}[65m]))\n"
            f"  or\n  {DEAD} - min_over_time({DEAD}[65m])\n) > 0",
            "warning",
            f"Jobs of {hook} became dead letters.",
            f"Jobs of {hook} that ended as dead letters in the last hour, and wait for a person: {COUNT}.",
        ),
        *_paused_alerts(),
    )


def _paused_alerts() -> tuple[AlertRule, ...]:
    hook = shown(names.HOOK)
    paused = highest(series("offpath.hooks.paused").selector(), names.HOOK)
    backlog = series("offpath.hooks.backlog")
    waiting = highest(backlog.where(names.STATE, "ready", "scheduled").selector(), names.HOOK, names.STATE)
    ready, running = (backlog.where(names.STATE, state).selector() for state in ("ready", "running"))
    started = f"increase({series('offpath.hooks.started').selector('_total')}[5m])"
    return (
        AlertRule(
            "OffpathHookPaused",
            f"({total(waiting, names.HOOK)} or 0 * {paused})\nand {paused} > 0",
            "warning",
            f"Hook {hook} is paused.",
            f"Hook {hook} was paused because it had to be killed too often, and waits for a person to resume it. Jobs "
            f"that wait with it: {COUNT}.",
            labels=(("cause", "paused"),),
        ),
        AlertRule(
            "OffpathHookPaused",
            f"{highest(ready, names.HOOK)} > 0\n"
            f"unless {highest(running, names.HOOK)} > 0\n"
            f"unless {total(started, names.HOOK)} > 0\n"
            f"unless {paused} > 0\n"
            f"and on ({', '.join(DEPLOYMENT)}) {highest(series('offpath.workers').selector())} > 0",
            "warning",
            f"Hook {hook} does not start.",
            f"Jobs of {hook} that are ready: {COUNT}. A worker is alive, the hook is not paused, and none has started "
            "for 10 minutes: no worker has it, or other hooks take all executors.",
            lasting="10m",
            labels=(("cause", "not_started"),),
        ),
    )


def notification_alerts() -> tuple[AlertRule, ...]:
    """Whether people are told."""
    given_up = series("offpath.notifications.sent").where(names.OUTCOME, "error").selector("_total")
    sending = names.HOOK_KIND, "notification"
    retried = series("offpath.hooks.retried").where(*sending).selector("_total")
    sent = series("offpath.hooks.finished").where(*sending).where(names.OUTCOME, "success").selector("_total")
    return (
        AlertRule(
            "OffpathNotificationsFailing",
            f"{total(f'increase({retried}[15m])')} >= 3\nunless {total(f'increase({sent}[15m])')} > 0",
            "warning",
            "Notifications do not arrive.",
            f"Attempts of {{{{ $labels.job }}}} to send a notification that failed in the last 15 minutes: {COUNT}; "
            "none succeeded. They are repeated for about an hour.",
            labels=(("stage", "repeated"),),
        ),
        AlertRule(
            "OffpathNotificationsFailing",
            total(grown(given_up, "1h"), names.CHANNEL) + " > 0",
            "warning",
            f"Notifications to {shown(names.CHANNEL)} were given up.",
            f"Notifications to the channel {shown(names.CHANNEL)} that were given up in the last hour, after all their "
            f"attempts: {COUNT}.",
            labels=(("stage", "given_up"),),
        ),
    )
