"""The store on a SQLite file."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Sequence
from typing import Final

from offpath.errors import StorageError
from offpath.file_lock import FileLock
from offpath.runs.context import Session
from offpath.runs.job import HookJob
from offpath.runs.record import RunRecord
from offpath.runs.status import ComponentKind, RunStatus
from offpath.storage import deletion, idempotency, statements
from offpath.storage.apply import apply_writes
from offpath.storage.connection import STORAGE_TIMEOUT, connect
from offpath.storage.paths import DatabasePaths
from offpath.storage.payloads import PayloadFiles
from offpath.storage.reader import Reader
from offpath.storage.rows import RunWrite, session_of
from offpath.storage.schema import prepare_database
from offpath.storage.store import (
    DeletedCounts,
    Enqueue,
    IdempotencyClaim,
    RunRow,
    SessionOrder,
    SortOrder,
    Wake,
)
from offpath.storage.unended import OWNER, UnendedRuns
from offpath.storage.writer import GroupCommitWriter

logger = logging.getLogger("offpath.storage")

LAZY_SECONDS: Final = 0.05
"""How long the row of a starting run may wait for the run to end, which makes it needless."""
JOBS_SECONDS: Final = 0.005
"""The same where hook jobs begin with it."""
INLINE_RECORD_BYTES: Final = 262_144
_AUTOCHECKPOINT: Final = 8000
"""Pages; a net for the time without a worker, which checkpoints as a rule."""


class SqliteStore:
    """Implements `Store`.

    Args:
        paths: Where the database is.
        enqueue: Adds jobs on the writer's connection.
        wake: Called after a commit that held jobs; must neither block nor raise.
        instance: Id of this process; a random one by default.
        inline_record_bytes: Records above this size go to files of their own.
        storage_timeout: Seconds to wait for another process's lock.
    """

    def __init__(
        self,
        paths: DatabasePaths,
        *,
        enqueue: Enqueue,
        wake: Wake,
        instance: str | None = None,
        inline_record_bytes: int = INLINE_RECORD_BYTES,
        storage_timeout: float = STORAGE_TIMEOUT,
    ) -> None:
        self.paths: Final = paths
        self.instance: Final = instance or uuid.uuid4().hex
        self.failed_begins = 0
        """Rows of starting runs that could not be written; each one is in the log, too."""
        self._enqueue = enqueue
        self._wake = wake
        self._inline = inline_record_bytes
        self._payloads = PayloadFiles(paths)
        self._reader = Reader(paths, self._payloads)
        self._lock = FileLock(paths.instance_lock(self.instance))
        self._lazy: dict[str, tuple[float, RunWrite]] = {}
        self._timer_loop: asyncio.AbstractEventLoop | None = None
        self._begun_payloads: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unended = UnendedRuns(self._give_up)
        self._owed: dict[str, Sequence[HookJob]] = {}
        """Jobs of beginnings that could not be written; the run's end takes them along."""
        self._writer = GroupCommitWriter[RunWrite](
            lambda: connect(paths.database, synchronous="FULL", wal_autocheckpoint=_AUTOCHECKPOINT),
            self._apply,
            committed=self._committed,
            failed=self._begin_failed,
            timeout=storage_timeout,
        )

    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        prepare_database(self.paths)
        if not self._lock.try_acquire():
            raise StorageError(f"another process uses the instance id {self.instance}; give each process its own")
        try:
            self._writer.start()
        except StorageError:
            self._lock.release(remove=True)
            raise
        self._reader.start()

    async def close(self) -> None:
        for run_id in list(self._lazy):
            self._post_lazy(run_id)
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._unended.close()
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._reader.close)
        # The lock file stays if runs of this instance did not end: whoever finds it free marks them interrupted.
        self._lock.release(remove=True)

    def begin(self, run: RunRow, session: Session, jobs: Sequence[HookJob]) -> None:
        write = RunWrite(run, session, jobs, payload=None, final=False)
        self._lazy[run.run_id] = (time.monotonic() + LAZY_SECONDS, write)
        if jobs:
            asyncio.get_running_loop().call_later(JOBS_SECONDS, self._post_lazy, run.run_id)
        self._set_timer()

    async def finish(self, run: RunRow, session: Session, jobs: Sequence[HookJob]) -> None:
        begun = self._lazy.pop(run.run_id, None)
        if begun is not None:
            jobs = [*begun[1].jobs, *jobs]
        payload = None
        try:
            if len(run.record) > self._inline:
                payload = await self._reader.in_thread(self._payloads.write, run.run_id, run.record)
            await self._writer.submit(RunWrite(run, session, jobs, payload=payload, final=True))
        except Exception:
            if begun is None:
                # Its beginning may be stored: it would count as running for as long as this process lives.
                self._unended.add(run.run_id)
            self._owed.pop(run.run_id, None)
            raise
        if self._begun_payloads and run.run_id in self._begun_payloads:
            self._begun_payloads.discard(run.run_id)
            await self._reader.in_thread(self._payloads.delete, [self.paths.payload_name(run.run_id, begun=True)])

    async def _give_up(self, run_ids: list[str]) -> None:
        values = (OWNER, self.instance, json.dumps(run_ids))
        await self._writer.run(lambda connection: connection.execute(statements.GIVE_UP_RUNS, values).rowcount)

    async def session(self, session_id: str) -> Session | None:
        return await self._reader.read(self._reader.session, session_id)

    async def history(self, session_id: str, limit: int) -> list[RunRecord]:
        return await self._reader.read(self._reader.history, session_id, limit)

    async def conversation(self, session_id: str, limit: int) -> tuple[Session | None, list[RunRecord]]:
        return await self._reader.read(self._reader.conversation, session_id, limit)

    async def run(self, run_id: str) -> RunRecord | None:
        return await self._reader.read(self._reader.run, run_id)

    async def run_row(self, run_id: str) -> RunRow | None:
        return await self._reader.read(self._reader.run_row, run_id)

    async def runs(
        self,
        *,
        session_id: str | None = None,
        kind: ComponentKind | None = None,
        component_id: str | None = None,
        user_id: str | None = None,
        status: RunStatus | None = None,
        children: bool = False,
        sort_order: SortOrder = "desc",
        limit: int = 20,
        page: int = 1,
    ) -> tuple[list[RunRecord], int]:
        return await self._reader.read(
            self._reader.runs, session_id, kind, component_id, user_id, status, children, sort_order, limit, page
        )

    async def sessions(
        self,
        *,
        kind: ComponentKind | None = None,
        component_id: str | None = None,
        user_id: str | None = None,
        name: str | None = None,
        sort_by: SessionOrder = "updated_at",
        sort_order: SortOrder = "desc",
        limit: int = 20,
        page: int = 1,
    ) -> tuple[list[Session], int]:
        return await self._reader.read(
            self._reader.sessions, kind, component_id, user_id, name, sort_by, sort_order, limit, page
        )

    async def rename_session(self, session_id: str, name: str) -> Session | None:
        def rename(connection: sqlite3.Connection) -> Session | None:
            connection.execute(statements.RENAME_SESSION, (name, session_id))
            row = connection.execute(statements.SESSION, (session_id,)).fetchone()
            return None if row is None else session_of(row)

        return await self._writer.run(rename)

    async def delete_session(self, session_id: str) -> bool:
        counts = await self._delete(deletion.SESSION_RUNS, session_id, sessions=deletion.DELETE_SESSION)
        return bool(counts.sessions or counts.runs)

    async def delete_run(self, run_id: str) -> bool:
        return bool((await self._delete(deletion.ONE_RUN, run_id)).runs)

    async def delete_user(self, user_id: str) -> DeletedCounts:
        return await self._delete(deletion.USER_RUNS, user_id, sessions=deletion.DELETE_USER_SESSIONS)

    async def claim_idempotency_key(
        self, key: str, scope: str, fingerprint: str, run_id: str, owner: str
    ) -> IdempotencyClaim:
        request = idempotency.Request(key, scope, fingerprint, run_id, owner)
        return await self._writer.run(lambda connection: idempotency.claim(connection, request, self.paths))

    async def release_idempotency_key(self, key: str, scope: str, run_id: str) -> None:
        await self._writer.run(
            lambda connection: connection.execute(statements.RELEASE_IDEMPOTENCY_KEY, (scope, key, run_id)).rowcount
        )

    async def healthy(self) -> None:
        await self._writer.run(lambda connection: None)

    async def _delete(self, runs: str, value: str, *, sessions: str | None = None) -> DeletedCounts:
        """Delete in batches, so that no commit of a run waits for long, then what is left of it in the log."""
        self._drop_lazy(runs, value)
        total = DeletedCounts()
        while True:
            batch = await self._writer.run(lambda connection: deletion.delete_batch(connection, runs, value, sessions))
            total = DeletedCounts(
                sessions=total.sessions + batch.sessions,
                runs=total.runs + batch.runs,
                jobs_cancelled=total.jobs_cancelled + batch.jobs_cancelled,
            )
            if batch.payloads:
                await self._reader.in_thread(self._payloads.delete, batch.payloads)
            if batch.done:
                break
        if total.runs or total.sessions:
            await self._reader.in_thread(deletion.erase_log, self.paths)
        return total

    def _drop_lazy(self, runs: str, value: str) -> None:
        """Forget rows that are about to be written for what is being deleted."""
        for run_id, (_, write) in list(self._lazy.items()):
            mark = {
                deletion.ONE_RUN: write.run.run_id,
                deletion.SESSION_RUNS: write.run.session_id,
                deletion.USER_RUNS: write.run.user_id,
            }[runs]
            if mark == value:
                self._lazy.pop(run_id, None)

    # Rows of starting runs.

    def _set_timer(self) -> None:
        """See that the lazy rows are written; one timer is enough, on whichever loop still runs."""
        loop = asyncio.get_running_loop()
        if (
            self._timer_loop is None
            or self._timer_loop.is_closed()
            or (self._timer_loop is not loop and not self._timer_loop.is_running())
        ):
            self._timer_loop = loop
            loop.call_later(LAZY_SECONDS, self._write_overdue, loop)

    def _write_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer_loop is not loop:
            return
        self._timer_loop = None
        now = time.monotonic()
        for run_id, (deadline, _) in list(self._lazy.items()):
            if deadline > now + 0.001:
                self._timer_loop = loop
                loop.call_later(deadline - now, self._write_overdue, loop)
                return
            self._post_lazy(run_id)

    def _post_lazy(self, run_id: str) -> None:
        waiting = self._lazy.pop(run_id, None)
        if waiting is not None:
            self._post(waiting[1])

    def _post(self, write: RunWrite) -> None:
        try:
            if len(write.run.record) > self._inline:
                task = asyncio.get_running_loop().create_task(self._post_large(write))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                self._writer.post(write)
        except StorageError as error:
            self._begin_failed(write, error)

    async def _post_large(self, write: RunWrite) -> None:
        run_id = write.run.run_id
        try:
            self._begun_payloads.add(run_id)
            write.payload = await self._reader.in_thread(
                lambda: self._payloads.write(run_id, write.run.record, begun=True)
            )
            self._writer.post(write)
        except StorageError as error:
            self._begin_failed(write, error)

    def _apply(self, connection: sqlite3.Connection, writes: Sequence[RunWrite]) -> None:
        for write in writes:
            # On the writer's thread, which has told of a beginning that failed before it comes to the end.
            if write.final and (owed := self._owed.pop(write.run.run_id, None)):
                write.jobs = [*owed, *write.jobs]
        apply_writes(connection, writes, self._enqueue)

    def _begin_failed(self, write: RunWrite, error: Exception) -> None:
        self.failed_begins += 1
        if write.jobs:
            self._owed[write.run.run_id] = write.jobs
        logger.error(
            "the row of starting run %s was not written; %d hook jobs of it come with its end: %s",
            write.run.run_id,
            len(write.jobs),
            error,
        )

    def _committed(self, writes: Sequence[RunWrite]) -> None:
        for write in writes:
            if write.jobs:
                self._wake()
                return
