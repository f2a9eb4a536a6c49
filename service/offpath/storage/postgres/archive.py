"""What the worker's parent needs of stored runs on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from offpath.errors import StorageError
from offpath.runs.job import HookJob
from offpath.storage.postgres import queries, statements
from offpath.storage.postgres.connection import ConnectionPool
from offpath.storage.postgres.deletion import delete_runs, family_of, rows_of
from offpath.storage.postgres.rows import arrays, plan_columns, run_of
from offpath.storage.postgres.text import restored, stored
from offpath.storage.store import AsyncEnqueue, JobRows, RunRow, Wake

if TYPE_CHECKING:
    import asyncpg

    from offpath.storage.postgres.database import PostgresDb

    Connection = asyncpg.Connection[Any]

_CONNECTIONS: Final = 2
_MOST_INTERRUPTED: Final = 200
"""Runs that are looked at in one turn; their records are in memory together."""
_DOUBT: Final = 1 / 3
"""Part of a lease for which it has to have been seen lapsed."""
_SLOW: Final = 1.0
"""Seconds of an answer that tells of an outage."""
_PRUNE_BATCH: Final = 50
_PRUNE_PAUSE: Final = 0.02
"""Seconds between two batches, so that the commits of runs get their turn."""


class PostgresArchive:
    """Implements `Archive`; several workers may each have one.

    Args:
        database: Where it is.
        enqueue: Adds jobs on a connection in a transaction.
        wake: Called after a commit that held jobs.
        jobs: The engine, for deletions.
        storage_timeout: Seconds that each call tries to reach the database.
    """

    def __init__(
        self,
        database: PostgresDb,
        *,
        enqueue: AsyncEnqueue,
        wake: Wake,
        jobs: JobRows,
        storage_timeout: float,
    ) -> None:
        self._database = database
        self._enqueue = enqueue
        self._wake = wake
        self._jobs = jobs
        self._timeout = storage_timeout
        self._lapsed: dict[str, float] = {}
        """Since when each owner of a running run has been seen without a lease; by the monotonic clock."""
        self._pool = ConnectionPool(self._connection, timeout=storage_timeout, size=_CONNECTIONS)

    async def open(self) -> None:
        await self._database.prepare_schema()
        self._pool.start()

    async def close(self) -> None:
        await self._pool.close()

    async def record(self, run_id: str) -> bytes | None:
        return await self._pool.read(queries.record, run_id)

    async def records(self, run_ids: Sequence[str]) -> dict[str, bytes]:
        """The stored encodings of several runs, without those that were deleted."""
        return await self._pool.read(queries.records, run_ids)

    async def interrupted(self) -> list[RunRow]:
        """See `Archive`.

        A lease that lapsed is believed when it is still so a third of it later: after an outage of the database all
        leases have lapsed, and the living renew theirs as soon as they can.
        """
        began = time.monotonic()
        try:
            owners = await self._pool.read(_lapsed_owners)
        except StorageError:
            self._lapsed.clear()
            raise
        now = time.monotonic()
        if now > began + _SLOW:  # there may have been an outage
            self._lapsed.clear()
        self._lapsed = {owner: self._lapsed.get(owner, now) for owner in owners}
        gone = [
            owner for owner, lease in owners.items() if lease is None or now >= self._lapsed[owner] + lease * _DOUBT
        ]
        return await self._pool.read(_interrupted, gone) if gone else []

    async def mark_interrupted(self, run: RunRow, jobs: Sequence[HookJob]) -> bool:
        async def mark(connection: Connection) -> bool:
            values = (stored(run.run_id), run.updated_at, run.record)
            if await connection.fetchval(statements.MARK_INTERRUPTED, *values) is None:
                return False
            if run.plan is not None:
                await connection.execute(statements.ADD_PLANS, *arrays([plan_columns(run.plan)]))
            if jobs:
                await self._enqueue(connection, jobs)
            return True

        marked = await self._pool.transaction(mark)
        if marked and jobs:
            self._wake()
        return marked

    async def prune(self, before: float) -> int:
        pruned = 0
        for statement in (statements.OLD_RUNS, statements.ORPHANED_CHILDREN):
            spared = 0
            while True:
                roots = await self._pool.read(_ids, statement, before, _PRUNE_BATCH, spared)
                if not roots:
                    break
                deleted, stay = await self._pool.transaction(self._prune_families, roots, before)
                pruned += deleted
                spared += stay
                await asyncio.sleep(_PRUNE_PAUSE)
        of_ledger = (statements.OLD_DELIVERIES, statements.OLD_NOTICES)
        for statement in (statements.OLD_RESULTS, statements.OLD_SESSIONS, *of_ledger):
            await self._delete_batches(statement, before)
        return pruned

    async def forget_idempotency_keys(self, before: float) -> int:
        return await self._delete_batches(statements.OLD_KEYS, before)

    async def checkpoint(self) -> None:
        """Nothing to do: the server does it."""

    async def sweep(self) -> int:
        """See `Archive`: forgets processes that have long been gone and left nothing to be marked."""
        return rows_of(await self._pool.transaction(_execute, statements.DEAD_INSTANCES))

    async def _connection(self) -> Connection:
        return await self._database.open_connection(application="offpath worker store", timeout=self._timeout)

    async def _prune_families(self, connection: Connection, roots: Sequence[str], before: float) -> tuple[int, int]:
        """Delete old runs with those that they started; gives how many runs, and how many of the roots stay."""
        families = {root: await family_of(connection, [root]) for root in roots}
        everyone = sorted({run_id for family in families.values() for run_id in family})
        live = set(await _ids(connection, statements.LIVE_RUNS, everyone, before))
        with_jobs = await self._jobs.runs_with_jobs(connection, [restored(run_id) for run_id in everyone])
        live |= {stored(run_id) for run_id in with_jobs}
        gone = sorted({run_id for family in families.values() if live.isdisjoint(family) for run_id in family})
        if gone:
            await self._jobs.forget_jobs(connection, [restored(run_id) for run_id in gone])
        stay = sum(not live.isdisjoint(family) for family in families.values())
        return await delete_runs(connection, gone), stay

    async def _delete_batches(self, statement: str, before: float) -> int:
        deleted = 0
        while True:
            batch = rows_of(await self._pool.transaction(_execute, statement, before, _PRUNE_BATCH))
            deleted += batch
            if batch < _PRUNE_BATCH:
                return deleted
            await asyncio.sleep(_PRUNE_PAUSE)


async def _lapsed_owners(connection: Connection) -> dict[str, float | None]:
    """Owners of running runs that have no lease, as they are stored, each with the lease that it had."""
    return {row[0]: row[1] for row in await connection.fetch(statements.LAPSED_OWNERS)}


async def _interrupted(connection: Connection, owners: Sequence[str]) -> list[RunRow]:
    return [run_of(row) for row in await connection.fetch(statements.INTERRUPTED, owners, _MOST_INTERRUPTED)]


async def _ids(connection: Connection, statement: str, *values: Any) -> list[str]:
    return [row[0] for row in await connection.fetch(statement, *values)]


async def _execute(connection: Connection, statement: str, *values: Any) -> str:
    return await connection.execute(statement, *values)
