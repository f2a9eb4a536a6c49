"""The judge's budget is never exceeded: many workers, many requests at once, faults and repeated requests."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from acceptance.apps import budget_child
from offpath.engine.adapters import open_engine
from offpath.ledger.budget import window_of
from offpath.ledger.question import Reserve, Reserved
from offpath.offline import OfflineProcess, offline_model_process
from offpath.offline.completion import prompt_tokens
from offpath.offline.request import ChatRequest
from offpath.offline.script import Rule
from offpath.offline.tokens import count_tokens
from offpath.storage.database import Database, database_from_url
from offpath.storage.ledger import NANO, Ledger
from offpath.worker.answers import Answers
from offpath.worker.options import WorkerOptions
from offpath.worker.shared_ledger import SharedLedger
from offpath_evaluators.judge.gate import most_usd
from postgres_server import drop_database, prepared_database, run
from unit.worker.worker_kit import open_runs, until, write_target

CHILD = budget_child.__file__
WORKERS = 8
CALLS = 500
PORTION = 10
BUDGET = 0.5
ANSWER = json.dumps({"reason": "It answers the question in full, and names what it rests on.", "verdict": "helpful"})
FAULTS: dict[str, Any] = {
    "error_rate": 0.15,
    "error_statuses": (429, 500, 502, 503),
    "retry_after": 0.02,
    "malformed_rate": 0.1,
    "drop_rate": 0.05,
    "hang_rate": 0.01,
    "recorded_requests": 20_000,
    "latency": 0.01,
}
TARGET = """
import openai  # here, or each executor does it at its first question
from acceptance.apps.budget_child import judge_of, outcome_of
from offpath.hooks.hook import hook
from offpath.posthooks.evaluation.budget_gate import BudgetGate

judge = judge_of({base_url!r}, BudgetGate())

@hook(retries=20, timeout=60)
async def assess(run_output, job):
    return await outcome_of(judge, int(run_output.run_id.removeprefix("run")))

service = service_of(assess)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path}/offpath.db"
        database_from_url(made).prepare()
        yield made
        return
    made = prepared_database()
    yield made
    drop_database(made)


@pytest.fixture
def judge_model() -> Iterator[OfflineProcess]:
    with offline_model_process() as process:
        process.script(rules=[Rule(reply=ANSWER)])
        process.set_options(**FAULTS)
        yield process


@asynccontextmanager
async def ledger_of(url: str) -> AsyncIterator[Ledger]:
    database: Database = database_from_url(url)
    engine = open_engine(database)
    ledger = database.open_ledger(enqueue=engine.enqueue, wake=engine.wake)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()
        await engine.close()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def bills(model: OfflineProcess) -> tuple[float, float]:
    """USD by the model's own count of tokens: what its maker would ask for, and what has to be counted.

    The first is for all requests that it may have worked for: those too whose answer was lost, or nonsense. Not for
    those that it declined. The second takes the most for all whose answer said nothing of tokens.
    """
    price_in, price_out = budget_child.PRICES["m"]
    billed = counted = 0.0
    for request in model.requests(last=20_000):
        if request["fault"] in ("status:429", "status:503"):
            continue
        asked = msgspec.convert(request["body"], ChatRequest, strict=False)
        cost = (prompt_tokens(asked) * price_in + count_tokens(ANSWER) * price_out) / 1e6
        most = most_usd(budget_child.PRICES, "m", None, request["body"])
        assert most is not None
        billed += cost
        counted += most if request["fault"] or request["aborted"] else cost
    return billed, counted


