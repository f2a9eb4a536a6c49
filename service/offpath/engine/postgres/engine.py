"""The engine for many machines: PgQueuer, in the PostgreSQL database that holds the runs."""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

from pgqueuer.domain.types import QueueEntrypoint

from offpath.engine.error_text import bounded
from offpath.engine.pause import HookPause
from offpath.engine.postgres import deletion, reports, statements
from offpath.engine.postgres import vacuum as postgres_vacuum
from offpath.engine.postgres.claims import STALE_SECONDS, Claims
from offpath.engine.postgres.connection import Connection, PostgresLine
from offpath.engine.postgres.jobs import PARKED, Held, InFlight, entrypoint, first_headers, payload, placement_of
from offpath.engine.postgres.presence import Presence
from offpath.engine.postgres.schema import enqueue_statement, queries_on
from offpath.engine.postgres.vacuum import Vacuum
from offpath.engine.protocol import Attempt, ClaimedJob, HookLimit, QueueStats
from offpath.errors import OffpathError, StorageError
from offpath.runs.job import HookJob, JobInfo, JobState
from offpath.storage.postgres.text import restored, stored, stored_or_none

T = TypeVar("T")
logger = logging.getLogger("offpath.engine")

_AT_ONCE: Final = timedelta()
_EMPTY_PAUSE: Final = 0.02
"""Seconds after a claim that found nothing in which there is no other."""
_ALIVE_INSTANCE: Final = "SELECT EXISTS (SELECT FROM offpath_instances WHERE instance = $1 AND expires_at > now())"


class ConnectsToPostgres(Protocol):
    """A `PostgresDb`, as far as the engine uses it."""

    @property
    def pooled(self) -> bool:
        """Whether its URL leads to a pooler."""

    @property
    def direct_url(self) -> str | None:
        """Its URL without the pooler, if another was given."""

    async def connect(self, *, direct: bool = False, application: str = "") -> Connection:
        """Open a connection; a direct one is no pooler's, whose sessions change hands."""

    async def prepare_schema(self) -> None:
        """See that the schema is one that this version can use."""


