"""What both ledgers promise; see `offpath.storage.ledger`."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from conformance.conftest import ADAPTERS
from conformance.ledger_bench import (
    NOON,
    LedgerBench,
    change_of,
    count,
    entry,
    make_delivery,
    make_evaluation,
    make_notice,
    make_plan,
    states,
    sums_key,
)
from conformance.samples import make_job, make_run, make_session
from offpath.engine.adapters import job_rows
from offpath.errors import StorageError
from offpath.ledger.booking import Batch, Change
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Notice
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import DAY, RollupKey
from offpath.runs.record import decode_record, encode_record
from offpath.runs.status import RunStatus
from offpath.storage.ledger import Folded, RunQuery
from unit.storage.test_deletion import MARKER, traces


@pytest.fixture(params=ADAPTERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LedgerBench]:
    async with ADAPTERS[request.param](tmp_path) as database:
        made = LedgerBench(database)
        await made.open()
        yield made
        await made.close()


# Booking.


async def test_a_plan_is_stored_with_the_end_of_its_run(bench: LedgerBench) -> None:
    plan = make_plan("r1", polite=entry(probability=0.25), tone="filtered", strip=True)
    await bench.finish(plan)
    assert await bench.ledger.plans(["r1", "no"]) == {"r1": plan}
    assert await bench.ledger.unbooked() == 1
    await bench.finish(make_plan("r1", other="pending"))
    assert await bench.ledger.plans(["r1"]) == {"r1": plan}, "what is there is kept"
    await bench.finish(None, run=make_run("plain"))
    assert await bench.ledger.unbooked() == 1


async def test_a_booking_notes_that_a_plan_is_counted(bench: LedgerBench) -> None:
    """`RunPlan.counted`, which `offpath.posthooks.books` goes by."""
    plan = make_plan("r1", tone="filtered")
    counted = msgspec.structs.replace(plan, counted=True)
    await bench.finish(plan)
    await bench.ledger.book(lambda _: Change(plans={"r1": counted}), limit=10)
    assert await bench.ledger.plans(["r1"]) == {"r1": counted}
    await bench.ledger.amend("r1", lambda before: Change(plans={"r1": before}) if before else Change())
    assert await bench.ledger.plans(["r1"]) == {"r1": counted}


async def test_a_starting_run_has_no_plan_yet(bench: LedgerBench) -> None:
    run = make_run("r1", status=RunStatus.RUNNING)
    bench.store.begin(run, make_session(), [make_job("r1", "pre")])
    await asyncio.sleep(0.1)
    await bench.end_jobs({}, hook="pre")
    assert await bench.ledger.plans(["r1"]) == {}
    assert await bench.ledger.unbooked() == 0


async def test_an_interrupted_run_has_a_plan_too(bench: LedgerBench) -> None:
    archive = bench.database.open_archive(
        enqueue=bench.producer.enqueue,  # type: ignore[arg-type]
        wake=bench.wake,
        jobs=job_rows(bench.producer),
    )
    await archive.open()
    bench.store.begin(make_run("r1", status=RunStatus.RUNNING), make_session(), [make_job("r1", "pre")])
    await asyncio.sleep(0.1)
    ended = make_run("r1", status=RunStatus.INTERRUPTED)
    ended.plan = make_plan("r1", tone="filtered")
    assert await archive.mark_interrupted(ended, [])
    assert not await archive.mark_interrupted(ended, [])
    await archive.close()
    assert await bench.book_all() == 1
    assert await bench.sums() == {"tone": {"filtered": 1}}


async def test_many_runs_at_once_all_get_their_plans(bench: LedgerBench) -> None:
    ids = [f"r{number}" for number in range(70)]
    await asyncio.gather(
        *(bench.finish(make_plan(run_id, tone="pending") if index % 3 else None, run=make_run(run_id))
          for index, run_id in enumerate(ids))
    )  # fmt: skip
    assert len(await bench.ledger.plans(ids)) == 46
    assert await bench.ledger.unbooked() == 46


async def test_what_is_booked_is_written_all_together(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="pending", pii="filtered"), make_job("r1", "evaluate"))
    assert await bench.end_jobs({"tone": "scored"}) == 1
    assert await bench.ledger.unbooked() == 2
    assert await bench.ledger.book(count, limit=1) == 1
    assert await bench.sums() == {"tone": {"pending": 1}, "pii": {"filtered": 1}}
    assert await bench.ledger.book(count, limit=10) == 1
    assert await bench.sums() == {"tone": {"scored": 1}, "pii": {"filtered": 1}}
    assert (await bench.ledger.plans(["r1"]))["r1"].entries["tone"].state == "scored"
    (row,) = (await bench.ledger.evaluations(["r1"]))["r1"]
    assert row == make_evaluation("r1", "tone")
    assert await bench.ledger.book(count, limit=10) == 0
    assert await bench.ledger.unbooked() == 0


async def test_what_a_booking_tells_of_its_job(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"), make_job("r1", "notify"))
    await bench.end_jobs({"tone": "scored"})
    await bench.end_jobs(None, hook="notify", dead=True)
    seen: list[Batch] = []
    await bench.ledger.book(lambda batch: seen.append(batch) or Change(), limit=10)  # type: ignore[func-returns-value]
    own, evaluated, dead = seen[-1].bookings
    assert (own.run_id, own.key, own.job) == ("r1", None, None)
    assert evaluated.job is not None
    assert dead.job is not None
    assert evaluated.key == evaluated.job.info.key == "r1:post:evaluate"
    assert evaluated.job.result == b'{"tone":"scored"}'
    assert evaluated.job.traceparent == "00-trace-span-01"
    assert (evaluated.job.info.hook, evaluated.job.info.outcome) == ("evaluate", "success")
    assert (evaluated.job.info.state, dead.job.info.state) == ("succeeded", "dead")
    assert dead.job.info.error == "no"
    assert evaluated.job.info.duration == pytest.approx(0.5, abs=0.01)


async def test_two_who_book_at_once_count_each_booking_once(bench: LedgerBench) -> None:
    ids = [f"r{number}" for number in range(60)]
    await asyncio.gather(*(bench.finish(make_plan(i, tone="pending"), make_job(i, "evaluate")) for i in ids))
    assert await bench.end_jobs({"tone": "scored"}) == 60
    ledgers = [await bench.another() for _ in range(3)]
    for _ in range(100):
        await asyncio.gather(*(ledger.book(count, limit=7) for ledger in ledgers))
        if not await bench.ledger.unbooked():
            break
    assert await bench.sums() == {"tone": {"scored": 60}}
    assert await bench.jobs_counted() == {"jobs": 60, "results": 60}
    assert len(await bench.ledger.evaluations(ids)) == 60


_CRASH = """
import asyncio, os, sys
from offpath.storage.database import database_from_url
async def main():
    ledger = database_from_url(sys.argv[1]).open_ledger(enqueue=lambda *_: None, wake=lambda: None)
    await ledger.open()
    await ledger.book(lambda batch: os._exit(7), limit=10)
