"""What only the engine on PostgreSQL has to do: several workers, one database that comes and goes."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from conformance.conftest import Bench, claim_within
from conformance.samples import hook_id, make_job
from offpath.engine.postgres import engine as postgres_module
from offpath.engine.postgres.engine import PostgresEngine
from offpath.engine.protocol import Attempt, ClaimedJob, HookLimit
from offpath.errors import OffpathError, StorageError
from offpath.runs.job import JobState
from offpath.storage.database import upgrade
from offpath.storage.postgres.database import PostgresDb
from offpath.worker.unknown import UnknownHooks
from postgres_server import PostgresServer, drop_database, fresh_database, prepared_database

NOTIFY = hook_id("notify")
EVALUATE = hook_id("evaluate")
SILENCE = 0.8


class Fleet(Bench):
    """Workers of one database, which are made and lost."""

    database: PostgresDb

    async def engine(self, *, silence: float = SILENCE, placement: str = "") -> PostgresEngine:
        made = PostgresEngine(self.database, silence=silence, placement=placement)
        await made.open()
        self.workers.append(made)
        return made

    async def ask(self, question: str, *values: Any) -> Any:
        """One value from the database."""
        connection = await self.database.connect()
        try:
            return await connection.fetchval(question, *values)
        finally:
            await connection.close()


def fall_silent(engine: PostgresEngine) -> None:
    """Stall a worker: it is alive, and nobody hears of it."""
    assert engine._presence._task is not None
    engine._presence._task.cancel()


def ended(claimed: ClaimedJob, outcome: str = "success", **fields: Any) -> Attempt:
    now = time.time()
    return Attempt(claimed, outcome, now, now, **fields)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    url = prepared_database()
    made = Fleet(PostgresDb(db_url=url))
    await made.store.open()
    yield made
    await made.close()
    drop_database(url)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that tests may stop."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
async def fleet_on_own(own_server: PostgresServer) -> AsyncIterator[Fleet]:
    url = fresh_database(server=own_server)
    upgrade(url)
    made = Fleet(PostgresDb(db_url=url))
    await made.store.open()
    yield made
    await made.close()


async def states(fleet: Fleet, run_ids: Sequence[str]) -> set[JobState]:
    return {job.state for run_id in run_ids for job in await fleet.producer.jobs_of(run_id)}


# Several workers.


async def test_workers_share_a_queue_and_no_job_is_claimed_twice(fleet: Fleet) -> None:
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(200)))
    workers = [await fleet.engine() for _ in range(3)]
    found: list[int] = []

    async def drain(worker: PostgresEngine) -> int:
        mine = 0
        while claimed := await worker.claim({NOTIFY: 7}, limit=7):
            found.extend(each.id for each in claimed)
            mine += len(claimed)
            await worker.complete([ended(each) for each in claimed])
        return mine

    counts = await asyncio.gather(*map(drain, workers))
    assert len(found) == len(set(found)) == 200
    assert all(count > 0 for count in counts)
    assert await states(fleet, [f"r{number}" for number in range(200)]) == {JobState.SUCCEEDED}
    assert await fleet.ask("SELECT count(*) FROM offpath_hook_queue_log") == 0, "PgQueuer's log stays empty"


async def test_rooms_that_differ_are_each_kept(fleet: Fleet) -> None:
    hooks = {f"h{number}": number * 3 for number in range(1, 8)}
    await fleet.enqueue(*(make_job(f"r{number}", hook) for number in range(30) for hook in hooks))
    worker = await fleet.engine()
    claimed = await worker.claim({hook_id(hook): room for hook, room in hooks.items()}, limit=500)
    counts = {hook: sum(each.job.hook == hook for each in claimed) for hook in hooks}
    assert counts == hooks


async def test_a_hook_in_a_live_worker_never_starts_twice(fleet: Fleet) -> None:
    await fleet.enqueue(make_job("r1"))
    first, second = await fleet.engine(), await fleet.engine()
    (claimed,) = await claim_within(first, {NOTIFY: 1}, limit=1)
    assert await claim_within(second, {NOTIFY: 1}, limit=1, seconds=3 * SILENCE) == []
    await first.complete([ended(claimed)])
    assert await states(fleet, ["r1"]) == {JobState.SUCCEEDED}


async def test_a_stalled_worker_that_wakes_neither_stores_nor_ends_what_another_has(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(4)))
    stalled, other = await fleet.engine(), await fleet.engine()
    before = await claim_within(stalled, {NOTIFY: 4}, limit=4)
    await stalled.started([(each, time.time(), "1") for each in before])
    fall_silent(stalled)
    taken: list[ClaimedJob] = []
    while len(taken) < 4:
        taken += await claim_within(other, {NOTIFY: 4}, limit=4)
    assert [each.attempt for each in taken] == [2] * 4
    with caplog.at_level(logging.WARNING, "offpath.engine"):
        await stalled.complete([ended(before[0], result=b'"late"')])
        await stalled.dead([ended(before[1], "error", error="late")])
        await stalled.retry_at([(ended(before[2], "error"), time.time())])
        await stalled.release([before[3]])
    assert "results of hooks were not stored" in caplog.text
    assert await states(fleet, [f"r{number}" for number in range(4)]) == {JobState.RUNNING}
    assert await other.claim({NOTIFY: 4}, limit=4) == []
    await other.complete([ended(each, result=b'"first"') for each in taken])
    assert await states(fleet, [f"r{number}" for number in range(4)]) == {JobState.SUCCEEDED}
    assert await fleet.ask("SELECT array_agg(DISTINCT result) FROM offpath_job_results") == ['"first"']


async def test_a_worker_whose_own_claim_lapsed_for_a_moment_goes_on_with_it(fleet: Fleet) -> None:
    await fleet.enqueue(make_job("r1"))
    worker = await fleet.engine()
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    await worker.started([(claimed, time.time(), "1")])
    fall_silent(worker)
    await asyncio.sleep(1.5 * SILENCE)
    assert await worker.claim({NOTIFY: 1}, limit=1) == [], "it is in flight here"
    await worker.complete([ended(claimed)])
    assert await states(fleet, ["r1"]) == {JobState.SUCCEEDED}


async def test_one_leads_and_another_follows(fleet: Fleet) -> None:
    first, second = await fleet.engine(), await fleet.engine()
    assert [await first.leads(), await second.leads(), await first.leads()] == [True, False, True]
    await first.close()
    fleet.workers.remove(first)
    assert await second.leads()


async def test_what_a_dead_worker_had_of_a_hook_that_is_gone_waits_again(fleet: Fleet) -> None:
    await fleet.enqueue(make_job("r1", queued_at=1.0))
    dead, worker = await fleet.engine(), await fleet.engine()
    await claim_within(dead, {NOTIFY: 1}, limit=1)
    fall_silent(dead)
    worker.serve({EVALUATE: HookLimit()})
    end = time.monotonic() + 10.0
    while await states(fleet, ["r1"]) != {JobState.READY}:
        assert time.monotonic() < end
        await worker.tidy()
        await asyncio.sleep(0.05)
    assert await UnknownHooks(worker, 1.0, {EVALUATE}).sweep() == 1
    assert await states(fleet, ["r1"]) == {JobState.DEAD}


async def test_a_url_of_a_pooler_alone_is_warned_of(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    engine = PostgresEngine(PostgresDb(db_url=f"{fleet.database.url}?statement_cache_size=0"))
    await engine.open()
    await engine.close()
    assert "OFFPATH_DATABASE_DIRECT_URL" in caplog.text


async def test_dead_rows_of_the_queue_are_cleared_out(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offpath.engine.postgres.vacuum.DEAD_ROWS", 300)
    worker = await fleet.engine()
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(300)))
    claimed = [each for _ in range(3) for each in await claim_within(worker, {NOTIFY: 100}, limit=100)]
    await worker.complete([ended(each) for each in claimed])
    for line in (worker._claims_line, worker._outcomes_line):  # what they did is counted after 10 s at the latest
        await line.run("counting", lambda connection: connection.execute("SELECT pg_stat_force_next_flush()"))
    done = "SELECT vacuum_count > 0 FROM pg_stat_user_tables WHERE relname = 'offpath_hook_queue'"
    end = time.monotonic() + 10.0
    while not await fleet.ask(done):
        assert time.monotonic() < end
        await worker.tidy()
        await asyncio.sleep(0.02)
    assert await fleet.ask("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'offpath_hook_queue'") < 300


async def test_workers_know_which_hooks_others_have(fleet: Fleet) -> None:
    first, second = await fleet.engine(), await fleet.engine()
    first.serve({NOTIFY: HookLimit()})
    second.serve({EVALUATE: HookLimit()})
    for _ in range(100):
        if await first.served() == {NOTIFY, EVALUATE}:
            break
        await asyncio.sleep(0.02)
    assert await first.served() == {NOTIFY, EVALUATE}
    assert await first.workers_elsewhere() == 2
    await second.close()
    fleet.workers.remove(second)
    assert await first.served() == {NOTIFY}


async def test_pauses_and_strikes_are_shared(fleet: Fleet) -> None:
    first, second = await fleet.engine(), await fleet.engine()
    assert [await first.strike(NOTIFY, reason="a"), await second.strike(NOTIFY, reason="b")] == [1, 2]
    await first.pause(NOTIFY, "enough \0 of it")
    (pause,) = await second.pauses()
    assert (pause.hook_id, pause.strikes, pause.isolated) == (NOTIFY, 2, True)
    assert pause.paused_at == pytest.approx(time.time(), abs=60)
    await second.isolate(EVALUATE)
    waiting = asyncio.create_task(first.wait(60.0))
    await asyncio.sleep(0.05)
    assert await second.resume(NOTIFY)
    await asyncio.wait_for(waiting, 2.0)
    assert not await second.resume(NOTIFY)
    assert [each.hook_id for each in await first.pauses()] == [EVALUATE]


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_each_job_ends_once(fleet: Fleet, seed: int) -> None:
    draw = random.Random(seed)
    hooks = {hook_id(hook): 20 for hook in ("notify", "evaluate", "analyse")}
    jobs = [make_job(f"r{number}", draw.choice(["notify", "evaluate", "analyse"])) for number in range(80)]
    await fleet.enqueue(*jobs)
    workers = [await fleet.engine(silence=0.4) for _ in range(3)]
    held: dict[PostgresEngine, list[ClaimedJob]] = {worker: [] for worker in workers}
    end = time.monotonic() + 30.0
    while time.monotonic() < end:
        worker = draw.choice(list(held))
        mine = held[worker]
        mine += await worker.claim(hooks, limit=draw.randint(1, 9))
        taken = [mine.pop(draw.randrange(len(mine))) for _ in range(draw.randint(0, len(mine)))]
        match draw.randint(0, 9):
            case 0:
                await worker.retry_at([(ended(each, "error"), time.time() + 0.05) for each in taken])
            case 1:
                await worker.release(taken)
            case 2:
                await worker.dead([ended(each, "error") for each in taken])
            case 3 if len(held) < 6:
                fall_silent(worker)  # it holds on to what it has, and ends it when it is not its own any more
                held[await fleet.engine(silence=0.4)] = []
            case _:
                await worker.complete([ended(each) for each in taken])
        queued = await fleet.ask("SELECT count(*) FROM offpath_hook_queue")
        if not queued:
            break
        if not any(held.values()):
            await asyncio.sleep(0.02)
    for worker, left in held.items():
        await worker.complete([ended(each) for each in left])
    assert await states(fleet, [job.run_id for job in jobs]) <= {JobState.SUCCEEDED, JobState.DEAD}
    assert await fleet.ask("SELECT count(*) FROM offpath_job_results") == len(jobs)


async def test_a_job_that_a_newer_version_wrote_is_taken_as_far_as_it_is_known(fleet: Fleet) -> None:
    await fleet.enqueue(make_job("r1"))
    changed = (
        'convert_to(replace(convert_from(payload, \'UTF8\'), \'"kind":"post"\', \'"kind":"new","more":1\'), \'UTF8\')'
    )
    await fleet.ask(f"WITH u AS (UPDATE offpath_hook_queue SET payload = {changed} RETURNING 1) SELECT * FROM u")
    worker = await fleet.engine()
    assert [job.kind for job in await worker.jobs()] == ["new"]
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    assert (claimed.job.key, claimed.job.kind) == ("r1:post:notify", "new")
    await worker.dead([ended(claimed, "error", error="no")])
    assert await worker.requeue(claimed.job.key)


# Limits of the whole cluster.


async def test_a_concurrency_holds_over_all_workers(fleet: Fleet) -> None:
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(12)), make_job("r0", "evaluate"))
    workers = [await fleet.engine() for _ in range(2)]
    for worker in workers:
        assert worker.serve({NOTIFY: HookLimit(concurrency=3), EVALUATE: HookLimit()})
    running: list[tuple[PostgresEngine, ClaimedJob]] = []
    ends = 0
    while ends < 12:
        batches = await asyncio.gather(*(worker.claim({NOTIFY: 9}, limit=9) for worker in workers))
        running += [(worker, each) for worker, batch in zip(workers, batches, strict=True) for each in batch]
        assert 1 <= len(running) <= 3
        worker, job = running.pop(0)
        await worker.complete([ended(job)])
        ends += 1
    assert len(await workers[0].claim({EVALUATE: 9, NOTIFY: 9}, limit=9)) == 1, "another hook has its own limit"


async def test_the_end_of_a_job_of_a_limited_hook_makes_its_worker_look_for_the_next(fleet: Fleet) -> None:
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(20)))
    worker = await fleet.engine(silence=60.0)
    worker.serve({NOTIFY: HookLimit(concurrency=2)})

    async def work() -> None:
        done = 0
        while done < 20:
            for each in await worker.claim({NOTIFY: 9}, limit=9):
                await worker.complete([ended(each)])
                done += 1
            if done < 20:
                await worker.wait(60.0)

    await asyncio.wait_for(work(), 10.0)


async def test_a_rate_holds_over_all_workers(fleet: Fleet) -> None:
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(30)))
    workers = [await fleet.engine() for _ in range(2)]
    for worker in workers:
        worker.serve({NOTIFY: HookLimit(rate=(5, 0.5))})
    began = await fleet.ask("SELECT extract(epoch FROM clock_timestamp())::float8")
    count = 0

    async def work(worker: PostgresEngine) -> None:
        nonlocal count
        while count < 20:
            claimed = await worker.claim({NOTIFY: 9}, limit=9)
            count += len(claimed)
            now = await fleet.ask("SELECT extract(epoch FROM clock_timestamp())::float8")
            assert count <= 5 + 10 * (now - began) + 1e-6
            if not claimed:
                await worker.wait(5.0)

    await asyncio.wait_for(asyncio.gather(*map(work, workers)), 20.0)
    assert count >= 20


async def test_tokens_that_found_no_job_are_given_back(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await fleet.engine()
    worker.serve({NOTIFY: HookLimit(rate=(3, 1000.0))})
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(9)))

    async def others_were_faster(*_: Any) -> list[Any]:
        return []

    with monkeypatch.context() as patch:
        patch.setattr(worker._claims, "_dequeue", others_were_faster)
        assert await worker.claim({NOTIFY: 9}, limit=9) == []
    assert len(await worker.claim({NOTIFY: 9}, limit=9)) == 3
    assert await worker.claim({NOTIFY: 9}, limit=9) == []


# Time.


async def test_only_the_database_clock_counts(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def time() -> float:
            return time.time() + 7200.0  # this machine is two hours ahead

    monkeypatch.setattr(postgres_module, "time", Clock)
    worker = await fleet.engine()
    await fleet.enqueue(make_job("r1"))
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    await worker.retry_at([(ended(claimed, "error"), Clock.time() + 0.1)])
    (again,) = await claim_within(worker, {NOTIFY: 1}, limit=1, seconds=3.0)
    assert again.attempt == 2


async def test_retries_that_are_far_off_are_parked_and_come_back(fleet: Fleet) -> None:
    worker, other = await fleet.engine(), await fleet.engine()
    await fleet.enqueue(*(make_job(f"r{number}") for number in range(3)))
    claimed = await claim_within(worker, {NOTIFY: 3}, limit=3)
    due = time.time() + 5 * SILENCE / 4
    await worker.retry_at([(ended(claimed[0], "error"), due), (ended(claimed[1], "error"), due + 1000)])
    await worker.complete([ended(claimed[2])])
    assert await fleet.ask("SELECT count(*) FROM offpath_hook_queue WHERE entrypoint LIKE '#%'") == 2
    (stats,) = await worker.stats()
    assert (stats.hook_id, stats.scheduled) == (NOTIFY, 2)
    assert len(await worker.jobs(state=JobState.SCHEDULED, hook_id=NOTIFY)) == 2
    await worker.close()
    fleet.workers.remove(worker)
    (again,) = await claim_within(other, {NOTIFY: 3}, limit=3, seconds=5.0)
    assert time.time() >= due
    assert (again.job.run_id, again.attempt) == ("r0", 2)


# Jobs that belong to a process.


async def test_placed_jobs_wait_for_their_process_and_are_adopted_when_it_is_gone(fleet: Fleet) -> None:
    living = fleet.store.instance
    await fleet.enqueue(make_job("r1", placement=living), make_job("r2", placement="1-gone"), make_job("r3"))
    thread = await fleet.engine(placement=living)
    worker = await fleet.engine()
    found = await claim_within(worker, {NOTIFY: 9}, limit=9)
    found = [*found, *await claim_within(worker, {NOTIFY: 9}, limit=9, seconds=0.5)]
    assert sorted(each.job.run_id for each in found) == ["r2", "r3"]
    (own,) = await claim_within(thread, {NOTIFY: 9}, limit=9)
    assert (own.job.run_id, own.job.placement) == ("r1", living)
    (stats,) = await worker.stats()
    assert stats.running == 3


# Connections.


async def test_lost_connections_are_made_anew_and_wakes_arrive_again(fleet: Fleet) -> None:
    worker = await fleet.engine(silence=60.0)
    await fleet.enqueue(make_job("r1"))
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    line = worker._presence._line
    before, connection = line._connection, await fleet.database.connect()
    await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'offpath worker'"
    )
    await connection.close()
    await until(lambda: line.connected and line._connection is not before)
    for _ in range(20):  # as the worker's own loops do
        try:
            await worker.complete([ended(claimed)])
            assert await worker.claim({NOTIFY: 1}, limit=1) == []
            break
        except StorageError:
            await asyncio.sleep(0.05)
    assert await states(fleet, ["r1"]) == {JobState.SUCCEEDED}
    while worker._presence.woken:
        await worker.claim({NOTIFY: 1}, limit=1)
    waiting = asyncio.create_task(worker.wait(60.0))
    await asyncio.sleep(0.05)
    await fleet.enqueue(make_job("r2"))
    await asyncio.wait_for(waiting, 5.0)
    assert len(await worker.claim({NOTIFY: 1}, limit=1)) == 1


async def again(call: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Call until the database is there."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except OffpathError:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)


async def test_what_was_claimed_before_a_fault_in_the_same_claim_is_not_forgotten(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fleet.enqueue(*(make_job(f"r{number}", hook) for number in range(3) for hook in ("notify", "evaluate")))
    worker = await fleet.engine()
    dequeue, calls = worker._claims._dequeue, 0

    async def fails_second(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ConnectionResetError("for the test")
        return await dequeue(*arguments)

    monkeypatch.setattr(worker._claims, "_dequeue", fails_second)
    first = await worker.claim({NOTIFY: 20, EVALUATE: 3}, limit=20)
    rest = await worker.claim({NOTIFY: 20, EVALUATE: 3}, limit=20)
    assert (len(first), len(rest)) == (3, 3)


async def test_an_end_whose_answer_was_lost_is_stored_and_no_cause_for_alarm(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await fleet.enqueue(make_job("r1"))
    worker = await fleet.engine()
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    store = worker._store

    async def lost(*arguments: Any) -> Any:
        await store(*arguments)
        raise StorageError("the answer was lost, for the test")

    with monkeypatch.context() as patch:
        patch.setattr(worker, "_store", lost)
        with pytest.raises(StorageError):
            await worker.complete([ended(claimed)])
    with caplog.at_level(logging.WARNING, "offpath.engine"):
        await worker.complete([ended(claimed)])
    assert caplog.text == ""
    assert await states(fleet, ["r1"]) == {JobState.SUCCEEDED}


@pytest.mark.parametrize("away", [0.0, 2 * SILENCE])
async def test_a_restart_of_the_database_neither_loses_nor_doubles(
    fleet_on_own: Fleet, own_server: PostgresServer, away: float
) -> None:
    fleet = fleet_on_own
    first, second = await fleet.engine(), await fleet.engine()
    await fleet.enqueue(make_job("r1"), make_job("r2"), make_job("r3"))
    (running,) = await claim_within(first, {NOTIFY: 1}, limit=1)
    own_server.kill()
    with pytest.raises(OffpathError):
        await first.complete([ended(running)])
    await asyncio.sleep(away)
    own_server.start()
    found: list[ClaimedJob] = []
    end = time.monotonic() + 3 * SILENCE
    while time.monotonic() < end:
        found += await again(lambda: second.claim({NOTIFY: 9}, limit=9))
        await asyncio.sleep(0.02)
    assert sorted(each.job.run_id for each in found) == ["r2", "r3"], "what runs in a live worker is left to it"
    await again(lambda: first.complete([ended(running)]))
    await again(lambda: second.complete([ended(each) for each in found]))
    await again(lambda: fleet.enqueue(make_job("r4")))
    (late,) = await claim_within(second, {NOTIFY: 9}, limit=9)
    await second.complete([ended(late)])
    assert await states(fleet, ["r1", "r2", "r3", "r4"]) == {JobState.SUCCEEDED}


async def test_a_worker_does_not_start_without_its_database(own_server: PostgresServer) -> None:
    url = fresh_database(server=own_server)
    upgrade(url)
    own_server.stop()
    engine = PostgresEngine(PostgresDb(db_url=url))
    with pytest.raises(StorageError, match="cannot be reached"):
        await engine.open()
    own_server.start()
    await engine.open()
    await engine.close()
