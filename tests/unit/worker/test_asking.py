"""Questions of hooks: how they get to the worker's parent, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from offpath.errors import ConfigurationError, StorageError
from offpath.hooks.parent import ask
from offpath.ledger.notice import Delivery
from offpath.ledger.question import (
    FetchDelivery,
    FetchedDelivery,
    FetchedSession,
    FetchSession,
    Question,
    Reserve,
    Reserved,
    Settle,
    Settled,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from offpath.posthooks.evaluation.budget_gate import BudgetGate
from offpath.worker.answers import LARGEST_ANSWER, Answers, reply_to
from offpath.worker.asking import Asking
from offpath.worker.messages import Ask, Reply
from offpath.worker.shared_ledger import SharedLedger
from unit.worker.test_job_runner import Bench
from unit.worker.worker_kit import options, until

DELIVERY = Delivery("d1", "oncall", "run_error:agent:a", 5.0, b'{"title": "x"}', run_id="r1")


class FakeLedger:
    """As much of a ledger as is asked."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.down = False
        self.windows: dict[str, int] = {}
        self.records: list[bytes] = [b"one", b"two"]

    async def open(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise StorageError("the database is gone")
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def reserve(self, window: str, limit: int, amount: int) -> bool:
        if self.down:
            raise StorageError("the database is gone")
        if self.windows.get(window, 0) + amount > limit:
            return False
        self.windows[window] = self.windows.get(window, 0) + amount
        return True

    async def settle(self, window: str, amount: int, spent: int) -> None:
        self.windows[window] += spent - amount

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return DELIVERY if delivery_id == "d1" else None

    async def session_records(self, session_id: str, *, limit: int) -> list[bytes]:
        return self.records[-limit:]


def answers_of(ledger: FakeLedger, **changes: Any) -> Answers:
    found: Any = ledger
    budget = {"judge_budget_usd": 0.5, "judge_budget_window": "day", **changes}
    return Answers(SharedLedger(lambda: found), options(**budget), clock=lambda: 1_800_000_000.0)


class Office:
    """Passes questions to a parent, as the executors' socket does."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.asked: list[Ask] = []
        self.hold = False
        self.gone = False
        self.asking = Asking(self._send)
        self.tasks: set[asyncio.Task[None]] = set()

    def _send(self, message: Ask) -> bool:
        if self.gone:
            return False
        self.asked.append(message)
        if not self.hold:
            self.answer(message)
        return True

    def answer(self, message: Ask) -> None:
        async def answer() -> None:
            self.asking.take(await reply_to(message, self.parent))

        task = asyncio.get_running_loop().create_task(answer())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def test_answers_come_from_the_ledger() -> None:
    ledger = FakeLedger()
    asking = Office(answers_of(ledger)).asking
    assert await asking.ask(FetchDelivery("d1")) == FetchedDelivery(DELIVERY)
    assert await asking.ask(FetchDelivery("d2")) == FetchedDelivery(None)
    assert await asking.ask(FetchSession("s1", 1)) == FetchedSession([b"two"])
    assert await asking.ask(Reserve(400_000_000)) == Reserved("2027-01-15")
    assert await asking.ask(Reserve(200_000_000)) == Reserved(None)
    assert await asking.ask(Settle("2027-01-15", 400_000_000, 100_000_000)) == Settled()
    assert await asking.ask(Reserve(200_000_000)) == Reserved("2027-01-15")
    assert ledger.windows == {"2027-01-15": 300_000_000}


async def test_the_ledger_is_opened_once_at_the_first_question_and_closed_if_it_was() -> None:
    ledger = FakeLedger()
    found: Any = ledger
    shared = SharedLedger(lambda: found)
    await shared.close()
    assert (ledger.opened, ledger.closed) == (0, 0)
    await asyncio.gather(*(shared.opened() for _ in range(5)))
    await shared.close()
    await shared.close()
    assert (ledger.opened, ledger.closed) == (1, 1)


async def test_a_ledger_that_cannot_be_opened_is_tried_again_at_the_next_question() -> None:
    ledger = FakeLedger()
    ledger.down = True
    asking = Office(answers_of(ledger)).asking
    with pytest.raises(StorageError, match="the database is gone"):
        await asking.ask(FetchDelivery("d1"))
    ledger.down = False
    assert await asking.ask(FetchDelivery("d1")) == FetchedDelivery(DELIVERY)


async def test_what_cannot_be_answered_raises_where_it_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StorageError, match="OFFPATH_JUDGE_BUDGET_USD"):
        await Office(answers_of(FakeLedger(), judge_budget_usd=None)).asking.ask(Reserve(1))
    with pytest.raises(StorageError, match="answers no questions"):
        await Office(None).asking.ask(Reserve(1))

    class Broken:
        async def ask(self, question: Question) -> Any:
            raise KeyError("a user's content")

    with pytest.raises(StorageError, match="an internal error, a KeyError$"):
        await Office(Broken()).asking.ask(Reserve(1))
    assert "could not be answered" in caplog.text
    assert (await reply_to(Ask(1, b"\xc1"), answers_of(FakeLedger()))).error is not None


async def test_more_than_the_budget_is_refused_without_asking_the_database() -> None:
    ledger = FakeLedger()
    assert await answers_of(ledger).ask(Reserve(500_000_001)) == Reserved(None)
    assert ledger.opened == 0


async def test_an_answer_carries_the_newest_records_that_fit() -> None:
    ledger = FakeLedger()
    half = bytes(LARGEST_ANSWER // 2)
    ledger.records = [b"old", half, half]
    assert await answers_of(ledger).ask(FetchSession("s1", 9)) == FetchedSession([half, half])


async def test_many_questions_at_once_get_their_own_answers() -> None:
    asking = Office(answers_of(FakeLedger())).asking
    asked: list[Question] = [FetchDelivery(f"d{number}") for number in range(3)]
    assert await asyncio.gather(*map(asking.ask, asked)) == [
        FetchedDelivery(None),
        FetchedDelivery(DELIVERY),
        FetchedDelivery(None),
    ]


async def test_answers_to_whoever_has_ended_are_dropped() -> None:
    office = Office(answers_of(FakeLedger()))
    office.hold = True
    asked = asyncio.create_task(office.asking.ask(FetchDelivery("d1")))
    await until(lambda: bool(office.asked))
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    office.asking.take(Reply(office.asked[0].number, encode_answer(Settled())))
    office.asking.take(Reply(4711, b""))
    office.hold = False
    assert await office.asking.ask(FetchDelivery("d1")) == FetchedDelivery(DELIVERY)


async def test_a_parent_that_is_gone_fails_what_is_asked() -> None:
    office = Office(answers_of(FakeLedger()))
    office.hold = True
    asked = asyncio.create_task(office.asking.ask(FetchDelivery("d1")))
    await until(lambda: bool(office.asked))
    office.asking.close()
    for question in (asked, office.asking.ask(FetchDelivery("d1"))):
        with pytest.raises(StorageError, match="answers no more"):
            await question
    other = Office(answers_of(FakeLedger()))
    other.gone = True
    with pytest.raises(StorageError, match="answers no more"):
        await other.asking.ask(FetchDelivery("d1"))


async def test_a_thread_with_an_event_loop_of_its_own_can_ask() -> None:
    asking = Office(answers_of(FakeLedger())).asking
    found = await asyncio.to_thread(lambda: asyncio.run(asking.ask(FetchDelivery("d1"))))
    assert found == FetchedDelivery(DELIVERY)


@pytest.mark.parametrize("kind", ["coroutine", "plain", "gives_awaitable"])
async def test_every_kind_of_hook_can_ask(kind: str) -> None:
    async def coroutine() -> Any:
        return (await asyncio.create_task(_channel())) or "none"

    def plain() -> Any:
        return asyncio.run(_channel())

    async def _channel() -> str | None:
        found = (await ask(FetchDelivery("d1"))).delivery
        return None if found is None else found.channel

    hooks: dict[str, Callable[..., Any]] = {
        "coroutine": coroutine,
        "plain": plain,
        "gives_awaitable": _named(lambda: _channel(), "gives_awaitable"),
    }
    bench = Bench(hooks[kind])
    bench.runner._parent = Office(answers_of(FakeLedger())).asking
    (ended,) = await bench.run(kind)
    assert (ended.outcome, ended.result) == ("success", b'"oncall"'), ended.error


async def test_a_hook_that_gets_no_answer_is_tried_again() -> None:
    ledger = FakeLedger()
    ledger.down = True

    async def asks() -> Any:
        await ask(FetchDelivery("d1"))

    bench = Bench(asks)
    bench.runner._parent = Office(answers_of(ledger)).asking
    (ended,) = await bench.run("asks")
    assert (ended.outcome, ended.final, ended.error_type) == ("error", False, "StorageError")


async def test_a_gate_reserves_whole_nanodollars_and_settles() -> None:
    ledger = FakeLedger()
    gate = BudgetGate(Office(answers_of(ledger)).asking)
    token = await gate.reserve(0.1000000001)
    assert token is not None
    assert (token.window, token.amount) == ("2027-01-15", 100_000_001)
    assert await gate.reserve(0.5) is None
    await gate.settle(token, 0.0000000001)
    assert ledger.windows == {"2027-01-15": 1}
    with pytest.raises(ConfigurationError, match="no worker"):
        await BudgetGate().reserve(0.1)


def test_questions_and_answers_come_back_as_they_were() -> None:
    for question in (Reserve(5), Settle("w", 5, 7), FetchDelivery("d1"), FetchSession("s1", 3)):
        assert decode_question(encode_question(question)) == question
    for answer in (Reserved("w"), Reserved(None), Settled(), FetchedDelivery(DELIVERY), FetchedSession([b"\0"])):
        assert decode_answer(encode_answer(answer)) == answer


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    return function
