"""What the worker's parent needs of stored runs, on connections of its own."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, Protocol

from offpath.file_lock import FileLock, is_free
from offpath.runs.job import HookJob
from offpath.runs.status import RunStatus
from offpath.storage import deletion
from offpath.storage.connection import STORAGE_TIMEOUT
from offpath.storage.ledger_rows import plan_values
from offpath.storage.ledger_statements import add_plans
from offpath.storage.paths import DatabasePaths
from offpath.storage.payloads import PayloadFiles
from offpath.storage.reader import Reader
from offpath.storage.schema import prepare_database
from offpath.storage.store import Enqueue, RunRow, Wake
from offpath.storage.write_thread import WriteThread

logger = logging.getLogger("offpath.storage")

CHECKPOINT_BYTES: Final = 4_000_000
"""The write-ahead log is moved into the database when it is larger than this."""
_CHECKPOINT_ROUNDS: Final = 10
_PRUNE_BATCH: Final = 50
_PRUNE_PAUSE: Final = 0.02
"""Seconds between two batches, so that the commits of runs get their turn."""
_MARK_INTERRUPTED: Final = (
    "UPDATE runs SET status = ?, updated_at = ?, payload = ?, record = ? WHERE run_id = ? AND status = 'running'"
)
_OLD_RUNS: Final = (
    # A run counts as ended when it last changed. Those whose jobs are queued, or whose children's are, stay whole.
    "SELECT run_id FROM runs WHERE created_at < ?1 AND updated_at < ?1 AND status <> 'running' "
    "AND parent_run_id IS NULL ORDER BY created_at, run_id LIMIT ?2 OFFSET ?3"
)
_ORPHANED_CHILDREN: Final = (
    "SELECT c.run_id FROM runs AS c WHERE c.parent_run_id IS NOT NULL AND c.created_at < ?1 AND c.updated_at < ?1 "
    "AND c.status <> 'running' AND NOT EXISTS (SELECT 1 FROM runs AS p WHERE p.run_id = c.parent_run_id) "
    "ORDER BY c.created_at, c.run_id LIMIT ?2 OFFSET ?3"
)
_HAS_JOBS: Final = "SELECT EXISTS (SELECT 1 FROM jobs WHERE key >= ?1 || ':' AND key < ?1 || ';' AND run_id = ?1)"
_FORGET_RESULTS: Final = "DELETE FROM job_results WHERE key >= ?1 || ':' AND key < ?1 || ';' AND run_id = ?1"
_OLD_RESULTS: Final = (
    # What deleted runs left: results without content, and dead letters of runs that are gone.
    "DELETE FROM job_results WHERE key IN (SELECT key FROM job_results AS r WHERE r.finished_at < ? "
    "AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = r.run_id) LIMIT ?)"
)
_OLD_SESSIONS: Final = (
    "DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM sessions AS s WHERE s.updated_at < ? "
    "AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.session_id = s.session_id) LIMIT ?)"
)
_OLD_DELIVERIES: Final = (
    # Messages that were sent, or could not be.
    "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries AS d WHERE d.created_at < ? "
    "AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.key = d.job_key) LIMIT ?)"
)
_OLD_NOTICES: Final = (
    # Those that nobody folds any more, since notifications were switched off.
    "DELETE FROM notices WHERE key IN (SELECT key FROM notices WHERE taken_at IS NULL AND created_at < ? LIMIT ?)"
)
_OLD_KEYS: Final = (
    "DELETE FROM idempotency_keys WHERE (scope, key) IN "
    "(SELECT scope, key FROM idempotency_keys WHERE created_at < ? LIMIT ?)"
)


class Archive(Protocol):
    """Stored runs, as the worker's parent sees them. Every method may raise StorageError or one of its kinds."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def record(self, run_id: str) -> bytes | None:
        """The run's stored encoding; None if it was deleted."""

    async def records(self, run_ids: Sequence[str]) -> dict[str, bytes]:
        """Those of several runs, without the deleted ones."""

    async def interrupted(self) -> list[RunRow]:
        """Runs that were begun by service processes that are gone, and did not end."""

    async def mark_interrupted(self, run: RunRow, jobs: Sequence[HookJob]) -> bool:
        """Store the end of such a run, with the jobs of hooks that want it, in one transaction.

        Returns:
            False if it ended or was deleted meanwhile; nothing was written then.
        """

    async def prune(self, before: float) -> int:
        """Delete runs that ended before that time (seconds since the epoch), with all that belongs to them.

        Runs with queued jobs stay, as do their children and parents. Returns how many runs were deleted.
        """

    async def forget_idempotency_keys(self, before: float) -> int:
        """Delete keys that were first used before that time."""

    async def checkpoint(self) -> None:
        """Keep the write-ahead log short. To be called about once a second."""

    async def sweep(self) -> int:
        """Remove payload files that no run refers to, and lock files of processes that are gone."""


