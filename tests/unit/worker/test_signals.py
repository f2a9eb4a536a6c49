"""What a worker counts of its work, as a collector sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from offpath.engine.pause import HookPause
from offpath.engine.protocol import Attempt, ClaimedJob, Outcome, QueueStats
from offpath.errors import StorageBusyError
from offpath.runs.job import HookJob
from offpath.telemetry import tracing
from offpath.telemetry.content import Capture
from offpath.worker import signals
from offpath.worker.signals import WorkerSignals
from unit.worker.memory_engine import MemoryEngine, ToldPool, make_info
from unit.worker.test_worker_loop import working
from unit.worker.worker_kit import make_job, options, until

RUN = (0xA << 124, 0xC << 60)
"""Trace and span of the run."""
TRACEPARENT = f"00-{RUN[0]:032x}-{'b' * 16}-01,{RUN[1]:016x}"
MakeSignals = Callable[..., WorkerSignals]
NOTIFY = {"offpath.hook": "agent:support:post:notify", "offpath.hook.kind": "post"}


class Shown:
    """What is shown of the metrics: points by name."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        tracing.use_providers(TracerProvider(shutdown_on_exit=False), meters, Capture())

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        scopes = [] if data is None else [scope for each in data.resource_metrics for scope in each.scope_metrics]
        return [
            point
            for scope in scopes
            for metric in scope.metrics
            if metric.name == f"offpath.{name}"
            for point in metric.data.data_points
        ]

    def counted(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """Labels beyond the hook's, and value, of each series that is not 0."""
        return [
            ({key: value for key, value in point.attributes.items() if key not in NOTIFY}, point.value)
            for point in self.points(name)
            if point.value
        ]


@pytest.fixture
def shown() -> Iterator[Shown]:
    yield Shown()
    tracing.use_providers(None, None)


@pytest.fixture
def make_signals() -> Iterator[MakeSignals]:
    made: list[WorkerSignals] = []

    def make(engine: MemoryEngine | None = None) -> WorkerSignals:
        made.append(WorkerSignals(engine or MemoryEngine()))
        return made[-1]

    yield make
    for each in made:
        each.stopped()


def claimed(number: int = 1, *, queued_ago: float = 0.0, hook: str = "notify", traceparent: str = "") -> ClaimedJob:
    job = make_job(hook, queued_at=time.time() - queued_ago)
    values = {name: getattr(job, name) for name in HookJob.__struct_fields__} | {"traceparent": traceparent}
    return ClaimedJob(1, HookJob(**values), number)


def attempt(outcome: Outcome, job: ClaimedJob | None = None, *, took: float = 1.0, **more: Any) -> Attempt:
    now = time.time()
    return Attempt(job or claimed(), outcome, now - took, now, **more)


def test_before_the_first_job_every_counter_is_there_at_0(shown: Shown, make_signals: MakeSignals) -> None:
    make_signals().ready([make_info("notify"), make_info("in_front", background=False)])
    for name in ("hooks.queued", "hooks.started", "hooks.retried"):
        [point] = shown.points(name)
        assert (dict(point.attributes), point.value) == (NOTIFY, 0)
    outcomes = {point.attributes["offpath.outcome"]: point.value for point in shown.points("hooks.finished")}
    assert outcomes == dict.fromkeys(("success", "error", "timeout", "cancelled", "killed"), 0)
    reasons = {point.attributes["offpath.reason"]: point.value for point in shown.points("hooks.dead")}
    assert reasons == dict.fromkeys(("error", "timeout", "killed", "unknown_hook"), 0)
    assert [point.value for point in shown.points("workers")] == [1]
    assert [point.value for point in shown.points("executors")] == [0]
    [age] = shown.points("worker.heartbeat.age")
    assert 0 <= age.value < 5


def test_a_start_is_counted_and_the_wait_before_it_is_the_first_attempts(
    shown: Shown, make_signals: MakeSignals
) -> None:
    worker = make_signals()
    worker.job_started(claimed(queued_ago=2.0, traceparent=TRACEPARENT), "77")
    worker.job_started(claimed(2, queued_ago=60.0), "77")
    worker.job_started(claimed(queued_ago=-60.0), "77")  # the clock of who queued it is ahead
    [delay] = shown.points("hook.queue.delay")  # first: exemplars are given out once
    assert shown.counted("hooks.started") == [({}, 3)]
    assert dict(delay.attributes) == NOTIFY
    assert (delay.count, delay.min) == (2, 0.0)
    assert 2.0 <= delay.max < 10
    # The exemplar opens the run, not whatever the worker does.
    assert [(each.trace_id, each.span_id) for each in delay.exemplars] == [RUN]


@pytest.mark.parametrize(
    ("outcome", "error_type", "retried", "finished", "dead"),
    [
        ("success", None, False, {}, None),
        ("error", "ValueError", False, {"error.type": "ValueError"}, "error"),
        ("error", None, False, {"error.type": "error"}, "error"),
        ("error", "Retry", True, {"error.type": "Retry"}, None),
        ("timeout", None, False, {}, "timeout"),
        ("timeout", None, True, {}, None),
        ("killed", None, False, {}, "killed"),
    ],
)
def test_an_end_is_counted_once_and_as_what_it_was(
    shown: Shown,
    make_signals: MakeSignals,
    outcome: Outcome,
    error_type: str | None,
    retried: bool,
    finished: dict[str, str],
    dead: str | None,
) -> None:
    job = claimed(traceparent=TRACEPARENT)
    error = None if outcome == "success" else "Zanzibar"
    ended = attempt(outcome, job, took=3.0, error=error, error_type=error_type)
    make_signals().job_finished(ended, time.time() + 5 if retried else None)
    [duration] = shown.points("hook.duration")  # first: exemplars are given out once
    assert shown.counted("hooks.finished") == [({"offpath.outcome": outcome, **finished}, 1)]
    assert shown.counted("hooks.retried") == ([({}, 1)] if retried else [])
    assert shown.counted("hooks.dead") == ([({"offpath.reason": dead}, 1)] if dead else [])
    assert shown.counted("hooks.skipped") == []
    assert dict(duration.attributes) == {**NOTIFY, "offpath.outcome": outcome}
    assert duration.sum == pytest.approx(3.0, abs=0.1)
    assert [(each.trace_id, each.span_id) for each in duration.exemplars] == [RUN]


def test_the_job_of_a_deleted_run_was_skipped(shown: Shown, make_signals: MakeSignals) -> None:
    make_signals().job_finished(attempt("cancelled", error="its run is not stored any more"), None)
    assert shown.counted("hooks.skipped") == [({"offpath.reason": "run_deleted"}, 1)]
    for name in ("hooks.finished", "hooks.dead"):
        assert shown.counted(name) == []
    assert shown.points("hook.duration") == []


def test_a_clock_that_was_set_back_makes_no_negative_times(shown: Shown, make_signals: MakeSignals) -> None:
    make_signals().job_finished(attempt("success", took=-3600.0), None)
    [duration] = shown.points("hook.duration")
    assert duration.sum == 0


def test_executors_are_counted_while_they_live_and_kills_by_their_cause(
    shown: Shown, make_signals: MakeSignals
) -> None:
    worker = make_signals()
    for name in ("1", "2", "3"):
        worker.executor_started(name, "lane")
    worker.executor_ended("1", "lane", "it was idle", None)
    worker.executor_ended("2", "lane", "it ate too much", "memory")
    assert [point.value for point in shown.points("executors")] == [1]
    assert shown.counted("executor.killed") == [({"offpath.reason": "memory"}, 1)]
    worker.executor_ended("3", "lane", "gone", "died")
    worker.executor_ended("4", "lane", "it was never ready", "stuck")
    assert [point.value for point in shown.points("executors")] == [0]


class Queue(MemoryEngine):
    """One whose backlog is told."""

    def __init__(self, *looks: Sequence[QueueStats] | Exception) -> None:
        super().__init__()
        self.looks = list(looks)

    async def stats(self) -> list[QueueStats]:
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return list(look)


async def test_the_backlog_is_shown_as_it_was_seen_last(
    shown: Shown, make_signals: MakeSignals, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(signals, "BACKLOG_SECONDS", 0)
    notify, other = "agent:support:post:notify", "agent:support:post:other"
    engine = Queue(
        [QueueStats(notify, 5, 2, 1, 3, 12.5), QueueStats(other, 1, 0, 0, 0, 1.0)],
        StorageBusyError("locked, for the test"),
        [QueueStats(notify, 0, 0, 0, 3, 0.0)],
    )
    worker = make_signals(engine)

    def seen() -> dict[tuple[str, str], float]:
        points = shown.points("hooks.backlog")
        return {(point.attributes["offpath.hook"], point.attributes["offpath.state"]): point.value for point in points}

    with pytest.raises(IndexError):  # nothing more is told
        await worker.watch_queue()
    # The last look replaced the first: a hook without jobs is not shown any more.
    assert seen() == {(notify, "ready"): 0, (notify, "scheduled"): 0, (notify, "running"): 0, (notify, "dead"): 3}
    [age] = shown.points("hooks.oldest.age")
    assert (age.attributes["offpath.hook"], age.value) == (notify, 0.0)
    assert "locked, for the test" in caplog.text

    engine.looks = [[QueueStats(notify, 5, 2, 1, 3, 12.5)], StorageBusyError("locked, for the test")]
    with pytest.raises(IndexError):
        await worker.watch_queue()
    assert seen()[notify, "ready"] == 5, "what cannot be read is shown as it was"
    assert [point.value for point in shown.points("hooks.oldest.age")] == [12.5]


async def test_paused_hooks_are_shown_and_those_that_are_not(shown: Shown, make_signals: MakeSignals) -> None:
    engine = Queue([QueueStats("agent:support:post:gone", 1, 0, 0, 0, 1.0)])
    engine.paused = [HookPause("agent:support:post:runaway", 3, True, 7.0), HookPause("agent:support:post:notify", 1)]
    worker = make_signals(engine)
    worker.ready([make_info("notify"), make_info("runaway"), make_info("in_front", background=False)])
    assert shown.points("hooks.paused") == [], "nobody has looked yet"
    watching = asyncio.create_task(worker.watch_queue())
    await until(lambda: bool(shown.points("hooks.paused")))
    watching.cancel()
    seen = {point.attributes["offpath.hook"].rpartition(":")[2]: point.value for point in shown.points("hooks.paused")}
    assert seen == {"gone": 0, "notify": 0, "runaway": 1}


async def test_a_loop_that_hangs_shows_as_an_age_that_grows(
    shown: Shown, make_signals: MakeSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_signals()
    worker.ready([])
    moment = time.monotonic()
    monkeypatch.setattr("offpath.worker.signals.time.monotonic", lambda: moment + 30)
    [age] = shown.points("worker.heartbeat.age")
    assert 29 < age.value < 40
    assert worker.fault == "the store has not answered for 30 s"
    watching = asyncio.create_task(worker.watch_queue())
    await asyncio.sleep(0)
    [age] = shown.points("worker.heartbeat.age")
    watching.cancel()
    assert age.value == 0
    assert not worker.fault


async def test_a_worker_that_cannot_reach_its_store_says_so_until_it_can(
    shown: Shown, make_signals: MakeSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = MemoryEngine()
    away = True

    async def claim(free: object, *, limit: int) -> list[ClaimedJob]:
        if away:
            raise StorageBusyError("away, for the test")
        return []

    monkeypatch.setattr(engine, "claim", claim)
    worker = make_signals(engine)
    worker.ready([])
    moment = time.monotonic()
    async with working(engine, ToldPool(), events=worker):
        await until(lambda: worker.fault == "away, for the test")
        watching = asyncio.create_task(worker.watch_queue())
        with monkeypatch.context() as later:
            later.setattr("offpath.worker.signals.time.monotonic", lambda: moment + 30)
            await asyncio.sleep(0)
            # The event loop turns, and still it does nothing.
            assert [29 < point.value < 40 for point in shown.points("worker.heartbeat.age")] == [True]
        away = False
        await until(lambda: not worker.fault)
        watching.cancel()


async def test_a_backlog_that_cannot_be_read_is_a_fault_of_the_store_too(
    make_signals: MakeSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = MemoryEngine()
    faults = [StorageBusyError("away, for the test")]

    async def stats() -> list[QueueStats]:
        if faults:
            raise faults.pop()
        return []

    monkeypatch.setattr(engine, "stats", stats)
    worker = make_signals(engine)
    watching = asyncio.create_task(worker.watch_queue())
    await until(lambda: bool(worker.fault))
    watching.cancel()
    again = asyncio.create_task(worker.watch_queue())
    await until(lambda: not worker.fault)
    again.cancel()


async def test_jobs_whose_hook_is_gone_are_dead_letters_with_that_reason(
    shown: Shown, make_signals: MakeSignals
) -> None:
    engine = MemoryEngine([make_job("removed", f"r{number}", queued_at=time.time() - 100) for number in range(3)])
    pool = ToldPool()
    async with working(engine, pool, events=make_signals(engine), options=options(unknown_hook_grace=50)):
        await until(lambda: len(engine.died) == 3)
    [(labels, count)] = shown.counted("hooks.dead")
    assert labels == {"offpath.reason": "unknown_hook"}
    assert count == 3
    assert pool.tickets == []


def test_a_worker_that_stopped_shows_no_present(shown: Shown, make_signals: MakeSignals) -> None:
    worker = make_signals()
    worker.ready([make_info("notify")])
    worker.executor_started("1", "lane")
    worker.job_started(claimed(), "1")
    worker.stopped()
    for name in ("workers", "executors", "worker.heartbeat.age", "hooks.backlog", "hooks.oldest.age", "hooks.paused"):
        assert shown.points(name) == [], name
    assert shown.counted("hooks.started") == [({}, 1)], "what was counted stays"
    worker.ready([])
    [age] = shown.points("worker.heartbeat.age")
    assert age.value < 30
