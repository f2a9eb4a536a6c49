"""How the queue stands is shown by a service where no worker of the machine shows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from offpath.engine.pause import HookPause
from offpath.engine.protocol import QueueStats
from offpath.errors import StorageBusyError
from offpath.telemetry import tracing
from offpath.telemetry.snapshot_directory import SnapshotDirectory
from offpath.worker.queue_watch import QueueWatch
from unit.worker.test_signals import Shown
from unit.worker.worker_kit import until


@pytest.fixture
def shown() -> Iterator[Shown]:
    yield Shown()
    tracing.use_providers(None, None)


class Queue:
    def __init__(self) -> None:
        self.asked = 0
        self.fault: Exception | None = None

    async def stats(self) -> list[QueueStats]:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return [QueueStats("hook", ready=5, scheduled=0, running=0, dead=1, oldest_age=7.0)]

    async def pauses(self) -> list[HookPause]:
        return [HookPause("paused", 3, True, 1.0), HookPause("struck", 1, True)]


async def ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_without_a_worker_the_backlog_is_shown_and_that_there_is_none(shown: Shown, tmp_path: Path) -> None:
    queue = Queue()
    watching = asyncio.create_task(QueueWatch(queue, tmp_path, pause=0.01).run())
    await until(lambda: queue.asked > 1)
    ready = [point.value for point in shown.points("hooks.backlog") if point.attributes["offpath.state"] == "ready"]
    assert ready == [5]
    assert [point.value for point in shown.points("hooks.oldest.age")] == [7.0]
    assert [point.value for point in shown.points("workers")] == [0]
    paused = {point.attributes["offpath.hook"]: point.value for point in shown.points("hooks.paused")}
    assert paused == {"hook": 0, "paused": 1}
    await ended(watching)
    for name in ("hooks.backlog", "hooks.oldest.age", "hooks.paused", "workers"):
        assert shown.points(name) == [], name


async def test_workers_of_other_machines_are_not_said_to_be_none(shown: Shown, tmp_path: Path) -> None:
    queue, alive = Queue(), [2]

    async def elsewhere() -> int:
        return alive[0]

    watching = asyncio.create_task(QueueWatch(queue, tmp_path, elsewhere=elsewhere, pause=0.01).run())
    await until(lambda: queue.asked > 1)
    assert shown.points("workers") == []
    assert shown.points("hooks.backlog")
    alive[0] = 0
    await until(lambda: [point.value for point in shown.points("workers")] == [0])
    await ended(watching)


async def test_a_living_worker_shows_it_alone(shown: Shown, tmp_path: Path) -> None:
    queue = Queue()
    watching = asyncio.create_task(QueueWatch(queue, tmp_path, pause=0.01).run())
    await until(lambda: bool(shown.points("workers")))
    worker = SnapshotDirectory(tmp_path).presence("w1", "worker")
    worker.hold()
    await until(lambda: not shown.points("workers"))
    assert shown.points("hooks.backlog") == []
    asked = queue.asked
    await asyncio.sleep(0.05)
    assert queue.asked == asked
    worker.release()
    await until(lambda: bool(shown.points("workers")))
    await ended(watching)


async def test_of_several_services_one_asks_until_it_ends(shown: Shown, tmp_path: Path) -> None:
    queues = Queue(), Queue()
    watches = [asyncio.create_task(QueueWatch(queue, tmp_path, pause=0.01).run()) for queue in queues]
    await until(lambda: any(queue.asked > 2 for queue in queues))
    first, second = (0, 1) if queues[0].asked else (1, 0)
    assert queues[second].asked == 0
    await ended(watches[first])
    await until(lambda: queues[second].asked > 0)
    await ended(*watches)


async def test_a_database_that_is_away_is_told_once(
    shown: Shown, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue()
    watching = asyncio.create_task(QueueWatch(queue, tmp_path, pause=0.01).run())
    await until(lambda: bool(shown.points("workers")))
    queue.fault = StorageBusyError("away, for the test")
    caplog.set_level(logging.WARNING, "offpath")
    asked = queue.asked
    await until(lambda: queue.asked > asked + 2)
    assert [record.message for record in caplog.records] == [
        "the backlog cannot be read, and is shown as it was: away, for the test"
    ]
    queue.fault = None
    asked = queue.asked
    await until(lambda: queue.asked > asked)
    await ended(watching)