class SqliteArchive:
    """Implements `Archive`.

    Args:
        paths: Where the database is.
        enqueue: Adds jobs on a connection in a transaction.
        wake: Called after a commit that held jobs.
        storage_timeout: Seconds to wait for another process's lock.
    """

    def __init__(
        self,
        paths: DatabasePaths,
        *,
        enqueue: Enqueue,
        wake: Wake,
        storage_timeout: float = STORAGE_TIMEOUT,
    ) -> None:
        self._paths = paths
        self._enqueue = enqueue
        self._wake = wake
        self._payloads = PayloadFiles(paths)
        self._reader = Reader(paths, self._payloads)
        self._writes = WriteThread(paths, "offpath-archive", synchronous="NORMAL", timeout=storage_timeout)

    async def open(self) -> None:
        await asyncio.to_thread(prepare_database, self._paths)
        self._reader.start()
        self._writes.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._writes.close)
        await asyncio.to_thread(self._reader.close)

    async def record(self, run_id: str) -> bytes | None:
        return await self._reader.read(self._reader.record, run_id)

    async def records(self, run_ids: Sequence[str]) -> dict[str, bytes]:
        return await self._reader.read(self._reader.records, run_ids)

    async def interrupted(self) -> list[RunRow]:
        running = await self._reader.read(self._reader.running)
        owners = {run.owner for run in running}
        gone = await self._reader.in_thread(
            lambda: {owner for owner in owners if is_free(self._paths.instance_lock(owner))}
        )
        # The owner may have ended a run between the two reads, and then given its lock up: `mark_interrupted` looks
        # again.
        return [run for run in running if run.owner in gone]

    async def mark_interrupted(self, run: RunRow, jobs: Sequence[HookJob]) -> bool:
        payload = None
        if await self._reader.read(_payload_of, run.run_id) is not None:
            payload = await self._reader.in_thread(self._payloads.write, run.run_id, run.record)
        record = b"" if payload else run.record
        values = (RunStatus.INTERRUPTED.value, run.updated_at, payload, record, run.run_id)

        def mark(connection: sqlite3.Connection) -> bool:
            marked = connection.execute(_MARK_INTERRUPTED, values).rowcount > 0
            if marked and run.plan is not None:
                connection.execute(add_plans(1), plan_values(run.plan))
            if marked and jobs:
                self._enqueue(connection, jobs)
            return marked

        marked = await self._writes.transaction(mark)
        if marked and jobs:
            self._wake()
        return bool(marked)

    async def prune(self, before: float) -> int:
        pruned = 0
        for statement in (_OLD_RUNS, _ORPHANED_CHILDREN):
            spared = 0
            while True:
                roots = await self._reader.read(_rows, statement, (before, _PRUNE_BATCH, spared))
                if not roots:
                    break
                batch = await self._prune_batch([root for (root,) in roots], before)
                pruned += batch.runs
                spared += batch.spared
                await self._reader.in_thread(self._payloads.delete, batch.payloads)
                await asyncio.sleep(_PRUNE_PAUSE)
        for statement in (_OLD_RESULTS, _OLD_SESSIONS, _OLD_DELIVERIES, _OLD_NOTICES):
            await self._delete_batches(statement, before)
        return pruned

    async def forget_idempotency_keys(self, before: float) -> int:
        return await self._delete_batches(_OLD_KEYS, before)

    async def checkpoint(self) -> None:
        """See `Archive`. PASSIVE, so that nobody waits for it; repeated while it gets on."""
        if await self._reader.in_thread(_size, self._paths) <= CHECKPOINT_BYTES:
            return
        for _ in range(_CHECKPOINT_ROUNDS):
            busy, pages, moved = await self._writes.statement(
                lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            )
            if busy or moved >= pages:
                # Done: the log is overwritten from its beginning. Or somebody else is at it.
                return

    async def sweep(self) -> int:
        def referenced(connection: sqlite3.Connection) -> set[str]:
            return {name for (name,) in connection.execute("SELECT payload FROM runs WHERE payload IS NOT NULL")}

        owners = await self._reader.read(_rows, "SELECT DISTINCT owner FROM runs WHERE status = 'running'", ())
        await self._reader.in_thread(self._sweep_locks, {self._paths.instance_lock(owner) for (owner,) in owners})
        known = await self._reader.read(referenced)
        return await self._reader.in_thread(self._payloads.sweep, known.__contains__)

    def _sweep_locks(self, needed: set[Any]) -> None:
        """Remove the locks of processes that are gone and left nothing to be marked."""
        try:
            locks = list(self._paths.instances.iterdir())
        except FileNotFoundError:
            return
        for path in locks:
            lock = FileLock(path)
            if path not in needed and lock.try_acquire():
                lock.release(remove=True)

    async def _delete_batches(self, statement: str, before: float) -> int:
        deleted = 0
        while True:
            batch = await self._writes.statement(
                lambda connection: connection.execute(statement, (before, _PRUNE_BATCH)).rowcount
            )
            deleted += batch
            if batch < _PRUNE_BATCH:
                return deleted
            await asyncio.sleep(_PRUNE_PAUSE)

    async def _prune_batch(self, roots: Sequence[str], before: float) -> _Pruned:
        return await self._writes.transaction(lambda connection: _prune_runs(connection, roots, before))


