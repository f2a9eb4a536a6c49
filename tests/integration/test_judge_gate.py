"""A judge whose requests a gate lets through: through the real `openai` client over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from offpath.offline import OfflineModel, Reply
from offpath_evaluators import BudgetUsedUp, Evaluation, EvaluationContext, Judge, configure, evaluate
from offpath_evaluators.judge.gate import TOKENS_OF_MESSAGE, TOKENS_OF_TEMPLATE, most_tokens

CONTEXT = EvaluationContext(id="1", input="How long can I return a coat?", output="Within 30 days. Grüße!")
PRICES = {"m": (1.0, 2.0)}
"""USD for a million input and output tokens."""


@dataclass
class Gate:
    """Keeps a budget in memory, and notes what it was asked."""

    left: float = 1.0
    reserved: list[float] = field(default_factory=list)
    settled: list[tuple[float, float]] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    refused: int = 0
    fails: tuple[str, ...] = ()

    async def reserve(self, usd: float) -> float | None:
        await asyncio.sleep(0)
        if "reserve" in self.fails:
            raise ConnectionError("secret")
        if usd > self.left:
            self.refused += 1
            return None
        self.left -= usd
        self.reserved.append(usd)
        return usd

    async def settle(self, token: Any, usd: float) -> None:
        if "settle" in self.fails:
            raise ConnectionError("secret")
        self.left += token - usd
        self.settled.append((token, usd))

    def keep(self, token: Any) -> None:
        self.kept.append(token)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offpath_evaluators.judge.question._FIRST_DELAY", 0.005)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def model() -> AsyncIterator[OfflineModel]:
    async with OfflineModel() as running:
        running.set_options(retry_after=0.01)
        yield running


def judge_of(model: OfflineModel, gate: Gate, **options: Any) -> Judge:
    return Judge("m", base_url=model.base_url, **{"gate": gate, "prices": PRICES, **options})


async def ask(judge: Judge, name: str = "helpfulness", **options: Any) -> Evaluation:
    async with judge:
        (found,) = await evaluate(CONTEXT, [configure(name, **options)], judge=judge)
    return found


async def test_a_request_is_reserved_at_its_most_and_settled_at_what_it_took(model: OfflineModel) -> None:
    gate = Gate()
    found = await ask(judge_of(model, gate, max_tokens=1000))
    assert found.state == "scored"
    ((most, cost),) = gate.settled
    assert gate.reserved == [most]
    assert cost == pytest.approx(found.provenance.cost)
    given, written = most_tokens(model.requests[0].json)
    assert most == pytest.approx((given * 1.0 + written * 2.0) / 1e6)
    assert written == 1000
    sent = model.requests[0].json
    texts = sum(len(each["content"].encode()) for each in sent["messages"])
    assert given > texts + len(json.dumps(sent["response_format"])) + TOKENS_OF_TEMPLATE + 2 * TOKENS_OF_MESSAGE
    assert cost < most
    assert gate.left == pytest.approx(1.0 - cost)


async def test_every_try_is_reserved_and_what_may_have_cost_is_not_given_back(model: OfflineModel) -> None:
    gate = Gate()
    # No answer, nonsense without usage, and a gateway's error may have cost. Refusals have not.
    model.fail_next("drop", "empty_choices", "status:502", "status:429", "status:503", "")
    found = await ask(judge_of(model, gate, retries=9))
    assert (found.state, found.provenance.judge_calls) == ("scored", 6)
    assert len(gate.reserved) == 6
    costs = [cost for _, cost in gate.settled]
    assert costs[:2] == [0.0, 0.0]
    assert costs[2] == pytest.approx(found.provenance.cost)
    assert len(costs) == 3
    assert gate.left == pytest.approx(1.0 - 3 * gate.reserved[0] - costs[2])


async def test_a_request_that_never_left_costs_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        gate = Gate()
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        found = await ask(Judge("m", base_url=url, gate=gate, prices=PRICES, retries=2))
    assert found.reason == "judge_unavailable"
    assert found.retry_after is not None
    assert [cost for _, cost in gate.settled] == [0.0, 0.0, 0.0]
    assert gate.left == pytest.approx(1.0)


async def test_a_request_without_an_answer_in_time_or_that_is_cancelled_counts_as_spent(model: OfflineModel) -> None:
    gate = Gate()
    model.fail_next("hang")
    found = await ask(judge_of(model, gate, timeout=0.2, retries=0))
    assert found.reason == "timeout"
    model.fail_next("hang")
    asked = asyncio.create_task(ask(judge_of(model, gate)))
    while len(gate.reserved) < 2:
        await asyncio.sleep(0.01)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert gate.settled == []
    assert gate.left == pytest.approx(1.0 - sum(gate.reserved))


async def test_samples_are_reserved_as_many_answers(model: OfflineModel) -> None:
    gate = Gate()
    model.set_options(refused_parameters=("logprobs",))
    model.script = lambda request: [Reply(text='{"verdict": "4"}')] * (request.n or 1)
    found = await ask(judge_of(model, gate, max_tokens=500), "geval", criterion="Short.")
    assert found.state == "scored"
    assert [most_tokens(each.json)[1] for each in model.requests][-2:] == [500, 2500]
    assert [cost for _, cost in gate.settled][:2] == [0.0, 0.0], "refused with status 400"
    assert gate.left == pytest.approx(1.0 - (found.provenance.cost or 0))


async def test_a_budget_that_is_used_up_is_a_reason_of_its_own(model: OfflineModel) -> None:
    gate = Gate(left=0.0001)
    found = await ask(judge_of(model, gate))
    assert (found.state, found.reason, found.retry_after) == ("failed", "budget", None)
    assert model.received == 0
    assert gate.settled == []


async def test_when_it_is_used_up_no_other_call_of_the_evaluation_is_sent(model: OfflineModel) -> None:
    gate = Gate(left=0.0)
    found = await ask(judge_of(model, gate, concurrency=1), "guidelines", rules=["One.", "Two.", "Three."])
    await asyncio.sleep(0.05)
    assert found.reason == "budget"
    assert (gate.refused, model.received) == (1, 0)


async def test_whoever_asks_a_judge_sees_that_it_is_used_up(model: OfflineModel) -> None:
    from offpath_evaluators.judged.helpfulness import CRITERION

    async with judge_of(model, Gate(left=0.0)) as judge:
        with pytest.raises(BudgetUsedUp):
            await judge.record().ask(CRITERION, CONTEXT)


async def test_a_model_of_unknown_price_is_not_asked(model: OfflineModel) -> None:
    gate = Gate()
    found = await ask(judge_of(model, gate, prices=None))
    assert (found.state, found.reason) == ("failed", "unpriced")
    assert model.received == 0
    assert gate.reserved == []


async def test_an_endpoint_without_a_limit_of_tokens_is_not_asked_without_one(model: OfflineModel) -> None:
    gate = Gate()
    model.set_options(refused_parameters=("max_completion_tokens", "max_tokens"))
    judge = judge_of(model, gate)
    for _ in range(2):
        found = await ask(judge)
        assert (found.state, found.reason) == ("failed", "no_token_limit")
        assert "takes none" in (found.explanation or "")
    assert all("max_tokens" in each.json or "max_completion_tokens" in each.json for each in model.requests)
    assert gate.left == pytest.approx(1.0)
    # Without a budget it is asked without.
    assert (await ask(Judge("m", base_url=model.base_url))).state == "scored"


async def test_an_answer_without_usage_counts_as_the_most(model: OfflineModel) -> None:
    gate = Gate()
    body = {"choices": [{"message": {"content": '{"reason": "x", "verdict": "helpful"}'}}], "usage": None}
    await _answered(gate, body)
    await _answered(gate, {**body, "usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    await _answered(gate, {**body, "usage": {"prompt_tokens": 900}})
    assert len(gate.reserved) == 3
    assert gate.settled == []


async def test_an_answer_above_the_limit_is_booked_as_it_is_and_said_once(
    model: OfflineModel, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    usage = {"prompt_tokens": 900, "completion_tokens": 100_000}
    choices = [{"message": {"content": '{"reason": "x", "verdict": "helpful"}'}}]
    with caplog.at_level(logging.WARNING):
        await _answered(gate, {"model": "m", "choices": choices, "usage": usage}, times=2)
    assert [cost for _, cost in gate.settled] == [pytest.approx(0.2009)] * 2
    assert gate.left == pytest.approx(1.0 - 2 * 0.2009)
    said = [each.getMessage() for each in caplog.records if "does not keep to the limit" in each.getMessage()]
    assert len(said) == 1


async def test_a_gate_that_cannot_answer_is_asked_again_later(
    model: OfflineModel, caplog: pytest.LogCaptureFixture
) -> None:
    found = await ask(judge_of(model, Gate(fails=("reserve",))))
    assert (found.reason, found.retry_after) == ("budget_unavailable", 30.0)
    assert model.received == 0
    with caplog.at_level(logging.WARNING):
        found = await ask(judge_of(model, Gate(fails=("settle",))))
    assert found.state == "scored", "the answer is there; only the budget does not hear of it"
    assert "count as spent" in caplog.text
    assert "secret" not in caplog.text + str(found)


async def _answered(gate: Gate, body: Any, times: int = 1) -> None:
    """Ask an endpoint that answers with `body`."""
    data = json.dumps(body).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))
            top = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
            writer.write(top.encode() + data)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with Judge("m", base_url=url, gate=gate, prices=PRICES) as judge:
            for _ in range(times):
                (found,) = await evaluate(CONTEXT, ["helpfulness"], judge=judge)
                assert found.state == "scored"
        server.close()
