"""What a worker does for the store besides its jobs: checkpoints, interrupted runs, retention."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from offpath.errors import OffpathError
from offpath.hooks.info import HookInfo
from offpath.posthooks.planner import Planner, decode_planner
from offpath.runs.job import HookJob, job_key
from offpath.runs.record import decode_record, encode_record
from offpath.runs.status import RunStatus
from offpath.storage.archive import Archive
from offpath.storage.store import RunRow
from offpath.telemetry.instruments import instruments
from offpath.worker.pool import PoolHooks

_CHECKPOINT: Final = 1.0
_INTERRUPTED: Final = 5.0
_TIDY: Final = 3600.0
_KEYS_KEPT: Final = 86_400.0
"""Seconds for which an Idempotency-Key is remembered."""
_DAY: Final = 86_400.0

_log = logging.getLogger("offpath.worker")


class MaintainedQueue(Protocol):
    """A `HookEngine`, as far as its maintenance goes."""

    async def leads(self) -> bool: ...

    async def tidy(self) -> None: ...


class Maintenance:
    """Keeps the store in order.

    Args:
        retention_days: Runs that ended longer ago are deleted; None keeps all.
        queue: Says whether this worker is the one of all to do it, and is looked after, too.
    """

    def __init__(self, archive: Archive, *, retention_days: float | None, queue: MaintainedQueue | None = None) -> None:
        self._archive = archive
        self._retention_days = retention_days
        self._queue = queue

    async def run(self, hooks: PoolHooks) -> None:
        """Do what is due, for ever. A fault of the store is logged; the next turn tries again."""
        next_interrupted = next_tidy = 0.0
        while True:
            now = time.monotonic()
            try:
                await self._archive.checkpoint()
                if now >= next_interrupted:
                    next_interrupted = now + _INTERRUPTED
                    if self._queue is None or await self._queue.leads():
                        if self._queue is not None:
                            await self._queue.tidy()
                        await self.find_interrupted(hooks)
                        if now >= next_tidy:
                            next_tidy = now + _TIDY
                            await self.tidy()
            except OffpathError as error:
                _log.warning("the store's maintenance failed and is tried again: %s", error)
            await asyncio.sleep(_CHECKPOINT)

    async def tidy(self) -> None:
        """Delete what is kept no longer.

        Raises:
            StorageError: It could not be deleted now.
        """
        now = time.time()
        if self._retention_days is not None:
            pruned = await self._archive.prune(now - self._retention_days * _DAY)
            if pruned:
                _log.info("%d runs older than %g days were deleted", pruned, self._retention_days)
        await self._archive.forget_idempotency_keys(now - _KEYS_KEPT)
        await self._archive.sweep()

    async def find_interrupted(self, hooks: PoolHooks) -> int:
        """Mark runs whose process died, with jobs for the hooks that want them. Gives how many there were."""
        rows = await self._archive.interrupted()
        planner = Planner(decode_planner(hooks.plan))
        marked = 0
        for row in rows:
            ended, jobs = interrupted_run(row, hooks.infos, time.time(), planner)
            if await self._archive.mark_interrupted(ended, jobs):
                marked += 1
                instruments().runs.add(
                    1,
                    agent_name=row.component_name,
                    run_kind=row.kind,
                    run_nested=row.parent_run_id is not None,
                    run_streamed=False,
                    run_status="interrupted",
                )
                for job in jobs:
                    instruments().hooks_queued.add(1, hook=job.hook_id, hook_kind=job.kind)
                _log.warning("run %s was cut off when its process died; %d hooks are told", row.run_id, len(jobs))
        return marked


def interrupted_run(
    row: RunRow, infos: Sequence[HookInfo], now: float, planner: Planner
) -> tuple[RunRow, list[HookJob]]:
    """A cut-off run as it is to be stored, and the jobs of the hooks that asked for such runs."""
    record = decode_record(row.record)
    record.output.status = RunStatus.INTERRUPTED
    planned = planner.plan(record.output)
    marked = msgspec.structs.replace(
        row,
        status=RunStatus.INTERRUPTED,
        updated_at=now,
        record=encode_record(record),
        plan=None if planned is None else planned.plan,
    )
    jobs = [
        HookJob(
            key=job_key(row.run_id, "post", info.name),
            run_id=row.run_id,
            component_kind=info.component_kind,
            component_id=info.component_id,
            phase="post",
            hook=info.name,
            kind=info.kind,
            version=info.version,
            priority=info.priority,
            queued_at=now,
        )
        for info in infos
        if info.phase == "post"
        and info.background
        and (info.component_kind, info.component_id) == (row.kind, row.component_id)
        and (
            RunStatus.INTERRUPTED in info.run_on
            if info.kind in ("pre", "post")
            else planned is not None and info.name in planned.hooks
        )
    ]
    return marked, jobs
