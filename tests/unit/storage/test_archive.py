from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from conformance.samples import hook_id, make_job, make_run, make_session
from offpath.engine.adapters import job_rows
from offpath.engine.protocol import Attempt
from offpath.errors import StorageError
from offpath.runs.record import decode_record
from offpath.runs.status import RunStatus
from offpath.storage import archive as archive_module
from offpath.storage import unended
from offpath.storage.archive import Archive
from offpath.storage.database import SqliteDb
from offpath.storage.postgres import archive as postgres_archive
from offpath.storage.store import RunRow
from unit.storage.conftest import OpenStore, only_sqlite

DAY = 86_400.0


@pytest.fixture
async def archive(opened: OpenStore) -> AsyncIterator[Archive]:
    made = opened.database.open_archive(
        enqueue=opened.queue.enqueue,  # type: ignore[arg-type]
        wake=opened.wake,
        jobs=job_rows(opened.queue),
    )
    await made.open()
    yield made
    await made.close()


async def dead_process(opened: OpenStore, run_id: str, content: str = "half an ans") -> None:
    """Leave the row of a running run as a process that died does."""
    gone = opened.another()
    await gone.store.open()
    run = make_run(run_id, status=RunStatus.RUNNING, owner=gone.store.instance, content=content)
    gone.store.begin(run, make_session(), [])
    await gone.close()


async def found(archive: Archive, count: int = 1) -> list[RunRow]:
    """The interrupted runs, once they are known to be: on PostgreSQL a lease has to lapse."""
    rows = await archive.interrupted()
    for _ in range(200):
        if len(rows) >= count:
            break
        await asyncio.sleep(0.02)
        rows = await archive.interrupted()
    return rows


async def test_a_run_whose_end_cannot_be_stored_is_given_up_and_found_while_its_process_lives(
    opened: OpenStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unended, "_PAUSE", 0.02)
    store = opened.store
    running = {name: make_run(name, status=RunStatus.RUNNING, owner=store.instance) for name in ("lost", "other")}
    for run in running.values():
        store.begin(run, make_session(), [make_job(run.run_id, "pre")])
    await opened.begun()
    submit, refusals = store._writer.submit, iter([True])

    async def refused(write: Any) -> None:
        if next(refusals, False):
            raise StorageError("no room")
        await submit(write)

    monkeypatch.setattr(store._writer, "submit", refused)
    with pytest.raises(StorageError, match="no room"):
        await store.finish(make_run("lost", owner=store.instance), make_session(), [])

    assert [row.run_id for row in await found(archive)] == ["lost"]
    row = await store.run_row("other")
    assert row is not None
    assert (row.status, row.owner) == (RunStatus.RUNNING, store.instance)
    await store.finish(make_run("lost", owner=store.instance), make_session(), [])
    assert await archive.interrupted() == []


async def test_records_come_from_the_database_and_from_files(opened: OpenStore, archive: Archive) -> None:
    small, large = make_run("small"), make_run("large", content="x" * 60_000)
    for run in (small, large):
        await opened.store.finish(run, make_session(), [])
        assert await archive.record(run.run_id) == run.record
    assert await archive.record("no") is None
    assert await archive.records(["small", "no", "large"]) == {"small": small.record, "large": large.record}


async def test_runs_of_dead_processes_are_found_and_marked_once(opened: OpenStore, archive: Archive) -> None:
    alive = make_run("alive", status=RunStatus.RUNNING, owner=opened.store.instance)
    opened.store.begin(alive, make_session(), [make_job("alive", "pre")])
    await dead_process(opened, "cut")
    await opened.begun()
    assert await opened.woken(1)
    (cut,) = await found(archive)
    assert cut.run_id == "cut"
    ended = make_run("cut", status=RunStatus.INTERRUPTED, owner=cut.owner)
    assert await archive.mark_interrupted(ended, [make_job("cut")])
    assert not await archive.mark_interrupted(ended, [make_job("cut", "again")])
    assert await opened.woken(2)
    row = await opened.store.run_row("cut")
    assert row is not None
    assert row.status is RunStatus.INTERRUPTED
    assert decode_record(row.record).output.status is RunStatus.INTERRUPTED
    assert [job.hook for job in await opened.queue.jobs_of("cut")] == ["notify"]
    assert await archive.interrupted() == []


async def test_a_large_record_of_a_dead_process_is_marked_too(opened: OpenStore, archive: Archive) -> None:
    await dead_process(opened, "cut", content="x" * 60_000)
    (cut,) = await found(archive)
    ended = make_run("cut", status=RunStatus.INTERRUPTED, owner=cut.owner, content="y" * 60_000)
    assert await archive.mark_interrupted(ended, [])
    assert await archive.record("cut") == ended.record