def check(outcomes: list[str], model: OfflineProcess, spent: int, budget: float) -> None:
    """What has to be true of a budget that ran out."""
    found = Counter(outcomes)
    billed, counted = bills(model)
    received = model.received()
    print(f"{found}; {received} requests; billed {billed:.4f}, counted {spent / NANO:.4f} of {budget} USD")
    assert sum(found.values()) == CALLS
    assert billed <= counted <= spent / NANO + 1e-9 <= budget + 1e-9
    assert spent / NANO > 0.5 * budget, "it was used, too"
    assert found["scored"] > 50
    assert found["failed: budget"] > 50
    assert received > found["scored"] + 20, "some were asked again"


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_eight_processes_on_one_file_never_exceed_it(tmp_path: Path, judge_model: OfflineProcess) -> None:
    url = f"sqlite:///{tmp_path}/offpath.db"
    database_from_url(url).prepare()
    share = math.ceil(CALLS / WORKERS)
    counts = [min(share, CALLS - start) for start in range(0, CALLS, share)]
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, CHILD, "judge", url, judge_model.base_url, str(BUDGET), str(count)),
            stdout=subprocess.PIPE,
            env=environment(),
        )
        for count in counts
    ]
    try:
        outputs = [(await asyncio.wait_for(child.communicate(), 100))[0] for child in children]
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
                await child.wait()
    async with ledger_of(url) as ledger:
        spent = await ledger.spent(window_of(time.time(), "month"))
    check([outcome for output in outputs for outcome in json.loads(output)], judge_model, spent, BUDGET)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_eight_workers_of_one_server_never_exceed_it(tmp_path: Path, judge_model: OfflineProcess) -> None:
    url = prepared_database()
    target = write_target(tmp_path, TARGET.format(base_url=judge_model.base_url), "judging")
    variables = {
        "OFFPATH_JUDGE_BUDGET_USD": str(BUDGET),
        "OFFPATH_JUDGE_BUDGET_WINDOW": "month",
        "OFFPATH_EXECUTORS": "1",
        "OFFPATH_HOOK_BACKOFF": "0.05",
    }
    log = tmp_path / "workers.log"
    workers: list[subprocess.Popen[bytes]] = []
    try:
        async with open_runs(tmp_path, database_from_url(url)) as runs:
            for _ in range(WORKERS):
                with log.open("ab") as output:
                    arguments = [sys.executable, "-m", "offpath.cli", "worker", target, "--database-url", url]
                    workers.append(
                        subprocess.Popen(arguments, env=environment() | variables, stdout=output, stderr=output)
                    )
            await until(
                lambda: log.read_text().count(" hooks of ") == WORKERS, timeout=60.0, what="start of all workers"
            )
            for _ in range(CALLS // PORTION):
                # A worker takes all that it finds.
                await runs.add_many(PORTION, "assess")
            await runs.all_ended(timeout=90)
        rows = run(url, lambda connection: connection.fetch("SELECT result, executor FROM offpath_job_results"))
        async with ledger_of(url) as ledger:
            spent = await ledger.spent(window_of(time.time(), "month"))
        outcomes = ["" if row["result"] is None else json.loads(row["result"]) for row in rows]
        check(outcomes, judge_model, spent, BUDGET)
        # A worker takes all that it finds, so that one of them may come away empty-handed.
        assert len({row["executor"] for row in rows}) >= WORKERS // 2, "they shared it"
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        print(log.read_text() if log.exists() else "")
        drop_database(url)


async def test_the_last_cent_is_spent_once(url: str) -> None:
    window, limit, amount = window_of(time.time(), "day"), 1_000, 300
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(ledger_of(url)) for _ in range(WORKERS)]
        granted = await asyncio.gather(*(ledger.reserve(window, limit, amount) for ledger in ledgers))
        assert granted.count(True) == 3
        assert await ledgers[0].spent(window) == 900
        # One gives back what another then takes.
        await ledgers[1].settle(window, amount, 200)
        granted = await asyncio.gather(*(ledger.reserve(window, limit, 200) for ledger in ledgers))
        assert granted.count(True) == 1
        assert await ledgers[0].spent(window) == limit


async def test_what_a_worker_reserved_that_was_killed_counts_as_spent(url: str) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, CHILD, "reserve", url, "123456"), stdout=subprocess.PIPE, env=environment()
    )
    try:
        assert child.stdout is not None
        said = await asyncio.wait_for(child.stdout.readline(), 30)
    finally:
        child.kill()
        await child.wait()
    window = window_of(time.time(), "month")
    assert window in said.decode()
    async with ledger_of(url) as ledger:
        assert await ledger.spent(window) == 123_456


async def test_a_clock_that_goes_back_opens_no_budget_that_is_over(url: str) -> None:
    hours = iter([10.0, 11.0, 10.0, 10.0, 12.0])
    options = WorkerOptions(judge_budget_usd=0.000001, judge_budget_window="hour")  # 1,000 nano-USD
    async with ledger_of(url) as ledger:
        answers = Answers(SharedLedger(lambda: ledger), options, clock=lambda: next(hours) * 3600)
        asked = [(await answers.ask(Reserve(amount))) for amount in (900, 800, 100, 200, 900)]
        granted = [isinstance(each, Reserved) and each.window is not None for each in asked]
        assert granted == [True, True, True, False, True]
        assert await ledger.spent("1970-01-01T10:00Z") == 900, "asked about a window that is over, the latest is meant"


def test_the_budget_is_kept_where_the_runs_are(tmp_path: Path) -> None:
    """So that every worker sees it, and a restart forgets nothing."""
    path = tmp_path / "offpath.db"
    database_from_url(f"sqlite:///{path}").prepare()
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "budgets" in tables
