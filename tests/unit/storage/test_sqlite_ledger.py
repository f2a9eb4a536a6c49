"""What is special about the ledger on SQLite; what both promise is in tests/conformance/test_ledger.py."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from conformance.ledger_bench import LedgerBench, change_of, count, make_plan, planned_run, sums_key
from conformance.samples import make_job
from offpath.errors import StorageBusyError, StorageError
from offpath.ledger.booking import Batch, Change
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Notice
from offpath.runs.context import Session
from offpath.runs.record import decode_record, encode_record
from offpath.storage import ledger_statements
from offpath.storage.apply import apply_writes
from offpath.storage.database import SqliteDb
from offpath.storage.ledger import Ledger
from offpath.storage.rows import RunWrite
from offpath.storage.write_thread import WriteThread
from unit.storage.test_deletion import MARKER, traces


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[LedgerBench]:
    made = LedgerBench(SqliteDb(tmp_path / "a.db"))
    await made.open()
    yield made
    await made.close()


def path_of(bench: LedgerBench) -> Path:
    assert isinstance(bench.database, SqliteDb)
    return bench.database.paths.database


def payload_files(bench: LedgerBench) -> list[Path]:
    assert isinstance(bench.database, SqliteDb)
    return list(bench.database.paths.payloads.iterdir())


@contextmanager
def write_lock(bench: LedgerBench) -> Iterator[sqlite3.Connection]:
    """Hold the write lock; raises at once if somebody else does."""
    with closing(sqlite3.connect(path_of(bench), isolation_level=None, timeout=0)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


async def test_it_is_a_ledger(bench: LedgerBench) -> None:
    ledger: Ledger = SqliteDb(path_of(bench)).open_ledger(enqueue=lambda *_: None, wake=lambda: None)
    await ledger.open()
    await ledger.close()
    await ledger.close()


async def test_nobody_waits_while_bookings_are_counted(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    taken: list[bool] = []

    def work(batch: Batch) -> Change:
        with write_lock(bench):
            taken.append(True)
        return count(batch)

    assert await bench.ledger.book(work, limit=10) == 1
    assert taken == [True]
    assert await bench.sums() == {"tone": {"filtered": 1}}


@pytest.mark.parametrize("changes", [1, 2, 10])
async def test_what_changed_while_it_was_counted_is_counted_anew(bench: LedgerBench, changes: int) -> None:
    """After a few rounds it is counted under the lock, so that it comes to an end."""
    await bench.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"))
    await bench.book_all()
    await bench.end_jobs({"tone": "scored"})
    rounds: list[str] = []

    def work(batch: Batch) -> Change:
        rounds.append(batch.plans["r1"].entries["other"].state if "other" in batch.plans["r1"].entries else "")
        if len(rounds) <= changes:
            try:
                with write_lock(bench) as connection:
                    # As `amend` would, without the sums.
                    entry = f'{{"tone":["pending",1.0,"evaluate"],"other":["filtered",{len(rounds)}.5]}}'
                    connection.execute("UPDATE run_plans SET plan = ?", (entry,))
            except sqlite3.OperationalError:
                rounds.append("locked")
        return count(batch)

    assert await bench.ledger.book(work, limit=10) == 1
    entries = (await bench.ledger.plans(["r1"]))["r1"].entries
    assert entries["tone"].state == "scored"
    assert entries["other"].state == "filtered", "what was written meanwhile is not lost"
    assert entries["other"].probability == min(changes, 3) + 0.5
    assert ("locked" in rounds) == (changes > 3)
    assert (await bench.sums())["tone"] == {"scored": 1}
    assert len((await bench.ledger.evaluations(["r1"]))["r1"]) == 1


async def test_what_somebody_else_booked_meanwhile_is_not_counted_again(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    await bench.finish(make_plan("r2", tone="filtered"))
    other, loop = await bench.another(), asyncio.get_running_loop()
    rounds: list[int] = []

    def work(batch: Batch) -> Change:
        rounds.append(len(batch.bookings))
        if len(rounds) == 1:
            asyncio.run_coroutine_threadsafe(other.book(count, limit=1), loop).result(10)
        return count(batch)

    await bench.ledger.book(work, limit=10)
    assert rounds == [2, 1]
    assert await bench.sums() == {"tone": {"filtered": 2}}


@pytest.mark.parametrize("size", [1, 300_000], ids=["inline", "large"])
async def test_a_run_that_gets_jobs_while_its_content_is_taken_out_keeps_it(bench: LedgerBench, size: int) -> None:
    content = "needed once more" * size
    await bench.finish(make_plan("r1", strip=True), content=content)
    loop = asyncio.get_running_loop()
    asked = bench.ledger.amend("r1", lambda before: Change(), [make_job("r1", "evaluate")])

    def strip(encoding: bytes) -> bytes:
        asyncio.run_coroutine_threadsafe(asked, loop).result(10)
        return b" " * size

    assert await bench.ledger.strip_content(strip, limit=10) == 0
    run = await bench.store.run("r1")
    assert run is not None
    assert run.output.content == content
    if size > 1:
        assert len(payload_files(bench)) == 1


async def test_a_record_that_stays_large_without_its_content(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", strip=True), content=MARKER * 50_000)

    def strip(encoding: bytes) -> bytes:
        record = decode_record(encoding)
        record.output.content = "x" * 400_000
        return encode_record(record)

    assert await bench.ledger.strip_content(strip, limit=10) == 1
    run = await bench.store.run("r1")
    assert run is not None
    assert run.output.content == "x" * 400_000
    assert len(payload_files(bench)) == 1
    assert traces(bench.database) == []
    assert await bench.store.delete_run("r1")
    assert payload_files(bench) == []


async def test_a_booking_is_written_as_a_whole_or_not_at_all(
    bench: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"))
    await bench.end_jobs({"tone": "scored"})

    def with_notice(batch: Batch) -> Change:
        change = count(batch)
        change.notices.append(Notice("k", "run_error", "g", 1.0))
        return change

    with monkeypatch.context() as patch:
        patch.setattr(ledger_statements, "ADD_NOTICE", "INSERT INTO no_such_table VALUES (?, ?, ?, ?)")
        with pytest.raises(StorageError, match="no_such_table"):
            await bench.ledger.book(with_notice, limit=10)
    assert await bench.sums() == {}
    assert await bench.ledger.evaluations(["r1"]) == {}
    assert (await bench.ledger.plans(["r1"]))["r1"].entries["tone"].state == "pending"
    assert await bench.ledger.unbooked() == 2
    assert await bench.ledger.book(with_notice, limit=10) == 2
    assert await bench.sums() == {"tone": {"scored": 1}}


async def test_the_last_change_is_the_one_that_was_stored(bench: LedgerBench, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever shows what was booked goes by that."""
    given: list[Change] = []

    def work(batch: Batch) -> Change:
        given.append(Change())
        given[-1] = count(batch)
        if "bad" in batch.plans:
            given[-1].deltas[sums_key("x", batch.plans["bad"])] = {"n": float("inf")}
        return given[-1]

    async def booked() -> dict[str, int]:
        before = (await bench.sums()).get("tone", {}).get("filtered", 0)
        await bench.ledger.book(work, limit=10)
        after = (await bench.sums()).get("tone", {}).get("filtered", 0)
        shown = sum(sums["states"]["filtered"] for sums in given[-1].deltas.values())
        return {"stored": after - before, "shown": shown}

    for run_id in ("r1", "bad", "r2"):
        await bench.finish(make_plan(run_id, tone="filtered"))
    assert await booked() == {"stored": 2, "shown": 2}
    await bench.finish(make_plan("bad2", tone="filtered"))
    other, loop = await bench.another(), asyncio.get_running_loop()

    def robbed(batch: Batch) -> Change:
        if batch.bookings:
            asyncio.run_coroutine_threadsafe(other.book(count, limit=10), loop).result(10)
        given.append(count(batch))
        return given[-1]

    await bench.ledger.book(robbed, limit=10)
    assert given[-1].empty, "somebody else stored it"
    assert await bench.sums() == {"tone": {"filtered": 4}}, "with what had been set aside"


