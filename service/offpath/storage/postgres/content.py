"""Taking the content out of stored runs, on PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from offpath.storage.postgres import ledger_statements as statements
from offpath.storage.postgres.connection import ConnectionPool
from offpath.storage.postgres.text import restored

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

Strip = Callable[[bytes], bytes]
logger = logging.getLogger("offpath.storage")

_WINDOW: Final = 500
"""Marked runs that are looked at in one read; most of them may wait for a hook."""
_BATCH: Final = 20
"""Records of one transaction."""


class ContentRemoval:
    """See `Ledger.strip_content`. Goes round all marked runs, a part at each call.

    Args:
        pool: Where to connect.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._after = ""
        """The last run that was looked at, as it is stored."""
        self._refused: set[str] = set()
        """Runs whose records could not be changed; they keep their mark, and the next process tries again."""

    async def strip(self, strip: Strip, limit: int) -> int:
        ready = await self._ready(limit)
        stripped = 0
        for first in range(0, len(ready), _BATCH):
            stripped += await self._pool.transaction(self._strip_runs, strip, ready[first : first + _BATCH])
        return stripped

    async def _ready(self, limit: int) -> list[str]:
        """Some of the runs that are marked and whose hooks have ended."""
        ready: list[str] = []
        rounds = 2 if self._after else 1
        while len(ready) < limit and rounds:
            rows = await self._pool.read(_marked, self._after)
            for run_id, hooks_ended in rows:
                if len(ready) == limit:
                    return ready
                self._after = run_id
                if hooks_ended and run_id not in self._refused and run_id not in ready:
                    ready.append(run_id)
            if len(rows) == _WINDOW:
                break
            self._after = ""
            rounds -= 1
        return ready

    async def _strip_runs(self, connection: Connection, strip: Strip, run_ids: Sequence[str]) -> int:
        await connection.execute(statements.LOCK_RUNS, run_ids)
        # As they are now: a hook may have been asked for meanwhile.
        bare: dict[str, bytes] = {}
        for run_id, record in await connection.fetch(statements.RECORDS_TO_STRIP, run_ids):
            try:
                bare[run_id] = strip(record)
            except Exception:
                self._refused.add(run_id)
                logger.exception(
                    "run %s keeps its content, which should go: see why, or delete the run", restored(run_id)
                )
        if bare:
            await connection.execute(statements.STRIP, list(bare), list(bare.values()))
        return len(bare)


async def _marked(connection: Connection, after: str) -> list[Any]:
    return await connection.fetch(statements.TO_STRIP, after, _WINDOW)
