"""Backfills of stored runs, beside the booking of new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import msgspec
import pytest

from conformance.conftest import Bench
from offpath.ledger.amendment import amended
from offpath.ledger.estimate import Summary, summarize
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import Sums, add
from offpath.ledger.state import State
from offpath.posthooks.evaluation import backfill
from offpath.posthooks.evaluation.backfill import Backfill
from offpath.posthooks.evaluation.enabled import EnabledEvaluator, enable
from offpath.posthooks.evaluation.sampling import draw
from offpath.storage.ledger import Ledger, RunQuery
from offpath_evaluators import evaluator
from offpath_evaluators.score import Failed
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
    assert (await ledger.plans(["run"]))["run"].entries == {"pii": msgspec.structs.replace(scored, probability=1.0)}
    found = await summary(ledger, "pii")
    assert (found.states, found.population) == ({"scored": 1}, 1.0)


# What cannot be evaluated now.

LOW, HIGH = 0.2, 0.8


class Answers:
    """What the evaluator of these tests says."""

    def __init__(self) -> None:
        self.now: Any = True


@pytest.fixture
def answers() -> Answers:
    return Answers()


def truth(answers: Answers, rate: float = 1.0, **options: Any) -> EnabledEvaluator:
    @evaluator("truth")
    def judged(context: Any) -> Any:
        return answers.now

    return enable(judged, sample_rate=rate, **options)


async def raised(bench: Bench, ledger: Ledger, answers: Answers, hinder: Callable[[], None]) -> Backfill:
    """Evaluate runs at a low rate; then the rate rises, and none can be evaluated any more."""
    await asyncio.gather(*(store_run(bench.store, planned_run(f"run-{number:02}")) for number in range(RUNS)))
    await book_all(ledger)
    await backfilled(ledger, [truth(answers, LOW)])
    before = await summary(ledger, "truth")
    assert before.population == pytest.approx(before.states["scored"] / LOW)
    hinder()
    return await backfilled(ledger, [truth(answers, HIGH)])


@pytest.mark.parametrize(
    ("why", "state", "reason"),
    [
        ("budget", "budget", None),
        ("away", "failed", "judge_unavailable"),
        ("content", "failed", "without_content"),
        ("record", "failed", "unreadable"),
    ],
)
async def test_runs_that_a_higher_rate_draws_count_though_they_cannot_be_evaluated_now(
    bench: Bench, ledger: Ledger, answers: Answers, why: str, state: State, reason: str | None
) -> None:
    few = {number for number in range(RUNS) if draw(f"run-{number:02}") < LOW}
    many = {number for number in range(RUNS) if draw(f"run-{number:02}") < HIGH}
    assert few < many
    with pytest.MonkeyPatch.context() as patch:

        def hinder() -> None:
            if why == "content":
                patch.setattr(backfill, "has_content", lambda record: False)
            elif why == "record":
                patch.setattr(backfill, "decode_record", lambda encoding: msgspec.json.decode(b"{"))
            else:
                answers.now = Failed("budget") if why == "budget" else Failed("judge_unavailable", "down", 60.0)

        await raised(bench, ledger, answers, hinder)
    found = await summary(ledger, "truth")
    assert found.states == {"scored": len(few), state: len(many - few), "sampled_out": RUNS - len(many)}
    assert found.population == pytest.approx(len(many) / HIGH)
    assert found.coverage == pytest.approx(len(few) / len(many))
    assert found.pass_rate is not None
    assert found.pass_rate.worst < len(few) / len(many) < found.pass_rate.best == 1.0
    run_id = f"run-{min(many - few):02}"
    entry = (await ledger.plans([run_id]))[run_id].entries["truth"]
    assert (entry.state, entry.probability) == (state, HIGH)
    results = (await ledger.evaluations([run_id])).get(run_id, [])
    assert [each.reason for each in results] == ([reason] if reason else [])
    # Once it can be done, the same command does it.
    answers.now = False
    progress = (await backfilled(ledger, [truth(answers, HIGH)])).progress
    assert progress.outcomes["evaluated"] == len(many - few)
    found = await summary(ledger, "truth")
    assert found.states == {"scored": len(many), "sampled_out": RUNS - len(many)}
    assert found.population == pytest.approx(len(many) / HIGH)
    assert found.coverage == 1.0


async def test_runs_that_were_drawn_already_count_with_the_higher_rate_too(
    bench: Bench, ledger: Ledger, answers: Answers
) -> None:
    """Without a score before, and without one now."""
    await store_run(bench.store, planned_run("shed", entries={"truth": PlanEntry("overload", 0.1)}))
    await book_all(ledger)
    answers.now = Failed("budget")
    await backfilled(ledger, [truth(answers)])
    assert (await ledger.plans(["shed"]))["shed"].entries == {"truth": PlanEntry("overload", 1.0)}
    assert (await summary(ledger, "truth")).population == 1.0


async def test_an_evaluator_that_is_new_counts_the_runs_that_it_cannot_evaluate(
    bench: Bench, ledger: Ledger, answers: Answers
) -> None:
    """Of runs that ended without a plan."""
    await asyncio.gather(*(store_run(bench.store, planned_run(f"run-{number}")) for number in range(4)))
    answers.now = Failed("budget")
    await backfilled(ledger, [truth(answers)])
    found = await summary(ledger, "truth")
    assert (found.states, found.population, found.coverage) == ({"budget": 4}, 4.0, 0.0)


async def test_another_attempt_that_comes_to_nothing_takes_no_score_away(
    bench: Bench, ledger: Ledger, answers: Answers
) -> None:
    await store_run(bench.store, planned_run("run"))
    await backfilled(ledger, [truth(answers)])
    before = (await ledger.plans(["run"]))["run"].entries
    results = await ledger.evaluations(["run"])
    for nothing in (Failed("broken"), Failed("judge_unavailable", "down", 60.0), Failed("budget")):
        answers.now = nothing
        await Backfill(ledger, [truth(answers)], {}, again=True).run(RunQuery())
        assert (await ledger.plans(["run"]))["run"].entries == before
        assert await ledger.evaluations(["run"]) == results


async def test_a_score_that_comes_meanwhile_is_not_undone_by_an_attempt_in_vain(
    bench: Bench, ledger: Ledger, answers: Answers
) -> None:
    await store_run(bench.store, planned_run("run", entries={"truth": PlanEntry("sampled_out", 0.1)}))
    await book_all(ledger)
    answers.now = Failed("judge_unavailable", "down", 60.0)

    class Late(Backfill):
        """One whose run is evaluated by another backfill while it waits for the judge."""

        async def _assessed(self, *work: Any) -> Any:
            found = await super()._assessed(*work)
            answers.now = True
            await backfilled(ledger, [truth(answers, 0.9)])
            return found

    await Late(ledger, [truth(answers)], {}).run(RunQuery())
    entry = (await ledger.plans(["run"]))["run"].entries["truth"]
    assert (entry.state, entry.passed, entry.probability) == ("scored", True, 1.0)
    (row,) = (await ledger.evaluations(["run"]))["run"]
    assert row.state == "scored"


async def test_a_filter_that_is_lifted_makes_its_runs_ones_that_chance_left_out(
    bench: Bench, ledger: Ledger, answers: Answers
) -> None:
    run_id = next(f"run-{number}" for number in range(99) if draw(f"run-{number}") > HIGH)
    await store_run(bench.store, planned_run(run_id))
    await backfilled(ledger, [truth(answers, HIGH, agents=["other"])])
    assert (await summary(ledger, "truth")).states == {"filtered": 1}
    await backfilled(ledger, [truth(answers, HIGH)])
    assert (await summary(ledger, "truth")).states == {"sampled_out": 1}


async def test_scores_of_the_stand_in_stay_told_apart(bench: Bench, ledger: Ledger, answers: Answers) -> None:
    enabled = truth(answers)
    fingerprint = enabled.instance.settings_hash
    scored = PlanEntry("scored", 0.5, "offpath.evaluate", fingerprint, 1.0, True, None, 9.0, stand_in=True)
    await store_run(bench.store, planned_run("run", entries={"truth": scored}))
    await book_all(ledger)
    row = EvaluationRow("run", "truth", fingerprint, "scored", "output", "truth", 1, 9.0, 0.1, 1.0, True, stand_in=True)
    await ledger.amend("run", lambda plan: amended(cast("RunPlan", plan), {}, [row]))
    await backfilled(ledger, [enabled])
    assert (await ledger.plans(["run"]))["run"].entries == {"truth": msgspec.structs.replace(scored, probability=1.0)}
    assert (await summary(ledger, "truth")).stand_in == 1
