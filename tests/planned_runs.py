"""Runs with plans of evaluations, as the runner stores them, and their booking, as a worker does it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

import msgspec

from conformance.samples import make_run, make_session
from offpath.ledger.amendment import empty_plan
from offpath.ledger.plan import PlanEntry
from offpath.posthooks.books import Books
from offpath.runs.job import HookJob
from offpath.runs.record import decode_record
from offpath.storage.ledger import Ledger
from offpath.storage.store import RunRow, Store


def planned_run(
    run_id: str = "",
    agent: str = "echo",
    created_at: float | None = None,
    content: str = "an answer",
    entries: Mapping[str, PlanEntry] | None = None,
) -> RunRow:
    """A completed run of an agent with such a plan; without entries it has none."""
    run_id = run_id or f"run-{uuid.uuid4().hex}"
    row = make_run(
        run_id,
        make_session(f"s-{run_id}", component_id=agent),
        created_at=time.time() if created_at is None else created_at,
        content=content,
    )
    if entries:
        plan = empty_plan(decode_record(row.record).output)
        row.plan = msgspec.structs.replace(plan, entries=dict(entries), counted=False)
    return row


async def store_run(store: Store, row: RunRow, *jobs: HookJob) -> str:
    """Commit a run's end; its id."""
    await store.finish(row, make_session(row.session_id, component_id=row.component_id), jobs)
    return row.run_id


async def book_all(ledger: Ledger) -> None:
    """Book all that waits."""
    books = Books(None, analytics=False)
    while await ledger.book(books.book, limit=100):
        pass
