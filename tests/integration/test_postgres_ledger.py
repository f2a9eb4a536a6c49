"""The ledger on PostgreSQL where it differs: several leaders, lost connections, locks, processes of the version before.

What both ledgers promise is in tests/conformance/test_ledger.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import asyncpg
import pytest

from conformance.ledger_bench import (
    LedgerBench,
    change_of,
    count,
    entry,
    make_delivery,
    make_evaluation,
    make_notice,
    make_plan,
    states,
)
from conformance.samples import make_job, make_run, make_session
from offpath.engine.adapters import job_rows
from offpath.errors import ConfigurationError, StorageError
from offpath.ledger.booking import Batch, Change
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Notice
from offpath.ledger.plan import RunPlan
from offpath.runs.record import decode_record, encode_record
from offpath.storage.database import PostgresDb, upgrade
from offpath.storage.ledger import Folded
from offpath.storage.postgres import content, deletion
from offpath.storage.postgres import ledger_statements as statements
from offpath.storage.postgres.booking import Writes
from offpath.storage.postgres.deletion import delete_runs
from postgres_server import drop_database, fresh_database, prepared_database, run, server_url
from transaction_pooler import TransactionPooler

WINDOW = "2026-11-20"


@pytest.fixture
def url() -> Iterator[str]:
    made = prepared_database()
    yield made
    drop_database(made)


@pytest.fixture
async def bench(url: str) -> AsyncIterator[LedgerBench]:
    made = LedgerBench(PostgresDb(db_url=url))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def other(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Somebody else at work in the database."""
    made = await asyncpg.connect(url)
    yield made
    made.terminate()


def execute(url: str, statement: str) -> Any:
    return run(url, lambda connection: connection.fetch(statement))


async def until_somebody_waits(url: str) -> None:
    """Return when some connection to the database waits for a lock."""
    connection = await asyncpg.connect(url)  # not one in a transaction, which sees the activity of its beginning
    try:
        for _ in range(500):
            if await connection.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock')"
            ):
                return
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
    raise AssertionError("nobody waits")


# Runs and their plans.


async def test_texts_that_postgresql_refuses_come_back_as_they_were(bench: LedgerBench) -> None:
    odd = "a\0b\x1bc\ud800"
    plan = make_plan("r1", session_id=odd, tone="filtered")
    plan.component_name = plan.component_id = plan.error_type = plan.blocked_by = plan.traceparent = odd
    await bench.finish(plan, run=make_run("r1"))
    assert await bench.ledger.plans(["r1"]) == {"r1": plan}
    said = Feedback("f1", "r1", 1.0, odd, odd, 0.5, odd, odd)
    assert await bench.ledger.add_feedback(said)
    assert await bench.ledger.feedback(["r1"]) == {"r1": [said]}
    delivery = make_delivery("d\0", channel=odd, group=odd, job_key=odd, message=b"\0\xff")
    await bench.ledger.add_notices([make_notice("n\0")])
    assert await bench.ledger.fold(lambda _, __: Folded(["n\0"], [delivery], [], {(odd, odd): 5.0}), limit=5) == 1
    assert await bench.ledger.delivery("d\0") == delivery


async def test_feedback_that_is_sent_again_is_stored_once(bench: LedgerBench) -> None:
    await bench.finish(None, run=make_run("r1"))
    said = Feedback("f1", "r1", 1.0, None, "thumb", 1.0)
    assert await bench.ledger.add_feedback(said)
    assert await bench.ledger.add_feedback(said), "the answer to the first was lost with the connection"
    assert await bench.ledger.feedback(["r1"]) == {"r1": [said]}


# Booking.


async def test_two_leaders_never_count_the_end_of_a_job_before_that_of_its_run(
    bench: LedgerBench, url: str, other: asyncpg.Connection[Any]
) -> None:
    await bench.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"))
    await bench.end_jobs({"tone": "scored"})
    taken = other.transaction()
    await taken.start()
    await other.execute(statements.BOOK_ALONE)
    assert [row[2] for row in await other.fetch(statements.TAKE_BOOKINGS, 1)] == [None]
    seen: list[str | None] = []

    def noted(batch: Batch) -> Change:
        seen.extend(booking.key for booking in batch.bookings)
        return count(batch)

    booked = asyncio.create_task(bench.ledger.book(noted, limit=10))
    await until_somebody_waits(url)
    assert seen == []
    await taken.rollback()  # the other one dies
    assert await booked == 2
    assert seen == [None, "r1:post:evaluate"]
    assert await bench.sums() == {"tone": {"scored": 1}}


