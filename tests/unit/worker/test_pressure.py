"""What a service process knows of the queue and of the judge's budget when runs end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from offpath.errors import StorageError
from offpath.ledger.budget import window_of
from offpath.posthooks.planner import Planner, PlannerData
from offpath.storage.ledger import NANO
from offpath.worker import pressure
from offpath.worker.pressure import PressureWatch, budget_of


class Queue:
    """A queue of some length; what it was asked."""

    def __init__(self) -> None:
        self.jobs = 0
        self.judged = 0
        self.limits: list[int] = []
        self.away = False

    async def backlog(self, limit: int, hooks: Sequence[str] | None = None) -> int:
        if hooks == ["judged"]:
            return min(self.judged, limit)
        assert hooks == ["other"]
        self.limits.append(limit)
        if self.away:
            raise StorageError("the database is locked")
        return min(self.jobs, limit)


class Money:
    def __init__(self) -> None:
        self.gone = False

    async def used_up(self) -> bool:
        return self.gone

    def told(self, used_up: bool) -> str:
        return "gone" if used_up else "there again"


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def planner() -> Planner:
    return Planner(PlannerData(analytics=True))


@pytest.mark.parametrize(
    ("jobs", "expected"), [(0, 0), (99, 0), (100, 0), (101, 1), (200, 1), (201, 2), (1_000_000, 2)]
)
async def test_above_the_limit_and_above_twice_the_limit(
    queue: Queue, planner: Planner, jobs: int, expected: int
) -> None:
    queue.jobs = jobs
    await PressureWatch(planner, queue, 100, hooks=["other"], judged=["judged"], budget=None).look()
    assert planner.pressure == expected
    assert max(queue.limits) <= 201, "a long queue is not counted to its end"


async def test_changes_are_told_once(queue: Queue, planner: Planner, caplog: pytest.LogCaptureFixture) -> None:
    watch = PressureWatch(planner, queue, 100, hooks=["other"], judged=["judged"], budget=None)
    with caplog.at_level(logging.WARNING, "offpath"):
        for jobs in (150, 160, 900, 950, 150, 20, 10):
            queue.jobs = jobs
            await watch.look()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    assert "150 hook jobs are waiting (OFFPATH_MAX_BACKLOG=100): new runs are not evaluated" in said[0]
    assert "more than 200" in said[1]
    assert "neither evaluated nor accounted for" in said[1]
    assert "new runs are not evaluated" in said[2]
    assert "20 hook jobs" in said[3]
    assert "runs are evaluated again" in said[3]


async def test_the_budget_is_looked_at_too(queue: Queue, planner: Planner, caplog: pytest.LogCaptureFixture) -> None:
    money = Money()
    watch = PressureWatch(planner, queue, 100, hooks=["other"], judged=["judged"], budget=money)
    await watch.look()
    assert not planner.budget_used_up
    money.gone = True
    await watch.look()
    await watch.look()
    assert planner.budget_used_up
    assert [record.getMessage() for record in caplog.records] == ["gone"], "told once"
    money.gone = False
    await watch.look()
    assert not planner.budget_used_up, "another window has begun"


async def test_what_was_seen_last_holds_while_nothing_can_be_seen(
    queue: Queue, planner: Planner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pressure, "_SECONDS", 0.001)
    queue.jobs = 150
    task = asyncio.create_task(
        PressureWatch(planner, queue, 100, hooks=["other"], judged=["judged"], budget=None).run()
    )
    try:
        while planner.pressure != 1:
            await asyncio.sleep(0.001)
        queue.away = True
        seen = len(queue.limits)
        while len(queue.limits) < seen + 5:
            await asyncio.sleep(0.001)
        assert planner.pressure == 1
        assert not task.done()
        assert sum("cannot be looked at" in record.getMessage() for record in caplog.records) == 1, "told once"
        queue.away, queue.jobs = False, 0
        while planner.pressure != 0:
            await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Spending:
    """A ledger, as far as money goes."""

    def __init__(self, spent: int) -> None:
        self.amount = spent
        self.windows: list[str] = []

    async def spent(self, window: str) -> int:
        self.windows.append(window)
        return self.amount


def settings(budget: float | None) -> Any:
    return SimpleNamespace(judge_budget_usd=budget, judge_budget_window="day", timezone="Europe/Berlin")


async def test_a_budget_is_used_up_when_nothing_is_left() -> None:
    ledger: Any = Spending(2 * NANO - 1)
    budget = budget_of(settings(2.0), ledger)
    assert budget is not None
    assert not await budget.used_up()
    ledger.amount = 2 * NANO
    assert await budget.used_up()
    from zoneinfo import ZoneInfo

    assert ledger.windows[-1] == window_of(time.time(), "day", ZoneInfo("Europe/Berlin"))


async def test_a_budget_of_nothing_is_used_up_from_the_start_and_none_is_no_limit() -> None:
    ledger: Any = Spending(0)
    budget = budget_of(settings(0.0), ledger)
    assert budget is not None
    assert await budget.used_up()
    assert budget_of(settings(None), ledger) is None


async def test_jobs_that_wait_for_judges_hold_up_nothing_but_judged_evaluators(queue: Queue, planner: Planner) -> None:
    queue.judged = 101
    watch = PressureWatch(planner, queue, 100, hooks=["other"], judged=["judged"])
    await watch.look()
    assert (planner.pressure, planner.judges_pressed) == (0, True)
    queue.judged = 100
    await watch.look()
    assert not planner.judges_pressed


async def test_people_are_told_until_when_the_budget_is_gone() -> None:
    ledger: Any = Spending(0)
    budget = budget_of(settings(2.5), ledger)
    assert budget is not None
    told = budget.told(True)
    assert "2.5 USD a day is used up (OFFPATH_JUDGE_BUDGET_USD)" in told
    assert "00:00 CE" in told, "midnight on the clock of OFFPATH_TIMEZONE"
    assert "room again" in budget.told(False)