async def test_what_only_the_database_refuses_is_found_and_set_aside(
    bench: LedgerBench, caplog: pytest.LogCaptureFixture
) -> None:
    for run_id in ("r1", "bad", "r2"):
        await bench.finish(make_plan(run_id, tone="filtered"))

    def work(batch: Batch) -> Change:
        change = count(batch)
        if "bad" in batch.plans:
            change.notices.append(Notice("k", "run_error", "g", None))  # type: ignore[arg-type]
        return change

    for _ in range(5):
        await bench.ledger.book(work, limit=10)
    assert await bench.sums() == {"tone": {"filtered": 2}}
    assert await bench.ledger.unbooked() == 0
    assert "bad" in caplog.text


async def test_a_locked_database_is_waited_for_and_then_reported(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    impatient = await bench.another(storage_timeout=0.05)
    calls: list[int] = []

    def work(batch: Batch) -> Change:
        calls.append(len(batch.bookings))
        return count(batch)

    with write_lock(bench):
        for call in (
            impatient.book(work, limit=10),
            impatient.amend("r1", lambda before: change_of(before, make_plan("r1", tone="pending"))),
            impatient.reserve("2026-11-20", 10, 1),
            impatient.add_notices([Notice("k", "run_error", "g", 1.0)]),
        ):
            with pytest.raises(StorageBusyError):
                await call
    assert len(calls) <= 1, "it does not count again and again meanwhile"
    with write_lock(bench):
        waiting = asyncio.create_task(bench.ledger.reserve("2026-11-20", 10, 1))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting
    while await impatient.book(work, limit=10):
        pass
    assert await bench.sums() == {"tone": {"filtered": 1}}


@pytest.mark.parametrize("what", ["reserve", "settle", "amend", "feedback"])
async def test_what_was_promised_is_synced_to_the_disk(
    bench: LedgerBench, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    synced: list[int] = []
    guarded = WriteThread._guarded

    def watched(thread: WriteThread, work: object) -> object:
        def watching(connection: sqlite3.Connection) -> object:
            synced.append(connection.execute("PRAGMA synchronous").fetchone()[0])
            return work(connection)  # type: ignore[operator]

        return guarded(thread, watching)

    monkeypatch.setattr(WriteThread, "_guarded", watched)
    if what == "reserve":
        assert await bench.ledger.reserve("2026-11-20", 10, 1)
    elif what == "settle":
        await bench.ledger.settle("2026-11-20", 5, 9)
    elif what == "amend":
        await bench.ledger.amend("r1", lambda before: Change())
    else:
        assert await bench.ledger.add_feedback(Feedback("1", "r1", 1.0, None, "thumb"))
    assert synced == [2], "synchronous=FULL"


async def test_runs_without_plans_cost_no_statement_more(bench: LedgerBench) -> None:
    with closing(sqlite3.connect(path_of(bench), isolation_level=None)) as connection:
        counts = []
        for planned in (False, True):
            session = Session("s1", "agent", "support", created_at=1.0, updated_at=1.0)
            runs = [
                planned_run(f"{planned}{number}", make_plan(f"{planned}{number}", tone="pending") if planned else None)
                for number in range(16)
            ]
            writes = [RunWrite(run, session, [], payload=None, final=True) for run in runs]
            seen: list[str] = []
            connection.set_trace_callback(seen.append)
            apply_writes(connection, writes, bench.producer.enqueue)  # type: ignore[arg-type]
            connection.set_trace_callback(None)
            counts.append(len({statement for statement in seen if not statement.startswith("-- ")}))
        assert counts == [2, 3]
