"""Putting a worker together for a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from offpath.engine.adapters import job_rows, open_engine
from offpath.engine.protocol import Engine
from offpath.runs.job import HookJob
from offpath.storage.database import Database
from offpath.worker.answers import Answers
from offpath.worker.bookkeeping import Bookkeeping
from offpath.worker.events import WorkerEvents
from offpath.worker.ledger import EngineLedger
from offpath.worker.maintenance import Maintenance
from offpath.worker.options import WorkerOptions
from offpath.worker.pool import ExecutorPool, PoolHooks
from offpath.worker.shared_ledger import SharedLedger
from offpath.worker.worker import Worker


def build_worker(
    database: Database,
    pool: ExecutorPool,
    options: WorkerOptions,
    *,
    placement: str = "",
    engine: Engine | None = None,
    events: WorkerEvents | None = None,
    ready: Callable[[PoolHooks], None] | None = None,
) -> Worker:
    """A worker of a database.

    Args:
        placement: Run only the jobs placed there; the store's maintenance is then somebody else's.
        engine: By default a new one.
    """
    engine = engine or open_engine(database, placement=placement)
    archive = database.open_archive(enqueue=engine.enqueue, wake=engine.wake, jobs=job_rows(engine))
    enqueue = _placed(engine.enqueue, placement)
    ledger = SharedLedger(lambda: database.open_ledger(enqueue=enqueue, wake=engine.wake))
    pool.answer_with(Answers(ledger, options))
    maintenance: list[Maintenance | Bookkeeping] = [Bookkeeping(ledger, options, engine)]
    if not placement:
        maintenance.append(Maintenance(archive, retention_days=options.retention_days, queue=engine))
    return Worker(
        engine,
        archive,
        pool,
        options,
        ledger=EngineLedger(engine),
        events=events,
        maintenance=maintenance,
        ready=ready,
        shared_ledger=ledger,
    )


def _placed(
    enqueue: Callable[[Any, Sequence[HookJob]], Any], placement: str
) -> Callable[[Any, Sequence[HookJob]], Any]:
    """Jobs that a placed worker makes itself, such as messages, run where it runs: nobody else could."""
    if not placement:
        return enqueue

    def enqueue_here(connection: Any, jobs: Sequence[HookJob]) -> Any:
        return enqueue(connection, [msgspec.structs.replace(job, placement=placement) for job in jobs])

    return enqueue_here
