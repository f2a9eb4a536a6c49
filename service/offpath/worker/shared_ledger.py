"""SharedLedger: the worker's one ledger, opened when the first of its parts needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from offpath.storage.ledger import Ledger


class SharedLedger:
    """A ledger that is opened once, at its first use: a worker that needs none has no connections of it.

    Args:
        make: Makes it; called at its first use.
    """

    def __init__(self, make: Callable[[], Ledger]) -> None:
        self._make = make
        self._opening = asyncio.Lock()
        self._ledger: Ledger | None = None

    async def opened(self) -> Ledger:
        """The ledger, open.

        Raises:
            StorageError: It cannot be opened now; the next call tries again.
        """
        if self._ledger is None:
            async with self._opening:
                if self._ledger is None:
                    ledger = self._make()
                    await ledger.open()
                    self._ledger = ledger
        return self._ledger

    async def close(self) -> None:
        async with self._opening:
            ledger, self._ledger = self._ledger, None
            if ledger is not None:
                await ledger.close()