async def test_a_connection_that_is_lost_in_the_middle_of_booking_changes_nothing(bench: LedgerBench, url: str) -> None:
    await bench.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"))
    await bench.end_jobs({"tone": "scored"})
    calls = 0

    def cut_off(batch: Batch) -> Change:
        nonlocal calls
        calls += 1
        if calls == 1:
            execute(
                url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = 'offpath ledger'",
            )
        return count(batch)

    assert await bench.ledger.book(cut_off, limit=10) == 2
    assert calls == 2, "it was tried again on another connection"
    assert await bench.sums() == {"tone": {"scored": 1}}
    assert await bench.jobs_counted() == {"jobs": 1, "results": 1}
    assert await bench.ledger.unbooked() == 0


async def test_a_commit_whose_answer_is_lost_counts_once(bench: LedgerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    commit = asyncpg.transaction.Transaction.commit
    lost: list[bool] = []

    async def committed(transaction: Any) -> None:
        await commit(transaction)
        if len(lost) < 2:  # bringing back comes first
            lost.append(True)
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", committed)
    while await bench.ledger.book(count, limit=10):
        pass
    assert len(lost) == 2
    assert await bench.sums() == {"tone": {"filtered": 1}}
    assert await bench.ledger.unbooked() == 0


async def test_a_value_that_the_database_refuses_holds_nobody_up(
    bench: LedgerBench, caplog: pytest.LogCaptureFixture
) -> None:
    """No check of ours finds it: a fingerprint longer than what an index takes."""
    for run_id in ("r1", "bad", "r2"):
        await bench.finish(make_plan(run_id, tone="filtered"))
    long = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(9_000))

    def refused(batch: Batch) -> Change:
        change = count(batch)
        if any(booking.run_id == "bad" for booking in batch.bookings):
            change.evaluations.append(make_evaluation("bad", "tone", fingerprint=long))
        return change

    calls = 0
    while await bench.ledger.book(refused, limit=10):
        calls += 1
        assert calls < 10
    assert await bench.sums() == {"tone": {"filtered": 2}}
    assert await bench.ledger.unbooked() == 0
    assert "of run bad is set aside" in caplog.text


async def test_bookings_that_can_only_be_counted_apart_are(
    bench: LedgerBench, caplog: pytest.LogCaptureFixture
) -> None:
    for run_id in ("r1", "r2", "r3"):
        await bench.finish(make_plan(run_id, tone="filtered"))

    def one_by_one(batch: Batch) -> Change:
        if len(batch.bookings) > 1:
            raise RuntimeError("too many")
        return count(batch)

    with caplog.at_level(logging.WARNING):
        while await bench.ledger.book(one_by_one, limit=10):
            pass
    assert await bench.sums() == {"tone": {"filtered": 3}}
    assert "one by one" in caplog.text


async def test_sums_are_added_by_all_who_add_at_once(bench: LedgerBench) -> None:
    """Amending and booking meet in the same rows, in whichever order their changes name them."""
    ids = [f"r{number}" for number in range(24)]
    await asyncio.gather(*(bench.finish(None, run=make_run(i)) for i in ids))
    names = [f"e{number}" for number in range(12)]
    ledgers = [bench.ledger, *[await bench.another() for _ in range(3)]]

    async def add(number: int, run_id: str) -> None:
        turned = names[number % 12 :] + names[: number % 12]
        plan = make_plan(run_id)
        plan.entries = {name: entry("scored") for name in turned}
        await ledgers[number % 4].amend(run_id, lambda _: Change(plans={run_id: plan}, deltas=states(plan)))

    await asyncio.gather(*(add(number, run_id) for number, run_id in enumerate(ids)))
    assert await bench.sums() == {name: {"scored": 24} for name in names}


