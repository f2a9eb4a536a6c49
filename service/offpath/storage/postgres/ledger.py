"""The ledger on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from offpath.ledger.booking import Batch, Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Delivery, Notice
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import Grain, Measure, RollupKey, Sums
from offpath.ledger.window import Stretch
from offpath.runs.job import HookJob
from offpath.storage.ledger import Fold, RunQuery
from offpath.storage.postgres import booking, folding
from offpath.storage.postgres import ledger_queries as queries
from offpath.storage.postgres import ledger_statements as statements
from offpath.storage.postgres.booking import RefusedError, WorkError
from offpath.storage.postgres.connection import ConnectionPool
from offpath.storage.postgres.content import ContentRemoval
from offpath.storage.postgres.ledger_rows import feedback_columns, notice_columns
from offpath.storage.postgres.rows import arrays
from offpath.storage.postgres.text import stored
from offpath.storage.store import AsyncEnqueue, RunRow, Wake

if TYPE_CHECKING:
    import asyncpg

    from offpath.storage.postgres.database import PostgresDb

    Connection = asyncpg.Connection[Any]

_CONNECTIONS: Final = 4
_SESSION_SLACK: Final = 3600.0
"""Seconds by which a session's end may come into the database late."""
_LOOK_BACK: Final = 3600.0
"""Seconds after which all sessions are looked at again: a run that hung in one may have been cut off."""