class PostgresEngine:
    """Implements `Engine`, and `JobRows` for the store. Any number of workers share a queue.

    PgQueuer keeps the table, queues, claims, and finds what silent workers had. Ours is what became of jobs: a result
    is stored in the statement that removes its job, by the worker that holds the claim and no other.

    `enqueue`, `wake` and what people ask need no `open`.

    Args:
        database: Where the runs are.
        placement: "" for a worker; a service process's instance id for its thread, which claims only the jobs that
            name it.
        silence: Seconds without a heartbeat after which other workers claim what this one had. They all have to agree.
    """

    def __init__(self, database: ConnectsToPostgres, *, placement: str = "", silence: float = STALE_SECONDS) -> None:
        self._database = database
        self._placement = placement
        self._stale = timedelta(seconds=silence)
        self._poll = self._stale / 4
        """The table is looked at this often though no wake came: for jobs of workers that died, and lost wakes."""
        self._worker = uuid4()
        self._in_flight = InFlight()
        self._claims_line = PostgresLine(self._connect_direct, self._prepare_claims)
        self._outcomes_line = PostgresLine(self._connect_direct, _by_key)
        self._people_line = PostgresLine(self._connect_any)
        self._claims = Claims(self._claims_line, self._worker, self._in_flight, placement, silence)
        self._presence = Presence(self._connect_direct, self._worker, self._in_flight, placement, silence)
        self._parked_after = 4 * self._poll.total_seconds()
        self._served: frozenset[str] = frozenset()
        self._limited: frozenset[str] = frozenset()
        """Hooks with a concurrency."""
        self._vacuum = Vacuum(self._connect_direct)
        self._due: list[float] = []
        """When scheduled jobs fall due, by the monotonic clock; a heap."""
        self._polled_at = -float("inf")
        self._enqueued = False
        """Whether jobs were enqueued since the last wake."""
        self._empty_at = -float("inf")
        """When a claim last found nothing, by the monotonic clock."""
        self._open = False
        self._wakes: set[asyncio.Task[None]] = set()

    # The service's side.

    async def enqueue(self, connection: Connection, jobs: Sequence[HookJob]) -> None:
        """See `HookEngine`. `connection` is the store's, in a transaction, whose commit wakes the workers."""
        if jobs:
            statement, values = self.enqueue_call(jobs)
            await connection.fetch(statement, *values)

    def enqueue_call(self, jobs: Sequence[HookJob]) -> tuple[str, list[Any]]:
        """What `enqueue` executes, and its values: for the store, which makes it a part of its own statement."""
        self._enqueued = True
        return enqueue_statement(), [
            [-job.priority for job in jobs],  # PgQueuer's higher numbers go first
            [entrypoint(job.hook_id, job.placement) for job in jobs],
            [payload(job) for job in jobs],
            [_AT_ONCE] * len(jobs),
            [stored(job.key) for job in jobs],
            [first_headers(stored(job.run_id)) for job in jobs],
        ]

    def wake(self) -> None:
        """See `HookEngine`. What was enqueued wakes at its commit, by PgQueuer's trigger; this is for all else."""
        if self._enqueued:
            self._enqueued = False
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if not self._wakes:
            task = loop.create_task(self._send_wake())
            self._wakes.add(task)
            task.add_done_callback(self._wakes.discard)

    async def cancel_jobs(self, connection: Connection, run_ids: Sequence[str]) -> int:
        """End the queued jobs of deleted runs, on the store's open transaction."""
        return await deletion.cancel_jobs(connection, run_ids)

    async def runs_with_jobs(self, connection: Connection, run_ids: Sequence[str]) -> set[str]:
        """Those of the runs that have jobs which have not ended."""
        return await deletion.runs_with_jobs(connection, run_ids)

    async def forget_jobs(self, connection: Connection, run_ids: Sequence[str]) -> None:
        """Delete the results of runs."""
        await deletion.forget_jobs(connection, run_ids)

    # The worker's side.

    async def open(self) -> None:
        """Become a worker; with a placement, the thread for it.

        Raises:
            ConfigurationError: The database cannot be used as it is.
            StorageError: It cannot be reached.
        """
        if self._database.pooled and self._database.direct_url is None:
            logger.warning(
                "the database's URL seems to lead to a pooler: through one that gives each transaction another "
                "connection, no notification arrives, and new jobs are found up to %g s late; set "
                "OFFPATH_DATABASE_DIRECT_URL to the same database without the pooler",
                self._poll.total_seconds(),
            )
        try:
            await self._database.prepare_schema()
            # Listening comes first: what is committed from now on either is in the first claim or wakes us.
            await self._presence.open()
            await self._claims_line.run("opening the queue", _nothing)
            self._open = True
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give back what is in flight."""
        if self._open:
            self._open = False
            try:
                await self._outcomes_line.run(
                    "giving jobs back", lambda each: each.execute(statements.RELEASE_ALL, self._worker)
                )
            except OffpathError as error:
                logger.warning("jobs in flight start again in %g s, since they cannot be given back: %s",
                               self._stale.total_seconds(), error)  # fmt: skip
        await asyncio.gather(*self._wakes, return_exceptions=True)
        await self._vacuum.close()
        await self._presence.close()
        for line in (self._claims_line, self._outcomes_line, self._people_line):
            await line.close()
        self._in_flight.clear()

    def serve(self, limits: Mapping[str, HookLimit]) -> bool:
        """See `HookEngine`: PgQueuer keeps concurrencies, a table of ours the rates."""
        self._served = frozenset(limits)
        self._limited = frozenset(hook_id for hook_id, limit in limits.items() if limit.concurrency)
        self._claims.serve(limits)
        self._presence.serve(list(limits))
        return True

    async def served(self) -> frozenset[str]:
        return await self._presence.served()

    async def leads(self) -> bool:
        return await self._presence.leads()

    async def tidy(self) -> None:
        """See `HookEngine`."""
        stale = self._claims.stale()
        await self._claims_line.run(
            "releasing jobs of silent workers", lambda each: each.execute(statements.RELEASE_SILENT, stale)
        )
        if await self._ask(postgres_vacuum.dead_rows) >= postgres_vacuum.DEAD_ROWS:
            self._vacuum.begin()

    async def claim(self, free: Mapping[str, int], *, limit: int) -> list[ClaimedJob]:
        """See `HookEngine`."""
        if not self._open:
            raise StorageError("the engine is not open; call open() first, and claim nothing after close()")
        if limit <= 0 or not any(room > 0 for room in free.values()):
            return []
        now = time.monotonic()
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
        if self._served and not any(hook_id in self._served for hook_id in free):
            return await self._claims.claim(free, limit)  # those that no worker has: nobody waits for these
        self._presence.woken = False
        polls = now - self._polled_at >= self._poll.total_seconds()
        try:
            if polls:
                await self._look_around(free)
                self._polled_at = now
            else:
                # A commit wakes all workers, and one finds its jobs; the others are not to ask at each one.
                await asyncio.sleep(max(0.0, self._empty_at + _EMPTY_PAUSE - now))
            claimed = await self._claims.claim(free, limit)
        except BaseException:
            self._presence.woken = True
            raise
        if not claimed:
            self._empty_at = time.monotonic()
        return claimed

    async def wait(self, timeout: float) -> None:
        """See `HookEngine`. May return without cause; idle, it returns every 2.5 s."""
        now = time.monotonic()
        due = min(self._due[0] if self._due else float("inf"), self._claims.next_token) - now
        poll = self._polled_at + self._poll.total_seconds() - now
        await self._presence.wait(min(timeout, due, max(poll, 0.0)))

    async def started(self, jobs: Sequence[tuple[ClaimedJob, float, str]]) -> None:
        rows = [
            (each.id, held.base, each.attempt, at, stored(executor))
            for each, at, executor in jobs
            if (held := self._in_flight.of(each)) is not None
        ]
        if rows:
            await self._store("recording hooks that run", statements.STARTED, *zip(*rows, strict=True))

    async def complete(self, attempts: Sequence[Attempt]) -> None:
        await self._end(attempts, lambda a: JobState.CANCELLED if a.outcome == "cancelled" else JobState.SUCCEEDED)

    async def dead(self, attempts: Sequence[Attempt]) -> None:
        await self._end(attempts, lambda _: JobState.DEAD)

    async def retry_at(self, retries: Sequence[tuple[Attempt, float]]) -> None:
        """See `HookEngine`. What is passed on is how long to wait: only the database's clock counts."""
        now = time.time()
        rows = [
            (
                a.claimed.id,
                held.base,
                a.claimed.attempt,
                max(0.0, at - now),
                a.started_at,
                _text(a.executor),
                bounded(a.error),
                a.struck,
            )
            for a, at in retries
            if (held := self._in_flight.of(a.claimed)) is not None
        ]
        if not rows:
            return
        columns = zip(*rows, strict=True)
        kept = await self._store("scheduling retries", statements.RETRY, *columns, self._parked_after)
        self._settle([a.claimed for a, _ in retries], kept)
        known = time.monotonic()
        for row in rows:
            if row[0] in kept:
                heapq.heappush(self._due, known + row[3])

    async def release(self, jobs: Sequence[ClaimedJob]) -> None:
        rows = [(each.id, held.base, each.attempt) for each in jobs if (held := self._in_flight.of(each)) is not None]
        if rows:
            await self._store("giving jobs back", statements.RELEASE, *zip(*rows, strict=True))
            self._in_flight.forget(jobs)
            self._presence.wake()

    # What people ask.

    async def jobs_of(self, run_id: str) -> list[JobInfo]:
        return await self._ask(lambda connection: reports.jobs_of(connection, run_id))

    async def jobs(
        self, *, state: JobState | None = None, hook_id: str | None = None, limit: int = 100
    ) -> list[JobInfo]:
        """Jobs in one state (None: all queued ones), the oldest queued or the last ended first."""
        return await self._ask(lambda connection: reports.jobs(connection, state, hook_id, limit))

    async def workers_elsewhere(self) -> int:
        return await self._ask(reports.workers)

    async def backlog(self, limit: int, hooks: Sequence[str] | None = None) -> int:
        return await self._ask(lambda connection: reports.backlog(connection, limit, hooks))

    async def stats(self) -> list[QueueStats]:
        return await self._ask(reports.stats)

    async def requeue(self, key: str) -> bool:
        async def requeue(connection: Connection) -> bool:
            async with connection.transaction():
                job = await reports.take_dead(connection, key)
                if job is None:
                    return False
                await self.enqueue(connection, [job])
                return True

        return await self._ask(requeue)

    async def pauses(self) -> list[HookPause]:
        """Hooks with strikes, isolated or paused."""
        return await self._ask(reports.pauses)

    async def strike(self, hook_id: str, *, reason: str, version: str | None = None) -> int:
        """Note that the hook had to be killed, and isolate it; returns its strikes, over all workers."""
        values = stored(hook_id), bounded(reason), stored_or_none(version)
        return int(await self._ask(lambda connection: connection.fetchval(statements.STRIKE, *values)))

    async def isolate(self, hook_id: str, *, reason: str | None = None, version: str | None = None) -> None:
        """Have the hook run in an executor of its own from now on."""
        values = stored(hook_id), bounded(reason), stored_or_none(version)
        await self._ask(lambda connection: connection.execute(statements.ISOLATE, *values))

    async def pause(self, hook_id: str, reason: str, *, version: str | None = None) -> None:
        """Have the hook's jobs wait for a person."""
        values = stored(hook_id), bounded(reason), stored_or_none(version)
        await self._ask(lambda connection: connection.execute(statements.PAUSE, *values))

    async def resume(self, hook_id: str) -> bool:
        """Forget pause, isolation and strikes of a hook, and wake the workers; False if it had none."""
        rows = await self._ask(lambda connection: connection.fetch(statements.RESUME, stored(hook_id)))
        return len(rows) > 0

    # Below: connections, and what the above have in common.

    async def _connect_direct(self) -> Connection:
        return await self._database.connect(direct=True, application="offpath worker")

    async def _connect_any(self) -> Connection:
        return await self._database.connect(application="offpath hooks")

    async def _prepare_claims(self, connection: Connection) -> None:
        await self._claims.prepare(connection)

    async def _ask(self, call: Callable[[Connection], Awaitable[T]]) -> T:
        return await self._people_line.run("asking the queue", call)

    async def _send_wake(self) -> None:
        try:
            await self._ask(lambda connection: connection.execute(statements.NOTIFY))
        except OffpathError as error:
            logger.warning("workers are not woken, and find out within %g s: %s", self._poll.total_seconds(), error)

    async def _look_around(self, free: Mapping[str, int]) -> None:
        """Look for what no notification tells: jobs of processes that are gone, and retries that others scheduled."""
        names = [QueueEntrypoint(entrypoint(hook_id, self._placement)) for hook_id in free]

        async def poll(connection: Connection) -> timedelta | None:
            for (name,) in await connection.fetch(statements.SPECIAL, self._stale):
                if name.startswith(PARKED):
                    # Soon enough for the next look, so that whoever waits for it finds it in time.
                    await connection.execute(statements.UNPARK, name, 2 * self._poll)
                else:
                    await self._adopt(connection, name, free)
            return await queries_on(connection).next_deferred_eta(names)

        eta = await self._claims_line.run("looking for jobs", poll)
        if eta is not None:
            heapq.heappush(self._due, time.monotonic() + eta.total_seconds())

    async def _adopt(self, connection: Connection, name: str, free: Mapping[str, int]) -> None:
        """Take over the jobs placed in a service process that is gone, if their hook is known here."""
        placement, hook_id = (restored(part) for part in placement_of(name))
        if placement == self._placement or hook_id not in free:
            return
        if not await connection.fetchval(_ALIVE_INSTANCE, stored(placement)):
            await connection.execute(statements.ADOPT, name, entrypoint(hook_id, self._placement), self._stale)

    async def _store(self, doing: str, statement: str, *columns: Any) -> set[int]:
        """Execute a statement on claims; the ids that it returns."""
        rows = await self._outcomes_line.run(doing, lambda each: each.fetch(statement, self._worker, *columns))
        return {row[0] for row in rows}

    async def _end(self, attempts: Sequence[Attempt], state: Callable[[Attempt], JobState]) -> None:
        held = [(a, claim) for a in attempts if (claim := self._in_flight.of(a.claimed)) is not None]
        if not held:
            return
        gone = await self._remove(held, state)
        if len(gone) < len(held):
            # Of those that this worker ended before, only the answer was lost.
            keys = {stored(a.claimed.job.key): a.claimed.id for a, _ in held if a.claimed.id not in gone}
            known = await self._outcomes_line.run(
                "looking for results of hooks", lambda each: each.fetch(statements.KNOWN_RESULTS, list(keys))
            )
            gone |= {keys[row[0]] for row in known}
        self._settle([a.claimed for a, _ in held], gone)

    async def _remove(self, held: Sequence[tuple[Attempt, Held]], state: Callable[[Attempt], JobState]) -> set[int]:
        """Store results and remove their jobs; the ids of those that were still claimed here.

        Raises:
            StorageError: Something was not stored. One result that cannot be stored keeps no other from it.
        """
        ended = [a for a, _ in held]
        columns = (
            [a.claimed.id for a in ended],
            [claim.base for _, claim in held],
            *deletion.job_columns([a.claimed.job for a in ended]),
            [stored(a.claimed.job.traceparent) for a in ended],
            [state(a).value for a in ended],
            [a.outcome for a in ended],
            [a.claimed.attempt for a in ended],
            [a.started_at for a in ended],
            [a.finished_at for a in ended],
            [bounded(a.error) for a in ended],
            [a.executor for a in ended],
            [None if a.result is None else a.result.decode(errors="replace").replace("\0", "\\0") for a in ended],
        )
        try:
            return await self._store("storing results of hooks", statements.END, *columns)
        except StorageError:
            if len(held) == 1 or not self._outcomes_line.connected:
                raise
        half = len(held) // 2
        halves = await asyncio.gather(
            self._end([a for a, _ in held[:half]], state),
            self._end([a for a, _ in held[half:]], state),
            return_exceptions=True,
        )
        for failure in halves:
            if failure is not None:
                raise failure
        return {a.claimed.id for a in ended}

    def _settle(self, claims: Sequence[ClaimedJob], stored_ids: set[int]) -> None:
        """Forget claims whose end was stored, and those that were not this worker's any more."""
        lost = [each for each in claims if each.id not in stored_ids and self._in_flight.of(each) is not None]
        if lost:
            logger.warning(
                "%d results of hooks were not stored: their runs were deleted, or other workers have their jobs since "
                "this one was silent for more than %g s: %s",
                len(lost),
                self._stale.total_seconds(),
                ", ".join(sorted({each.job.hook_id for each in lost})[:10]),
            )
        self._in_flight.forget(claims)
        if any(each.job.hook_id in self._limited for each in claims):
            # Another job of the hook may start now, which was refused before, and of which no notification tells.
            self._presence.wake()


async def _by_key(connection: Connection) -> None:
    await connection.execute(statements.BY_KEY)


async def _nothing(_: Connection) -> None:
    return


def _text(text: str | None) -> str | None:
    return stored_or_none(text)
