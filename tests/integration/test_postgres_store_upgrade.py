"""Rolling upgrade: the schema changes while processes of the version before and of this one store runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest

from conformance.ledger_bench import make_plan
from conformance.samples import hook_id, make_job, make_run, make_session
from offpath.engine.adapters import open_engine
from offpath.engine.protocol import Attempt
from offpath.runs.status import RunStatus
from offpath.storage.database import PostgresDb, upgrade
from offpath.storage.postgres.schema import HEAD
from postgres_server import drop_database, fresh_database
from unit.storage.conftest import OpenStore


@pytest.fixture(params=["0001", "0002"])
def first(request: pytest.FixtureRequest) -> str:
    """The schema before the upgrade."""
    return str(request.param)


@pytest.fixture
def url(first: str) -> Iterator[str]:
    made = fresh_database()
    database = PostgresDb(db_url=made)
    database.schema = first
    database.prepare()
    yield made
    drop_database(made)


class Process:
    """A service process of one version, under load, and its hook worker."""

    def __init__(self, url: str, schema: str, name: str) -> None:
        self.database = PostgresDb(db_url=url)
        self.database.schema = schema
        self.opened = OpenStore(self.database, instance_lease=5.0)
        self.name = name
        self.plans = schema == HEAD
        """Whether it has built-in hooks, which half of its runs are for."""
        self.stored: list[str] = []
        self.planned: list[str] = []
        self.done: list[str] = []
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.opened.store.open()
        self._tasks = [asyncio.create_task(self._store(number)) for number in range(4)]
        self._tasks.append(asyncio.create_task(self._work()))

    async def stop(self) -> None:
        """Raises what any of its runs or hooks raised."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        await self.opened.close()

    async def _store(self, worker: int) -> None:
        store, number = self.opened.store, 0
        while not self._stopping.is_set():
            number += 1
            run_id = f"{self.name}-{worker}-{number}"
            session = make_session(f"s{number % 7}", state={"run": run_id})
            begun = make_run(run_id, session, status=RunStatus.RUNNING, owner=store.instance)
            store.begin(begun, session, [make_job(run_id, "pre")])
            await store.conversation(session.session_id, 3)
            run = make_run(run_id, session)
            run.plan = make_plan(run_id, tone="filtered") if self.plans and number % 2 else None
            await store.finish(run, session, [make_job(run_id)])
            self.stored.append(run_id)
            if run.plan is not None:
                self.planned.append(run_id)

    async def _work(self) -> None:
        engine = open_engine(self.database)
        await engine.open()
        free = {hook_id(): 50, hook_id("pre"): 50}
        while not self._stopping.is_set():
            claimed = await engine.claim(free, limit=50)
            now = time.time()
            await engine.complete([Attempt(job, "success", now, now) for job in claimed])
            self.done += [job.job.key for job in claimed]
            if not claimed:
                await engine.wait(0.05)
        await engine.close()


async def test_no_run_fails_and_no_hook_is_lost_in_a_rolling_upgrade(url: str, first: str) -> None:
    old = [Process(url, first, f"old{number}") for number in range(2)]
    for process in old:
        await process.start()
    await asyncio.sleep(0.3)
    assert await asyncio.to_thread(upgrade, url) == (first, HEAD)
    new = [Process(url, HEAD, f"new{number}") for number in range(2)]
    for before, after in zip(old, new, strict=True):
        await after.start()
        await asyncio.sleep(0.3)
        await before.stop()
    again = Process(url, first, "rolled-back")
    await again.start()
    await asyncio.sleep(0.2)
    for process in (again, *new):
        await process.stop()

    everybody = [*old, *new, again]
    stored = [run_id for process in everybody for run_id in process.stored]
    assert all(len(process.stored) > 5 for process in everybody), "each one worked"
    async with OpenStore(PostgresDb(db_url=url)) as opened:
        assert (await opened.store.runs(status=RunStatus.COMPLETED))[1] == len(stored)
        waiting = [job.key for job in await opened.queue.jobs(limit=100_000)]
    done = [key for process in everybody for key in process.done]
    wanted = {f"{run_id}:post:{hook}" for run_id in stored for hook in ("pre", "notify")}
    assert set(done) | set(waiting) == wanted
    assert len(done) == len(set(done)), "none ran twice"

    planned = {run_id for process in everybody for run_id in process.planned}
    assert planned
    connection = await asyncpg.connect(url)
    booked = await connection.fetch("SELECT run_id, key FROM offpath_bookings")
    await connection.close()
    assert sorted(row[0] for row in booked if row[1] is None) == sorted(planned)
    ended = {row[1] for row in booked if row[1] is not None}
    assert {key.partition(":")[0] for key in ended} <= planned
    # Whichever version ran them, the jobs that a planned run's end brought are all booked.
    assert {key for key in done if key.partition(":")[0] in planned and key.endswith(":notify")} <= ended
