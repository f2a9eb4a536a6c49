"""A budget with little left, and requests under way that will give most of theirs back."""

from __future__ import annotations

import asyncio

import pytest

from offpath.ledger.question import Answer, Question, Reserve, Reserved, Settle, Settled
from offpath.posthooks.evaluation import budget_gate
from offpath.posthooks.evaluation.budget_gate import BudgetGate
from offpath.storage.ledger import NANO


class Purse:
    """A worker's parent with so much left."""

    def __init__(self, usd: float) -> None:
        self.left = round(usd * NANO)

    async def ask(self, question: Question) -> Answer:
        if isinstance(question, Reserve):
            if question.amount > self.left:
                return Reserved(None)
            self.left -= question.amount
            return Reserved("2026-11-20")
        assert isinstance(question, Settle)
        self.left += question.amount - question.spent
        return Settled()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_gate, "_PAUSE", 0.005)


async def test_a_request_waits_for_what_others_give_back() -> None:
    gate = BudgetGate(Purse(1.0))
    first = await gate.reserve(0.9)
    waiting = asyncio.create_task(gate.reserve(0.9))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await gate.settle(first, 0.01)
    assert await asyncio.wait_for(waiting, 5) is not None


async def test_nobody_waits_for_what_stays_spent() -> None:
    gate = BudgetGate(Purse(1.0))
    first = await gate.reserve(0.9)
    waiting = asyncio.create_task(gate.reserve(0.9))
    gate.keep(first)
    assert await asyncio.wait_for(waiting, 5) is None
    assert await gate.reserve(2.0) is None


async def test_a_request_that_never_ends_is_waited_for_no_longer_than_one_can_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget_gate, "LONGEST_REQUEST", 0.03)
    gate = BudgetGate(Purse(1.0))
    assert await gate.reserve(0.9) is not None
    assert await asyncio.wait_for(gate.reserve(0.9), 5) is None
