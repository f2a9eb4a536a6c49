"""Pressure: how the queue and the judge's budget stand, as a service process has to know them when runs end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from offpath.errors import OffpathError
from offpath.ledger.budget import Window, next_window, window_of, zone_of
from offpath.storage.ledger import NANO, Ledger

_SECONDS: Final = 1.0
_log = logging.getLogger("offpath")


class Backlog(Protocol):
    """The engine, as far as it is asked."""

    async def backlog(self, limit: int, hooks: Sequence[str] | None = None) -> int: ...


class Pressed(Protocol):
    """The planner, as far as it is told."""

    pressure: int
    judges_pressed: bool
    budget_used_up: bool


class Budget(Protocol):
    """What is left for judges."""

    async def used_up(self) -> bool: ...

    def told(self, used_up: bool) -> str:
        """What people are to know of a change."""
        ...


class PressureWatch:
    """Keeps a planner up to date, about once a second.

    Args:
        most: `OFFPATH_MAX_BACKLOG`.
        hooks: Ids of all background hooks but those that ask judges.
        judged: Ids of those. A judge that is slow or away holds nobody else up.
        budget: None without a limit.
    """

    def __init__(
        self,
        planner: Pressed,
        engine: Backlog,
        most: int,
        *,
        hooks: Sequence[str],
        judged: Sequence[str] = (),
        budget: Budget | None = None,
    ) -> None:
        self._hooks = hooks
        self._judged = judged
        self._planner = planner
        self._engine = engine
        self._most = most
        self._budget = budget
        self._blind = False

    async def run(self) -> None:
        """Look, for ever. While nothing can be seen, what was seen last holds."""
        while True:
            try:
                await self.look()
                self._blind = False
            except OffpathError as error:
                if not self._blind:
                    _log.warning("queue and budget cannot be looked at; what was seen last holds: %s", error)
                self._blind = True
            await asyncio.sleep(_SECONDS)

    async def look(self) -> None:
        """
        Raises:
            StorageError: The queue or the budget cannot be read now.
        """
        backlog = await self._engine.backlog(2 * self._most + 1, self._hooks)
        pressure = 2 if backlog > 2 * self._most else int(backlog > self._most)
        if pressure != self._planner.pressure:
            _tell(pressure, backlog, self._most)
        self._planner.pressure = pressure
        if self._judged:
            pressed = await self._engine.backlog(self._most + 1, self._judged) > self._most
            if pressed != self._planner.judges_pressed:
                what = "new runs are not shown to judges" if pressed else "new runs are shown to judges again"
                _log.warning("jobs that ask judges (OFFPATH_MAX_BACKLOG=%d): %s", self._most, what)
            self._planner.judges_pressed = pressed
        if self._budget is not None:
            used_up = await self._budget.used_up()
            if used_up != self._planner.budget_used_up:
                _log.warning("%s", self._budget.told(used_up))
            self._planner.budget_used_up = used_up


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

    def told(self, used_up: bool) -> str:
        if not used_up:
            return "the judge's budget has room again: new runs are judged"
        begins = datetime.fromtimestamp(next_window(time.time(), self._window, self._zone), self._zone)
        return (
            f"the judge's budget of {self._limit / NANO:g} USD a {self._window} is used up (OFFPATH_JUDGE_BUDGET_USD): "
            f"new runs are not judged before {begins:%Y-%m-%d %H:%M %Z}"
        )


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
