"""What both ledgers promise of notices, and of what deletion and retention leave."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from conformance.conftest import ADAPTERS
from conformance.ledger_bench import (
    NOON,
    LedgerBench,
    count,
    entry,
    make_delivery,
    make_evaluation,
    make_notice,
    make_plan,
)
from conformance.samples import make_job, make_run, make_session
from offpath.engine.adapters import job_rows
from offpath.ledger.booking import Batch, Change
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Notice
from offpath.ledger.rollup import DAY, RollupKey
from offpath.storage.ledger import Folded
from unit.storage.test_deletion import MARKER, traces


@pytest.fixture(params=ADAPTERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LedgerBench]:
    async with ADAPTERS[request.param](tmp_path) as database:
        made = LedgerBench(database)
        await made.open()
        yield made
        await made.close()


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
        plan = make_plan(run_id, session_id=session, tone=entry("scored", label=text, passed=False), pii="pending")
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
    assert await ledger.failed_runs("tone", 0.0, time.time(), {None: 10}) == {None: ["stays"]}
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