async def test_retention_deletes_what_is_old_and_spares_live_jobs(
    opened: OpenStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "_PRUNE_BATCH", 3)
    monkeypatch.setattr(postgres_archive, "_PRUNE_BATCH", 3)
    now = time.time()
    session, recent = make_session("old", updated_at=now - 9 * DAY), make_session("recent")
    for number in range(10):
        run = make_run(f"old{number}", session, created_at=now - 9 * DAY, content="z" * (60_000 if number == 0 else 9))
        await opened.store.finish(run, session, [make_job(f"old{number}")])
    parent = make_run("parent", session, created_at=now - 9 * DAY)
    child = make_run("child", session, created_at=now - 9 * DAY, parent="parent")
    await opened.store.finish(child, session, [make_job("child", "slow")])
    await opened.store.finish(parent, session, [])
    await opened.store.finish(make_run("new", recent), recent, [make_job("new", "slow")])
    worker = await opened.worker()
    claimed = await worker.claim({hook_id(): 20}, limit=20)
    await worker.dead([Attempt(job, "error", 1.0, 2.0, error="secret") for job in claimed[:8]])
    await worker.close()

    assert await archive.prune(now - 5 * DAY) == 8
    left, _ = await opened.store.runs(children=True, limit=100)
    assert sorted(record.output.run_id for record in left) == ["child", "new", "old8", "old9", "parent"]
    assert await opened.queue.jobs_of("old0") == []
    assert not isinstance(opened.database, SqliteDb) or not list(opened.database.paths.payloads.iterdir())
    assert await opened.store.session("old") is not None, "it still has runs"

    await opened.store.delete_session("old")
    assert await archive.prune(now - 5 * DAY) == 0
    assert (await opened.store.runs(children=True))[1] == 1
    assert await archive.prune(time.time() + 1) == 0, "its job is queued"
    await opened.store.delete_run("new")
    await archive.prune(time.time() + 1)
    assert await opened.queue.jobs_of("new") == []
    assert await opened.store.session("recent") is None


async def test_old_idempotency_keys_are_forgotten(opened: OpenStore, archive: Archive) -> None:
    store = opened.store
    for key in ("a", "b"):
        await store.claim_idempotency_key(key, "me", "f", "r1", store.instance)
    assert await archive.forget_idempotency_keys(time.time() - DAY) == 0
    assert await archive.forget_idempotency_keys(time.time() + DAY) == 2
    assert (await store.claim_idempotency_key("a", "me", "f", "r2", store.instance)).state == "new"


@only_sqlite
async def test_the_log_is_moved_into_the_database(
    opened: OpenStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "CHECKPOINT_BYTES", 100_000)
    for number in range(10):
        await opened.store.finish(make_run(f"r{number}", content="x" * 30_000), make_session(), [])
    before = opened.store.paths.database.stat().st_size
    await archive.checkpoint()
    assert opened.store.paths.database.stat().st_size > before + 250_000
    size = opened.store.paths.wal.stat().st_size
    for number in range(10):
        await opened.store.finish(make_run(f"s{number}", content="x" * 30_000), make_session(), [])
        await archive.checkpoint()
    assert opened.store.paths.wal.stat().st_size <= size, "the log is used again from its beginning"


@only_sqlite
async def test_files_that_nothing_refers_to_are_swept(opened: OpenStore, archive: Archive) -> None:
    paths = opened.store.paths
    await opened.store.finish(make_run("kept", content="x" * 60_000), make_session(), [])
    for name, age in (("orphan.json", 7200), ("fresh.json", 10), ("half.json.123.tmp", 7200)):
        (paths.payloads / name).write_text("x")
        os.utime(paths.payloads / name, (time.time() - age,) * 2)
    for file in paths.payloads.glob("[0-9a-f]*"):
        if file.name != "fresh.json":
            os.utime(file, (time.time() - 7200,) * 2)
    await dead_process(opened, "cut")
    (paths.instances / "long-gone.lock").touch()
    locks = {path.name for path in paths.instances.iterdir()}
    assert await archive.sweep() == 2
    assert {path.name for path in paths.payloads.iterdir()} == {"fresh.json", paths.payload_name("kept", begun=False)}
    assert locks - {path.name for path in paths.instances.iterdir()} == {"long-gone.lock"}
    assert await archive.record("kept") is not None


async def test_a_closed_archive_says_so(archive: Archive) -> None:
    await asyncio.sleep(0)
    await archive.close()
    with pytest.raises(StorageError, match="not open"):
        await archive.prune(1.0)
