"""What attempts of hooks show: whose conversation they belong to, and what kind of error they end with."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from offpath.errors import InputCheckError, Retry
from offpath.telemetry.instruments import connect
from offpath.telemetry.tracing import current_run
from offpath.worker.maintenance import Maintenance
from offpath.worker.pool import Ending, PoolHooks
from unit.worker.memory_engine import MemoryEngine, ToldPool, make_info
from unit.worker.test_job_runner import Bench, _close  # noqa: F401  # the fixture closes the bench's slots
from unit.worker.test_worker_loop import jobs_of, working
from unit.worker.test_worker_maintenance import INTERRUPTED, Archive
from unit.worker.worker_kit import until

SAID = "Zanzibar"


async def test_hooks_know_their_run_and_its_session() -> None:
    seen: dict[str, Any] = {}

    async def on_the_loop() -> None:
        seen["loop"] = current_run()

    def on_a_thread() -> None:
        seen["thread"] = current_run()

    await Bench(on_the_loop, on_a_thread).run("on_the_loop", "on_a_thread")
    assert seen == {"loop": ("r1", "s1"), "thread": ("r1", "s1")}
    assert current_run() is None


async def test_an_error_is_known_by_its_type_beside_its_words() -> None:
    async def raises() -> None:
        raise ValueError(SAID)

    def retries() -> None:
        raise Retry(reason=SAID)

    async def refuses() -> None:
        raise InputCheckError(SAID)

    def exits() -> None:
        sys.exit(SAID)

    async def fine() -> None:
        await asyncio.sleep(0)

    names = ("raises", "retries", "refuses", "exits", "fine", "missing")
    ended = await Bench(raises, retries, refuses, exits, fine).run(*names)
    assert [each.error_type for each in ended] == [
        "ValueError",
        "Retry",
        "InputCheckError",
        "HookExit",
        None,
        "ConfigurationError",
    ]
    assert all(SAID in str(each.error) for each in ended[:4])


@pytest.mark.parametrize("kind", ["Retry", None])
async def test_the_workers_line_has_the_type_alone(caplog: pytest.LogCaptureFixture, kind: str | None) -> None:
    engine = MemoryEngine(jobs_of("notify", 1))
    pool = ToldPool(answer=lambda _: Ending("error", 1.0, 2.0, SAID, final=True, error_type=kind))
    with caplog.at_level(logging.DEBUG, logger="offpath"):
        async with working(engine, pool):
            await until(lambda: bool(engine.died))
    assert SAID not in caplog.text
    assert f"error: {kind}; that was its last attempt" in caplog.text
    assert engine.died[0].error == SAID
    assert engine.died[0].error_type == kind


async def test_the_hooks_of_a_run_that_was_cut_off_are_counted_as_queued() -> None:
    reader = InMemoryMetricReader()
    with connect(MeterProvider([reader], shutdown_on_exit=False)):
        infos = [make_info("wants", run_on=INTERRUPTED), make_info("other", run_on=())]
        archive: Any = Archive()
        await Maintenance(archive, retention_days=None).find_interrupted(PoolHooks(tuple(infos), frozenset()))
        data = reader.get_metrics_data()
    assert data is not None
    metrics: list[Any] = [metric for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics]
    found = {metric.name: [(point.attributes, point.value) for point in metric.data.data_points] for metric in metrics}
    assert found["offpath.hooks.queued"] == [
        ({"offpath.hook": "agent:support:post:wants", "offpath.hook.kind": "post"}, 1)
    ]
    [(labels, count)] = found["offpath.runs"]
    assert (labels["offpath.run.status"], count) == ("interrupted", 1)