class _Pruned:
    """What one batch of the retention did."""

    def __init__(self) -> None:
        self.runs = 0
        self.spared = 0
        """Of the runs that were asked for: those that stay, and that the next batch skips."""
        self.payloads: list[str] = []


def _prune_runs(connection: sqlite3.Connection, roots: Sequence[str], before: float) -> _Pruned:
    pruned = _Pruned()
    for root in roots:
        family = deletion.family_of(connection, root)
        if any(_is_live(connection, run_id, before) for run_id in family):
            pruned.spared += 1
            continue
        for run_id in family:
            deleted, _, payloads = deletion.delete_run(connection, run_id)
            connection.execute(_FORGET_RESULTS, (run_id,))
            pruned.runs += deleted
            pruned.payloads += payloads
    return pruned


def _is_live(connection: sqlite3.Connection, run_id: str, before: float) -> bool:
    """Whether a run is under way, ended later than `before`, or has queued jobs."""
    row = connection.execute("SELECT status, updated_at FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if row is not None and (row[0] == RunStatus.RUNNING or row[1] >= before):
        return True
    return bool(connection.execute(_HAS_JOBS, (run_id,)).fetchone()[0])


def _payload_of(connection: sqlite3.Connection, run_id: str) -> str | None:
    row = connection.execute("SELECT payload FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return None if row is None else row[0]


def _rows(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> list[Any]:
    return connection.execute(statement, values).fetchall()


def _size(paths: DatabasePaths) -> int:
    try:
        return paths.wal.stat().st_size
    except FileNotFoundError:
        return 0
