"""Shows how the queue stands from a service's process, for as long as no worker of this machine does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from offpath.errors import OffpathError
from offpath.file_lock import FileLock
from offpath.telemetry.instruments import instruments
from offpath.telemetry.snapshot_directory import SnapshotDirectory
from offpath.worker.signals import BACKLOG_SECONDS, Queue, forget_queue, show_queue

_log = logging.getLogger("offpath.worker")


class QueueWatch:
    """Records backlog, oldest age, and that there is no worker: what alerts need most when none is alive.

    Args:
        queue: Says what waits, and which hooks are paused.
        elsewhere: How many workers are alive on other machines, which show themselves.
        directory: Where the processes of this machine leave their metrics. Those of a worker that is alive are enough,
            and of several service processes one records.
        pause: Seconds between two looks.
    """

    def __init__(
        self,
        queue: Queue,
        directory: Path,
        *,
        elsewhere: Callable[[], Awaitable[int]] | None = None,
        pause: float = BACKLOG_SECONDS,
    ) -> None:
        self._queue = queue
        self._elsewhere = elsewhere
        self._snapshots = SnapshotDirectory(directory)
        self._lock = FileLock(directory / "watching")
        self._pause = pause
        self._failed = False

    async def run(self) -> None:
        """Watch for ever; what was recorded is shown no more afterwards."""
        try:
            while True:
                await asyncio.sleep(self._pause)
                await self._look()
        finally:
            self._end()

    async def _look(self) -> None:
        try:
            if not await asyncio.to_thread(self._is_ours):
                self._end()
                return
            stats, pauses = await self._queue.stats(), await self._queue.pauses()
            elsewhere = 0 if self._elsewhere is None else await self._elsewhere()
        except (OffpathError, OSError) as error:
            if not self._failed:
                _log.warning("the backlog cannot be read, and is shown as it was: %s", error)
            self._failed = True
            return
        self._failed = False
        if elsewhere:
            instruments().workers.replace(())
        else:
            instruments().workers.set(0)
        show_queue(stats, pauses)

    def _is_ours(self) -> bool:
        return not self._snapshots.has_living("worker") and self._lock.try_acquire()

    def _end(self) -> None:
        if not self._lock.held:
            return
        self._lock.release()
        instruments().workers.replace(())
        forget_queue()
