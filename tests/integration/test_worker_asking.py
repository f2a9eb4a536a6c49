"""Hooks that ask the worker: from executor processes, from a thread of the service, and inline."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from offpath.hooks.parent import ask
from offpath.ledger.budget import window_of
from offpath.ledger.question import FetchSession, Reserve, Settle
from offpath.runs.job import JobState
from offpath.runs.output import RunOutput
from offpath.storage.ledger import Ledger
from offpath.worker.inline import InlineWorker
from offpath.worker.local import LocalWorker
from offpath.worker.supervisor import Supervisor
from unit.worker.worker_kit import Runs, alive, family, make_job, open_runs, options, service_of, until, write_target

TARGET = """
import asyncio, os, signal
from pathlib import Path
from offpath.hooks.hook import hook
from offpath.hooks.parent import ask
from offpath.ledger.question import FetchSession, Reserve, Settle

HERE = Path(__file__).parent

async def spends(job):
    reserved = await ask(Reserve(1_000))
    if reserved.window is None:
        return "refused"
    await ask(Settle(reserved.window, 1_000, 700))
    return "spent"

def spends_on_a_thread(job):
    return asyncio.run(spends(job))

async def reads(run_output):
    found = await ask(FetchSession(run_output.session_id, 10))
    return len(found.records)

@hook(retries=0)
async def dies(job):
    await ask(Reserve(500))
    os.kill(os.getpid(), signal.SIGKILL)

@hook(timeout=0.3, retries=0)
async def ends_before_the_answer(job):
    tasks = [asyncio.ensure_future(ask(Reserve(1))) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    return "gone"

async def asks_late(job):
    (HERE / "began").touch()
    await asyncio.sleep(0.7)
    return await spends(job)

service = service_of(asks_late, spends, spends_on_a_thread, reads, dies, ends_before_the_answer)
"""
BUDGET = {"judge_budget_usd": 0.00001, "judge_budget_window": "month"}
"""10,000 nano-USD."""


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[Runs]:
    async with open_runs(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def supervised(runs: Runs, directory: Path, **changes: object) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(write_target(directory, TARGET), runs.db.url, options(**{**BUDGET, **changes}))
    await supervisor.start()
    try:
        yield supervisor
    finally:
        await supervisor.stop()
    assert not alive(family())


@asynccontextmanager
async def ledger_of(runs: Runs) -> AsyncIterator[Ledger]:
    ledger = runs.db.open_ledger(enqueue=runs.engine.enqueue, wake=runs.engine.wake)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


async def spent(runs: Runs) -> int:
    async with ledger_of(runs) as ledger:
        return await ledger.spent(window_of(time.time(), "month"))


needs_processes = pytest.mark.skipif(sys.platform == "win32", reason="executors are processes")


@needs_processes
async def test_hooks_in_executors_ask_and_the_budget_holds(runs: Runs, tmp_path: Path) -> None:
    async with supervised(runs, tmp_path):
        run_ids = await runs.add_many(12, "spends", "spends_on_a_thread")
        jobs = [await runs.ended(run_id, hook) for run_id in run_ids for hook in ("spends", "spends_on_a_thread")]
        assert {job.state for job in jobs} == {JobState.SUCCEEDED}
        results = [await result_of(runs, job.key) for job in jobs]
        assert set(results) == {'"spent"', '"refused"'}
        # A reservation of 1,000 fits as long as 9,000 are spent or reserved; each then takes 700.
        assert 10 <= results.count('"spent"') <= 13
        assert await spent(runs) == 700 * results.count('"spent"')
        read = await runs.ended(await runs.add("reads"), "reads")
        assert await result_of(runs, read.key) == "10"


@needs_processes
async def test_what_a_killed_executor_had_reserved_counts_as_spent(runs: Runs, tmp_path: Path) -> None:
    async with supervised(runs, tmp_path):
        job = await runs.ended(await runs.add("dies"), "dies")
        assert job.outcome == "killed"
        assert await spent(runs) == 500


@needs_processes
async def test_questions_whose_hook_has_ended_disturb_nobody(runs: Runs, tmp_path: Path) -> None:
    async with supervised(runs, tmp_path):
        job = await runs.ended(await runs.add("ends_before_the_answer"), "ends_before_the_answer")
        assert job.outcome == "success"
        assert (await runs.ended(await runs.add("spends"), "spends")).state is JobState.SUCCEEDED


@needs_processes
async def test_a_worker_that_drains_still_answers(runs: Runs, tmp_path: Path) -> None:
    async with supervised(runs, tmp_path):
        run_id = await runs.add("asks_late")
        await until((tmp_path / "began").exists)
    job = await runs.job(run_id, "asks_late")
    assert job.state is JobState.SUCCEEDED, job.error
    assert await result_of(runs, job.key) == '"spent"'


@needs_processes
async def test_a_worker_that_is_killed_leaves_what_was_reserved_spent(runs: Runs, tmp_path: Path) -> None:
    target = TARGET.replace("await ask(Settle(", "await asyncio.sleep(60); await ask(Settle(")
    supervisor = Supervisor(write_target(tmp_path, target), runs.db.url, options(**BUDGET))
    await supervisor.start()
    try:
        await runs.add("spends")

        async def reserved() -> bool:
            return await spent(runs) > 0

        await until(reserved)
        assert supervisor.worker_pid is not None
        os.kill(supervisor.worker_pid, signal.SIGKILL)
        await until(lambda: not alive(family()), what="end of the executors")
    finally:
        await supervisor.stop()
    assert await spent(runs) >= 1000


@pytest.mark.parametrize("where", ["thread", "inline"])
async def test_hooks_of_the_services_own_process_ask(runs: Runs, where: str) -> None:
    found: list[object] = []

    async def spends(run_output: RunOutput) -> None:
        reserved = await ask(Reserve(1000))
        assert reserved.window is not None
        await ask(Settle(reserved.window, 1000, 700))
        found.append(reserved.window)
        found.append(len((await ask(FetchSession("s1", 5))).records))

    def on_a_thread(run_output: RunOutput) -> None:
        asyncio.run(spends(run_output))

    registry = service_of(spends, on_a_thread).registry
    run_id = await runs.add("spends", "on_a_thread")
    worker: LocalWorker | InlineWorker
    if where == "thread":
        worker = LocalWorker(runs.db, registry, options(**BUDGET))
        await worker.start()
    else:
        worker = InlineWorker(runs.db, registry, options(**BUDGET))
        await worker.run_jobs(b"", [make_job("spends", run_id), make_job("on_a_thread", run_id)])
    for hook in ("spends", "on_a_thread"):
        job = await runs.ended(run_id, hook)
        assert job.state is JobState.SUCCEEDED, job.error
    await worker.stop()
    assert found.count(window_of(time.time(), "month")) == found.count(1) == 2
    assert await spent(runs) == 1400


async def test_a_worker_that_nobody_asks_opens_no_ledger(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("offpath.storage.sqlite_ledger.SqliteLedger.open", lambda _: opened.append("opened"))

    async def quiet(run_output: RunOutput) -> None:
        return

    worker = InlineWorker(runs.db, service_of(quiet).registry, options())
    run_id = await runs.add("quiet")
    await worker.run_jobs(b"", [make_job("quiet", run_id)])
    await worker.stop()
    assert opened == []


async def result_of(runs: Runs, key: str) -> str | None:
    def read() -> str | None:
        with closing(sqlite3.connect(runs.paths.database)) as connection:
            (result,) = connection.execute("SELECT result FROM job_results WHERE key = ?", (key,)).fetchone()
        assert result is None or isinstance(result, str)
        return result

    return await asyncio.to_thread(read)
