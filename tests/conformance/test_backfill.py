"""Backfills of stored runs, beside the booking of new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from conformance.conftest import Bench
from offpath.ledger.amendment import amended
from offpath.ledger.estimate import Summary, summarize
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import Sums, add
from offpath.posthooks.evaluation.backfill import Backfill
from offpath.posthooks.evaluation.enabled import EnabledEvaluator, enable
from offpath.storage.ledger import Ledger, RunQuery
from planned_runs import book_all, planned_run, store_run

RUNS = 60
EVALUATORS = [enable("pii"), enable("refusal", sample_rate=0.5), enable("secrets", agents=["other"])]


@pytest.fixture
async def ledger(bench: Bench) -> AsyncIterator[Ledger]:
    opened: Ledger = bench.database.open_ledger(enqueue=bench.producer.enqueue, wake=bench.producer.wake)
    await opened.open()
    yield opened
    await opened.close()


async def summary(ledger: Ledger, name: str) -> Summary:
    total: Sums = {}
    for _, sums in await ledger.rollups("evaluation", "hour", "evaluator", 0, 2**40, value=name):
        add(total, sums)
    return summarize(total)


async def backfilled(ledger: Ledger, enabled: list[EnabledEvaluator]) -> Backfill:
    made = Backfill(ledger, enabled, {}, concurrency=8)
    await made.run(RunQuery())
    return made


async def test_every_run_is_evaluated_and_counted_once(bench: Bench, ledger: Ledger) -> None:
    """Half of the runs have a plan, some of them not booked yet; two backfills run at once."""
    rows = [
        planned_run(
            f"run-{number:02}",
            content="Write to jo.smith@example.org." if number % 3 == 0 else "On Monday.",
            entries={"pii": PlanEntry("overload", 1.0)} if number % 2 else None,
        )
        for number in range(RUNS)
    ]
    await asyncio.gather(*(store_run(bench.store, row) for row in rows))
    await asyncio.gather(backfilled(ledger, EVALUATORS), backfilled(ledger, EVALUATORS), book_all(ledger))
    await book_all(ledger)
    pii, refusal, secrets = [await summary(ledger, name) for name in ("pii", "refusal", "secrets")]
    assert pii.states == {"scored": RUNS}
    assert pii.pass_rate is not None
    assert pii.pass_rate.estimate == pytest.approx(2 / 3)
    assert set(refusal.states) == {"scored", "sampled_out"}
    assert refusal.runs == RUNS
    assert refusal.population == 2 * refusal.states["scored"]
    assert secrets.states == {"filtered": RUNS}
    # Nothing is left to do.
    progress = (await backfilled(ledger, EVALUATORS)).progress
    assert progress.runs == RUNS
    assert set(progress.outcomes) == {"known", "left_out"}


async def test_the_plan_of_a_deleted_run_is_not_made_anew(bench: Bench, ledger: Ledger) -> None:
    await store_run(bench.store, planned_run("run"))

    class Deleting(Backfill):
        """One whose run goes while it is assessed."""

        async def _assessed(self, run_id: str, *rest: object) -> list[object]:  # type: ignore[override]
            found = await super()._assessed(run_id, *rest)  # type: ignore[arg-type]
            await bench.store.delete_run(run_id)
            return found  # type: ignore[return-value]

    await Deleting(ledger, [enable("pii")], {}).run(RunQuery())
    assert await ledger.plans(["run"]) == {}
    assert await ledger.evaluations(["run"]) == {}
    assert (await summary(ledger, "pii")).runs == 0


async def test_a_job_that_ends_meanwhile_is_not_undone(bench: Bench, ledger: Ledger) -> None:
    """The rate has risen: a run that waits is to count more, and has its result before that is written."""
    pending = PlanEntry("pending", 0.5, "offpath.evaluate")
    await store_run(bench.store, planned_run("run", entries={"pii": pending}))
    await book_all(ledger)
    scored = PlanEntry("scored", 0.5, "offpath.evaluate", "f", 1.0, True, None, 2e9)

    class Late(Backfill):
        """One that reads, then waits."""

        async def _do(self, *work: Any) -> None:
            await ledger.amend("run", lambda plan: amended(cast("RunPlan", plan), {"pii": scored}))
            await super()._do(*work)

    await Late(ledger, [enable("pii")], {}).run(RunQuery())
    assert (await ledger.plans(["run"]))["run"].entries == {"pii": scored}
    assert (await summary(ledger, "pii")).states == {"scored": 1}
