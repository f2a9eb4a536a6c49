"""The embedded engine: an outbox in the run store's own SQLite file, drained by one worker."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import msgspec

from offpath.engine import reports, statements
from offpath.engine.clock_step import ClockStep
from offpath.engine.error_text import bounded
from offpath.engine.hook_queue import Found, HookQueues, Reads
from offpath.engine.outcomes import OutcomeWriter
from offpath.engine.pause import HookPause
from offpath.engine.protocol import Attempt, ClaimedJob, HookLimit, QueueStats
from offpath.engine.wake import WakeReceiver, WakeSender
from offpath.errors import ConflictError, StorageError
from offpath.file_lock import FileLock, is_free
from offpath.runs.job import HookJob, JobInfo, JobState
from offpath.storage.connection import STORAGE_TIMEOUT, connect, retry_while_busy, storage_error
from offpath.storage.paths import DatabasePaths
from offpath.storage.schema import prepare_database

T = TypeVar("T")
_log = logging.getLogger("offpath.engine")

MOST_ROWS: Final = 16
"""Jobs of one insert."""
RECHECK_SECONDS: Final = 5.0
"""The table is looked at this often though no wake came, since a datagram may be lost."""
_POLL_SECONDS: Final = 0.05
_SCAN_ROWS: Final = 500
_LOCK_TIMEOUT: Final = 5.0


class SqliteEngine:
    """Implements `HookEngine`.

    A claim writes nothing: there is one worker, which remembers what it took. What it took is claimable again when the
    next worker opens the queue.

    `enqueue`, `wake` and what people ask (`jobs_of`, `jobs`, `stats`, `requeue`, `pauses`, `resume`) need no `open`.

    Args:
        paths: Where the database is.
        placement: "" for the worker; a service process's instance id for its thread, which claims only the jobs that
            name it.
        storage_timeout: Seconds to wait for another process's lock.
    """

    def __init__(self, paths: DatabasePaths, *, placement: str = "", storage_timeout: float = STORAGE_TIMEOUT) -> None:
        self._paths = paths
        self._placement = placement
        self._timeout = storage_timeout
        self._lock = FileLock(paths.worker_lock)
        self._sender = WakeSender(paths)
        self._receiver = WakeReceiver(paths, placement)
        self._queues = HookQueues(placement)
        self._in_flight: dict[int, ClaimedJob] = {}
        self._noted: set[int] = set()
        """Jobs in flight whose start is in the table."""
        self._outcomes = OutcomeWriter(self._connect, timeout=storage_timeout)
        self._claims: ThreadPoolExecutor | None = None
        self._claim_connection: sqlite3.Connection | None = None
        self._claiming = asyncio.Lock()
        self._claimed_at = 0.0
        self._checked_at = 0.0
        self._clock = ClockStep()
        self._open = False
        self._people: ThreadPoolExecutor | None = None
        self._people_connection: sqlite3.Connection | None = None
        self._placements: set[str] = set()
        self._served: frozenset[str] = frozenset()

    # The service's side.

    def enqueue(self, connection: sqlite3.Connection, jobs: Sequence[HookJob]) -> None:
        """See `HookEngine`. `connection` is the writer's, in a transaction."""
        for first in range(0, len(jobs), MOST_ROWS):
            chunk = jobs[first : first + MOST_ROWS]
            values: list[Any] = []
            for job in chunk:
                values += (
                    job.key,
                    job.run_id,
                    job.hook_id,
                    job.component_kind,
                    job.component_id,
                    job.phase,
                    job.hook,
                    job.kind,
                    job.version,
                    job.priority,
                    job.queued_at,
                    job.placement,
                    job.traceparent,
                )
                if job.placement:
                    self._placements.add(job.placement)
            connection.execute(statements.enqueue(len(chunk)), values)

    def wake(self) -> None:
        self._sender.send()
        while self._placements:
            self._sender.send(self._placements.pop())

    # The worker's side.

    async def open(self) -> None:
        """Become the worker; with a placement, the thread for it.

        Raises:
            ConflictError: Another worker is alive, and stays so for 5 s.
            StorageError: The database cannot be opened.
        """
        try:
            await asyncio.to_thread(self._take_lock)
            self._claims = ThreadPoolExecutor(1, thread_name_prefix="offpath-claims")
            self._outcomes.start()
            self._open = True
            # Listening comes first: what is committed from now on either is in the first read or wakes us.
            self._receiver.open()
            found, due = await self._in_claims(self._first_read)
            self._queues.reset(found, due)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Store what is pending, give the lock up. Jobs in flight are claimable again."""
        self._open = False
        self._receiver.close()
        await asyncio.to_thread(self._outcomes.close)
        if self._claims is not None:
            claims, self._claims = self._claims, None
            await asyncio.to_thread(claims.submit(self._close_claims).result)
            await asyncio.to_thread(claims.shutdown)
        if self._people is not None:
            people, self._people = self._people, None
            await asyncio.to_thread(people.submit(self._close_people).result)
            await asyncio.to_thread(people.shutdown)
        self._sender.close()
        self._in_flight.clear()
        self._noted.clear()
        self._lock.release()

    def serve(self, limits: Mapping[str, HookLimit]) -> bool:
        """See `HookEngine`. There is one worker, which keeps its limits itself."""
        self._served = frozenset(limits)
        return False

    async def served(self) -> frozenset[str]:
        return self._served

    async def leads(self) -> bool:
        return True

    async def workers_elsewhere(self) -> int:
        """See `Engine`. The one worker of a file is on its machine."""
        return 0

    async def tidy(self) -> None:
        """See `HookEngine`. SQLite reuses what is free by itself."""

    async def claim(self, free: Mapping[str, int], *, limit: int) -> list[ClaimedJob]:
        """See `HookEngine`. Costs no read while what was read ahead suffices."""
        if limit <= 0:
            return []
        async with self._claiming:
            if back := self._clock.seconds_back():
                await self._in_claims(self._bring_forward, back)
                self._queues.bring_forward(back)
                self._clock.followed(back)
            now = self._claimed_at = time.time()
            recheck = time.monotonic() - self._checked_at >= RECHECK_SECONDS
            scan = recheck or self._receiver.woken or not self._receiver.listening
            if recheck:
                self._checked_at = time.monotonic()
                await self._adopt(free)
            while reads := self._queues.plan(free, limit, now, scan=scan):
                if scan:
                    self._receiver.woken = False
                self._queues.reading()
                try:
                    found = await self._in_claims(self._read, reads, now)
                except BaseException:
                    self._receiver.woken = self._receiver.woken or scan
                    raise
                self._queues.digest(reads, found)
                scan = False
            picked = self._queues.pick(free, limit)
            for claimed in picked:
                self._in_flight[claimed.id] = claimed
            return picked

    async def wait(self, timeout: float) -> None:
        """See `HookEngine`. May return without cause; idle, it returns every 5 s so that a lost wake is made up for."""
        due = self._queues.next_due(self._claimed_at) - time.time()
        longest = RECHECK_SECONDS if self._receiver.listening else _POLL_SECONDS
        await self._receiver.wait(min(timeout, due, longest))

    async def started(self, jobs: Sequence[tuple[ClaimedJob, float, str]]) -> None:
        rows = [(claimed.id, claimed.attempt, at, executor) for claimed, at, executor in jobs]
        self._noted.update(claimed.id for claimed, _, _ in jobs)
        await self._outcomes.store(statements.NOTE_STARTED, rows)

    async def complete(self, attempts: Sequence[Attempt]) -> None:
        await self._end(attempts, lambda a: JobState.CANCELLED if a.outcome == "cancelled" else JobState.SUCCEEDED)

    async def dead(self, attempts: Sequence[Attempt]) -> None:
        await self._end(attempts, lambda _: JobState.DEAD)

    async def retry_at(self, retries: Sequence[tuple[Attempt, float]]) -> None:
        now = time.time()
        # The clock may have been put back while the store refused this: the wait is kept, not the time.
        retries = [(a, min(due_at, now + max(0.0, due_at - a.finished_at))) for a, due_at in retries]
        rows = [
            (a.claimed.id, a.claimed.attempt, due_at, a.started_at, bounded(a.error), a.executor)
            for a, due_at in retries
        ]
        await self._outcomes.store(statements.SCHEDULE_RETRIES, rows)
        for attempt, due_at in retries:
            self._forget(attempt.claimed, due_at)

    async def release(self, jobs: Sequence[ClaimedJob]) -> None:
        noted = [(claimed.id,) for claimed in jobs if claimed.id in self._noted]
        await self._outcomes.store(statements.NOTE_RELEASED, noted)
        back = [claimed for claimed in jobs if self._in_flight.pop(claimed.id, None) is not None]
        self._noted.difference_update(claimed.id for claimed in back)
        self._queues.put_back(back)
        if back:
            self._receiver.wake()

    # What people ask.

    async def jobs_of(self, run_id: str) -> list[JobInfo]:
        return await self._in_people(reports.jobs_of, run_id)

    async def jobs(
        self, *, state: JobState | None = None, hook_id: str | None = None, limit: int = 100
    ) -> list[JobInfo]:
        """Jobs in one state (None: all queued ones), the oldest queued or the last ended first."""
        return await self._in_people(reports.jobs, state, hook_id, limit)

    async def backlog(self, limit: int, hooks: Sequence[str] | None = None) -> int:
        return await self._in_people(reports.backlog, limit, hooks)

    async def stats(self) -> list[QueueStats]:
        """See `HookEngine`. Jobs that this worker has in flight count as running, whatever the table says yet."""
        found = await self._in_people(reports.stats)
        claimed: dict[str, int] = {}
        for job_id, job in self._in_flight.items():
            if job_id not in self._noted:
                claimed[job.job.hook_id] = claimed.get(job.job.hook_id, 0) + 1
        return [_with_claimed(entry, claimed.get(entry.hook_id, 0)) for entry in found]

    async def requeue(self, key: str) -> bool:
        done: bool = await self._in_people(self._transaction, reports.requeue, key)
        if done:
            self.wake()
        return done

    async def pauses(self) -> list[HookPause]:
        """Hooks with strikes, isolated or paused."""
        return await self._in_people(reports.pauses)

    async def strike(self, hook_id: str, *, reason: str, version: str | None = None) -> int:
        """Note that the hook had to be killed, and isolate it; returns its strikes."""
        row = await self._in_people(self._write, statements.STRIKE, (hook_id, bounded(reason), version))
        return int(row[0][0])

    async def isolate(self, hook_id: str, *, reason: str | None = None, version: str | None = None) -> None:
        """Have the hook run in an executor of its own from now on."""
        await self._in_people(self._write, statements.ISOLATE, (hook_id, bounded(reason), version))

    async def pause(self, hook_id: str, reason: str, *, version: str | None = None) -> None:
        """Have the hook's jobs wait for a person."""
        await self._in_people(self._write, statements.PAUSE, (hook_id, time.time(), bounded(reason), version))

    async def resume(self, hook_id: str) -> bool:
        """Forget pause, isolation and strikes of a hook; False if it had none."""
        deleted = await self._in_people(self._changed, statements.RESUME, (hook_id,))
        if deleted:
            self.wake()
        return deleted

    # Below: the claims' thread.

    def _bring_forward(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Have retries wait no longer than they were to, though the clock was put back."""
        moved = connection.execute(statements.BRING_FORWARD, (seconds, self._placement)).rowcount
        _log.warning("the system's clock was put back by %.0f s; the times of %d retries follow it", seconds, moved)

    def _connect(self) -> sqlite3.Connection:
        # Not synced at each commit: after a power failure the last results are missing, and their jobs run again.
        return connect(self._paths.database, synchronous="NORMAL", wal_autocheckpoint=0)

    def _take_lock(self) -> None:
        prepare_database(self._paths)
        if self._placement:
            return
        try:
            taken = self._lock.acquire(_LOCK_TIMEOUT)
        except OSError as error:
            raise storage_error(error, f"locking {self._lock.path}") from error
        if not taken:
            raise ConflictError(
                f"another worker serves {self._paths.database} (it holds {self._lock.path}); one is all that a SQLite "
                "file can have: stop it first, or let it work"
            )

    async def _in_claims(self, call: Callable[..., T], *arguments: Any) -> T:
        if self._claims is None:
            raise StorageError("the engine is not open; call open() first, and claim nothing after close()")
        return await asyncio.get_running_loop().run_in_executor(self._claims, self._guarded, call, *arguments)

    def _guarded(self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            if self._claim_connection is None:
                self._claim_connection = self._connect()
            return retry_while_busy(lambda: call(self._claim_connection, *arguments), self._timeout)
        except sqlite3.Error as error:
            self._close_claims()
            raise storage_error(error, f"claiming from {self._paths.database}") from error

    def _close_claims(self) -> None:
        if self._claim_connection is not None:
            self._claim_connection.close()
            self._claim_connection = None

    def _first_read(self, connection: sqlite3.Connection) -> tuple[Found, dict[str, float]]:
        found = _present(connection)
        due: dict[str, float] = {}
        for hook_id in found.present or ():
            connection.execute(statements.RECOVER, (hook_id, self._placement))
            due[hook_id] = _next_due(connection, hook_id, -math.inf)
        return found, due

    def _read(self, connection: sqlite3.Connection, reads: Reads, now: float) -> Found:
        found = Found()
        for hook_id, cursor, count in reads.ready:
            rows = connection.execute(statements.READY_JOBS, (hook_id, cursor, self._placement, count)).fetchall()
            found.ready.append((hook_id, count, rows))
        for hook_id, count in reads.due:
            rows = connection.execute(statements.DUE_JOBS, (hook_id, now, self._placement, count)).fetchall()
            found.due.append((hook_id, count, _next_due(connection, hook_id, now), rows))
        if reads.scan is not None:
            found.new = connection.execute(statements.NEW_JOBS, (reads.scan, _SCAN_ROWS)).fetchall()
            if len(found.new) == _SCAN_ROWS:
                present = _present(connection)
                found.present, found.last_id = present.present, present.last_id
        return found

    async def _adopt(self, free: Mapping[str, int]) -> None:
        """Take over the jobs of service processes that are gone, if their hooks are known here."""
        rows = await self._in_claims(self._adopt_jobs, list(free))
        self._queues.adopted(rows)

    def _adopt_jobs(self, connection: sqlite3.Connection, hooks: list[str]) -> list[tuple[int, str, str, float | None]]:
        adopted: list[tuple[int, str, str, float | None]] = []
        for (placement,) in connection.execute(statements.PLACEMENTS).fetchall():
            if placement != self._placement and is_free(self._paths.instance_lock(placement)):
                known = msgspec.json.encode(hooks).decode()
                adopted += connection.execute(statements.ADOPT, (self._placement, placement, known)).fetchall()
        return adopted

    # Ends of attempts.

    async def _end(self, attempts: Sequence[Attempt], state: Callable[[Attempt], JobState]) -> None:
        rows = [
            (
                a.claimed.id,
                state(a).value,
                a.outcome,
                a.claimed.attempt,
                a.started_at,
                a.finished_at,
                bounded(a.error),
                a.executor,
                None if a.result is None else a.result.decode(errors="replace"),
            )
            for a in attempts
        ]
        await self._outcomes.store(statements.STORE_RESULTS, rows)
        for attempt in attempts:
            self._forget(attempt.claimed)

    def _forget(self, claimed: ClaimedJob, due_at: float | None = None) -> None:
        if self._in_flight.pop(claimed.id, None) is None:
            return
        self._noted.discard(claimed.id)
        self._queues.settle(claimed, due_at)

    # People's thread.

    async def _in_people(self, call: Callable[..., T], *arguments: Any) -> T:
        if self._people is None:
            self._people = ThreadPoolExecutor(1, thread_name_prefix="offpath-queue")
        return await asyncio.get_running_loop().run_in_executor(self._people, self._with_people, call, *arguments)

    def _with_people(self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            if self._people_connection is None:
                prepare_database(self._paths)
                self._people_connection = self._connect()
            return call(self._people_connection, *arguments)
        except sqlite3.Error as error:
            self._close_people()
            raise storage_error(error, f"asking the queue in {self._paths.database}") from error

    def _close_people(self) -> None:
        if self._people_connection is not None:
            self._people_connection.close()
            self._people_connection = None

    def _transaction(self, connection: sqlite3.Connection, call: Callable[..., T], *arguments: Any) -> T:
        retry_while_busy(lambda: connection.execute("BEGIN IMMEDIATE"), self._timeout)
        try:
            value = call(connection, *arguments)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return value

    def _write(self, connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> list[Any]:
        return retry_while_busy(lambda: connection.execute(statement, values).fetchall(), self._timeout)

    def _changed(self, connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> bool:
        changed: int = retry_while_busy(lambda: connection.execute(statement, values).rowcount, self._timeout)
        return changed > 0


def _present(connection: sqlite3.Connection) -> Found:
    # The last id first: what is inserted between the two reads then counts as new.
    last_id = connection.execute(statements.LAST_ID).fetchone()[0]
    return Found(present=[row[0] for row in connection.execute(statements.HOOKS_PRESENT)], last_id=last_id)


def _next_due(connection: sqlite3.Connection, hook_id: str, after: float) -> float:
    found = connection.execute(statements.NEXT_DUE, (hook_id, after)).fetchone()[0]
    return math.inf if found is None else float(found)


def _with_claimed(entry: QueueStats, claimed: int) -> QueueStats:
    if claimed == 0:
        return entry
    ready = max(0, entry.ready - claimed)
    rest = claimed - (entry.ready - ready)
    return msgspec.structs.replace(
        entry, ready=ready, scheduled=max(0, entry.scheduled - rest), running=entry.running + claimed
    )