async def test_amending_while_the_run_is_counted_waits_and_counts_once(
    bench: LedgerBench, url: str, other: asyncpg.Connection[Any]
) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    after = make_plan("r1", tone="pending")
    seen: list[RunPlan | None] = []

    def to_pending(before: RunPlan | None) -> Change:
        seen.append(before)
        return change_of(before, after)

    async with other.transaction():  # what booking does
        await other.fetch(statements.TAKE_BOOKINGS, 10)
        await other.fetch(statements.LOCK_PLANS, ["r1"])
        amended = asyncio.create_task(bench.ledger.amend("r1", to_pending))
        await until_somebody_waits(url)
        await other.execute("UPDATE offpath_run_plans SET counted = true")
        (key,) = states(after)
        await other.execute(statements.STORE_SUMS, *([part] for part in (*_columns(key), '{"states":{"filtered":1}}')))
    assert await amended == after
    assert [plan and plan.counted for plan in seen] == [True]
    assert await bench.sums() == {"tone": {"pending": 1}}


def _columns(key: Any) -> tuple[Any, ...]:
    return (key.measure, key.grain, key.facet, key.start, key.component_kind, key.component_id, key.value)


# Deletion.


async def test_deletion_waits_for_what_is_being_booked_and_takes_it_too(
    bench: LedgerBench, url: str, other: asyncpg.Connection[Any]
) -> None:
    await bench.finish(make_plan("r1", tone="pending"))
    async with other.transaction():
        await other.fetch(statements.LOCK_PLANS, ["r1"])
        deleted = asyncio.create_task(bench.store.delete_run("r1"))
        await until_somebody_waits(url)
        await other.execute(
            "INSERT INTO offpath_evaluations (run_id, name, fingerprint, state, evaluated_at, data) "
            "VALUES ('r1', 'tone', 'f', 'scored', 1, '{}')"
        )
    assert await deleted
    assert await other.fetchval("SELECT count(*) FROM offpath_evaluations") == 0


async def test_what_a_process_of_the_version_before_deletes_is_gone_from_the_ledger_too(
    bench: LedgerBench, other: asyncpg.Connection[Any]
) -> None:
    """It knows runs only, and its transaction is all that there is."""
    for run_id in ("r1", "r2"):
        plan = make_plan(run_id, tone="scored")
        await bench.finish(plan)
        change = Change(evaluations=[make_evaluation(run_id, "tone")], notices=[make_notice(run_id, run_id=run_id)])
        await bench.ledger.amend(run_id, lambda _, change=change: change)  # type: ignore[misc]
        await bench.ledger.add_feedback(Feedback(f"f-{run_id}", run_id, 1.0, None, "thumb"))
    assert await delete_runs(other, ["r1"]) == 1
    for table in ("run_plans", "evaluations", "feedback", "notices"):
        found = await other.fetch(f"SELECT run_id FROM offpath_{table}")
        assert [row[0] for row in found] == ["r2"], table


async def test_retention_reaches_messages_and_notices_that_nobody_wants(bench: LedgerBench) -> None:
    await bench.finish(None, make_job("r1"), run=make_run("r1"))
    await bench.ledger.add_notices([make_notice("told")])
    sent = make_delivery("sent", created_at=1.0, job_key="r1:post:gone")
    queued = make_delivery("queued", created_at=1.0, job_key="r1:post:notify")
    fresh = make_delivery("fresh", created_at=time.time(), job_key="r1:post:gone")
    assert await bench.ledger.fold(lambda _, __: Folded(["told"], [sent, queued, fresh], [], {}), limit=5) == 3
    await bench.ledger.add_notices([make_notice("unwanted"), make_notice("new", created_at=time.time())])
    archive = bench.database.open_archive(
        enqueue=bench.producer.enqueue,
        wake=bench.wake,
        jobs=job_rows(bench.producer),
    )
    await archive.open()
    await archive.prune(time.time() - 60)
    await archive.close()
    left = {name for name in ("sent", "queued", "fresh") if await bench.ledger.delivery(name)}
    assert left == {"queued", "fresh"}
    waiting: list[str] = []

    def look(notices: Sequence[Notice], _: Any) -> Folded:
        waiting.extend(notice.key for notice in notices)
        return Folded([], [], [], {})

    await bench.ledger.add_notices([make_notice("told")])
    await bench.ledger.fold(look, limit=5)
    assert waiting == ["new"], "and what was told is not told again"


