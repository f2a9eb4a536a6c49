"""What a worker does for the built-in hooks: nothing without any, and only what is on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from offpath.engine.pause import HookPause
from offpath.errors import StorageError
from offpath.ledger.booking import Batch
from offpath.posthooks.evaluation.plan_rule import PlanRule
from offpath.posthooks.notification.rules import ChannelRules, NoticeRules
from offpath.posthooks.planner import EvaluatorInfo, PlannerData, encode_planner
from offpath.storage.ledger import NANO
from offpath.telemetry import tracing
from offpath.worker import booking, bookkeeping
from offpath.worker.bookkeeping import Bookkeeping
from offpath.worker.pool import PoolHooks
from offpath.worker.shared_ledger import SharedLedger
from unit.worker.test_signals import Shown
from unit.worker.worker_kit import options, until

EVALUATE = "offpath.evaluate"


@pytest.fixture
def shown() -> Iterator[Shown]:
    yield Shown()
    tracing.use_providers(None, None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_NOTIFY_SECONDS", "_SESSIONS_SECONDS", "_STRIP_SECONDS", "_BUDGET_SECONDS", "_RATES_SECONDS"):
        monkeypatch.setattr(bookkeeping, name, 0.002)
    monkeypatch.setattr(bookkeeping, "_FAULT_WAITS", (0.002,))
    for name in ("_SOON", "_IDLE", "_PAUSE"):
        monkeypatch.setattr(booking, name, 0.002)


class Calls:
    """A ledger that notes what is asked of it."""

    def __init__(self) -> None:
        self.made = 0
        self.opened = 0
        self.asked: list[str] = []
        self.faults: dict[str, int] = {}
        self.money = 0

    def make(self) -> Any:
        self.made += 1
        return self

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if self.faults.get(name, 0) > 0:
            self.faults[name] -= 1
            raise StorageError(f"{name} cannot be done now")

    async def open(self) -> None:
        self.opened += 1
        self._ask("open")

    async def close(self) -> None:
        self.asked.append("close")

    async def book(self, work: Any, *, limit: int) -> int:
        self._ask("book")
        work(Batch([], {}))
        return 0

    async def strip_content(self, strip: Any, *, limit: int) -> int:
        self._ask("strip_content")
        return 0

    async def quiet_sessions(self, before: float, *, limit: int) -> list[tuple[str, str]]:
        self._ask("quiet_sessions")
        return []

    async def mark_sessions(self, session_ids: Sequence[str], at: float) -> None:
        self._ask("mark_sessions")

    async def rollups(self, *arguments: Any, **more: Any) -> list[Any]:
        self._ask("rollups")
        return []

    async def spent(self, window: str) -> int:
        self._ask("spent")
        return self.money

    async def fold(self, work: Any, *, limit: int) -> int:
        self._ask("fold")
        return 0


class Leader:
    def __init__(self) -> None:
        self.does = True

    async def leads(self) -> bool:
        return self.does

    async def pauses(self) -> list[HookPause]:
        return []


class Started:
    """Bookkeeping under way."""

    def __init__(self, data: PlannerData | None, **settings: Any) -> None:
        self.ledger = Calls()
        self.leader = Leader()
        self.bookkeeping = Bookkeeping(SharedLedger(self.ledger.make), options(**settings), self.leader)
        self.hooks = PoolHooks((), frozenset(), b"" if data is None else encode_planner(data))
        self.task = asyncio.create_task(self.bookkeeping.run(self.hooks))

    async def __aenter__(self) -> Started:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def asked(self, *names: str) -> None:
        await until(lambda: set(names) <= set(self.ledger.asked) or self.task.done())
        assert not self.task.done() or self.task.exception() is None


@pytest.mark.parametrize("data", [None, PlannerData()])
async def test_without_built_ins_it_opens_nothing(data: PlannerData | None) -> None:
    async with Started(data) as started:
        await asyncio.wait_for(started.task, 5)
        assert started.ledger.made == started.ledger.opened == 0
        assert started.ledger.asked == []


@pytest.mark.parametrize(
    ("data", "settings", "duties"),
    [
        (PlannerData(analytics=True), {}, set()),
        (PlannerData(strip=True), {}, set()),
        (PlannerData(rules=(PlanRule("pii", EVALUATE),)), {}, {"rollups"}),
        (PlannerData(rules=(PlanRule("pii", EVALUATE),)), {"judge_budget_usd": 1.0}, {"rollups", "spent"}),
        (PlannerData(rules=(PlanRule("talk", EVALUATE, scope="session"),)), {}, {"rollups", "quiet_sessions"}),
        (PlannerData(notices=NoticeRules((ChannelRules("ops", {"run_error": None}),))), {}, {"fold"}),
    ],
    ids=["analytics", "content", "evaluators", "budget", "sessions", "notices"],
)
async def test_it_does_what_is_on_and_nothing_else(
    data: PlannerData, settings: dict[str, Any], duties: set[str], shown: Shown
) -> None:
    async with Started(data, **settings) as started:
        duties = {"strip_content", *duties}  # always: runs may be marked from earlier
        await started.asked("open", "book", *duties)
        await asyncio.sleep(0.03)
        assert set(started.ledger.asked) == {"open", "book", *duties}
        assert started.ledger.made == 1


async def test_only_the_worker_that_leads_does_it(shown: Shown) -> None:
    data = PlannerData(rules=(PlanRule("pii", EVALUATE),), strip=True)
    async with Started(data, judge_budget_usd=1.0) as started:
        started.leader.does = False
        await started.asked("open")
        await asyncio.sleep(0.03)
        started.ledger.asked.clear()
        await asyncio.sleep(0.03)
        assert started.ledger.asked == []
        started.leader.does = True
        await started.asked("book", "strip_content", "rollups", "spent")


async def test_a_duty_that_fails_holds_up_no_other(shown: Shown, caplog: pytest.LogCaptureFixture) -> None:
    data = PlannerData(rules=(PlanRule("pii", EVALUATE),), strip=True)
    with caplog.at_level(logging.WARNING, "offpath.worker"):
        async with Started(data) as started:
            started.ledger.faults = {"strip_content": 3, "book": 2}
            await started.asked("rollups")
            await until(lambda: started.ledger.asked.count("strip_content") > 4)
            await until(lambda: started.ledger.asked.count("book") > 3)
    assert caplog.text.count("content that is kept no longer cannot be seen to") == 3
    assert caplog.text.count("what ended cannot be booked") == 2


async def test_a_ledger_that_cannot_be_opened_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "offpath.worker"):
        ledger = Calls()
        ledger.faults = {"open": 2}
        made = Bookkeeping(SharedLedger(ledger.make), options(), Leader())
        hooks = PoolHooks((), frozenset(), encode_planner(PlannerData(analytics=True)))
        task = asyncio.create_task(made.run(hooks))
        await until(lambda: "book" in ledger.asked)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert ledger.opened == 3
    assert caplog.text.count("the ledger cannot be opened") == 2


async def test_what_is_on_and_what_is_left_is_shown(shown: Shown) -> None:
    data = PlannerData(
        rules=(PlanRule("pii", EVALUATE),),
        evaluators=(EvaluatorInfo("pii", "output", 3, 0.1, "gpt-judge"),),
        components=(("agent", "support", "Support"),),
    )
    async with Started(data, judge_budget_usd=2.0, judge_budget_window="month") as started:
        started.ledger.money = NANO // 2
        await until(lambda: any(point.value == 1.5 for point in shown.points("judge.budget.remaining")))
        (budget,) = shown.points("judge.budget.remaining")
        assert dict(budget.attributes) == {"offpath.budget.window": "month"}
        (limit,) = shown.points("judge.budget.limit")
        assert (dict(limit.attributes), limit.value) == ({"offpath.budget.window": "month"}, 2.0)
        (info,) = shown.points("evaluator.info")
        assert info.value == 1
        assert info.attributes["gen_ai.evaluation.name"] == "pii"
        assert info.attributes["offpath.sample.rate"] == "0.1"
        # Without analytics, too: judges are accounted for in any case.
        for name in ("cost", "cost.unpriced", "evaluation.judge.tokens"):
            assert {point.attributes["gen_ai.request.model"] for point in shown.points(name)} == {"gpt-judge"}, name
            assert {point.value for point in shown.points(name)} == {0}
        started.ledger.money = 3 * NANO
        await until(lambda: any(point.value == 0 for point in shown.points("judge.budget.remaining")))
