"""Runs whose end could not be stored, though their beginning was: given up as soon as the database takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from offpath.errors import StorageError

OWNER: Final = ""
"""Owner of a run that nobody executes any more: no process has that id, so that a worker marks it interrupted."""
_PAUSE: Final = 1.0

logger = logging.getLogger("offpath.storage")


class UnendedRuns:
    """Those of one process, on its event loop. If the process dies before they are given up, they are found by that.

    Args:
        give_up: Stores that nobody executes these runs any more; those that ended after all stay as they are.
    """

    def __init__(self, give_up: Callable[[list[str]], Awaitable[object]]) -> None:
        self._give_up = give_up
        self._runs: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, run_id: str) -> None:
        """Give a run up."""
        self._runs.add(run_id)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Try no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while self._runs:
            await asyncio.sleep(_PAUSE)
            batch = list(self._runs)
            try:
                await self._give_up(batch)
            except StorageError as error:
                logger.debug("%d runs whose end could not be stored still count as running: %s", len(batch), error)
                continue
            self._runs.difference_update(batch)
            logger.warning("%d runs whose end could not be stored are given up; they become interrupted", len(batch))
