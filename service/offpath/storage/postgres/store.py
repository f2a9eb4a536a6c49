"""The store on PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from offpath.errors import StorageError
from offpath.runs.context import Session
from offpath.runs.job import HookJob
from offpath.runs.record import RunRecord
from offpath.runs.status import ComponentKind, RunStatus
from offpath.storage.connection import STORAGE_TIMEOUT
from offpath.storage.idempotency import Request
from offpath.storage.postgres import deletion, idempotency, queries, statements
from offpath.storage.postgres.connection import ConnectionPool, transaction
from offpath.storage.postgres.instance import CANCEL_CHANNEL, PostgresInstance, cancel_message
from offpath.storage.postgres.rows import (
    PostgresWrite,
    arrays,
    merged_plans,
    merged_runs,
    merged_sessions,
    restored_session,
)
from offpath.storage.postgres.splice import spliced
from offpath.storage.postgres.text import stored
from offpath.storage.postgres.writer import PostgresWriter
from offpath.storage.store import (
    AsyncEnqueue,
    DeletedCounts,
    IdempotencyClaim,
    JobRows,
    RunRow,
    SessionOrder,
    SortOrder,
    Wake,
)
from offpath.storage.unended import OWNER, UnendedRuns

if TYPE_CHECKING:
    import asyncpg

    from offpath.storage.postgres.database import PostgresDb

    Connection = asyncpg.Connection[Any]

logger = logging.getLogger("offpath.storage")

LAZY_SECONDS: Final = 0.05
"""How long the row of a starting run may wait for the run to end, which makes it needless."""
JOBS_SECONDS: Final = 0.005
"""The same where hook jobs begin with it."""


class PostgresStore:
    """Implements `Store`, on the event loop that opens it.

    Args:
        database: Where it is.
        enqueue: Adds jobs on the writer's connection, in its transaction.
        wake: Called after a commit that held jobs; must neither block nor raise.
        jobs: The engine, for deletions.
        instance: Id of this process; a random one by default.
        storage_timeout: Seconds that a run waits for the database before it is refused.
        instance_lease: Seconds without a sign of life after which this process counts as dead.
    """

    def __init__(
        self,
        database: PostgresDb,
        *,
        enqueue: AsyncEnqueue,
        wake: Wake,
        jobs: JobRows,
        instance: str | None,
        storage_timeout: float = STORAGE_TIMEOUT,
        instance_lease: float,
    ) -> None:
        self.instance: Final = instance or uuid.uuid4().hex
        self.failed_begins = 0
        """Rows of starting runs that could not be written; each one is in the log, too."""
        self._database = database
        self._enqueue = enqueue
        self._wake = wake
        self._jobs = jobs
        self._timeout = storage_timeout
        self._lazy: dict[str, tuple[float, PostgresWrite]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._unended = UnendedRuns(self._give_up)
        self._owed: dict[str, Sequence[HookJob]] = {}
        """Jobs of beginnings that could not be written; the run's end takes them along."""
        self._pool = ConnectionPool(lambda: self._connection("reads"), timeout=storage_timeout)
        self._process = PostgresInstance(
            lambda: self._connection("lease", direct=True),
            self.instance,
            schema=database.schema,
            lease=instance_lease,
        )
        self._writer = PostgresWriter(
            lambda: self._connection("writes"),
            self._apply,
            committed=self._committed,
            failed=self._begin_failed,
            timeout=storage_timeout,
        )

    async def open(self) -> None:
        await self._database.prepare_schema()
        await self._process.open()
        try:
            await self._writer.start()
        except BaseException:
            await self._process.close()
            raise
        self._pool.start()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for run_id in list(self._lazy):
            self._post_lazy(run_id)
        await self._unended.close()
        await self._writer.close()
        await self._pool.close()
        await self._process.close()

    def begin(self, run: RunRow, session: Session, jobs: Sequence[HookJob]) -> None:
        try:
            write = PostgresWrite(run, session, jobs, final=False)
        except (TypeError, ValueError) as error:
            self._begin_failed_as(run.run_id, len(jobs), error)
            return
        loop = asyncio.get_running_loop()
        self._lazy[run.run_id] = (loop.time() + LAZY_SECONDS, write)
        if jobs:
            loop.call_later(JOBS_SECONDS, self._post_lazy, run.run_id)
        elif self._timer is None:
            self._timer = loop.call_later(LAZY_SECONDS, self._write_overdue)

    async def finish(self, run: RunRow, session: Session, jobs: Sequence[HookJob]) -> None:
        """See `Store`.

        A run that a worker has marked interrupted meanwhile, since this process gave no sign of life, is stored as it
        ended, and its hooks run for that end, those that were told of the interruption too.
        """
        begun = self._lazy.pop(run.run_id, None)
        if begun is not None:
            jobs = [*begun[1].jobs, *jobs]
        try:
            write = PostgresWrite(run, session, jobs, final=True)
        except (TypeError, ValueError) as error:
            if begun is None:
                self._unended.add(run.run_id)
            raise StorageError(f"the run could not be stored: {type(error).__name__}: {error}") from error
        try:
            await self._writer.submit(write)
        except Exception:
            if begun is None:
                # Its beginning may be stored: it would count as running for as long as this process lives.
                self._unended.add(run.run_id)
            self._owed.pop(run.run_id, None)
            raise

    async def _give_up(self, run_ids: list[str]) -> None:
        values = (OWNER, stored(self.instance), [stored(run_id) for run_id in run_ids])
        await self._pool.transaction(lambda connection: connection.execute(statements.GIVE_UP_RUNS, *values))

    async def session(self, session_id: str) -> Session | None:
        return await self._pool.read(queries.session, session_id)

    async def history(self, session_id: str, limit: int) -> list[RunRecord]:
        return await self._pool.read(queries.history, session_id, limit)

    async def conversation(self, session_id: str, limit: int) -> tuple[Session | None, list[RunRecord]]:
        return await self._pool.read(queries.conversation, session_id, limit)

    async def run(self, run_id: str) -> RunRecord | None:
        return await self._pool.read(queries.run, run_id)

    async def run_row(self, run_id: str) -> RunRow | None:
        return await self._pool.read(queries.run_row, run_id)

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
        equal = {
            "session_id": session_id,
            "kind": kind,
            "component_id": component_id,
            "user_id": user_id,
            "status": None if status is None else status.value,
        }
        return await self._pool.read(
            lambda connection: queries.runs(
                connection, equal, children=children, sort_order=sort_order, limit=limit, page=page
            )
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
        equal: dict[str, str | None] = {"kind": kind, "component_id": component_id, "user_id": user_id}
        return await self._pool.read(
            lambda connection: queries.sessions(
                connection, equal, name=name, sort_by=sort_by, sort_order=sort_order, limit=limit, page=page
            )
        )

    async def rename_session(self, session_id: str, name: str) -> Session | None:
        async def rename(connection: Connection) -> Session | None:
            row = await connection.fetchrow(statements.RENAME_SESSION, stored(name), stored(session_id))
            return None if row is None else restored_session(row)

        return await self._pool.transaction(rename)

    async def delete_session(self, session_id: str) -> bool:
        counts = await self._delete(statements.SESSION_RUNS, session_id, sessions=statements.DELETE_SESSION)
        return bool(counts.sessions or counts.runs)

    async def delete_run(self, run_id: str) -> bool:
        return bool((await self._delete(statements.ONE_RUN, run_id)).runs)

    async def delete_user(self, user_id: str) -> DeletedCounts:
        counts = await self._delete(statements.USER_RUNS, user_id, sessions=statements.DELETE_USER_SESSIONS)
        while await self._pool.transaction(deletion.delete_user_sums, stored(user_id)):
            pass
        await self._pool.transaction(deletion.delete_user_feedback, stored(user_id))
        return counts

    async def claim_idempotency_key(
        self, key: str, scope: str, fingerprint: str, run_id: str, owner: str
    ) -> IdempotencyClaim:
        request = Request(key, scope, fingerprint, run_id, owner)
        return await self._pool.transaction(idempotency.claim, request)

    async def release_idempotency_key(self, key: str, scope: str, run_id: str) -> None:
        await self._pool.transaction(
            lambda connection: connection.execute(statements.RELEASE_KEY, stored(scope), stored(key), stored(run_id))
        )

    async def healthy(self) -> None:
        await self._writer.check()

    # Cancelling runs of other processes.

    def on_cancel(self, cancel: Callable[[str], object] | None) -> None:
        """Have this called with the id of each run of this process that another one wants cancelled."""
        self._process.cancel = cancel

    async def cancel_elsewhere(self, instance: str, run_id: str) -> bool:
        """Tell a process, wherever it is, to cancel a run. False if it is not alive."""
        message = cancel_message(instance, run_id)
        if message is None:
            return False

        async def tell(connection: Connection) -> bool:
            alive: bool = await connection.fetchval(statements.IS_ALIVE, stored(instance))
            if alive:
                await connection.execute("SELECT pg_notify($1, $2)", CANCEL_CHANNEL, message)
            return alive

        return await self._pool.transaction(tell)

    # Writing.

    async def _connection(self, purpose: str, *, direct: bool = False) -> Connection:
        # The one for the lease does nothing else, so nothing of it takes long.
        return await self._database.open_connection(
            direct=direct,
            application=f"offpath {purpose} {self.instance}",
            timeout=self._timeout,
            statement_timeout=self._timeout,
        )

    async def _apply(self, connection: Connection, writes: Sequence[PostgresWrite]) -> None:
        """Commit writes: in one statement, which needs no BEGIN and COMMIT, unless some runs begin and others end."""
        ended = [write for write in writes if write.final]
        for write in ended:
            # The writer has told of a beginning that failed before it comes to the end.
            if owed := self._owed.pop(write.run_id, None):
                write.jobs = [*owed, *write.jobs]
        over = {write.run_id for write in ended}
        begun = [write for write in writes if not write.final and write.run_id not in over]
        beginning = {write.run_id for write in begun}
        jobs_of_begun = [job for write in begun for job in write.jobs]
        jobs = [job for write in writes if write.run_id not in beginning for job in write.jobs]
        if begun and ended:
            async with transaction(connection):
                await self._commit(connection, statements.BEGIN, begun, jobs_of_begun)
                late = await self._commit(connection, statements.FINISH, ended, jobs)
        elif begun:
            late = await self._commit(connection, statements.BEGIN, begun, jobs_of_begun)
        else:
            late = await self._commit(connection, statements.FINISH, ended, jobs)
        if late:
            # They are marked no more; what remains is that hooks run again that ran for the interruption.
            of_late = [job for job in jobs if stored(job.run_id) in late]
            async with transaction(connection):
                await connection.execute(statements.FORGET_RESULTS, [stored(job.key) for job in of_late])
                await self._enqueue(connection, of_late)

    async def _commit(
        self, connection: Connection, statement: str, writes: Sequence[PostgresWrite], jobs: Sequence[HookJob]
    ) -> set[str]:
        """Store runs, sessions, plans and jobs; gives the runs that ended after they had been marked interrupted."""
        final = statement is statements.FINISH
        values = [*arrays(merged_sessions(writes, final=final)), *arrays(merged_runs(writes))]
        if final and (plans := merged_plans(writes)):
            statement = statements.FINISH_WITH_PLANS
            values += arrays(plans)
        if not jobs:
            return {row[0] for row in await connection.fetch(statement, *values)}
        call, of_jobs = self._jobs.enqueue_call(jobs)
        whole = spliced(statement, len(values), call)
        if whole is not None:
            return {row[0] for row in await connection.fetch(whole, *values, *of_jobs)}
        async with nullcontext() if connection.is_in_transaction() else transaction(connection):
            rows = await connection.fetch(statement, *values)
            await self._enqueue(connection, jobs)
        return {row[0] for row in rows}

    async def _delete(self, runs: str, value: str, *, sessions: str | None = None) -> DeletedCounts:
        """Delete in batches, so that no commit of a run waits for long."""
        self._drop_lazy(runs, value)
        total = DeletedCounts()
        while True:
            batch = await self._pool.transaction(deletion.delete_batch, self._jobs, runs, stored(value), sessions)
            total = DeletedCounts(
                sessions=total.sessions + batch.sessions,
                runs=total.runs + batch.runs,
                jobs_cancelled=total.jobs_cancelled + batch.jobs_cancelled,
            )
            if batch.done:
                return total

    def _drop_lazy(self, runs: str, value: str) -> None:
        """Forget rows that are about to be written for what is being deleted."""
        column = {statements.ONE_RUN: 0, statements.SESSION_RUNS: 1, statements.USER_RUNS: 5}[runs]
        for run_id, (_, write) in list(self._lazy.items()):
            if write.run[column] == stored(value):
                self._lazy.pop(run_id, None)

    # Rows of starting runs.

    def _write_overdue(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for run_id, (deadline, _) in list(self._lazy.items()):
            if deadline > now + 0.001:
                self._timer = loop.call_later(deadline - now, self._write_overdue)
                return
            self._post_lazy(run_id)

    def _post_lazy(self, run_id: str) -> None:
        waiting = self._lazy.pop(run_id, None)
        if waiting is not None:
            self._post(waiting[1])

    def _post(self, write: PostgresWrite) -> None:
        try:
            self._writer.post(write)
        except StorageError as error:
            self._begin_failed(write, error)

    def _begin_failed(self, write: PostgresWrite, error: Exception) -> None:
        if write.jobs:
            self._owed[write.run_id] = write.jobs
        self._begin_failed_as(write.run_id, len(write.jobs), error)

    def _begin_failed_as(self, run_id: str, jobs: int, error: Exception) -> None:
        self.failed_begins += 1
        logger.error(
            "the row of starting run %s was not written; %d hook jobs of it come with its end: %s", run_id, jobs, error
        )

    def _committed(self, writes: Sequence[PostgresWrite]) -> None:
        if any(write.jobs for write in writes):
            self._wake()