# Content.


async def test_runs_that_wait_for_hooks_hold_no_others_up(bench: LedgerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_WINDOW", 4)
    for number in range(11):
        jobs = [] if number in (5, 10) else [make_job(f"r{number:02}", "evaluate")]
        await bench.finish(make_plan(f"r{number:02}", strip=True, tone="pending"), *jobs)

    def bare(record: bytes) -> bytes:
        decoded = decode_record(record)
        decoded.output.content = ""
        return encode_record(decoded)

    stripped = 0
    for _ in range(3):
        stripped += await bench.ledger.strip_content(bare, limit=100)
    assert stripped == 2
    for number in range(11):
        found = await bench.store.run(f"r{number:02}")
        assert found is not None
        assert (found.output.content == "") == (number in (5, 10))
    await bench.end_jobs({"tone": "scored"})
    for _ in range(3):
        stripped += await bench.ledger.strip_content(bare, limit=3)
    assert stripped == 2 + 9, "three of three calls"
    assert await bench.ledger.strip_content(bare, limit=100) == 0


# Money.


async def test_a_reservation_of_unknown_outcome_raises_and_is_not_tried_again(
    bench: LedgerBench, url: str, other: asyncpg.Connection[Any]
) -> None:
    assert await bench.ledger.reserve(WINDOW, 100, 10)
    async with other.transaction():
        await other.execute("SELECT FROM offpath_budgets FOR UPDATE")
        reserving = asyncio.create_task(bench.ledger.reserve(WINDOW, 100, 10))
        await until_somebody_waits(url)
        await other.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'offpath ledger'"
        )
        with pytest.raises(StorageError):
            await reserving
    assert await bench.ledger.spent(WINDOW) == 10
    assert await bench.ledger.reserve(WINDOW, 100, 90), "the next one connects anew"
    assert not await bench.ledger.reserve(WINDOW, 100, 1)


async def test_a_reservation_that_waits_too_long_raises(bench: LedgerBench, other: asyncpg.Connection[Any]) -> None:
    ledger = await bench.another(storage_timeout=0.3)
    assert await ledger.reserve(WINDOW, 100, 10)
    async with other.transaction():
        await other.execute("SELECT FROM offpath_budgets FOR UPDATE")
        with pytest.raises(StorageError):
            await ledger.reserve(WINDOW, 100, 10)
        with pytest.raises(StorageError):
            await ledger.settle(WINDOW, 10, 0)
    assert await ledger.spent(WINDOW) in (0, 10, 20)
    assert await ledger.reserve(WINDOW, 100, 10)


# Notices.


async def test_of_two_who_fold_at_once_the_second_knows_who_was_told(
    bench: LedgerBench, url: str, other: asyncpg.Connection[Any]
) -> None:
    await bench.ledger.add_notices([make_notice(f"n{number}", created_at=float(number)) for number in range(6)])
    seen: list[tuple[list[str], dict[tuple[str, str], float]]] = []

    def tell(notices: Sequence[Notice], told: dict[tuple[str, str], float]) -> Folded:
        keys = [notice.key for notice in notices]
        seen.append((keys, told))
        return Folded(keys, [make_delivery(f"d-{key}") for key in keys], [], {})

    async with other.transaction():
        assert len(await other.fetch(statements.WAITING_NOTICES, 3)) == 3
        await other.execute(statements.TAKE_NOTICES, ["n0", "n1", "n2"], 1.0)
        await other.execute(statements.TELL, ["ops"], ["g"], [7.0])
        folded = asyncio.create_task(bench.ledger.fold(tell, limit=3))
        await until_somebody_waits(url)
    added = await folded
    added += await bench.ledger.fold(tell, limit=3)
    assert added == 3
    assert sorted(key for keys, _ in seen for key in keys) == ["n3", "n4", "n5"]
    assert all(told == {("ops", "g"): 7.0} for _, told in seen)


