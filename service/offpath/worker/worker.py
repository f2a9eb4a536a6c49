"""The worker: claims jobs, has them run, and stores what became of them. Runs no user code."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Protocol

from offpath.engine.protocol import Attempt, ClaimedJob, HookEngine, HookLimit
from offpath.errors import OffpathError
from offpath.hooks.info import HookInfo
from offpath.worker.events import NoEvents, WorkerEvents
from offpath.worker.ledger import HookLedger
from offpath.worker.options import WorkerOptions
from offpath.worker.outcomes import Outcomes
from offpath.worker.policy import HookLimits, TokenBucket, hook_room, judge, lane_room
from offpath.worker.pool import Ending, ExecutorPool, PoolHooks, Ticket
from offpath.worker.records import Records, RecordSource
from offpath.worker.shared_ledger import SharedLedger
from offpath.worker.standing import Standings
from offpath.worker.unknown import UnknownHooks

_CLAIM: Final = 512
"""Jobs in one claim."""
_LONGEST_WAIT: Final = 30.0
"""Seconds after which the worker looks for jobs even if nothing woke it."""
_SHOW_AFTER: Final = 0.2
"""Seconds that an attempt has to be under way before its start is recorded."""
_LOST_ATTEMPTS: Final = 5
"""How often a job may lose its worker beyond its retries: workers are also lost to deploys and to the system."""
_AT_ONCE: Final = 0.001
_MOST_FRUITLESS: Final = 5
_FAULT_WAITS: Final = (0.05, 0.2, 0.5, 1.0, 2.0)

_log = logging.getLogger("offpath.worker")


class Maintenance(Protocol):
    """What the worker does besides: see `maintenance.Maintenance` and `bookkeeping.Bookkeeping`."""

    async def run(self, hooks: PoolHooks) -> None: ...


class Worker:
    """One worker of one queue.

    Args:
        engine: Not open yet; nor are `records` and `pool`.
        records: Where the stored runs are.
        pool: What runs the hooks.
        ready: Called when jobs are about to be claimed.
        shared_ledger: Closed when the worker has ended.
        draw: Gives the jitter of retries: uniform in [0, 1).
    """

    def __init__(
        self,
        engine: HookEngine,
        records: RecordSource,
        pool: ExecutorPool,
        options: WorkerOptions,
        *,
        ledger: HookLedger,
        events: WorkerEvents | None = None,
        maintenance: Sequence[Maintenance] = (),
        ready: Callable[[PoolHooks], None] | None = None,
        shared_ledger: SharedLedger | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._engine = engine
        self._source = records
        self._records = Records(records)
        self._pool = pool
        self._options = options
        self._events = events or NoEvents()
        self._standings = Standings(
            ledger, options.hook_strikes, self._events, isolate=pool.isolate, pause=self._withdraw
        )
        self._maintenance = maintenance
        self._ready = ready
        self._shared_ledger = shared_ledger
        self._draw = draw
        self._hooks: dict[str, HookInfo] = {}
        self._async_hooks: frozenset[str] = frozenset()
        self._limits: dict[str, HookLimits] = {}
        self._buckets: dict[str, TokenBucket] = {}
        self._tickets: dict[int, Ticket] = {}
        self._unshown: dict[int, Ticket] = {}
        """Tickets whose start has not been recorded, oldest first."""
        self._by_hook: Counter[str] = Counter()
        self._by_lane: Counter[str] = Counter()
        self._number = 0
        self._outcomes = Outcomes(engine)
        self._room = asyncio.Event()
        self._empty = asyncio.Event()
        self._begun = asyncio.Event()
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()
        self._short_of_room = False
        self._had_room = True
        """Whether any hook had room at the last look."""
        self.failure: str | None = None

    def stop(self, *, at_once: bool = False) -> None:
        """End: let what runs end first, for at most the drain timeout, or give it back at once."""
        self._stop.set()
        if at_once:
            self._at_once.set()

    def fail(self, reason: str) -> None:
        """End at once because something is broken; `failure` then says what."""
        self.failure = reason
        _log.error("the worker ends: %s", reason)
        self.stop(at_once=True)

    async def run(self) -> None:
        """Work until stopped; everything claimed is stored or given back then.

        Raises:
            ConfigurationError: The target cannot be imported.
            ConflictError: Another worker has the queue.
            StorageError: The queue cannot be opened.
        """
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._engine.open()
            await self._source.open()
            hooks = await self._until_stopped(self._pool.open(self._ended, self._returned))
            if hooks is None:
                return
            self._adopt(hooks)
            await self._standings.load()
            unknown = UnknownHooks(self._engine, self._options.unknown_hook_grace, self._hooks.keys(), self._events)
            parts: list[Callable[[], Coroutine[Any, Any, None]]] = [
                self._claims,
                lambda: self._outcomes.run(self._stored),
                self._shows,
                lambda: self._standings.run(self._wake),
                unknown.run,
            ]
            parts += [partial(each.run, hooks) for each in self._maintenance]
            tasks = [asyncio.get_running_loop().create_task(self._guard(part)) for part in parts]
            if self._ready is not None:
                self._ready(hooks)
            await self._stop.wait()
            await self._drain()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()

    async def _until_stopped(self, opening: Coroutine[Any, Any, PoolHooks]) -> PoolHooks | None:
        """Wait for the import, unless the worker is to end before."""
        task = asyncio.get_running_loop().create_task(opening)
        stop = asyncio.get_running_loop().create_task(self._stop.wait())
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        return None

    def _adopt(self, hooks: PoolHooks) -> None:
        self._hooks = {info.id: info for info in hooks.infos}
        self._async_hooks = hooks.async_hooks
        self._limits = {info.id: HookLimits.of(info, self._options) for info in hooks.infos}
        kept = self._engine.serve(
            {hook_id: HookLimit(each.concurrency, each.rate) for hook_id, each in self._limits.items()}
        )
        if kept:
            self._limits = {
                hook_id: dataclasses.replace(each, concurrency=None, rate=None)
                for hook_id, each in self._limits.items()
            }
        self._buckets = {
            hook_id: TokenBucket(*limits.rate) for hook_id, limits in self._limits.items() if limits.rate is not None
        }

    async def _guard(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await part()
        except Exception as error:  # noqa: BLE001  # no part may fail unnoticed
            _log.exception("a part of the worker failed")
            self.fail(f"an internal error, a {type(error).__name__}; its traceback is in the line before")

    # Claiming.
    def _wake(self) -> None:
        self._room.set()

    async def _claims(self) -> None:
        fruitless = 0
        while not self._stop.is_set():
            self._room.clear()
            claimed = await self._claim()
            if claimed:
                fruitless = 0
                await self._start(claimed)
                if len(claimed) == _CLAIM:
                    continue
            began = time.monotonic()
            await self._something_happens()
            if not claimed and time.monotonic() - began < _AT_ONCE:
                # Due jobs that may not start (a paused hook's) can end every wait at once.
                fruitless += 1
                if fruitless > _MOST_FRUITLESS:
                    await asyncio.sleep(min(0.5, 0.001 * 2 ** min(fruitless, 10)))

    async def _something_happens(self) -> None:
        """A wake, or a job falls due; or there is room, a token, or a retry to wait for."""
        now = time.monotonic()
        tokens = [wait for bucket in self._buckets.values() if (wait := bucket.wait(now)) > 0]
        loop = asyncio.get_running_loop()
        waits: list[asyncio.Task[Any]] = [loop.create_task(self._room.wait())]
        if self._had_room:
            # Else a wake changes nothing.
            waits.append(loop.create_task(self._engine.wait(_LONGEST_WAIT)))
        try:
            await asyncio.wait(waits, timeout=min(tokens, default=None), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    async def _claim(self) -> list[ClaimedJob]:
        free = self._free()
        self._had_room = bool(free)
        if not free:
            self._short_of_room = True
            return []
        waits = iter(_FAULT_WAITS)
        while True:
            try:
                claimed = await self._engine.claim(free, limit=_CLAIM)
                self._events.claims_went_on()
                break
            except OffpathError as error:
                self._events.claims_stopped(str(error))
                wait = next(waits, _FAULT_WAITS[-1])
                _log.warning("jobs cannot be claimed, trying again in %g s: %s", wait, error)
                await asyncio.sleep(wait)
        counts = Counter(each.job.hook_id for each in claimed)
        now = time.monotonic()
        for hook_id, count in counts.items():
            if (bucket := self._buckets.get(hook_id)) is not None:
                bucket.take(count, now)
        # Everything that could start has been claimed, unless a limit was met.
        self._short_of_room = len(free) < len(self._hooks) or any(free[h] <= c for h, c in counts.items())
        return claimed

    def _free(self) -> dict[str, int]:
        now = time.monotonic()
        # Results that wait to be stored count: a locked database must not let them pile up.
        in_worker = len(self._tickets) + self._outcomes.pending
        free: dict[str, int] = {}
        rooms: dict[str, int] = {}
        for hook_id, info in self._hooks.items():
            if self._standings.paused(hook_id):
                continue
            room = rooms.get(info.lane)
            if room is None:
                room = rooms[info.lane] = lane_room(self._by_lane[info.lane], in_worker)
            bucket = self._buckets.get(hook_id)
            tokens = None if bucket is None else bucket.available(now)
            share = hook_room(self._by_hook[hook_id], self._limits[hook_id], tokens, room)
            if share > 0:
                free[hook_id] = share
        return free

    async def _start(self, claimed: list[ClaimedJob]) -> None:
        tickets: list[Ticket] = []
        try:
            await self._records.fetch((each.job.run_id, each.job.phase) for each in claimed if each.job.run_id)
        except OffpathError as error:
            _log.warning("runs cannot be read together now: %s", error)
        for each in claimed:
            if self._is_poison(each):
                continue
            record = await self._record(each)
            if record is None:
                continue
            info = self._hooks[each.job.hook_id]
            self._number += 1
            ticket = Ticket(
                number=self._number,
                claimed=each,
                hook=info,
                is_async=info.id in self._async_hooks,
                record=record,
                limit=self._limits[info.id].timeout,
                alone=each.struck or self._standings.suspicious(each.job.key),
            )
            self._tickets[ticket.number] = self._unshown[ticket.number] = ticket
            self._by_hook[info.id] += 1
            self._by_lane[info.lane] += 1
            tickets.append(ticket)
            self._events.job_started(each, "")
        self._begun.set()
        self._pool.dispatch(tickets)

    def _is_poison(self, claimed: ClaimedJob) -> bool:
        """End a job whose attempts are used up without an end: it takes its workers with it."""
        if claimed.attempt <= self._limits[claimed.job.hook_id].retries + 1 + _LOST_ATTEMPTS:
            return False
        now = time.time()
        text = f"its worker was lost again and again, in {claimed.attempt - 1} attempts, perhaps through this job"
        attempt = Attempt(claimed, "killed", now, now, error=text)
        self._outcomes.dead(attempt)
        self._tell(attempt, None)
        self._events.job_finished(attempt, None)
        return True

    async def _record(self, claimed: ClaimedJob) -> bytes | None:
        """The record of a job's run; b"" for a job that can do without. Any other job without one is cancelled."""
        if not claimed.job.run_id:
            return b""
        waits = iter(_FAULT_WAITS)
        while True:
            try:
                record = await self._records.of(claimed.job.run_id, claimed.job.phase)
                break
            except OffpathError as error:
                wait = next(waits, _FAULT_WAITS[-1])
                _log.warning("run %s cannot be read, trying again in %g s: %s", claimed.job.run_id, wait, error)
                await asyncio.sleep(wait)
        if record is None and claimed.job.kind == "notification":
            return b""
        if record is None:
            now = time.time()
            attempt = Attempt(claimed, "cancelled", now, now, error="its run is not stored any more")
            self._outcomes.completed(attempt)
            self._events.job_finished(attempt, None)
        return record

    # Results.
    def _ended(self, ticket: Ticket, ending: Ending) -> None:
        claimed, hook_id = ticket.claimed, ticket.hook.id
        attempt = Attempt(
            claimed=claimed,
            outcome=ending.outcome,
            started_at=ending.started_at,
            finished_at=ending.finished_at,
            error=ending.error,
            result=ending.result,
            executor=ticket.executor or None,
            error_type=ending.error_type,
            struck=ending.strike,
        )
        if ending.strike and not claimed.struck:
            self._standings.strike(hook_id, claimed.job.key, ending.error or ending.outcome)
        verdict = judge(
            ending.outcome,
            claimed.attempt,
            self._limits[hook_id].retries,
            final=ending.final,
            retry_after=ending.retry_after,
            options=self._options,
            draw=self._draw(),
        )
        retry_at: float | None = None
        if verdict.state == "retry":
            retry_at = time.time() + verdict.wait
            self._outcomes.retry(attempt, retry_at)
        elif verdict.state == "dead":
            self._outcomes.dead(attempt)
        else:
            self._outcomes.completed(attempt)
        if verdict.state != "completed":
            self._tell(attempt, verdict.wait if retry_at is not None else None)
        self._events.job_finished(attempt, retry_at)
        self._forget(ticket)

    def _returned(self, tickets: Sequence[Ticket]) -> None:
        """Tickets whose executor was lost through no fault of theirs: again, unless their hook is paused by now."""
        self._give_up([ticket for ticket in tickets if self._standings.paused(ticket.hook.id)])
        self._pool.dispatch([ticket for ticket in tickets if ticket.number in self._tickets])

    def _withdraw(self, hook_id: str) -> None:
        self._give_up(self._pool.withdraw(hook_id))

    def _give_up(self, tickets: Sequence[Ticket]) -> None:
        """Put jobs back in the queue that did not begin."""
        for ticket in tickets:
            self._outcomes.released(ticket.claimed)
            self._events.job_released(ticket.claimed)
            self._forget(ticket)

    def _tell(self, attempt: Attempt, wait: float | None) -> None:
        # The type only: an exception's text can hold a user's content, and the job keeps it.
        kind = attempt.error_type if attempt.outcome == "error" else attempt.error
        job = attempt.claimed.job
        what = "that was its last attempt: it is a dead letter" if wait is None else f"next attempt in {wait:.1f} s"
        _log.warning(
            "hook %s, run %s, attempt %d: %s: %s; %s",
            job.hook_id,
            job.run_id,
            attempt.claimed.attempt,
            attempt.outcome,
            kind,
            what,
        )

    def _forget(self, ticket: Ticket) -> None:
        del self._tickets[ticket.number]
        self._unshown.pop(ticket.number, None)
        self._by_hook[ticket.hook.id] -= 1
        self._by_lane[ticket.hook.lane] -= 1
        if self._short_of_room:
            self._room.set()
        if not self._tickets:
            self._empty.set()

    def _stored(self, retries: bool) -> None:
        # A retry can fall due before the wait that is under way would end.
        if retries or self._short_of_room:
            self._room.set()

    async def _shows(self) -> None:
        """Record the start of attempts that take a while, so that people see them run."""
        while True:
            self._begun.clear()
            if not self._unshown:
                await self._begun.wait()
            await asyncio.sleep(_SHOW_AFTER / 2)
            before = time.time() - _SHOW_AFTER
            for ticket in [each for each in self._unshown.values() if 0 < each.sent_at < before]:
                del self._unshown[ticket.number]
                self._outcomes.started(ticket.claimed, ticket.sent_at, ticket.executor)

    # Ending.
    async def _drain(self) -> None:
        give_up = asyncio.get_running_loop().time() + self._options.drain_timeout
        at_once = asyncio.get_running_loop().create_task(self._at_once.wait())
        while self._tickets and not self._at_once.is_set():
            left = give_up - asyncio.get_running_loop().time()
            if left <= 0:
                _log.warning("%d hooks did not end in time; they are given back and start again", len(self._tickets))
                break
            self._empty.clear()
            empty = asyncio.get_running_loop().create_task(self._empty.wait())
            await asyncio.wait([empty, at_once], timeout=left, return_when=asyncio.FIRST_COMPLETED)
            empty.cancel()
        at_once.cancel()

    async def _close(self) -> None:
        await self._pool.close()
        released = [ticket.claimed for ticket in self._tickets.values()]
        try:
            await self._outcomes.flush()
            if released:
                await self._engine.release(released)
                for claimed in released:
                    self._events.job_released(claimed)
        finally:
            if self._shared_ledger is not None:
                await self._shared_ledger.close()
            await self._source.close()
            await self._engine.close()
