"""What ended is booked by the worker that leads, and shown exactly as often as it is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from offpath.errors import StorageError
from offpath.ledger.booking import Batch, Booking, Change, EndedJob
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.posthooks import names
from offpath.posthooks.books import Books
from offpath.posthooks.job_result import JobResult
from offpath.runs.job import JobInfo, JobState, job_key
from offpath.telemetry import tracing
from offpath.worker import booking
from offpath.worker.booking import BATCH, Booker, zero_evaluations
from unit.posthooks.test_books import plan, row
from unit.worker.test_signals import Shown
from unit.worker.worker_kit import until

TRACEPARENT = f"00-{0xA << 124:032x}-{'b' * 16}-01,{0xC << 60:016x}"


@pytest.fixture
def shown() -> Iterator[Shown]:
    yield Shown()
    tracing.use_providers(None, None)


class Table:
    """Bookings in memory. `faults` are raised by the next calls, one each; before or after the work was asked."""

    def __init__(self, *waiting: Booking, plans: tuple[RunPlan, ...] = ()) -> None:
        self.waiting = list(waiting)
        self.plans = {each.run_id: each for each in plans}
        self.faults: list[Exception | None] = []
        self.calls = 0
        self.tries = 1
        """How often the work is asked for each batch: others may have written meanwhile."""

    async def book(self, work: Callable[[Batch], Change], *, limit: int) -> int:
        self.calls += 1
        taken = self.waiting[:limit]
        change = None
        for _ in range(self.tries if taken else 0):
            change = work(Batch(taken, dict(self.plans)))
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        if change is not None:
            self.plans.update(change.plans)
            del self.waiting[: len(taken)]
        return len(taken)


def ended(run_id: str, *rows: Any, number: int = 1) -> Booking:
    key = job_key(run_id, "post", names.EVALUATE)
    info = JobInfo(
        key=key,
        run_id=run_id,
        component_kind="agent",
        component_id="support",
        phase="post",
        hook=names.EVALUATE,
        kind="evaluation",
        version="1",
        state=JobState.SUCCEEDED,
        attempts=1,
        queued_at=1.0,
        outcome="success",
        finished_at=2.0,
    )

    return Booking(number, run_id, key, EndedJob(info, msgspec.json.encode(JobResult(list(rows))), ""))


def booker(table: Table, *, leads: bool = True) -> Booker:
    async def asked() -> bool:
        return leads

    ledger: Any = table
    return Booker(ledger, Books(None, analytics=False), asked)


def counts(shown: Shown, name: str, *labels: str) -> dict[tuple[Any, ...], int]:
    return {
        tuple(point.attributes.get(label) for label in labels): point.value
        for point in shown.points(name)
        if point.value
    }


async def test_all_that_waits_is_booked_in_batches(shown: Shown) -> None:
    plans = [plan(f"r{number}", pii=PlanEntry("filtered")) for number in range(2 * BATCH + 5)]
    table = Table(*(Booking(n, each.run_id, None, None) for n, each in enumerate(plans)), plans=tuple(plans))
    assert await booker(table).turn() == 2 * BATCH + 5
    assert table.waiting == []
    assert table.calls == 3
    assert counts(shown, "evaluation.skipped", "offpath.reason") == {("filtered",): 2 * BATCH + 5}


async def test_a_full_last_batch_is_followed_by_one_more_look(shown: Shown) -> None:
    plans = [plan(f"r{number}", pii=PlanEntry("filtered")) for number in range(BATCH)]
    table = Table(*(Booking(n, each.run_id, None, None) for n, each in enumerate(plans)), plans=tuple(plans))
    assert await booker(table).turn() == BATCH
    assert table.calls == 2
    assert counts(shown, "evaluation.skipped", "offpath.reason") == {("filtered",): BATCH}


async def test_results_are_shown_with_label_subject_and_agent(shown: Shown) -> None:
    table = Table(
        ended(
            "r1",
            row("pii", 1.0, label="none"),
            row("tone", 0.2, label="an invented one", label_closed=False),
            row("broken", state="failed", reason="timeout"),
            row("dumb", state="abstained", reason="unknown"),
            row("other", state="not_applicable", reason="missing_context"),
            row("poor", state="budget", reason="budget"),
        ),
        plans=(plan("r1", pii=PlanEntry("pending", 1.0, names.EVALUATE)),),
    )
    await booker(table).turn()
    labels = ("gen_ai.evaluation.name", "gen_ai.evaluation.score.label", "offpath.evaluation.passed", "error.type")
    assert counts(shown, "evaluation.results", *labels) == {
        ("pii", "none", "true", None): 1,
        ("tone", "other", "false", None): 1,
        ("broken", None, None, "timeout"): 1,
    }
    assert counts(shown, "evaluation.skipped", "gen_ai.evaluation.name", "offpath.reason") == {
        ("dumb", "abstained"): 1,
        ("other", "not_applicable"): 1,
        ("poor", "budget"): 1,
    }
    scores = {point.attributes["gen_ai.evaluation.name"]: point.sum for point in shown.points("evaluation.score")}
    assert scores == {"pii": 1.0, "tone": 0.2}


async def test_a_judge_has_one_name_in_all_metrics(shown: Shown) -> None:
    asked: dict[str, Any] = {"judge_calls": 1, "input_tokens": 90, "output_tokens": 10, "cost": 0.5}
    table = Table(
        ended(
            "r1",
            row("tone", judge_model="gpt-4o-mini-2024-07-18", asked_model="gpt-4o-mini", **asked),
            row("tone", judge_model="offline:gpt-4o-mini", asked_model="gpt-4o-mini", **asked),
            row("tone", judge_model="offline:gpt-4o-mini", **asked),  # of an executor of an earlier version
        ),
        plans=(plan("r1"),),
    )
    zero_evaluations([("tone", "output")], ["Support"], [("tone", "gpt-4o-mini")])
    tokens = ("gen_ai.evaluation.name", "gen_ai.request.model", "gen_ai.token.type")
    series = [tuple(point.attributes[each] for each in tokens) for point in shown.points("evaluation.judge.tokens")]
    await booker(table).turn()
    assert counts(shown, "evaluation.judge.tokens", *tokens) == {
        ("tone", "gpt-4o-mini", "input"): 270,
        ("tone", "gpt-4o-mini", "output"): 30,
    }
    assert counts(shown, "cost", "offpath.purpose", "gen_ai.request.model") == {("judge", "gpt-4o-mini"): 1.5}
    assert sorted(series) == [("tone", "gpt-4o-mini", "input"), ("tone", "gpt-4o-mini", "output")]


async def test_what_is_counted_twice_before_it_is_stored_is_shown_once(shown: Shown) -> None:
    table = Table(ended("r1", row("pii")), plans=(plan("r1", pii=PlanEntry("pending", 1.0, names.EVALUATE)),))
    table.tries = 3
    await booker(table).turn()
    assert counts(shown, "evaluation.results", "gen_ai.evaluation.name") == {("pii",): 1}


async def test_what_is_not_stored_is_not_shown(shown: Shown) -> None:
    table = Table(ended("r1", row("pii")), plans=(plan("r1", pii=PlanEntry("pending", 1.0, names.EVALUATE)),))
    table.faults = [StorageError("the disk is full")]
    with pytest.raises(StorageError):
        await booker(table).turn()
    assert counts(shown, "evaluation.results", "gen_ai.evaluation.name") == {}
    await booker(table).turn()
    assert counts(shown, "evaluation.results", "gen_ai.evaluation.name") == {("pii",): 1}


async def test_a_fault_is_told_and_tried_again(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("_SOON", "_IDLE", "_PAUSE"):
        monkeypatch.setattr(booking, name, 0.001)
    monkeypatch.setattr(booking, "_FAULT_WAITS", (0.001, 0.002))
    table = Table(ended("r1", row("pii")), plans=(plan("r1", pii=PlanEntry("pending", 1.0, names.EVALUATE)),))
    table.faults = [StorageError("the disk is full")] * 4
    with caplog.at_level(logging.WARNING, "offpath.worker"):
        task = asyncio.create_task(booker(table).run())
        await until(lambda: not table.waiting)
    assert caplog.text.count("what ended cannot be booked") == 4
    assert "the disk is full" in caplog.text
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_worker_that_does_not_lead_books_nothing(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_SOON", "_IDLE"):
        monkeypatch.setattr(booking, name, 0.001)
    table = Table(ended("r1", row("pii")), plans=(plan("r1"),))
    task = asyncio.create_task(booker(table, leads=False).run())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert table.calls == 0
    assert len(table.waiting) == 1


def test_counters_stand_at_0_before_the_first(shown: Shown) -> None:
    zero_evaluations([("pii", "output")], ["Support", "Sales"])
    reasons = {
        (point.attributes["gen_ai.evaluation.name"], point.attributes["offpath.reason"], point.value)
        for point in shown.points("evaluation.skipped")
    }
    assert reasons == {
        ("pii", reason, 0)
        for reason in ("sampled_out", "filtered", "budget", "overload", "not_applicable", "abstained")
    }
