"""What is particular to the embedded engine."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from conformance.conftest import Bench, claim_within, sqlite_bench
from conformance.samples import hook_id, make_job
from integration.test_storage_durability import said, spawn
from offpath.engine import sqlite as sqlite_module
from offpath.engine.protocol import Attempt, ClaimedJob
from offpath.engine.sqlite import SqliteEngine
from offpath.errors import ConflictError, StorageBusyError, StorageError
from offpath.file_lock import FileLock
from offpath.runs.job import JobState
from offpath.storage.paths import DatabasePaths

NOTIFY = hook_id("notify")


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await sqlite_bench(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def paths(tmp_path: Path) -> DatabasePaths:
    return DatabasePaths.of(tmp_path / "a.db")


def ended(claimed: ClaimedJob) -> Attempt:
    return Attempt(claimed, "success", time.time(), time.time())


async def test_there_is_one_worker(queue: Bench, paths: DatabasePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "_LOCK_TIMEOUT", 0.05)
    first = await queue.worker()
    second = SqliteEngine(paths)
    with pytest.raises(ConflictError, match="another worker"):
        await second.open()
    await queue.enqueue(make_job("r1"))
    assert len(await claim_within(first, {NOTIFY: 1}, limit=1)) == 1, "it is still woken"
    with pytest.raises(StorageError, match="not open"):
        await second.claim({NOTIFY: 1}, limit=1)


async def test_what_a_killed_worker_had_is_claimable_and_its_known_start_counts(
    queue: Bench, paths: DatabasePaths
) -> None:
    await queue.enqueue(*(make_job(f"r{n}") for n in range(3)))
    child = spawn("work", str(paths.database))
    assert sorted(said(child)) == ["r0", "r1", "r2"]
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stdout is not None
    child.stdout.close()
    worker = await queue.worker()
    claimed = await worker.claim({NOTIFY: 9}, limit=9)
    assert sorted(job.attempt for job in claimed) == [1, 1, 2]
    (info,) = await worker.jobs_of(next(job.job.run_id for job in claimed if job.attempt == 2))
    assert "worker ended" in (info.error or "")


async def test_jobs_of_a_placement_go_to_its_thread_until_its_process_is_gone(
    queue: Bench, paths: DatabasePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "RECHECK_SECONDS", 0.05)
    lock = FileLock(paths.instance_lock("service-1"))
    assert lock.try_acquire()
    worker, thread = await queue.worker(), SqliteEngine(paths, placement="service-1")
    await thread.open()
    waiting = asyncio.create_task(thread.wait(60.0))
    await asyncio.sleep(0.01)
    await queue.enqueue(*(make_job(f"r{n}", placement="service-1") for n in range(3)), make_job("r9"))
    await asyncio.wait_for(waiting, 2.0)
    theirs = await thread.claim({NOTIFY: 2}, limit=2)
    assert [job.job.run_id for job in theirs] == ["r0", "r1"]
    await thread.complete([ended(theirs[0])])
    for _ in range(4):
        await asyncio.sleep(0.03)
        for job in await worker.claim({NOTIFY: 9}, limit=9):
            assert job.job.run_id == "r9"
    await thread.close()
    lock.release()
    left: list[str] = []
    for _ in range(100):
        left += [job.job.run_id for job in await worker.claim({NOTIFY: 9}, limit=9)]
        if len(left) == 2:
            break
        await asyncio.sleep(0.02)
    assert left == ["r1", "r2"]


async def test_a_lost_wake_is_made_up_for(queue: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "RECHECK_SECONDS", 0.1)
    worker = await queue.worker()
    await worker.claim({NOTIFY: 1}, limit=1)
    monkeypatch.setattr(
        queue.producer, "_sender", type("Silent", (), {"send": lambda *_: None, "close": lambda _: None})()
    )
    await queue.enqueue(make_job("r1"))
    assert len(await claim_within(worker, {NOTIFY: 1}, limit=1, seconds=2.0)) == 1


async def test_without_unix_sockets_wakes_come_over_udp(
    queue: Bench, paths: DatabasePaths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: DatabasePaths, placement: str = "") -> Path:
        raise OSError("no sockets here")

    monkeypatch.setattr(DatabasePaths, "wake_socket", refuse)
    worker = await queue.worker()
    assert paths.wake_address().read_text().startswith("udp:127.0.0.1:")
    assert "UDP" in caplog.text
    waiting = asyncio.create_task(worker.wait(60.0))
    await asyncio.sleep(0.01)
    await queue.enqueue(make_job("r1"))
    await asyncio.wait_for(waiting, 2.0)


async def test_a_loop_that_cannot_watch_sockets_polls(
    queue: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
    worker = await queue.worker()
    assert "every 50 ms" in caplog.text
    await queue.enqueue(make_job("r1"))
    assert len(await claim_within(worker, {NOTIFY: 1}, limit=1, seconds=2.0)) == 1


async def test_an_address_file_full_of_nonsense_is_no_error(queue: Bench, paths: DatabasePaths) -> None:
    for text in ("", "nonsense", "udp:nowhere", "udp:127.0.0.1:99999999", "unix:" + "x" * 300, "\udc80"):
        paths.wake_address().write_text(text, errors="surrogateescape")
        queue.producer.wake()
    worker = await queue.worker()
    await queue.enqueue(make_job("r1"))
    assert len(await claim_within(worker, {NOTIFY: 1}, limit=1, seconds=2.0)) == 1


async def test_a_flood_of_wakes_does_not_block(queue: Bench, paths: DatabasePaths) -> None:
    worker = await queue.worker()
    for _ in range(5_000):
        queue.producer.wake()
    await worker.wait(5.0)
    place = paths.wake_address().read_text().strip().removeprefix("unix:")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x" * 5_000, place)
    await asyncio.sleep(0.02)
    await queue.enqueue(make_job("r1"))
    assert len(await claim_within(worker, {NOTIFY: 1}, limit=1, seconds=2.0)) == 1


async def test_results_wait_for_the_lock_and_can_be_stored_again(tmp_path: Path) -> None:
    bench = await sqlite_bench(tmp_path)
    await bench.enqueue(make_job("r1"))
    paths = DatabasePaths.of(tmp_path / "a.db")
    worker = SqliteEngine(paths, storage_timeout=0.05)
    await worker.open()
    (claimed,) = await worker.claim({NOTIFY: 1}, limit=1)
    with closing(sqlite3.connect(paths.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusyError):
            await worker.complete([ended(claimed)])
        assert await worker.claim({NOTIFY: 1}, limit=1) == [], "it is still in flight"
    await worker.complete([ended(claimed)])
    assert [job.state for job in await worker.jobs_of("r1")] == [JobState.SUCCEEDED]
    await worker.close()
    await bench.close()


async def test_a_backlog_is_claimed_by_reading_little(queue: Bench, paths: DatabasePaths) -> None:
    with closing(sqlite3.connect(paths.database)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 29999) "
            "INSERT INTO jobs (key, run_id, hook_id, component_kind, component_id, phase, hook, kind, version, priority, "
            "queued_at, placement, traceparent, state, attempts) SELECT 'r' || i || ':post:h' || (i % 3), 'r' || i, "
            "'agent:support:post:h' || (i % 3), 'agent', 'support', 'post', 'h' || (i % 3), 'post', '1', 1 + i % 3, 1.0, "
            "'', '', 'ready', 0 FROM n"
        )
    worker = await queue.worker()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def watch(connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(count, 100)

    assert isinstance(worker, SqliteEngine)
    await worker._in_claims(watch)
    free = {hook_id(f"h{n}"): 5 for n in range(3)}
    done = 0
    for _ in range(50):
        claimed = await worker.claim(free, limit=10)
        assert [job.job.priority for job in claimed] == [1] * 5 + [2] * 5
        done += len(claimed)
        await worker.complete([ended(job) for job in claimed])
        await queue.enqueue(make_job(f"new{done}", "h2"))
    assert done == 500
    assert steps * 100 < 400 * done, "instructions of SQLite for each claimed job"


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_each_job_ends_once(queue: Bench, seed: int) -> None:
    """Random claims, ends, retries, releases, deletions and restarts: no job is run twice at once, none is lost."""
    chance = random.Random(seed)
    hooks = [f"h{n}" for n in range(4)]
    worker = await queue.worker()
    running: dict[int, ClaimedJob] = {}
    runs = 0
    ended_keys: set[str] = set()
    deleted: set[str] = set()

    async def settle(job: ClaimedJob) -> None:
        kind = chance.random()
        if kind < 0.7:
            await worker.complete([ended(job)])
            ended_keys.add(job.job.key)
        elif kind < 0.9:
            await worker.retry_at([(Attempt(job, "error", 1.0, 2.0), time.time() + chance.choice([-1.0, 0.0, 0.01]))])
        else:
            await worker.release([job])

    for _ in range(120):
        action = chance.random()
        if action < 0.35:
            batch = []
            for _ in range(chance.choice([1, 2, 30])):
                runs += 1
                batch += [make_job(f"r{runs}", hook, priority=chance.randrange(3)) for hook in chance.sample(hooks, 2)]
            await queue.enqueue(*batch)
        elif action < 0.7:
            free = {hook_id(hook): chance.choice([0, 1, 3, 80]) for hook in chance.sample(hooks, 3)}
            for job in await worker.claim(free, limit=chance.choice([1, 4, 100])):
                assert job.id not in running, "claimed twice"
                assert job.job.key not in ended_keys
                running[job.id] = job
        elif action < 0.95:
            some = chance.sample(list(running), min(len(running), chance.choice([1, 5, 40])))
            await asyncio.gather(*(settle(running.pop(job_id)) for job_id in some))
        elif action < 0.98 and runs:
            run_id = f"r{chance.randrange(1, runs + 1)}"
            await queue.store.delete_run(run_id)
            deleted.add(run_id)
        else:
            await worker.close()
            queue.workers.clear()
            running.clear()
            worker = await queue.worker()
    await worker.release(list(running.values()))
    people = queue.producer
    assert isinstance(people, SqliteEngine)
    free = {hook_id(hook): 100 for hook in hooks}
    for _ in range(200):
        jobs = await claim_within(worker, free, limit=100, seconds=0.1)
        if not jobs and not await people.jobs():
            break
        await worker.complete([ended(job) for job in jobs])
        ended_keys.update(job.job.key for job in jobs)
    assert await people.jobs() == []
    for number in range(1, runs + 1):
        for info in await worker.jobs_of(f"r{number}"):
            assert info.state in (JobState.SUCCEEDED, JobState.CANCELLED)
            assert info.state is JobState.SUCCEEDED or info.run_id in deleted


async def test_pauses_strikes_and_isolation_are_kept(queue: Bench, paths: DatabasePaths) -> None:
    worker = await queue.worker()
    people = SqliteEngine(paths)
    assert isinstance(worker, SqliteEngine)
    assert await worker.strike(NOTIFY, reason="endless loop", version="1") == 1
    assert await worker.strike(NOTIFY, reason="endless loop", version="1") == 2
    await worker.pause(NOTIFY, "3 strikes", version="1")
    await worker.isolate(hook_id("evaluate"))
    evaluate, notify = await people.pauses()
    assert (evaluate.isolated, evaluate.strikes, evaluate.paused_at) == (True, 0, None)
    assert (notify.strikes, notify.isolated, notify.reason) == (2, True, "3 strikes")
    assert notify.paused_at == pytest.approx(time.time(), abs=10)
    assert await people.resume(NOTIFY)
    assert not await people.resume(NOTIFY)
    assert [pause.hook_id for pause in await worker.pauses()] == [hook_id("evaluate")]
    await people.close()


async def test_jobs_are_listed_by_state_and_hook(queue: Bench) -> None:
    worker = await queue.worker()
    await queue.enqueue(*(make_job(f"r{n}") for n in range(4)), make_job("r0", "evaluate"))
    claimed = await claim_within(worker, {NOTIFY: 2}, limit=2)
    await worker.dead([Attempt(claimed[0], "error", 1.0, 2.0, error="boom")])
    await worker.complete([ended(claimed[1])])
    people = queue.producer
    assert isinstance(people, SqliteEngine)
    assert len(await people.jobs()) == 3
    assert [job.run_id for job in await people.jobs(state=JobState.READY, hook_id=NOTIFY)] == ["r2", "r3"]
    assert [job.error for job in await people.jobs(state=JobState.DEAD)] == ["boom"]
    assert [job.run_id for job in await people.jobs(state=JobState.SUCCEEDED)] == ["r1"]
    assert len(await people.jobs(limit=1)) == 1


async def test_a_clock_that_is_put_back_delays_no_retry(queue: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "RECHECK_SECONDS", 0.1)
    worker = await queue.worker()
    await queue.enqueue(make_job("r1"), make_job("r2"))
    claimed = await claim_within(worker, {NOTIFY: 9}, limit=9)
    now = time.time()
    await worker.retry_at([(ended(claimed[0]), now + 0.2), (ended(claimed[1]), now + 600.0)])
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
    (again,) = await claim_within(worker, {NOTIFY: 9}, limit=9)
    assert again.job.key == claimed[0].job.key
    (later,) = [job for job in await worker.jobs(state=JobState.SCHEDULED) if job.key == claimed[1].job.key]
    assert later.due_at == pytest.approx(now - 3600.0 + 600.0, abs=5.0)


async def test_a_retry_that_is_stored_after_the_clock_was_put_back_waits_as_long_as_it_was_to(
    queue: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await queue.worker()
    await queue.enqueue(make_job("r1"))
    (claimed,) = await claim_within(worker, {NOTIFY: 9}, limit=9)
    attempt, real = ended(claimed), time.time
    due_at = attempt.finished_at + 60.0
    monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
    await worker.retry_at([(attempt, due_at)])
    (job,) = await worker.jobs(state=JobState.SCHEDULED)
    assert job.due_at == pytest.approx(due_at - 3600.0, abs=10.0)
