"""A worker on the caller's own event loop, whose hooks have run when the run's answer is given: for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from offpath.engine.adapters import open_engine
from offpath.engine.protocol import Attempt
from offpath.hooks.registry import HookRegistry
from offpath.runs.job import HookJob
from offpath.storage.database import Database
from offpath.worker.assembly import build_worker
from offpath.worker.local_pool import LocalPool
from offpath.worker.options import WorkerOptions
from offpath.worker.signals import Queue, WorkerSignals
from offpath.worker.worker import Worker


class InlineWorker:
    """Runs the jobs of each run right after its commit.

    Args:
        settings: A `Settings`, or anything with its attributes.
    """

    def __init__(self, database: Database, registry: HookRegistry, settings: Any) -> None:
        self._database = database
        self._registry = registry
        self._options = WorkerOptions.from_settings(settings)
        self._engine = open_engine(database)
        self._waits = _Waits(self._engine)
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Become the worker of the queue.

        Raises:
            ConflictError: Another worker has it.
            StorageError: The queue cannot be opened.
        """
        ready = asyncio.Event()
        pool = LocalPool(self._registry, self._options, own_loop=False)
        self._worker = build_worker(
            self._database,
            pool,
            self._options,
            engine=self._engine,
            events=self._waits,
            ready=lambda _: ready.set(),
        )
        self._task = asyncio.get_running_loop().create_task(self._worker.run())
        waiting = asyncio.get_running_loop().create_task(ready.wait())
        await asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Drain, then end."""
        if self._worker is not None and self._task is not None:
            self._worker.stop()
            await self._task

    async def run_jobs(self, record: bytes, jobs: Sequence[HookJob]) -> None:
        """Return when the first attempt of each job, which is committed already, has ended.

        Args:
            record: Unused: hooks get the stored record, as everywhere.
        """
        if self._task is None:
            await self.start()
        assert self._task is not None  # noqa: S101  # started above
        waits = [self._waits.of(job.key) for job in jobs]
        ended: list[asyncio.Future[Any]] = [self._task, asyncio.gather(*waits)]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)


class _Waits(WorkerSignals):
    """Who waits for which job; counts as every worker does."""

    def __init__(self, engine: Queue) -> None:
        super().__init__(engine)
        self._futures: dict[str, asyncio.Future[None]] = {}

    def of(self, key: str) -> asyncio.Future[None]:
        return self._futures.setdefault(key, asyncio.get_running_loop().create_future())

    def job_finished(self, attempt: Attempt, retry_at: float | None) -> None:
        super().job_finished(attempt, retry_at)
        future = self._futures.setdefault(attempt.claimed.job.key, asyncio.get_running_loop().create_future())
        if not future.done():
            future.set_result(None)
