"""Pressure: how the queue and the judge's budget stand, as a service process has to know them when runs end."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final, Protocol

from offpath.errors import OffpathError
from offpath.ledger.budget import Window, window_of, zone_of
from offpath.storage.ledger import NANO, Ledger

_SECONDS: Final = 1.0
_log = logging.getLogger("offpath")


class Backlog(Protocol):
    """The engine, as far as it is asked."""

    async def backlog(self, limit: int) -> int: ...


class Pressed(Protocol):
    """The planner, as far as it is told."""

    pressure: int
    budget_used_up: bool


class Budget(Protocol):
    """What is left for judges."""

    async def used_up(self) -> bool: ...


class PressureWatch:
    """Keeps a planner up to date, about once a second.

    Args:
        most: `OFFPATH_MAX_BACKLOG`.
        budget: None without a limit.
    """

    def __init__(self, planner: Pressed, engine: Backlog, most: int, budget: Budget | None) -> None:
        self._planner = planner
        self._engine = engine
        self._most = most
        self._budget = budget

    async def run(self) -> None:
        """Look, for ever. While nothing can be seen, what was seen last holds."""
        while True:
            try:
                await self.look()
            except OffpathError as error:
                _log.debug("the queue cannot be looked at: %s", error)
            await asyncio.sleep(_SECONDS)

    async def look(self) -> None:
        """
        Raises:
            StorageError: The queue or the budget cannot be read now.
        """
        backlog = await self._engine.backlog(2 * self._most + 1)
        pressure = 2 if backlog > 2 * self._most else int(backlog > self._most)
        if pressure != self._planner.pressure:
            _tell(pressure, backlog, self._most)
        self._planner.pressure = pressure
        if self._budget is not None:
            self._planner.budget_used_up = await self._budget.used_up()


def budget_of(settings: Any, ledger: Ledger) -> Budget | None:
    """The judge's budget as the settings name it; None without a limit."""
    if settings.judge_budget_usd is None:
        return None
    return _JudgeBudget(
        ledger, round(settings.judge_budget_usd * NANO), settings.judge_budget_window, settings.timezone
    )


class _JudgeBudget:
    def __init__(self, ledger: Ledger, limit: int, window: Window, timezone: str) -> None:
        self._ledger = ledger
        self._limit = limit
        self._window = window
        self._zone = zone_of(timezone)

    async def used_up(self) -> bool:
        return await self._ledger.spent(window_of(time.time(), self._window, self._zone)) >= self._limit


def _tell(pressure: int, backlog: int, most: int) -> None:
    what = (
        "runs are evaluated again",
        "new runs are not evaluated",
        "new runs are neither evaluated nor accounted for",
    )
    _log.warning(
        "%s%d hook jobs are waiting (OFFPATH_MAX_BACKLOG=%d): %s",
        "more than " if pressure == 2 else "",
        min(backlog, 2 * most),
        most,
        what[pressure],
    )
