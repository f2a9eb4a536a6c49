"""A process that judges within a budget: for test_judge_budget.py.

budget_child.py judge DATABASE_URL MODEL_URL BUDGET COUNT    asks COUNT times; prints how each ended, as JSON
budget_child.py reserve DATABASE_URL NANO_USD                reserves, says so, and waits to be killed
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from offpath.engine.adapters import open_engine
from offpath.ledger.question import Reserve
from offpath.posthooks.evaluation.budget_gate import BudgetGate
from offpath.storage.database import database_from_url
from offpath.worker.answers import Answers
from offpath.worker.options import WorkerOptions
from offpath.worker.shared_ledger import SharedLedger
from offpath_evaluators import EvaluationContext, Judge, evaluate
from offpath_evaluators.judge import question

PRICES = {"m": (1.0, 2.0)}
MAX_TOKENS = 300
CONCURRENCY = 16


def judge_of(base_url: str, gate: BudgetGate) -> Judge:
    """A judge that meets faults quickly."""
    setattr(question, "_FIRST_DELAY", 0.005)  # noqa: B010  # half a second as a rule
    return Judge(
        "m",
        base_url=base_url,
        api_key="none",
        prices=PRICES,
        gate=gate,
        concurrency=CONCURRENCY,
        max_tokens=MAX_TOKENS,
        timeout=3.0,
    )


async def outcome_of(judge: Judge, number: int) -> str:
    """State of one evaluation, with the reason."""
    context = EvaluationContext(input=f"Question {number}?", output="An answer, größer als ASCII. " * (number % 7 + 1))
    (found,) = await evaluate(context, ["helpfulness"], judge=judge)
    return found.state if found.reason is None else f"{found.state}: {found.reason}"


async def _judge(url: str, base_url: str, budget: str, count: str) -> None:
    answers, ledger = _answers(url, float(budget))
    async with judge_of(base_url, BudgetGate(answers)) as judge:
        print(json.dumps(await asyncio.gather(*(outcome_of(judge, number) for number in range(int(count))))))
    await ledger.close()


async def _reserve(url: str, amount: str) -> None:
    answers, _ = _answers(url, 1.0)
    print(await answers.ask(Reserve(int(amount))), flush=True)
    await asyncio.to_thread(time.sleep, 60)


def _answers(url: str, budget: float) -> tuple[Answers, SharedLedger]:
    database: Any = database_from_url(url)
    engine = open_engine(database)
    ledger = SharedLedger(lambda: database.open_ledger(enqueue=engine.enqueue, wake=engine.wake))
    return Answers(ledger, WorkerOptions(judge_budget_usd=budget, judge_budget_window="month")), ledger


if __name__ == "__main__":
    work: Any = {"judge": _judge, "reserve": _reserve}[sys.argv[1]]
    asyncio.run(work(*sys.argv[2:]))