# Others.


async def test_everything_works_through_a_pooler_of_transactions() -> None:
    url = prepared_database()
    async with TransactionPooler(url) as pooler:
        made = LedgerBench(PostgresDb(db_url=pooler.url, direct_url=url))
        await made.open()
        await asyncio.gather(
            *(made.finish(make_plan(f"r{n}", tone="pending", strip=n < 3), make_job(f"r{n}", "evaluate"))
              for n in range(12))
        )  # fmt: skip
        await made.end_jobs({"tone": "scored"})
        others = [await made.another() for _ in range(3)]
        for _ in range(20):
            if not sum(await asyncio.gather(*(ledger.book(count, limit=5) for ledger in others))):
                break
        assert await made.sums() == {"tone": {"scored": 12}}
        plan = make_plan("r20", tone="scored")
        await made.finish(None, run=make_run("r20"))
        await made.ledger.amend("r20", lambda _: Change(plans={"r20": plan}, deltas=states(plan)))
        assert await made.ledger.unbooked() == 0
        assert await made.ledger.strip_content(lambda record: record, limit=10) == 3
        granted = await asyncio.gather(*(ledger.reserve(WINDOW, 5, 1) for ledger in others for _ in range(4)))
        assert sum(granted) == 5
        await made.ledger.add_notices([make_notice("n")])
        assert await made.ledger.fold(lambda _, __: Folded(["n"], [make_delivery("d")], [], {}), limit=5) == 1
        assert (await made.store.delete_session("s1")) is True
        await made.close()
    drop_database(url)


async def test_a_user_without_rights_to_the_new_tables_goes_on_with_the_version_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The owner upgrades, and processes of the version before run as somebody who was given rights long ago."""
    url = fresh_database()
    before = PostgresDb(db_url=url)
    before.schema = "0002"
    before.prepare()
    execute(url, "CREATE ROLE older LOGIN")
    try:
        execute(url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO older")
        execute(url, "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO older")
        upgrade(url)
        theirs = url.replace("postgres@", "older@")
        new = LedgerBench(PostgresDb(db_url=url))
        await new.open()
        older = PostgresDb(db_url=theirs)
        older.schema = "0002"
        worker = LedgerBench(older)
        await worker.store.open()
        await new.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"))
        assert await worker.end_jobs({"tone": "scored"}) == 1
        await worker.finish(None, make_job("r2", "evaluate"), run=make_run("r2"))
        assert await new.book_all() == 2
        assert await new.sums() == {"tone": {"scored": 1}}
        with monkeypatch.context() as patched:
            patched.setattr(deletion, "withdraw", _knows_no_sums)
            assert await worker.store.delete_run("r1")
        assert await new.ledger.plans(["r1"]) == {}
        with pytest.raises(ConfigurationError, match=r"lacks rights.*offpath_run_plans.*GRANT"):
            await PostgresDb(db_url=theirs).prepare_schema()
        await worker.close()
        await new.close()
    finally:
        drop_database(url)
        execute(server_url(), "DROP ROLE older")


async def _knows_no_sums(connection: Any, run_ids: Sequence[str]) -> Writes:
    """Deleting as the version before does it."""
    return Writes(Change())


async def test_a_group_without_plans_is_stored_as_before(bench: LedgerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    fetch = asyncpg.Connection.fetch

    async def noted(connection: Any, statement: str, *values: Any, **options: Any) -> Any:
        sent.append(statement)
        return await fetch(connection, statement, *values, **options)

    monkeypatch.setattr(asyncpg.Connection, "fetch", noted)
    await bench.store.finish(make_run("r1"), make_session(), [make_job("r1")])
    await bench.finish(make_plan("r2", tone="filtered"), make_job("r2"))
    plain, planned = (statement for statement in sent if "offpath_runs" in statement)
    assert "offpath_run_plans" not in plain
    assert "offpath_run_plans" in planned
    assert "offpath_hook_queue" in planned, "one round trip for all of it"
