"""What a sampled evaluation says of all runs, through stored rows: plans, bookings, job results, sums, the summary."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

import msgspec

from offpath.api.application import create_app
from offpath.engine.protocol import Attempt
from offpath.engine.sqlite import SqliteEngine
from offpath.ledger.estimate import share_interval
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.posthooks.evaluation.filters import RunFilter
from offpath.posthooks.evaluation.plan_rule import PlanRule, PlanRules
from offpath.posthooks.job_result import JobResult
from offpath.runs.job import HookJob, job_key
from offpath.storage.database import SqliteDb
from offpath.storage.ledger import Ledger
from offpath.storage.store import Store
from planned_runs import book_all, planned_run, store_run
from unit.api.serving import Component, Served, serving

SEEDS = 200
HOOK = "offpath.evaluate"
# Support came first, when every run was evaluated; when sales followed, with more runs, the rate was lowered. Nightly
# runs are filtered: the evaluator is not for them.
RUNS = {"support": 200, "sales": 500, "nightly": 50}
PASSING = {"support": 0.95, "sales": 0.60, "nightly": 0.10}
RATES = {"support": 1.0, "sales": 0.15, "nightly": 0.15}
WANTED = RUNS["support"] + RUNS["sales"]
TRUTH = sum(RUNS[agent] * PASSING[agent] for agent in ("support", "sales")) / WANTED


def rules(rate: float) -> PlanRules:
    """One evaluator for each seed, which draws for itself."""
    wanted = RunFilter(agents=("support", "sales"))
    return PlanRules(
        PlanRule(name=f"seed_{seed}", hook=HOOK, rate=rate, group=f"group-{seed}", filter=wanted)
        for seed in range(SEEDS)
    )


def passes(run_id: str, name: str, rate: float) -> bool:
    """What the evaluator finds: each seed is a world of its own, in which the agents pass with their rates."""
    digest = hashlib.blake2b(f"{name}/{run_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < rate


def found(run_id: str, name: str) -> EvaluationRow:
    agent = run_id.partition("-")[0]
    return EvaluationRow(
        run_id=run_id,
        name=name,
        fingerprint="f",
        state="scored",
        subject="output",
        evaluator="quality",
        version=1,
        evaluated_at=time.time(),
        duration=0.001,
        passed=passes(run_id, name, PASSING[agent]),
    )


async def store_runs(store: Store) -> None:
    """Runs as they end: with a plan, and a job where something is to be evaluated."""
    by_rate = {rate: rules(rate) for rate in set(RATES.values())}
    begun = time.time() - 3_600
    under_way = []
    for agent, count in RUNS.items():
        for number in range(count):
            run_id = f"{agent}-{number}"
            row = planned_run(run_id, agent, begun)
            entries = by_rate[RATES[agent]].entries(
                run_id=run_id,
                session_id=row.session_id,
                kind="agent",
                component_id=agent,
                user_id=None,
                status="completed",
                nested=False,
            )
            row = planned_run(run_id, agent, begun, entries=entries)
            pending = any(entry.state == "pending" for entry in entries.values())
            under_way.append(store_run(store, row, *([job(run_id, agent)] if pending else [])))
    await asyncio.gather(*under_way)


def job(run_id: str, agent: str) -> HookJob:
    return HookJob(
        key=job_key(run_id, "post", HOOK),
        run_id=run_id,
        component_kind="agent",
        component_id=agent,
        phase="post",
        hook=HOOK,
        kind="evaluation",
        version="1",
        priority=3,
        queued_at=time.time(),
    )


async def evaluate_all(engine: SqliteEngine, ledger: Ledger) -> int:
    """What executors do: each job ends with the results of the evaluators that its plan has pending."""
    await engine.open()
    free = {f"agent:{agent}:post:{HOOK}": 100 for agent in RUNS}
    total = 0
    while claimed := await engine.claim(free, limit=100):
        plans = await ledger.plans([each.job.run_id for each in claimed])
        ended = []
        for each in claimed:
            entries = plans[each.job.run_id].entries
            rows = [found(each.job.run_id, name) for name, entry in entries.items() if entry.state == "pending"]
            total += len(rows)
            result = msgspec.json.encode(JobResult(evaluations=rows))
            ended.append(Attempt(each, "success", time.time(), time.time(), result=result))
        await engine.complete(ended)
    return total


async def test_the_weighted_interval_covers_the_truth_and_the_naive_one_does_not(tmp_path: Path) -> None:
    async with serving(tmp_path, Component("support")) as served:
        ledger = SqliteDb(tmp_path / "offpath.db").open_ledger(enqueue=served.engine.enqueue, wake=served.engine.wake)
        await ledger.open()
        try:
            await store_runs(served.context.store)
            await book_all(ledger)
            evaluated = await evaluate_all(served.engine, ledger)
            await book_all(ledger)
            context = dataclasses.replace(served.context, open_ledger=lambda: ledger)
            async with Served(create_app(context), context, served.engine).client() as client:
                answer = (await client.get("/evaluations/summary", params={"window": "2d", "examples": 0})).json()
        finally:
            await ledger.close()
    groups: list[dict[str, Any]] = answer["groups"]
    assert answer["unbooked"] == 0
    assert len(groups) == SEEDS
    assert sum(group["states"]["scored"] for group in groups) == evaluated
    covered = naive = 0
    for group in groups:
        assert (group["runs"], group["states"]["filtered"], group["coverage"]) == (750, 50, 1.0)
        rate = group["pass_rate"]
        assert abs(group["population"] / WANTED - 1) < 0.5
        covered += rate["low"] <= TRUTH <= rate["high"]
        low, high = share_interval(rate["naive"], rate["n"])
        naive += low <= TRUTH <= high
    estimates = [group["pass_rate"]["estimate"] for group in groups]
    # 190 are expected, with a standard deviation of 3.1.
    assert 181 <= covered <= 199, covered
    assert naive <= 10, naive
    # A single estimate has a standard deviation of about 0.04.
    assert abs(sum(estimates) / SEEDS - TRUTH) < 0.01
