"""What a worker shows of its work: its metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from offpath.engine.pause import HookPause
from offpath.engine.protocol import Attempt, ClaimedJob, QueueStats
from offpath.errors import OffpathError
from offpath.hooks.info import HookInfo
from offpath.telemetry.instruments import instruments
from offpath.telemetry.tracing import under_run
from offpath.worker.events import KillCause, NoEvents

BACKLOG_SECONDS: Final = 5.0
"""Between two looks at the whole queue, which take milliseconds when it is long."""
_LONGEST_SILENCE: Final = 10.0
"""Seconds without a sign of life after which a worker is not ready: a database that hangs refuses nothing."""
_STATES: Final = ("ready", "scheduled", "running", "dead")

_log = logging.getLogger("offpath.worker")


class Queue(Protocol):
    """The engine, as far as it is asked."""

    async def stats(self) -> Sequence[QueueStats]: ...

    async def pauses(self) -> Sequence[HookPause]: ...


class WorkerSignals(NoEvents):
    """Counts what the worker does. All of it is on its event loop; recording takes microseconds."""

    def __init__(self, engine: Queue) -> None:
        self._engine = engine
        self._hooks: tuple[str, ...] = ()
        self._executors = 0
        self._beat = time.monotonic()
        self._no_claims = ""
        self._no_stats = ""
        self._end_heartbeat: Callable[[], None] = lambda: None

    def ready(self, hooks: Sequence[HookInfo]) -> None:
        """The worker works: show it, and every counter at 0."""
        self._beat = time.monotonic()
        shown = instruments()
        background = [hook for hook in hooks if hook.background]
        self._hooks = tuple(hook.id for hook in background)
        shown.zero_hooks([(hook.id, hook.kind) for hook in background])
        shown.workers.set(1)
        shown.executors.set(self._executors)
        # Asked from another thread: an event loop that hangs shows as an age that grows.
        self._end_heartbeat = shown.worker_heartbeat_age.observe(lambda: [(time.monotonic() - self._beat, {})])

    @property
    def fault(self) -> str:
        """Why the worker, once it is ready, cannot work at this moment; "" if it can."""
        silent = time.monotonic() - self._beat
        if silent > _LONGEST_SILENCE and not self._refused:
            return f"the store has not answered for {silent:.0f} s"
        return self._refused

    @property
    def _refused(self) -> str:
        return self._no_claims or self._no_stats

    def claims_stopped(self, reason: str) -> None:
        self._no_claims = reason

    def claims_went_on(self) -> None:
        self._no_claims = ""

    def stopped(self) -> None:
        """The worker works no more, in a process that lives on: what holds for now only is shown no longer."""
        self._end_heartbeat()
        shown = instruments()
        for gauge in (shown.workers, shown.executors):
            gauge.replace(())
        forget_queue()

    async def watch_queue(self) -> None:
        """Show the backlog, for ever."""
        while True:
            try:
                show_queue(await self._engine.stats(), await self._engine.pauses(), self._hooks)
                self._no_stats = ""
            except OffpathError as error:
                self._no_stats = str(error)
                _log.warning("the backlog cannot be read, and is shown as it was: %s", error)
            for _ in range(int(BACKLOG_SECONDS)):
                if not self._refused:
                    # An event loop that turns is not enough: a worker that cannot reach its store does nothing.
                    self._beat = time.monotonic()
                await asyncio.sleep(1.0)

    def job_started(self, claimed: ClaimedJob, executor: str) -> None:
        job, shown = claimed.job, instruments()
        shown.hooks_started.add(1, hook=job.hook_id, hook_kind=job.kind)
        if claimed.attempt == 1:
            with under_run(job.traceparent):
                delay = max(0.0, time.time() - job.queued_at)
                shown.hook_queue_delay.record(delay, hook=job.hook_id, hook_kind=job.kind)

    def job_finished(self, attempt: Attempt, retry_at: float | None) -> None:
        job, shown = attempt.claimed.job, instruments()
        labels: dict[str, Any] = {"hook": job.hook_id, "hook_kind": job.kind}
        if attempt.outcome == "cancelled":
            shown.hooks_skipped.add(1, **labels, reason="run_deleted")
            return
        failed = {"error_type": attempt.error_type or "error"} if attempt.outcome == "error" else {}
        shown.hooks_finished.add(1, **labels, outcome=attempt.outcome, **failed)
        with under_run(job.traceparent):
            seconds = attempt.finished_at - attempt.started_at
            shown.hook_duration.record(max(0.0, seconds), **labels, outcome=attempt.outcome)
        if retry_at is not None:
            shown.hooks_retried.add(1, **labels)
        elif attempt.outcome != "success":
            shown.hooks_dead.add(1, **labels, reason=attempt.outcome)

    def job_unknown(self, claimed: ClaimedJob) -> None:
        job = claimed.job
        instruments().hooks_dead.add(1, hook=job.hook_id, hook_kind=job.kind, reason="unknown_hook")

    def executor_started(self, executor: str, lane: str) -> None:
        self._executors += 1
        instruments().executors.set(self._executors)

    def executor_ended(self, executor: str, lane: str, reason: str, cause: KillCause | None) -> None:
        self._executors = max(0, self._executors - 1)
        instruments().executors.set(self._executors)
        if cause is not None:
            instruments().executor_killed.add(1, reason=cause)


def show_queue(stats: Sequence[QueueStats], pauses: Sequence[HookPause], hooks: Sequence[str] = ()) -> None:
    """Show the backlog of each hook that has one, and of no other, and which hooks are paused.

    Args:
        stats: The backlogs.
        pauses: Of hooks that are paused, and of others.
        hooks: Ids of those that there are, with jobs or without: each that is not paused is shown as such.
    """
    shown = instruments()
    shown.hooks_backlog.replace(
        [(getattr(each, state), {"hook": each.hook_id, "state": state}) for each in stats for state in _STATES]
    )
    shown.hooks_oldest_age.replace([(each.oldest_age, {"hook": each.hook_id}) for each in stats])
    paused = {each.hook_id for each in pauses if each.paused_at is not None}
    known = {*hooks, *(each.hook_id for each in stats), *paused}
    shown.hooks_paused.replace([(int(hook in paused), {"hook": hook}) for hook in sorted(known)])


def forget_queue() -> None:
    """What `show_queue` showed is shown no longer."""
    shown = instruments()
    for gauge in (shown.hooks_backlog, shown.hooks_oldest_age, shown.hooks_paused):
        gauge.replace(())