asyncio.run(main())
"""


async def test_a_process_that_dies_while_it_counts_changes_nothing(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _CRASH, bench.database.url], capture_output=True, timeout=30
    )
    assert done.returncode == 7, done.stderr.decode()
    assert await bench.sums() == {}
    for _ in range(100):  # until the server has noticed
        if await bench.book_all():
            break
        await asyncio.sleep(0.05)
    assert await bench.sums() == {"tone": {"filtered": 1}}


async def test_a_booking_that_cannot_be_counted_does_not_hold_the_others_up(
    bench: LedgerBench, caplog: pytest.LogCaptureFixture
) -> None:
    for run_id in ("r1", "bad", "r2"):
        await bench.finish(make_plan(run_id, tone="pending"), make_job(run_id, "evaluate"))
    broken = True

    def fragile(batch: Batch) -> Change:
        if broken and any(booking.run_id == "bad" and booking.key is None for booking in batch.bookings):
            raise RuntimeError("cannot count this")
        return count(batch)

    assert await bench.ledger.book(fragile, limit=10) == 3
    assert await bench.sums() == {"tone": {"pending": 2}}
    assert "cannot count this" in caplog.text
    assert "bad" in caplog.text
    await bench.end_jobs({"tone": "scored"})
    while await bench.ledger.book(fragile, limit=10):
        pass
    assert await bench.sums() == {"tone": {"scored": 2}}, "what comes after it of the same run waits with it"
    assert await bench.ledger.unbooked() == 0

    broken = False
    later = await bench.another()
    while await later.book(fragile, limit=10):
        pass
    assert await bench.sums() == {"tone": {"scored": 3}}, "a worker that starts anew tries again"


async def test_sums_that_are_no_numbers_are_never_stored(bench: LedgerBench, caplog: pytest.LogCaptureFixture) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    await bench.finish(make_plan("r2", tone="filtered"))

    def divided_by_zero(batch: Batch) -> Change:
        change = count(batch)
        if any(booking.run_id == "r1" for booking in batch.bookings):
            next(iter(change.deltas.values()))["mean"] = {"a": float("nan")}
        return change

    await bench.ledger.book(divided_by_zero, limit=10)
    assert await bench.sums() == {"tone": {"filtered": 1}}
    assert "r1" in caplog.text


async def test_a_job_that_is_requeued_before_it_was_booked_counts_with_its_own_end(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"))
    await bench.end_jobs(None, dead=True)
    assert await bench.producer.requeue("r1:post:evaluate")
    await bench.end_jobs({"tone": "scored"})
    await bench.book_all(limit=2)
    assert await bench.sums() == {"tone": {"scored": 1}}
    assert (await bench.jobs_counted())["results"] == 1, "the result counts for the end that brought it"


async def test_bookings_of_a_deleted_run_are_dropped(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="pending"), make_job("r1", "evaluate"), make_job("r1", "notify"))
    await bench.finish(make_plan("r2", tone="filtered"))
    await bench.end_jobs({"tone": "scored"})
    assert await bench.store.delete_run("r1")
    await bench.book_all()
    assert await bench.sums() == {"tone": {"filtered": 1}}
    assert await bench.jobs_counted() == {}
    assert await bench.ledger.unbooked() == 0


async def test_a_run_that_is_deleted_while_it_is_counted_is_not_counted(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    await bench.finish(make_plan("r2", tone="filtered"))
    loop = asyncio.get_running_loop()
    deletions: list[object] = []

    def slow(batch: Batch) -> Change:
        if not deletions and len(batch.plans) == 2:
            try:
                asyncio.get_running_loop()
            except RuntimeError:  # on a thread: nothing is locked while it counts
                deletions.append(asyncio.run_coroutine_threadsafe(bench.store.delete_run("r1"), loop).result(5))
        return count(batch)

    while await bench.ledger.book(slow, limit=10):
        pass
    if deletions:
        assert await bench.sums() == {"tone": {"filtered": 1}}
    assert await bench.ledger.unbooked() == 0


@pytest.mark.parametrize("seed", range(4))
async def test_the_sums_add_up_to_the_plans_whatever_happens_in_whichever_order(bench: LedgerBench, seed: int) -> None:
    dice = random.Random(seed)
    ids: list[str] = []

    async def begin() -> None:
        run_id = f"r{len(ids)}"
        plan = make_plan(run_id, tone=dice.choice(("pending", "sampled_out")), pii=dice.choice(("pending", "filtered")))
        jobs = [make_job(run_id, "evaluate")] if "pending" in {e.state for e in plan.entries.values()} else []
        if dice.random() < 0.2:
            await bench.finish(None, run=make_run(run_id, created_at=float(NOON)))
        else:
            await bench.finish(plan, *jobs)
        ids.append(run_id)

    async def amend() -> None:
        to = dice.choice(("pending", "budget", "scored"))

        def work(before: RunPlan | None) -> Change:
            base = make_plan("x").entries if before is None else before.entries
            after = make_plan(run_id, **(base | {"tone": entry(to)}))
            return change_of(before, after)

        if ids:
            run_id = dice.choice(ids)
            await bench.ledger.amend(run_id, work)

    async def end() -> None:
        states = {name: dice.choice(("scored", "abstained", "failed")) for name in ("tone", "pii")}
        await bench.end_jobs(None if dice.random() < 0.3 else states, dead=dice.random() < 0.3)

    async def requeue() -> None:
        if ids:
            await bench.producer.requeue(f"{dice.choice(ids)}:post:evaluate")

    async def book() -> None:
        await bench.ledger.book(count, limit=dice.randint(1, 5))

    for _ in range(70):
        await dice.choice((begin, begin, amend, end, requeue, book))()
    await bench.book_all(limit=dice.randint(1, 9))
    assert await bench.sums() == await bench.plan_states(ids)
    assert await bench.ledger.unbooked() == 0


# Amending.


async def test_a_plan_is_amended_with_its_jobs(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    await bench.book_all()
    wanted = make_plan("r1", tone="pending")
    woken = bench.wakes

    plan = await bench.ledger.amend("r1", lambda before: change_of(before, wanted), [make_job("r1", "evaluate")])
    assert plan is not None
    assert plan.entries == wanted.entries
    assert bench.wakes == woken + 1
    assert [job.hook for job in await bench.producer.jobs_of("r1")] == ["evaluate"]
    assert await bench.sums() == {"tone": {"pending": 1}}
    await bench.end_jobs({"tone": "scored"})
    await bench.book_all()
    assert await bench.sums() == {"tone": {"scored": 1}}


async def test_a_plan_that_a_run_did_not_have_is_added_and_not_booked(bench: LedgerBench) -> None:
    await bench.finish(None, run=make_run("r1"))
    plan = make_plan("r1", tone="scored")

    def add_plan(before: RunPlan | None) -> Change:
        assert before is None
        return Change(plans={"r1": plan}, deltas=states(plan), evaluations=[make_evaluation("r1", "tone")])

    plan.counted = True
    assert await bench.ledger.amend("r1", add_plan) == plan
    assert await bench.ledger.unbooked() == 0
    assert await bench.sums() == {"tone": {"scored": 1}}
    assert await bench.ledger.plans(["r1"]) == {"r1": plan}
    assert len((await bench.ledger.evaluations(["r1"]))["r1"]) == 1


async def test_amending_before_the_run_was_counted_counts_it_once(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered", pii="filtered"))
    after = make_plan("r1", tone="pending", pii="filtered")
    await bench.ledger.amend("r1", lambda before: change_of(before, after))
    await bench.book_all()
    assert await bench.sums() == {"tone": {"pending": 1}, "pii": {"filtered": 1}}


async def test_a_run_that_is_not_there_is_not_amended(bench: LedgerBench) -> None:
    plan = make_plan("gone", tone="scored")
    woken = bench.wakes
    jobs = [make_job("gone", "evaluate")]
    assert await bench.ledger.amend("gone", lambda _: Change(plans={"gone": plan}, deltas=states(plan)), jobs) is None
    assert await bench.ledger.plans(["gone"]) == {}
    assert await bench.sums() == {}
    assert await bench.producer.jobs_of("gone") == []
    assert bench.wakes in (woken, woken + 1)


async def test_nothing_is_written_if_the_work_fails(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))

    def fails(before: RunPlan | None) -> Change:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await bench.ledger.amend("r1", fails, [make_job("r1", "evaluate")])
    assert await bench.producer.jobs_of("r1") == []
    await bench.ledger.amend("r1", lambda before: change_of(before, make_plan("r1", tone="pending")))


# Results, feedback, sums.


async def store_evaluations(bench: LedgerBench, *rows: object) -> None:
    for row in rows:
        await bench.ledger.amend(row.run_id, lambda before, row=row: Change(evaluations=[row]))  # type: ignore[attr-defined]


async def test_a_retry_replaces_a_result_and_another_version_adds_one(bench: LedgerBench) -> None:
    await bench.finish(None, run=make_run("r1"))
    await store_evaluations(
        bench,
        make_evaluation("r1", "tone", evaluated_at=2.0, value=0.1, passed=False, explanation="nul \0 and \\u0000 ü"),
        make_evaluation("r1", "tone", evaluated_at=3.0, value=0.9, details={"a": [1, None, {"b": "x"}]}),
        make_evaluation("r1", "tone", fingerprint="f2", evaluated_at=1.0, state="abstained", value=None, passed=None),
        make_evaluation("r1", "pii", evaluated_at=4.0, explanation="nul \0 and \\u0000 ü"),
    )
    rows = (await bench.ledger.evaluations(["r1", "no"]))["r1"]
    assert [(row.name, row.fingerprint, row.value) for row in rows] == [
        ("tone", "f2", None),
        ("tone", "f1", 0.9),
        ("pii", "f1", 1.0),
    ]
    assert rows[1].details == {"a": [1, None, {"b": "x"}]}
    assert rows[2].explanation == "nul \0 and \\u0000 ü"


async def test_the_newest_runs_that_failed(bench: LedgerBench) -> None:
    for number in range(6):
        await bench.finish(None, run=make_run(f"r{number}"))
        await store_evaluations(
            bench, make_evaluation(f"r{number}", "tone", evaluated_at=float(number), passed=number % 2 == 0)
        )
    await store_evaluations(
        bench,
        make_evaluation("r3", "tone", fingerprint="f2", evaluated_at=9.0, passed=False),
        make_evaluation("r0", "other", evaluated_at=9.0, passed=False),
        make_evaluation("r2", "tone", fingerprint="f3", evaluated_at=9.0, passed=None),
    )
    assert await bench.ledger.failed_runs("tone", 0.0, 10) == ["r3", "r5", "r1"]
    assert await bench.ledger.failed_runs("tone", 0.0, 2) == ["r3", "r5"]
    assert await bench.ledger.failed_runs("tone", 4.0, 10) == ["r3", "r5"]


async def test_feedback_stays_with_its_run(bench: LedgerBench) -> None:
    await bench.finish(None, run=make_run("r1"))
    first = Feedback("1", "r1", 1.0, "ada", "thumb", score=1.0)
    second = Feedback("2", "r1", 2.0, None, "quality", label="wrong", comment="too long \0 ü")
    assert await bench.ledger.add_feedback(second)
    assert await bench.ledger.add_feedback(first)
    assert not await bench.ledger.add_feedback(Feedback("3", "no", 1.0, None, "thumb"))
    assert await bench.ledger.feedback(["r1", "no"]) == {"r1": [first, second]}


async def test_sums_are_read_by_what_they_are_about(bench: LedgerBench) -> None:
    await bench.finish(None, run=make_run("r1"))
    keys = [
        RollupKey("usage", "day", day * DAY, facet, "agent", component, value)
        for day in range(3)
        for facet, component, value in (("user", "a", "ada"), ("user", "b", "ada"), ("component", "a", ""))
    ]
    deltas = {key: {"runs": 1, "by": {key.value or "x": 2}} for key in keys}
    for _ in range(2):
        await bench.ledger.amend("r1", lambda _: Change(deltas=deltas))
    read = bench.ledger.rollups
    found = await read("usage", "day", "user", DAY, 3 * DAY)
    assert [(key.start, key.component_id) for key, _ in sorted(found)] == [
        (DAY, "a"), (DAY, "b"), (2 * DAY, "a"), (2 * DAY, "b")
    ]  # fmt: skip
    assert found[0][1] == {"runs": 2, "by": {"ada": 4}}
    assert len(await read("usage", "day", "user", 0, 3 * DAY, component=("agent", "a"))) == 3
    assert len(await read("usage", "day", "user", 0, 3 * DAY, value="ada")) == 6
    assert await read("usage", "day", "user", 0, 3 * DAY, value="bob") == []
    assert await read("usage", "hour", "user", 0, 3 * DAY) == []
    assert await read("evaluation", "day", "user", 0, 3 * DAY) == []


# Runs.


async def test_walking_through_ended_runs_in_pages(bench: LedgerBench) -> None:
    for number in range(9):
        created = float(number // 3)  # several at one time
        await bench.finish(
            None, run=make_run(f"r{8 - number}", created_at=created, content="x" * (300_000 if number == 4 else 1))
        )
    await bench.finish(None, run=make_run("child", created_at=1.0, parent="r1"))
    bench.store.begin(make_run("running", status=RunStatus.RUNNING, created_at=0.5), make_session(), [make_job("x")])
    await asyncio.sleep(0.1)

    async def walk(query: RunQuery, limit: int) -> list[str]:
        found: list[str] = []
        after = (0.0, "")
        while page := await bench.ledger.ended_runs(query, after=after, limit=limit):
            found += [run.run_id for run in page]
            after = (page[-1].created_at, page[-1].run_id)
            assert all(decode_record(run.record).output.run_id == run.run_id for run in page)
        assert len(found) == await bench.ledger.count_runs(query)
        return found

    ordered = ["r6", "r7", "r8", "r3", "r4", "r5", "r0", "r1", "r2"]
    assert await walk(RunQuery(), 2) == ordered
    assert await walk(RunQuery(), 100) == ordered
    assert await walk(RunQuery(nested=True), 4) == ["r6", "r7", "r8", "child", *ordered[3:]]
    assert await walk(RunQuery(since=1.0, until=2.0), 2) == ["r3", "r4", "r5"]
    assert await walk(RunQuery(component_kind="agent", component_id="support"), 5) == ordered
    assert await walk(RunQuery(component_kind="team"), 5) == []


def without_content(encoding: bytes) -> bytes:
    record = decode_record(encoding)
    record.output.content = "removed"
    record.session.state = {}
    return encode_record(record)


@pytest.mark.parametrize("size", [20, 400_000], ids=["inline", "large"])
async def test_the_content_of_marked_runs_goes_when_their_hooks_have_ended(bench: LedgerBench, size: int) -> None:
    text = (f"{MARKER} " * size)[: max(size, 100)]
    await bench.finish(make_plan("marked", strip=True, tone="pending"), make_job("marked", "evaluate"), content=text)
    await bench.finish(make_plan("kept", tone="pending"), content="something else")
    assert await bench.ledger.strip_content(without_content, limit=10) == 0, "a hook has not run yet"
    assert traces(bench.database)
    await bench.end_jobs({"tone": "scored"})
    assert await bench.ledger.strip_content(without_content, limit=10) == 1
    assert await bench.ledger.strip_content(without_content, limit=10) == 0
    assert traces(bench.database) == []
    run = await bench.store.run("marked")
    assert run is not None
    assert run.output.content == "removed"
    kept = await bench.store.run("kept")
    assert kept is not None
    assert kept.output.content == "something else"
    assert not (await bench.ledger.plans(["marked"]))["marked"].strip
    await bench.book_all()
    assert await bench.sums() == {"tone": {"scored": 1, "pending": 1}}


async def test_a_record_that_cannot_be_stripped_does_not_hold_the_others_up(
    bench: LedgerBench, caplog: pytest.LogCaptureFixture
) -> None:
    for run_id in ("a", "b", "c"):
        await bench.finish(make_plan(run_id, strip=True))

    def fragile(encoding: bytes) -> bytes:
        if decode_record(encoding).output.run_id == "a":
            raise RuntimeError("cannot read this")
        return without_content(encoding)

    done = 0
    for _ in range(6):
        done += await bench.ledger.strip_content(fragile, limit=1)
    assert done == 2
    assert "cannot read this" in caplog.text
    assert caplog.text.count("run a ") == 1


# Sessions.


async def test_sessions_are_quiet_when_their_last_run_ended_long_ago(bench: LedgerBench) -> None:
    now = time.time()
    for session_id, ended in (("old", now - 300), ("older", now - 400), ("fresh", now)):
        session = make_session(session_id, updated_at=ended)
        for number in range(2):
            run = make_run(f"{session_id}{number}", session, created_at=ended - 10 + number)
            await bench.store.finish(run, session, [])
        await bench.store.finish(make_run(f"{session_id}-child", session, parent=f"{session_id}0"), session, [])
    ledger = bench.ledger
    assert await ledger.quiet_sessions(now - 100, limit=10) == [("older", "older1"), ("old", "old1")]
    assert await ledger.quiet_sessions(now - 100, limit=1) == [("older", "older1")]
    await ledger.mark_sessions(["older", "no"], now - 50)
    assert await ledger.quiet_sessions(now - 100, limit=10) == [("old", "old1")]
    await ledger.mark_sessions(["old"], now - 50)
    assert await ledger.quiet_sessions(now - 100, limit=10) == []
    again = make_session("old", updated_at=now - 20)
    await bench.store.finish(make_run("old2", again), again, [])
    assert await ledger.quiet_sessions(now - 10, limit=10) == [("old", "old2")]
    assert len(await ledger.session_records("old", limit=10)) == 3
    records = [decode_record(record).output.run_id for record in await ledger.session_records("old", limit=2)]
    assert records == ["old1", "old2"]
    assert await ledger.session_records("no", limit=2) == []


# The judge's budget.


async def test_a_reservation_is_granted_up_to_the_limit(bench: LedgerBench) -> None:
    ledger = bench.ledger
    assert await ledger.spent("2026-11-20") == 0
    assert not await ledger.reserve("2026-11-20", 100, 101)
    assert await ledger.spent("2026-11-20") == 0
    assert await ledger.reserve("2026-11-20", 100, 60)
    assert not await ledger.reserve("2026-11-20", 100, 41)
    assert await ledger.reserve("2026-11-20", 100, 40)
    await ledger.settle("2026-11-20", 60, 10)
    assert await ledger.spent("2026-11-20") == 50
    await ledger.settle("2026-11-20", 40, 45)
    assert await ledger.spent("2026-11-20") == 55, "an endpoint may take more than it was asked to"
    await ledger.settle("2026-11-20", 5, 5)
    assert await ledger.spent("2026-11-20") == 55


async def test_a_clock_that_goes_back_opens_no_window_again(bench: LedgerBench) -> None:
    ledger = bench.ledger
    assert await ledger.reserve("2026-11-20", 100, 80)
    assert await ledger.reserve("2026-11-21", 100, 90)
    assert not await ledger.reserve("2026-11-20", 100, 11)
    assert await ledger.reserve("2026-11-20", 100, 10), "in the later one"
    assert await ledger.spent("2026-11-20") == await ledger.spent("2026-11-21") == 100
    assert await ledger.reserve("2026-11-20T15", 100, 100), "another kind of window"
    assert await ledger.reserve("2026-11", 100, 100)
    await ledger.settle("2026-11-20", 80, 0)
    assert await ledger.spent("2026-11-21") == 100, "what one window gets back is not the other's"
    await ledger.settle("2026-11-21", 90, 20)
    assert await ledger.spent("2026-11-21") == 30


async def test_many_who_spend_at_once_never_spend_too_much(bench: LedgerBench) -> None:
    ledgers = [bench.ledger, *[await bench.another() for _ in range(7)]]
    dice = random.Random(5)
    limit, window = 1_000, "2026-11-20"
    granted: list[int] = []

    async def spend(amount: int) -> None:
        ledger = dice.choice(ledgers)
        if await ledger.reserve(window, limit, amount):
            assert await ledger.spent(window) <= limit
            taken = dice.randint(0, amount)
            granted.append(taken)
            await ledger.settle(window, amount, taken)

    await asyncio.gather(*(spend(dice.randint(1, 120)) for _ in range(100)))
    assert sum(granted) == await bench.ledger.spent(window) <= limit
    assert len(granted) > 5


# Notices.


def tell_all(notices: Sequence[Notice], told: dict[tuple[str, str], float]) -> Folded:
    jobs = [make_job("", "notify")] if notices else []
    made = [make_delivery(f"d:{notices[0].key}")] if notices else []
    return Folded([notice.key for notice in notices], made, jobs, {("ops", "g"): 5.0})


async def test_notices_are_told_once(bench: LedgerBench) -> None:
    notice = make_notice("budget_exhausted:2026-11-20")
    await bench.ledger.add_notices([notice, notice, make_notice("other", created_at=0.5)])
    await bench.ledger.add_notices([notice])
    seen: list[list[str]] = []

    def tell(notices: Sequence[Notice], told: dict[tuple[str, str], float]) -> Folded:
        seen.append([found.key for found in notices])
        assert told == {}
        return tell_all(notices, told)

    woken = bench.wakes
    assert await bench.ledger.fold(tell, limit=10) == 1
    assert seen[-1] == ["other", "budget_exhausted:2026-11-20"]
    assert bench.wakes == woken + 1
    assert len(await bench.producer.jobs_of("")) == 1
    await bench.ledger.add_notices([notice])
    assert await bench.ledger.fold(tell, limit=10) == 0
    assert sum(map(len, seen)) == 2
    assert await bench.ledger.delivery("d:other") == make_delivery("d:other")
    assert await bench.ledger.delivery("no") is None


async def test_notices_that_are_not_taken_wait(bench: LedgerBench) -> None:
    await bench.ledger.add_notices([make_notice(f"n{number}", created_at=float(number)) for number in range(5)])
    seen: list[tuple[list[str], dict[tuple[str, str], float]]] = []

    def first_only(notices: Sequence[Notice], told: dict[tuple[str, str], float]) -> Folded:
        seen.append(([found.key for found in notices], told))
        return Folded([notices[0].key], [], [], {("ops", notices[0].key): notices[0].created_at})

    assert await bench.ledger.fold(first_only, limit=3) == 0
    assert await bench.ledger.fold(first_only, limit=3) == 0
    assert seen[-1] == (["n1", "n2", "n3"], {("ops", "n0"): 0.0})


async def test_folding_is_one_transaction_with_its_jobs(bench: LedgerBench) -> None:
    await bench.ledger.add_notices([make_notice("n1")])

    def fails(notices: Sequence[Notice], told: dict[tuple[str, str], float]) -> Folded:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await bench.ledger.fold(fails, limit=10)

    def unstorable(notices: Sequence[Notice], told: dict[tuple[str, str], float]) -> Folded:
        folded = tell_all(notices, told)
        folded.jobs.append("no job")  # type: ignore[arg-type]
        return folded

    with pytest.raises(Exception, match="str"):
        await bench.ledger.fold(unstorable, limit=10)
    assert await bench.producer.jobs_of("") == []
    assert await bench.ledger.delivery("d:n1") is None
    assert await bench.ledger.fold(tell_all, limit=10) == 1


async def test_a_booking_brings_its_notices(bench: LedgerBench) -> None:
    await bench.finish(make_plan("r1", tone="filtered"))
    notice = make_notice("run_error:r1", run_id="r1")
    await bench.ledger.book(lambda _: Change(notices=[notice]), limit=10)
    seen: list[Notice] = []
    await bench.ledger.fold(lambda found, _: seen.extend(found) or Folded([], [], [], {}), limit=10)  # type: ignore[func-returns-value]
    assert seen == [notice]


# Deletion.


async def filled(bench: LedgerBench) -> None:
    """Two runs of a user, with the marker wherever the ledger can have content, and a neighbour that stays."""
    for run_id, user in (("r1", MARKER), ("r2", MARKER), ("stays", "ada")):
        text = MARKER if user == MARKER else "harmless"
        session = "s1" if user == MARKER else "s2"
        plan = make_plan(run_id, session_id=session, tone=entry("scored", label=text), pii="pending")
        plan.error_type = text
        at = time.time() if run_id == "stays" else float(NOON)
        run = make_run(run_id, make_session(session), created_at=at, content=text, user_id=user)
        await bench.finish(plan, make_job(run_id, "evaluate"), run=run)
        notice = make_notice(f"told:{run_id}", run_id=run_id, subject=text, created_at=at)
        waits = make_notice(f"waits:{run_id}", run_id=run_id, subject=text, created_at=at)
        user_key = RollupKey("usage", "day", 0, "user", "agent", "support", user)
        change = Change(
            evaluations=[make_evaluation(run_id, "tone", passed=False, explanation=text, evaluated_at=9.0)],
            deltas={user_key: {"runs": 1}, RollupKey("usage", "day", 0, "component", "agent", "support", ""): {"n": 1}},
            notices=[notice, waits],
        )
        await bench.ledger.amend(run_id, lambda before, change=change: change)
        await bench.ledger.add_feedback(Feedback(f"f-{run_id}", run_id, 1.0, text, "thumb", comment=text))
        delivery = make_delivery(f"d-{run_id}", run_id=run_id, message=text.encode(), created_at=at)
        await bench.ledger.fold(
            lambda notices, told, key=notice.key, delivery=delivery: Folded([key], [delivery], [], {}), limit=10
        )

    def fails(batch: Batch) -> Change:
        if any(booking.run_id == "r2" for booking in batch.bookings):
            raise RuntimeError(MARKER)
        return count(batch)

    await bench.end_jobs({"pii": "scored"})
    while await bench.ledger.book(fails, limit=10):
        pass


@pytest.mark.parametrize("what", ["run", "session", "user", "retention"])
async def test_deletion_reaches_all_that_the_ledger_knows_of_a_run(bench: LedgerBench, what: str) -> None:
    await filled(bench)
    assert traces(bench.database)
    if what == "run":
        assert await bench.store.delete_run("r1")
        assert await bench.store.delete_run("r2")
        assert await bench.store.delete_session("s1")
    elif what == "session":
        assert await bench.store.delete_session("s1")
    elif what == "user":
        assert (await bench.store.delete_user(MARKER)).runs == 2
    else:
        archive = bench.database.open_archive(
            enqueue=bench.producer.enqueue,  # type: ignore[arg-type]
            wake=bench.wake,
            jobs=job_rows(bench.producer),
        )
        await archive.open()
        assert await archive.prune(NOON + 60.0) == 2
        await archive.close()
    ledger = bench.ledger
    gone = ["r1", "r2"]
    assert await ledger.plans(gone) == await ledger.evaluations(gone) == await ledger.feedback(gone) == {}
    assert await ledger.failed_runs("tone", 0.0, 10) == ["stays"]
    assert await ledger.delivery("d-stays") is not None
    assert len((await ledger.feedback(["stays"]))["stays"]) == 1
    assert await ledger.delivery("d-r1") is None
    seen: list[str] = []
    await ledger.fold(lambda found, _: seen.extend(n.key for n in found) or Folded([], [], [], {}), limit=10)  # type: ignore[func-returns-value]
    assert seen == ["waits:stays"]
    users = {key.value for key, _ in await ledger.rollups("usage", "day", "user", 0, DAY)}
    assert users == ({"ada"} if what == "user" else {"ada", MARKER})
    assert (await ledger.rollups("usage", "day", "component", 0, DAY))[0][1]["n"] == 3, "sums are numbers only"
    if what == "user":
        assert traces(bench.database) == []
    later = await bench.another()
    await bench.book_all(ledger=later)
    if what == "user":
        assert traces(bench.database) == [], "nothing of it is booked later"


async def test_retention_reaches_messages_that_are_about_no_single_run(bench: LedgerBench) -> None:
    old, new = float(NOON), time.time()
    queued = make_job("", "later")
    made = [
        make_delivery("sent", created_at=old, job_key=":post:gone"),
        make_delivery("queued", created_at=old, job_key=queued.key),
        make_delivery("new", created_at=new, job_key=":post:gone"),
    ]
    await bench.ledger.add_notices([make_notice("old", created_at=old), make_notice("new", created_at=new)])
    await bench.ledger.fold(lambda notices, told: Folded([], made, [queued], {}), limit=10)
    archive = bench.database.open_archive(
        enqueue=bench.producer.enqueue,  # type: ignore[arg-type]
        wake=bench.wake,
        jobs=job_rows(bench.producer),
    )
    await archive.open()
    assert await archive.prune(NOON + 60.0) == 0
    await archive.close()
    left = [found.id for found in made if await bench.ledger.delivery(found.id)]
    assert left == ["queued", "new"]
    seen: list[str] = []
    await bench.ledger.fold(lambda found, _: seen.extend(n.key for n in found) or Folded([], [], [], {}), limit=10)  # type: ignore[func-returns-value]
    assert seen == ["new"]


async def test_a_ledger_that_is_closed_says_so(bench: LedgerBench) -> None:
    ledger = await bench.another()
    await ledger.close()
    with pytest.raises(StorageError, match="open"):
        await ledger.reserve("2026-11-20", 10, 1)
    with pytest.raises(StorageError, match="open"):
        await ledger.plans(["r1"])
    assert sums_key("tone", make_plan("r1")).value == "tone"
