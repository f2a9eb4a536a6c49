"""Bookkeeping: what a worker does for the built-in hooks besides running them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from offpath.engine.pause import HookPause
from offpath.errors import OffpathError
from offpath.ledger.budget import window_of, zone_of
from offpath.posthooks.analytics.metrics import zero_costs
from offpath.posthooks.books import Books
from offpath.posthooks.planner import Planner, PlannerData, decode_planner
from offpath.runs.content import stripped
from offpath.storage.ledger import NANO, Ledger
from offpath.telemetry.instruments import instruments
from offpath.worker.booking import Booker, zero_evaluations
from offpath.worker.notifying import Notifying
from offpath.worker.options import WorkerOptions
from offpath.worker.pool import PoolHooks
from offpath.worker.quiet_sessions import QuietSessions
from offpath.worker.rates import show_rates
from offpath.worker.shared_ledger import SharedLedger

_FAULT_WAITS: Final = (0.5, 2.0, 5.0, 15.0)
_NOTIFY_SECONDS: Final = 1.0
_SESSIONS_SECONDS: Final = 5.0
_STRIP_SECONDS: Final = 5.0
_BUDGET_SECONDS: Final = 5.0
_RATES_SECONDS: Final = 30.0
_STRIP_ROWS: Final = 500

_log = logging.getLogger("offpath.worker")


class Led(Protocol):
    """The engine, as far as it is asked."""

    async def leads(self) -> bool: ...

    async def pauses(self) -> list[HookPause]: ...


class _Duty(NamedTuple):
    """Something to be done again and again by the worker that leads."""

    what: str
    every: float
    turn: Callable[[], Awaitable[object]]
    led_no_more: Callable[[], object] = lambda: None
    """Called when another worker does it: what was shown is shown no longer."""


class Bookkeeping:
    """Books what ended, tells people, sees to quiet sessions and stripped content, and shows rates and budget.

    Does nothing, and opens no connection, when no built-in hook is on.

    Args:
        ledger: Opened when it is needed.
        engine: Says whether this worker is the one of all to do it.
    """

    def __init__(self, ledger: SharedLedger, options: WorkerOptions, engine: Led) -> None:
        self._shared = ledger
        self._options = options
        self._engine = engine
        self._zone = zone_of(options.timezone)

    async def run(self, hooks: PoolHooks) -> None:
        """Do all of it, until cancelled."""
        data = decode_planner(hooks.plan)
        if not data.anything:
            return
        ledger = await self._opened()
        _show(data)
        books = Books(data.notices, analytics=data.analytics, budget_window=self._window)
        booker = Booker(ledger, books, self._engine.leads)
        duties = [_forever(self._engine, duty) for duty in self._duties(data, ledger, hooks)]
        await asyncio.gather(booker.run(), *duties)

    async def _opened(self) -> Ledger:
        waits = iter(_FAULT_WAITS)
        while True:
            try:
                return await self._shared.opened()
            except OffpathError as error:
                wait = next(waits, _FAULT_WAITS[-1])
                _log.warning("the ledger cannot be opened, trying again in %g s: %s", wait, error)
                await asyncio.sleep(wait)

    def _duties(self, data: PlannerData, ledger: Ledger, hooks: PoolHooks) -> list[_Duty]:
        duties: list[_Duty] = []
        if data.notices is not None:
            notifying = Notifying(ledger, data.notices, self._engine)
            duties.append(_Duty("notices", _NOTIFY_SECONDS, notifying.turn))
        # Always: runs may be marked from a time when OFFPATH_STORE_CONTENT said so.
        duties.append(_Duty("content that is kept no longer", _STRIP_SECONDS, lambda: _strip(ledger)))
        planner = Planner(data)
        if planner.rules.of_sessions:
            known = {info.id: info for info in hooks.infos}
            quiet = QuietSessions(ledger, planner.rules, known)
            duties.append(_Duty("quiet sessions", _SESSIONS_SECONDS, quiet.turn))
        if data.rules:
            names = {component_id: name for _, component_id, name in data.components}
            duties.append(_Duty("rates", _RATES_SECONDS, lambda: show_rates(ledger, names), _forget_rates))
        if self._options.judge_budget_usd is not None:
            duties.append(
                _Duty("the judge's budget", _BUDGET_SECONDS, lambda: self._show_budget(ledger), _forget_budget)
            )
        return duties

    def _window(self, at: float) -> str:
        return window_of(at, self._options.judge_budget_window, self._zone)

    async def _show_budget(self, ledger: Ledger) -> None:
        budget = self._options.judge_budget_usd
        if budget is not None:
            left = max(0.0, budget - await ledger.spent(self._window(time.time())) / NANO)
            window = self._options.judge_budget_window
            instruments().judge_budget_limit.set(budget, budget_window=window)
            instruments().judge_budget_remaining.set(left, budget_window=window)


def _show(data: PlannerData) -> None:
    judges = [(each.name, each.judge_model) for each in data.evaluators if each.judge_model is not None]
    # What judges cost is counted in any case, what runs cost with OFFPATH_ANALYTICS.
    zero_costs(data.models if data.analytics else (), [model for _, model in judges])
    for each in data.evaluators:
        instruments().evaluator_info.set(
            1,
            evaluation_name=each.name,
            evaluator_version=each.version,
            judge_model=each.judge_model,
            sample_rate=f"{each.rate:g}",
        )
    evaluations = [(each.name, each.subject) for each in data.evaluators]
    zero_evaluations(evaluations, {name for _, _, name in data.components}, judges)


async def _strip(ledger: Ledger) -> None:
    while await ledger.strip_content(stripped, limit=_STRIP_ROWS) == _STRIP_ROWS:
        pass


def _forget_rates() -> None:
    instruments().evaluation_rate.replace(())


def _forget_budget() -> None:
    for gauge in (instruments().judge_budget_limit, instruments().judge_budget_remaining):
        gauge.replace(())


async def _forever(engine: Led, duty: _Duty) -> None:
    faults = 0
    while True:
        await asyncio.sleep(duty.every)
        try:
            if await engine.leads():
                await duty.turn()
            else:
                duty.led_no_more()
            faults = 0
        except OffpathError as error:
            wait = _FAULT_WAITS[min(faults, len(_FAULT_WAITS) - 1)]
            faults += 1
            _log.warning("%s cannot be seen to, trying again in %g s: %s", duty.what, wait, error)
            await asyncio.sleep(wait)
