"""A queue in memory and a pool that does as it is told, for tests of the worker alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from offpath.engine.pause import HookPause
from offpath.engine.protocol import Attempt, ClaimedJob, HookLimit, QueueStats
from offpath.errors import StorageBusyError
from offpath.hooks.info import HookInfo
from offpath.hooks.parent import Parent
from offpath.runs.job import HookJob, JobInfo
from offpath.worker.pool import Ending, PoolHooks, Ticket, TicketEnded, TicketsReturned
from unit.worker.worker_kit import hook_id_of


class MemoryEngine:
    """Implements `HookEngine`; keeps what it is told."""

    def __init__(self, jobs: Sequence[HookJob] = ()) -> None:
        self.ready: list[ClaimedJob] = []
        self.scheduled: list[tuple[float, ClaimedJob]] = []
        self.claimed: dict[int, ClaimedJob] = {}
        self.begun: list[tuple[ClaimedJob, float, str]] = []
        self.completed: list[Attempt] = []
        self.died: list[Attempt] = []
        self.retried: list[tuple[Attempt, float]] = []
        self.released: list[ClaimedJob] = []
        self.closed = False
        self.keeps_limits = False
        self.elsewhere: frozenset[str] = frozenset()
        """Hooks that other workers have."""
        self.paused: list[HookPause] = []
        self.faults: list[str] = []
        """Names of methods whose next call fails."""
        self._changed = asyncio.Event()
        self._next = 0
        for job in jobs:
            self.put(job)

    def put(self, job: HookJob) -> None:
        self._next += 1
        self.ready.append(ClaimedJob(self._next, job, 1))
        self.wake()

    def _maybe_fail(self, name: str) -> None:
        if name in self.faults:
            self.faults.remove(name)
            raise StorageBusyError("locked, for the test")

    def enqueue(self, connection: Any, jobs: Sequence[HookJob]) -> None:
        for job in jobs:
            self.put(job)

    def wake(self) -> None:
        self._changed.set()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        self.closed = True

    def serve(self, limits: Mapping[str, HookLimit]) -> bool:
        self.limits = dict(limits)
        return self.keeps_limits

    async def served(self) -> frozenset[str]:
        return self.elsewhere

    async def leads(self) -> bool:
        return True

    async def tidy(self) -> None:
        return

    async def claim(self, free: Mapping[str, int], *, limit: int) -> list[ClaimedJob]:
        self._maybe_fail("claim")
        now = time.time()
        due = [each for at, each in self.scheduled if at <= now]
        self.scheduled = [(at, each) for at, each in self.scheduled if at > now]
        self.ready += due
        left = dict(free)
        taken: list[ClaimedJob] = []
        for each in list(self.ready):
            if len(taken) < limit and left.get(each.job.hook_id, 0) > 0:
                left[each.job.hook_id] -= 1
                self.ready.remove(each)
                taken.append(each)
                self.claimed[each.id] = each
        return taken

    async def wait(self, timeout: float) -> None:
        due = min((at - time.time() for at, _ in self.scheduled), default=timeout)
        try:
            await asyncio.wait_for(self._changed.wait(), max(0.0, min(timeout, due)))
        except TimeoutError:
            return
        self._changed.clear()

    async def started(self, jobs: Sequence[tuple[ClaimedJob, float, str]]) -> None:
        self._maybe_fail("started")
        self.begun += jobs

    async def complete(self, attempts: Sequence[Attempt]) -> None:
        self._maybe_fail("complete")
        for attempt in attempts:
            del self.claimed[attempt.claimed.id]
        self.completed += attempts

    async def dead(self, attempts: Sequence[Attempt]) -> None:
        self._maybe_fail("dead")
        for attempt in attempts:
            del self.claimed[attempt.claimed.id]
        self.died += attempts

    async def retry_at(self, retries: Sequence[tuple[Attempt, float]]) -> None:
        for attempt, at in retries:
            claimed = self.claimed.pop(attempt.claimed.id)
            self.scheduled.append((at, ClaimedJob(claimed.id, claimed.job, claimed.attempt + 1)))
        self.retried += retries
        self.wake()

    async def release(self, jobs: Sequence[ClaimedJob]) -> None:
        for claimed in jobs:
            self.ready.append(self.claimed.pop(claimed.id))
        self.released += jobs

    async def requeue(self, key: str) -> bool:
        return False

    async def jobs_of(self, run_id: str) -> list[JobInfo]:
        return []

    async def stats(self) -> list[QueueStats]:
        now = time.time()
        hooks = {each.job.hook_id for each in self.ready}
        return [
            QueueStats(
                hook_id=hook_id,
                ready=sum(each.job.hook_id == hook_id for each in self.ready),
                scheduled=0,
                running=0,
                dead=0,
                oldest_age=max(now - each.job.queued_at for each in self.ready if each.job.hook_id == hook_id),
            )
            for hook_id in hooks
        ]

    async def pauses(self) -> list[HookPause]:
        return self.paused


class MemoryRecords:
    """Every run has a record, unless it is listed as deleted."""

    def __init__(self, *deleted: str) -> None:
        self.deleted = deleted
        self.reads: list[str] = []

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def record(self, run_id: str) -> bytes | None:
        self.reads.append(run_id)
        return None if run_id in self.deleted else run_id.encode() * 10


class ToldPool:
    """Implements `ExecutorPool`: a ticket ends as `answer` says, or when the test ends it."""

    def __init__(self, *infos: HookInfo, answer: Callable[[Ticket], Ending | None] | None = None) -> None:
        self.infos = infos or (make_info("notify"),)
        self.answer = answer
        self.tickets: list[Ticket] = []
        self.most = 0
        self.isolated: list[str] = []
        self.waiting: list[Ticket] = []
        self.closed = False
        self._under_way = 0
        self._ended: TicketEnded

    def answer_with(self, parent: Parent) -> None:
        """No hook asks."""

    async def open(self, ended: TicketEnded, returned: TicketsReturned) -> PoolHooks:
        self._ended = ended
        self.returned = returned
        return PoolHooks(tuple(self.infos), frozenset())

    def dispatch(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            ticket.sent_at, ticket.executor = time.time(), "4711"
            self.tickets.append(ticket)
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            if self.answer is not None:
                asyncio.get_running_loop().call_soon(self._answer, ticket)

    def _answer(self, ticket: Ticket) -> None:
        assert self.answer is not None
        ending = self.answer(ticket)
        if ending is not None:
            self.end(ticket, ending)

    def end(self, ticket: Ticket, ending: Ending) -> None:
        self._under_way -= 1
        if not self.closed:
            self._ended(ticket, ending)

    def isolate(self, hook_id: str) -> None:
        self.isolated.append(hook_id)

    def withdraw(self, hook_id: str) -> list[Ticket]:
        withdrawn, self.waiting = self.waiting, []
        return withdrawn

    async def close(self) -> None:
        self.closed = True


def success(_: Ticket | None = None) -> Ending:
    return Ending("success", time.time(), time.time())


def failure(_: Ticket | None = None) -> Ending:
    return Ending("error", time.time(), time.time(), "ValueError: no")


def strike(_: Ticket | None = None) -> Ending:
    return Ending("killed", time.time(), time.time(), "it ate too much", strike=True)


def make_info(name: str, **changes: Any) -> HookInfo:
    values: dict[str, Any] = {
        "id": hook_id_of(name),
        "name": name,
        "lane": f"lane-{name}",
        "component_kind": "agent",
        "component_id": "support",
        "phase": "post",
        "kind": "post",
        "version": "1",
        "priority": 1,
        "background": True,
        "timeout": None,
        "retries": None,
        "concurrency": None,
        "rate_count": None,
        "rate_seconds": None,
        "run_on": (),
    }
    return HookInfo(**values | changes)
