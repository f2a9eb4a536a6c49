"""HookEngine: the one seam between hook jobs and where they queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from offpath.engine.pause import HookPause
from offpath.runs.job import HookJob, JobInfo, JobState

Outcome = Literal["success", "error", "timeout", "killed", "cancelled"]


class ClaimedJob(msgspec.Struct, frozen=True):
    """A job that this worker now owns."""

    id: int
    """The engine's own id."""
    job: HookJob
    attempt: int
    """The number of the attempt that is about to begin, from 1."""
    struck: bool = False
    """Whether an earlier attempt cost an executor, as far as the engine remembers."""


class HookLimit(msgspec.Struct, frozen=True):
    """How much of a hook may run, over all workers of the queue."""

    concurrency: int | None = None
    """Jobs in flight at most."""
    rate: tuple[int, float] | None = None
    """So many starts in so many seconds, from a token bucket of that size, which lets as many begin at once."""


class Attempt(msgspec.Struct, frozen=True):
    """How one attempt went. Times in seconds since the epoch."""

    claimed: ClaimedJob
    outcome: Outcome
    started_at: float
    finished_at: float
    error: str | None = None
    result: bytes | None = None
    """What the hook returned, as JSON; None if nothing or not JSON."""
    executor: str | None = None
    error_type: str | None = None
    """The class of what the hook raised, for metrics and log lines; it is not stored."""
    struck: bool = False
    """Whether it cost an executor."""


class QueueStats(msgspec.Struct, frozen=True):
    """The backlog of one hook."""

    hook_id: str
    ready: int
    scheduled: int
    running: int
    dead: int
    oldest_age: float
    """Seconds since the oldest ready or scheduled job was queued; 0 with none."""


class HookEngine(Protocol):
    """Where hook jobs queue. Adapters keep no policy: time limits, retries and limits are the worker's.

    Every method but `enqueue` is safe to call again after a lost connection.
    """

    def enqueue(self, connection: Any, jobs: Sequence[HookJob]) -> Any:
        """Add jobs on the caller's open transaction; never commits. A key that exists already is left as it is.

        Called where the store writes: on its writer's thread, returning None, or on its event loop, returning an
        awaitable of None.
        """

    def wake(self) -> None:
        """Tell the worker, after a commit, that there is something to claim. Never blocks, never raises."""

    async def open(self) -> None:
        """Become the worker of this queue.

        Raises:
            StorageError: If the queue cannot be reached.
            ConflictError: If the engine allows one worker only and it is alive.
        """

    async def close(self) -> None: ...

    def serve(self, limits: Mapping[str, HookLimit]) -> bool:
        """Say which hooks this worker has, by hook id, before the first claim.

        Returns:
            Whether the engine itself keeps these limits, over all its workers. If not, the worker has to.
        """

    async def served(self) -> frozenset[str]:
        """The hooks that any living worker of this queue has."""

    async def leads(self) -> bool:
        """Whether this worker is the one of all that looks after the store. To be asked before each turn."""

    async def tidy(self) -> None:
        """Look after the queue's own tables. To be asked of the worker that leads, every few seconds; returns soon."""

    async def claim(self, free: Mapping[str, int], *, limit: int) -> list[ClaimedJob]:
        """Take jobs that may start now, oldest first within a priority.

        Args:
            free: For each hook id that this worker knows, how many more may start; jobs of other hooks stay.
            limit: At most this many in all.
        """

    async def wait(self, timeout: float) -> None:
        """Return when a wake arrives, a scheduled job falls due, or after `timeout` seconds."""

    async def started(self, jobs: Sequence[tuple[ClaimedJob, float, str]]) -> None:
        """Record attempts that have been under way for a while: job, start time, executor."""

    async def complete(self, attempts: Sequence[Attempt]) -> None:
        """Store final results: succeeded or cancelled. The jobs are gone from the queue, each result stored once."""

    async def dead(self, attempts: Sequence[Attempt]) -> None:
        """Move jobs to the dead letters, keeping the last error."""

    async def retry_at(self, retries: Sequence[tuple[Attempt, float]]) -> None:
        """Schedule further attempts: attempt that failed, and the time (seconds since the epoch) to try again."""

    async def release(self, jobs: Sequence[ClaimedJob]) -> None:
        """Give jobs back that were claimed and never finished (drain, an executor killed for another job's sake).

        The attempt does not count.
        """

    async def requeue(self, key: str) -> bool:
        """Bring a dead job back with no attempts on its account. False if there is no such dead job."""

    async def jobs_of(self, run_id: str) -> list[JobInfo]:
        """All jobs of a run, queued and ended."""

    async def stats(self) -> list[QueueStats]: ...


class Engine(HookEngine, Protocol):
    """A `HookEngine` with what people ask of it, which needs no `open`, and how hooks stand."""

    async def jobs(
        self, *, state: JobState | None = None, hook_id: str | None = None, limit: int = 100
    ) -> list[JobInfo]:
        """Jobs in one state (None: all queued ones), the oldest queued or the last ended first."""

    async def backlog(self, limit: int, hooks: Sequence[str] | None = None) -> int:
        """How many jobs have not ended, counted up to `limit`: what it costs does not grow with the queue.

        Args:
            hooks: Ids: only jobs of these, and without those that wait for the time of their next attempt.
        """

    async def workers_elsewhere(self) -> int:
        """How many workers are alive that may be on other machines; 0 where there can be none."""

    async def pauses(self) -> list[HookPause]:
        """Hooks with strikes, isolated or paused."""

    async def strike(self, hook_id: str, *, reason: str, version: str | None = None) -> int:
        """Note that the hook had to be killed, and isolate it; returns its strikes."""

    async def isolate(self, hook_id: str, *, reason: str | None = None, version: str | None = None) -> None:
        """Have the hook run in an executor of its own from now on."""

    async def pause(self, hook_id: str, reason: str, *, version: str | None = None) -> None:
        """Have the hook's jobs wait for a person."""

    async def resume(self, hook_id: str) -> bool:
        """Forget pause, isolation and strikes of a hook; False if it had none."""


WakeListener = Callable[[], None]
