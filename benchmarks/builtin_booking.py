"""Booking by itself: bookings a second, and how long a batch of them holds SQLite's write lock, for which runs wait.

Runs with ten evaluators are stored by the service's own code; their jobs are ended by hand, with results like those
that the hook gives, and nobody else works on the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from benchmarks.builtin_rig import Rig, rig
from benchmarks.figures import Figure, Report, at_least, at_most
from benchmarks.served import scratch
from benchmarks.targets.evaluators import RULES
from offpath.ledger.booking import Batch
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.posthooks.books import Booked, Books
from offpath.posthooks.job_result import JobResult
from offpath.proof.estimates import quantiles
from offpath.proof.machine import Neighbours
from offpath.storage import ledger_booking, write_thread
from offpath.storage.database import SqliteDb
from offpath.storage.ledger import Ledger
from offpath.worker.booking import BATCH

RULES_ALONE = "10 evaluators"
NEEDED = 2 * 100.0
"""Bookings a second of a hundred runs a second: the run's own and its job's."""
_END_JOBS = (
    "INSERT INTO job_results (key, run_id, session_id, hook_id, component_kind, component_id, phase, hook, kind, "
    "version, priority, queued_at, placement, traceparent, state, outcome, attempts, started_at, finished_at, result) "
    "SELECT key, run_id, run_id, hook_id, component_kind, component_id, phase, hook, kind, version, priority, "
    "queued_at, placement, traceparent, 'succeeded', 'success', 1, queued_at, queued_at + 0.01, result_of(run_id) "
    "FROM jobs"
)


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Book runs, then their jobs."""
    with scratch() as directory:
        asyncio.run(_measure(directory, report))


async def _measure(directory: Path, report: Report) -> None:
    runs = 320 if report.quick else 3_200
    async with rig(RULES_ALONE, directory) as found:
        report.say(f"{runs} runs")
        for _ in range(runs // 32):
            await asyncio.gather(*(found.run() for _ in range(32)))
        ledger = SqliteDb(found.store.paths.database).open_ledger(enqueue=lambda *_: None, wake=lambda: None)
        await ledger.open()
        neighbours = Neighbours()
        await _book("runs that ended", "", ledger, report)
        _end_jobs(found)
        await _book("jobs that ended", f", {len(RULES)} evaluations each", ledger, report)
        report.heard(neighbours.share())
        await ledger.close()


async def _book(what: str, each: str, ledger: Ledger, report: Report) -> None:
    report.say(what)
    books, counted = Books(None, analytics=True), list[float]()

    def work(batch: Batch) -> Booked:
        began = time.perf_counter()
        booked = books.book(batch)
        counted.append((time.perf_counter() - began) * 1e3)
        return booked

    turns: list[float] = []
    total = 0
    with _locks() as held:
        while True:
            began = time.perf_counter()
            taken = await ledger.book(work, limit=BATCH)
            if not taken:
                break
            total += taken
            turns.append((time.perf_counter() - began) * 1e3)
    if not total:
        raise RuntimeError(f"nothing to book of {what}")
    p50, p99 = quantiles(held, 0.5, 0.99)
    name = f"{BATCH} {what}{each}"
    note = f"{len(turns)} batches, most {max(held):.1f} ms"
    report.add(
        Figure(f"{name}: bookings", total / sum(turns) * 1e3, "/s", predicted=at_least(5 * NEEDED)),
        Figure(f"{name}: lock held, p50", p50, "ms", predicted=at_most(5), note=note),
        Figure(f"{name}: lock held, p99", p99, "ms", predicted=at_most(10)),
        Figure(
            f"{name}: a batch, p50", quantiles(turns, 0.5)[0], "ms", note="reading and counting before the lock, too"
        ),
        Figure(f"{name}: of that counting, p50", quantiles(counted, 0.5)[0], "ms"),
    )


@contextmanager
def _locks() -> Iterator[list[float]]:
    """Milliseconds from the lock's beginning to its end, of each transaction that books."""
    held: list[float] = []
    before = write_thread.transaction

    @contextmanager
    def timed(connection: sqlite3.Connection, timeout: float) -> Iterator[None]:
        began = 0.0
        with before(connection, timeout):
            began = time.perf_counter()
            yield
        held.append((time.perf_counter() - began) * 1e3)

    with patch.object(ledger_booking, "transaction", timed):
        yield held


def _end_jobs(of: Rig) -> None:
    """Every job that waits gets a result, as a worker would store it."""
    with contextlib.closing(sqlite3.connect(of.store.paths.database)) as connection, connection:
        connection.create_function("result_of", 1, _result)
        connection.execute(_END_JOBS)


def _result(run_id: str) -> str:
    now = time.time()
    rows = [
        EvaluationRow(
            run_id=run_id,
            name=name,
            fingerprint=f"{number:016x}",
            state="scored",
            subject="output",
            evaluator=name,
            version=1,
            evaluated_at=now,
            duration=0.000123,
            value=1.0,
            passed=True,
            explanation="nothing of the kind was found in the answer",
            details=_DETAILS,
        )
        for number, name in enumerate(RULES)
    ]
    return msgspec.json.encode(JobResult(evaluations=rows)).decode()


_DETAILS: dict[str, Any] = {"found": 0, "characters": 420}
