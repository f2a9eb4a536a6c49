"""What both ledgers promise; see `offpath.storage.ledger`."""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
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
    make_evaluation,
    make_plan,
    states,
    sums_key,
)
from conformance.samples import make_job, make_run, make_session
from offpath.engine.adapters import job_rows
from offpath.errors import StorageError
from offpath.ledger.booking import Batch, Change
from offpath.ledger.plan import RunPlan
from offpath.runs.status import RunStatus


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


async def test_what_a_deleted_run_waits_for_is_taken_out_of_the_sums(bench: LedgerBench) -> None:
    """It would be pending for ever; what was found out stays."""
    await bench.finish(make_plan("r1", tone="pending", pii=entry(hook="other")), make_job("r1", "evaluate"))
    await bench.finish(make_plan("r2", tone="pending"), make_job("r2", "evaluate"))
    await bench.end_jobs({"tone": "scored"})
    await bench.book_all()
    await bench.finish(make_plan("r3", tone="pending"), make_job("r3", "evaluate"))
    await bench.book_all()
    assert await bench.sums() == {"tone": {"scored": 2, "pending": 1}, "pii": {"pending": 1}}
    for run_id in ("r1", "r3"):
        assert await bench.store.delete_run(run_id)
    assert await bench.sums() == {"tone": {"scored": 2}}


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


@pytest.mark.parametrize("seed", range(6))
async def test_the_sums_add_up_to_the_plans_whatever_happens_in_whichever_order(bench: LedgerBench, seed: int) -> None:
    dice = random.Random(seed)
    ids: list[str] = []
    numbers = itertools.count()

    async def begin() -> None:
        run_id = f"r{next(numbers)}"
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

    kept: dict[str, Counter[str]] = {}

    async def delete() -> None:
        if ids and dice.random() < 0.5:
            run_id = dice.choice(ids)
            plan = (await bench.ledger.plans([run_id])).get(run_id)
            await bench.store.delete_run(run_id)
            ids.remove(run_id)
            for name, found in plan.entries.items() if plan is not None and plan.counted else ():
                if found.state != "pending":
                    kept.setdefault(name, Counter())[found.state] += 1

    for _ in range(70):
        await dice.choice((begin, begin, begin, amend, end, requeue, book, delete))()
    await bench.book_all(limit=dice.randint(1, 9))
    of_plans = await bench.plan_states(ids)
    expected = {name: kept.get(name, Counter()) + Counter(of_plans.get(name, {})) for name in kept | of_plans}
    assert await bench.sums() == expected
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


async def test_a_ledger_that_is_closed_says_so(bench: LedgerBench) -> None:
    ledger = await bench.another()
    await ledger.close()
    with pytest.raises(StorageError, match="open"):
        await ledger.reserve("2026-11-20", 10, 1)
    with pytest.raises(StorageError, match="open"):
        await ledger.plans(["r1"])
    assert sums_key("tone", make_plan("r1")).value == "tone"


async def test_a_session_is_called_after_nothing_that_was_deleted(bench: LedgerBench) -> None:
    session = make_session("s1", name="what was said first")
    for number, run_id in enumerate(("r1", "r2")):
        run = make_run(run_id, session, created_at=float(NOON + number))
        await bench.store.finish(run, session, [])
    assert await bench.store.delete_run("r2")
    assert await named(bench) == "what was said first"
    assert await bench.store.delete_run("r1")
    assert await named(bench) is None


async def named(bench: LedgerBench) -> str | None:
    found, _ = await bench.store.conversation("s1", 1)
    assert found is not None
    return found.name
