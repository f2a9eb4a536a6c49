"""The ledger on a SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from offpath.ledger.booking import Batch, Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Delivery, Notice
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import Grain, Measure, RollupKey, Sums
from offpath.ledger.window import Stretch
from offpath.runs.job import HookJob
from offpath.storage import ledger_booking, ledger_notices, ledger_reads
from offpath.storage import ledger_statements as statements
from offpath.storage.connection import STORAGE_TIMEOUT, retry_while_busy
from offpath.storage.failed_runs import FailedRuns
from offpath.storage.ledger import Fold, RunQuery
from offpath.storage.ledger_content import ContentRemoval
from offpath.storage.ledger_rows import document, feedback_values, notice_values
from offpath.storage.paths import DatabasePaths
from offpath.storage.payloads import PayloadFiles
from offpath.storage.reader import Reader
from offpath.storage.schema import prepare_database
from offpath.storage.store import Enqueue, RunRow, Wake
from offpath.storage.write_thread import WriteThread

_SESSION_SLACK: Final = 3600.0
"""Seconds by which a session's end may come into the database late."""
_LOOK_BACK: Final = 3600.0
"""Seconds after which all sessions are looked at again: a run that hung in one may have been cut off."""


class SqliteLedger:
    """Implements `Ledger`.

    Two connections write. What somebody was promised (money that may be spent, a person's word, jobs that were asked
    for) is synced to the disk before the call returns. Whatever else a power failure undoes is done again, since its
    cause is undone with it: a booking, for instance, waits again.

    Args:
        paths: Where the database is.
        enqueue: Adds jobs on a connection in a transaction.
        wake: Called after a commit that held jobs.
        inline_record_bytes: Records above this size go to files of their own.
        storage_timeout: Seconds to wait for another connection's lock.
    """

    def __init__(
        self,
        paths: DatabasePaths,
        *,
        enqueue: Enqueue,
        wake: Wake,
        inline_record_bytes: int,
        storage_timeout: float = STORAGE_TIMEOUT,
    ) -> None:
        self._paths = paths
        self._enqueue = enqueue
        self._wake = wake
        self._timeout = storage_timeout
        self._reader = Reader(paths, PayloadFiles(paths))
        self._durable = WriteThread(paths, "offpath-ledger", synchronous="FULL", timeout=storage_timeout)
        self._counting = WriteThread(paths, "offpath-counting", synchronous="NORMAL", timeout=storage_timeout)
        self._content = ContentRemoval(paths, inline_record_bytes=inline_record_bytes, timeout=storage_timeout)
        self._brought_back = False
        self._quiet_from = 0.0
        """Sessions that were quiet before this time have all been marked."""
        self._looked_back_at = time.monotonic()

    async def open(self) -> None:
        await asyncio.to_thread(prepare_database, self._paths)
        self._reader.start()
        self._durable.start()
        self._counting.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._durable.close)
        await asyncio.to_thread(self._counting.close)
        await asyncio.to_thread(self._reader.close)

    # Booking.

    async def book(self, work: Callable[[Batch], Change], *, limit: int) -> int:
        """See `Ledger`. What could not be counted before is tried once more at the first call."""

        def counted(connection: sqlite3.Connection) -> int:
            if not self._brought_back:
                retry_while_busy(lambda: connection.execute(statements.BRING_BACK), self._timeout)
                self._brought_back = True
            return ledger_booking.book(connection, work, limit, self._timeout)

        return await self._counting.call(counted)

    async def amend(
        self, run_id: str, work: Callable[[RunPlan | None], Change], jobs: Sequence[HookJob] = ()
    ) -> RunPlan | None:
        plan = await self._durable.transaction(
            lambda connection: ledger_booking.amend(connection, run_id, work, jobs, self._enqueue)
        )
        if jobs:
            self._wake()
        return plan

    async def plans(self, run_ids: Sequence[str]) -> dict[str, RunPlan]:
        return await self._reader.read(ledger_reads.plans, run_ids)

    async def evaluations(self, run_ids: Sequence[str]) -> dict[str, list[EvaluationRow]]:
        return await self._reader.read(ledger_reads.evaluations, run_ids)

    async def failed_runs(
        self, name: str, since: float, until: float, wanted: Mapping[tuple[str, str] | None, int]
    ) -> dict[tuple[str, str] | None, list[str]]:
        return await self._reader.read(ledger_reads.failed_runs, FailedRuns(name, since, until, wanted))

    # People.

    async def add_feedback(self, feedback: Feedback) -> bool:
        values = feedback_values(feedback)
        return await self._durable.statement(
            lambda connection: connection.execute(statements.ADD_FEEDBACK, values).rowcount > 0
        )

    async def feedback(self, run_ids: Sequence[str]) -> dict[str, list[Feedback]]:
        return await self._reader.read(ledger_reads.feedback, run_ids)

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
        return await self._reader.read(ledger_reads.rollups, measure, grain, facet, start, end, component, value)

    async def leading(
        self, measure: Measure, facet: str, stretches: Sequence[Stretch], *, by: Sequence[str], limit: int
    ) -> tuple[int, list[tuple[RollupKey, Sums]]]:
        return await self._reader.read(ledger_reads.leading, measure, facet, stretches, by, limit)

    async def unbooked(self) -> int:
        return await self._reader.read(ledger_reads.unbooked)

    # Runs.

    async def ended_runs(self, query: RunQuery, *, after: tuple[float, str], limit: int) -> list[RunRow]:
        return await self._reader.read(ledger_reads.ended_runs, self._reader, query, after, limit)

    async def count_runs(self, query: RunQuery) -> int:
        return await self._reader.read(ledger_reads.count_runs, query)

    async def strip_content(self, strip: Callable[[bytes], bytes], *, limit: int) -> int:
        return await self._counting.call(lambda connection: self._content.strip(connection, strip, limit))

    # Sessions.

    async def quiet_sessions(self, before: float, *, limit: int) -> list[tuple[str, str]]:
        """See `Ledger`. Those that are known to be marked are not looked at again for an hour."""
        now = time.monotonic()
        if now - self._looked_back_at > _LOOK_BACK:
            self._quiet_from, self._looked_back_at = 0.0, now
        found = await self._reader.read(ledger_reads.quiet_sessions, self._quiet_from, before, limit)
        oldest = found[0][1] if found else before
        self._quiet_from = max(self._quiet_from, oldest - _SESSION_SLACK)
        return [(session_id, run_id) for session_id, _, run_id in found]

    async def mark_sessions(self, session_ids: Sequence[str], at: float) -> None:
        names = document(list(session_ids))
        await self._counting.statement(lambda connection: connection.execute(statements.MARK_SESSIONS, (names, at)))

    async def session_records(self, session_id: str, *, limit: int) -> list[bytes]:
        return await self._reader.read(ledger_reads.session_records, self._reader, session_id, limit)

    # The judge's budget.

    async def reserve(self, window: str, limit: int, amount: int) -> bool:
        """See `Ledger`.

        Raises:
            ValueError: The amount is negative.
            StorageError: The reservation may count or not.
        """
        if amount < 0:
            raise ValueError(f"amount={amount} must not be negative")
        # All rows, or the statement is not done: RETURNING gives them before the commit.
        rows = await self._durable.statement(
            lambda connection: connection.execute(statements.RESERVE, (window, limit, amount)).fetchall()
        )
        return bool(rows)

    async def settle(self, window: str, amount: int, spent: int) -> None:
        """See `Ledger`. What is given back goes to the window that was named, what is added to the latest one: after a
        step of the clock neither lets more be spent than the limit."""
        if spent < 0 or amount < 0:
            raise ValueError(f"amount={amount} and spent={spent} must not be negative")
        statement = statements.GIVE_BACK if spent <= amount else statements.ADD_SPENT
        await self._durable.statement(
            lambda connection: connection.execute(statement, (window, abs(spent - amount))).rowcount
        )

    async def spent(self, window: str) -> int:
        return await self._reader.read(ledger_reads.spent, window)

    # Notices.

    async def add_notices(self, notices: Sequence[Notice]) -> None:
        if notices:
            rows = [notice_values(notice) for notice in notices]
            await self._counting.transaction(lambda connection: connection.executemany(statements.ADD_NOTICE, rows))

    async def fold(self, work: Fold, *, limit: int) -> int:
        if not await self._reader.read(ledger_notices.waiting):
            return 0
        added, jobs = await self._counting.transaction(
            lambda connection: ledger_notices.fold(connection, work, limit, self._enqueue, time.time())
        )
        if jobs:
            self._wake()
        return added

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return await self._reader.read(ledger_notices.delivery, delivery_id)
