"""What both ledgers promise of what they store: results, feedback, sums, runs, sessions, budgets."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from conformance.conftest import ADAPTERS
from conformance.ledger_bench import (
    NOON,
    LedgerBench,
    make_evaluation,
    make_plan,
)
from conformance.samples import make_job, make_run, make_session
from offpath.ledger.booking import Change
from offpath.ledger.feedback import Feedback
from offpath.ledger.plan import PlanEntry
from offpath.ledger.rollup import DAY, HOUR, RollupKey
from offpath.runs.record import decode_record, encode_record
from offpath.runs.status import RunStatus
from offpath.storage import failed_runs
from offpath.storage.ledger import RunQuery
from unit.storage.test_deletion import MARKER, traces


@pytest.fixture(params=ADAPTERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LedgerBench]:
    async with ADAPTERS[request.param](tmp_path) as database:
        made = LedgerBench(database)
        await made.open()
        yield made
        await made.close()


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


async def add_failed(
    bench: LedgerBench, run_id: str, began: float, agent: str = "support", evaluated_at: float = 0.0, **entry: object
) -> None:
    """A run with a result that did not pass, and what its plan says of it."""
    known = PlanEntry("scored", fingerprint="f1", passed=False, evaluated_at=began + 1)
    plan = make_plan(run_id, tone=msgspec.structs.replace(known, **entry))
    plan.created_at, plan.component_id = began, agent
    await bench.finish(plan)
    result = make_evaluation(run_id, "tone", evaluated_at=evaluated_at or began + 1, passed=False)
    await store_evaluations(bench, result)


async def test_the_newest_runs_that_failed(bench: LedgerBench) -> None:
    for number in range(6):
        await add_failed(bench, f"r{number}", 100.0 * number, "support" if number % 2 else "sales")
    await store_evaluations(
        bench,
        make_evaluation("r3", "tone", fingerprint="f0", evaluated_at=901.0, passed=False),
        make_evaluation("r2", "other", evaluated_at=902.0, passed=False),
    )
    # Another version has passed it; chance left it out; nothing says that it failed.
    await add_failed(bench, "passed", 560.0, passed=True, fingerprint="f2")
    await add_failed(bench, "by-hand", 570.0, state="sampled_out", passed=None)
    failed = bench.ledger.failed_runs
    support, sales, nobody = ("agent", "support"), ("agent", "sales"), ("team", "support")
    assert await failed("tone", 0.0, 600.0, {None: 10}) == {None: ["r5", "r4", "r3", "r2", "r1", "r0"]}
    assert await failed("tone", 100.0, 400.0, {None: 2, support: 9}) == {None: ["r3", "r2"], support: ["r3", "r1"]}
    assert await failed("tone", 0.0, 600.0, {sales: 1, support: 2, nobody: 1}) == {
        sales: ["r4"], support: ["r5", "r3"], nobody: []
    }  # fmt: skip
    assert await failed("other", 0.0, 600.0, {None: 10}) == {None: []}
    assert await failed("tone", 0.0, 600.0, {}) == {}


async def test_failed_runs_are_the_newest_by_their_own_time(
    bench: LedgerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by that of their evaluation, which a backfill may make much later; of another component there may be many."""
    await add_failed(bench, "old", 10.0, evaluated_at=50.0 * DAY)
    await add_failed(bench, "middle", 20.0, evaluated_at=40.0)
    await add_failed(bench, "new", 30.0, evaluated_at=35.0)
    for number in range(120):
        await add_failed(bench, f"sales-{number:03}", 9.0 * DAY + number, "sales")
    failed = bench.ledger.failed_runs
    assert await failed("tone", 0.0, 60.0 * DAY, {("agent", "support"): 2}) == {("agent", "support"): ["new", "middle"]}
    assert await failed("tone", 0.0, 100.0, {None: 2}) == {None: ["new", "middle"]}
    # Of a window that is long past those that were evaluated later come last.
    assert await failed("tone", 0.0, 100.0, {None: 5}) == {None: ["new", "middle", "old"]}
    assert await failed("tone", 0.0, 10.0 * DAY, {None: 1}) == {None: ["sales-119"]}
    # Nor do they keep it from being found, where only so many are looked at.
    monkeypatch.setattr(failed_runs, "MOST", 5)
    for number in range(6):
        await add_failed(bench, f"soon-{number}", 100.0 + 2 * HOUR + number)
    assert await failed("tone", 0.0, 100.0, {None: 5}) == {None: ["new", "middle"]}
    assert await failed("tone", 0.0, 60.0 * DAY, {("agent", "support"): 3}) == {("agent", "support"): ["old"]}


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


async def test_what_a_user_said_of_others_runs_goes_with_the_user(bench: LedgerBench) -> None:
    await bench.finish(None, run=make_run("r1", created_at=float(NOON)))
    for number, author in enumerate(("ada", "grace")):
        assert await bench.ledger.add_feedback(Feedback(str(number), "r1", float(NOON), author, "thumb", 1.0))
    await bench.store.delete_user("ada")
    assert [found.author for found in (await bench.ledger.feedback(["r1"]))["r1"]] == ["grace"]