class PostgresLedger:
    """Implements `Ledger`, on the event loop that opens it. Any number of processes may each have one.

    Args:
        database: Where it is.
        enqueue: Adds jobs on a connection in a transaction.
        wake: Called after a commit that held jobs.
        storage_timeout: Seconds that each call tries to reach the database.
    """

    def __init__(self, database: PostgresDb, *, enqueue: AsyncEnqueue, wake: Wake, storage_timeout: float) -> None:
        self._database = database
        self._enqueue = enqueue
        self._wake = wake
        self._timeout = storage_timeout
        self._pool = ConnectionPool(self._connection, timeout=storage_timeout, size=_CONNECTIONS)
        self._content = ContentRemoval(self._pool)
        self._brought_back = False
        self._quiet_from = 0.0
        """Sessions that were quiet before this time have all been marked."""
        self._looked_back_at = 0.0
        """By the event loop's clock."""

    async def open(self) -> None:
        await self._database.prepare_schema()
        self._pool.start()

    async def close(self) -> None:
        await self._pool.close()

    # Booking.

    async def book(self, work: Callable[[Batch], Change], *, limit: int) -> int:
        """See `Ledger`. What could not be counted before is tried once more at the first call."""
        if not self._brought_back:
            await self._pool.transaction(_execute, statements.BRING_BACK)
            self._brought_back = True
        if not await self._pool.read(queries.bookings_wait):
            return 0
        try:
            return await self._pool.transaction(booking.book, work, limit)
        except RefusedError as refused:
            if len(refused.bookings) == 1:
                await self._pool.transaction(booking.set_aside, refused.bookings[0], refused.error)
                return 1
        # One of them, so that the next call comes nearer to the one that the database refuses.
        try:
            return await self._pool.transaction(booking.book, work, 1)
        except RefusedError as refused:
            await self._pool.transaction(booking.set_aside, refused.bookings[0], refused.error)
            return 1

    async def amend(
        self, run_id: str, work: Callable[[RunPlan | None], Change], jobs: Sequence[HookJob] = ()
    ) -> RunPlan | None:
        """See `Ledger`. None, and nothing is done, if there is no such run."""
        try:
            plan = await self._pool.transaction(booking.amend, run_id, work, jobs, self._enqueue)
        except WorkError as failed:
            raise failed.error from None
        if jobs and plan is not None:
            self._wake()
        return plan

    async def plans(self, run_ids: Sequence[str]) -> dict[str, RunPlan]:
        return await self._pool.read(queries.plans, run_ids)

    async def evaluations(self, run_ids: Sequence[str]) -> dict[str, list[EvaluationRow]]:
        return await self._pool.read(queries.evaluations, run_ids)

    async def failed_runs(
        self, name: str, since: float, until: float, wanted: Mapping[tuple[str, str] | None, int]
    ) -> dict[tuple[str, str] | None, list[str]]:
        return await self._pool.read(queries.failed_runs, name, since, until, wanted)

    # People.

    async def add_feedback(self, feedback: Feedback) -> bool:
        values = feedback_columns(feedback)
        added: bool = await self._pool.transaction(
            lambda connection: connection.fetchval(statements.ADD_FEEDBACK, *values)
        )
        return added

    async def feedback(self, run_ids: Sequence[str]) -> dict[str, list[Feedback]]:
        return await self._pool.read(queries.feedback, run_ids)

    # Sums.

    async def rollups(
        self,
        measure: Measure,
        grain: Grain,
        facet: str,
        start: int,
        end: int,
        *,
        component: tuple[str, str] | None = None,
        value: str | None = None,
    ) -> list[tuple[RollupKey, Sums]]:
        return await self._pool.read(queries.rollups, measure, grain, facet, start, end, component, value)

    async def leading(
        self, measure: Measure, facet: str, stretches: Sequence[Stretch], *, by: Sequence[str], limit: int
    ) -> tuple[int, list[tuple[RollupKey, Sums]]]:
        return await self._pool.read(queries.leading, measure, facet, stretches, by, limit)

    async def unbooked(self) -> int:
        return await self._pool.read(queries.unbooked)

    # Runs.

    async def ended_runs(self, query: RunQuery, *, after: tuple[float, str], limit: int) -> list[RunRow]:
        return await self._pool.read(queries.ended_runs, query, after, limit)

    async def count_runs(self, query: RunQuery) -> int:
        return await self._pool.read(queries.count_runs, query)

    async def strip_content(self, strip: Callable[[bytes], bytes], *, limit: int) -> int:
        return await self._content.strip(strip, limit)

    # Sessions.

    async def quiet_sessions(self, before: float, *, limit: int) -> list[tuple[str, str]]:
        """See `Ledger`. Those that are known to be marked are not looked at again for an hour."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_back_at > _LOOK_BACK:
            self._quiet_from, self._looked_back_at = 0.0, now
        found = await self._pool.read(queries.quiet_sessions, self._quiet_from, before, limit)
        oldest = found[0][2] if found else before
        self._quiet_from = max(self._quiet_from, oldest - _SESSION_SLACK)
        return [(session_id, run_id) for session_id, run_id, _ in found]

    async def mark_sessions(self, session_ids: Sequence[str], at: float) -> None:
        marked = [stored(session_id) for session_id in session_ids]
        await self._pool.transaction(_execute, statements.MARK_SESSIONS, marked, at)

    async def session_records(self, session_id: str, *, limit: int) -> list[bytes]:
        return await self._pool.read(queries.session_records, session_id, limit)

    # The judge's budget.

    async def reserve(self, window: str, limit: int, amount: int) -> bool:
        """See `Ledger`.

        Raises:
            ValueError: The amount is negative.
            StorageError: The reservation may count or not.
        """
        if amount < 0:
            raise ValueError(f"amount={amount} must not be negative")
        reserved = await self._pool.once(_value, statements.RESERVE, window, limit, amount)
        return reserved is not None

    async def settle(self, window: str, amount: int, spent: int) -> None:
        """See `Ledger`. What is given back goes to the window that was named, what is added to the latest one: after a
        step of the clock neither lets more be spent than the limit.

        Raises:
            ValueError: A number is negative.
            StorageError: It may count or not, and is not to be settled again.
        """
        if spent < 0 or amount < 0:
            raise ValueError(f"amount={amount} and spent={spent} must not be negative")
        if spent != amount:
            statement = statements.GIVE_BACK if spent < amount else statements.ADD_SPENT
            await self._pool.once(_value, statement, window, abs(spent - amount))

    async def spent(self, window: str) -> int:
        return await self._pool.read(queries.spent, window)

    # Notices.

    async def add_notices(self, notices: Sequence[Notice]) -> None:
        if notices:
            await self._pool.transaction(_execute, statements.ADD_NOTICES, *arrays(notice_columns(notices)))

    async def fold(self, work: Fold, *, limit: int) -> int:
        if not await self._pool.read(queries.notices_wait):
            return 0
        try:
            added, jobs = await self._pool.transaction(folding.fold, work, limit, self._enqueue)
        except WorkError as failed:
            raise failed.error from None
        if jobs:
            self._wake()
        return added

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return await self._pool.read(queries.delivery, delivery_id)

    async def _connection(self) -> Connection:
        return await self._database.open_connection(
            application="offpath ledger", timeout=self._timeout, statement_timeout=self._timeout
        )


async def _execute(connection: Connection, statement: str, *values: Any) -> None:
    await connection.execute(statement, *values)


async def _value(connection: Connection, statement: str, *values: Any) -> Any:
    return await connection.fetchval(statement, *values)
