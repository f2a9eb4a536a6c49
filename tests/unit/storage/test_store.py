"""What every store promises, on each database."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from conformance.samples import make_job, make_run, make_session
from offpath.errors import StorageError
from offpath.runs.record import decode_record
from offpath.runs.status import RunStatus
from offpath.storage.database import Database
from offpath.storage.store import Store
from unit.storage.conftest import OpenStore


async def status_of(store: Store, run_id: str) -> RunStatus | None:
    row = await store.run_row(run_id)
    return None if row is None else row.status


async def test_a_finished_run_is_there_with_its_session_and_jobs(opened: OpenStore) -> None:
    store = opened.store
    session = make_session(state={"turns": 1}, user_id="ada", metadata={"plan": "free"})
    run = make_run("r1", session, user_id="ada")
    await store.finish(run, session, [make_job("r1"), make_job("r1", "evaluate")])
    assert await store.session("s1") == session
    assert await store.run("r1") == decode_record(run.record)
    assert await store.run_row("r1") == run
    assert [job.hook for job in await opened.queue.jobs_of("r1")] == ["notify", "evaluate"]
    assert await opened.woken(1)


async def test_what_was_never_stored_is_none(store: Store) -> None:
    assert await store.session("no") is None
    assert await store.run("no") is None
    assert await store.run_row("no") is None
    assert await store.conversation("no", 5) == (None, [])
    assert await store.runs() == ([], 0)


async def test_history_is_the_last_completed_top_level_runs_oldest_first(store: Store) -> None:
    session = make_session()
    for number in range(6):
        await store.finish(make_run(f"r{number}", session, created_at=float(number)), session, [])
    await store.finish(make_run("child", session, created_at=10.0, parent="r5"), session, [])
    await store.finish(make_run("failed", session, created_at=11.0, status=RunStatus.ERROR), session, [])
    await store.finish(make_run("other", make_session("s2"), created_at=12.0), make_session("s2"), [])
    assert [record.output.run_id for record in await store.history("s1", 3)] == ["r3", "r4", "r5"]
    assert await store.history("s1", 0) == []
    found, records = await store.conversation("s1", 2)
    assert found == session
    assert [record.output.run_id for record in records] == ["r4", "r5"]


async def test_a_begun_run_is_written_soon_unless_it_ends_first(store: Store) -> None:
    session = make_session()
    store.begin(make_run("quick", session, status=RunStatus.RUNNING), session, [])
    await store.finish(make_run("quick", session), session, [])
    store.begin(make_run("slow", session, status=RunStatus.RUNNING), session, [])
    assert await store.run("slow") is None
    for _ in range(200):
        if await store.run("slow"):
            break
        await asyncio.sleep(0.01)
    assert await status_of(store, "slow") is RunStatus.RUNNING
    assert await status_of(store, "quick") is RunStatus.COMPLETED
    await store.finish(make_run("slow", session), session, [])
    assert await status_of(store, "slow") is RunStatus.COMPLETED


async def test_a_begun_run_with_jobs_is_written_soon_and_wakes(opened: OpenStore) -> None:
    session = make_session()
    opened.store.begin(make_run("r1", session, status=RunStatus.RUNNING), session, [make_job("r1", "pre")])
    await asyncio.sleep(0.05)
    await opened.begun()
    assert [job.hook for job in await opened.queue.jobs_of("r1")] == ["pre"]
    assert await opened.woken(1)
    await opened.store.finish(make_run("r1", session), session, [make_job("r1", "post")])
    assert [job.hook for job in await opened.queue.jobs_of("r1")] == ["pre", "post"]
    assert await status_of(opened.store, "r1") is RunStatus.COMPLETED


async def test_a_run_that_ends_at_once_takes_the_jobs_of_its_beginning_along(opened: OpenStore) -> None:
    session = make_session()
    opened.store.begin(make_run("r1", session, status=RunStatus.RUNNING), session, [make_job("r1", "pre")])
    await opened.store.finish(make_run("r1", session), session, [make_job("r1", "post")])
    assert sorted(job.hook for job in await opened.queue.jobs_of("r1")) == ["post", "pre"]
    await asyncio.sleep(0.05)
    await opened.begun()
    assert sorted(job.hook for job in await opened.queue.jobs_of("r1")) == ["post", "pre"]
    assert await status_of(opened.store, "r1") is RunStatus.COMPLETED


async def test_begin_never_undoes_an_end_or_a_session(opened: OpenStore) -> None:
    store = opened.store
    newer = make_session(state={"turns": 2})
    await store.finish(make_run("r1", newer), newer, [])
    older = make_session(state={"turns": 1})
    store.begin(make_run("r1", older, status=RunStatus.RUNNING), older, [make_job("r1")])
    await asyncio.sleep(0.05)
    await store.healthy()
    assert await status_of(store, "r1") is RunStatus.COMPLETED
    assert await store.session("s1") == newer


async def test_state_that_is_no_json_fails_its_run_alone(store: Store) -> None:
    sessions = [make_session(f"s{number}") for number in range(4)]
    sessions[2].state["bad"] = object()
    good = [make_run(f"r{number}", make_session(f"s{number}")) for number in range(4)]
    results = await asyncio.gather(
        *(store.finish(run, session, []) for run, session in zip(good, sessions, strict=True)), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), type(None), StorageError, type(None)]
    assert "object" in str(results[2])
    assert (await store.runs())[1] == 3


async def test_a_run_whose_jobs_cannot_be_stored_leaves_nothing(opened: OpenStore) -> None:
    broken = msgspec.structs.replace(make_job("r1", "broken"), priority=2**70)
    session = make_session()
    with pytest.raises(StorageError, match="range|too large"):
        await opened.store.finish(make_run("r1", session), session, [make_job("r1", "fine"), broken])
    assert await opened.store.run("r1") is None
    assert await opened.store.session("s1") is None
    assert await opened.queue.jobs_of("r1") == []


async def test_runs_are_paged_and_filtered(store: Store) -> None:
    for number in range(25):
        session = make_session(f"s{number % 2}", component_id=f"c{number % 3}")
        user = "ada" if number % 5 == 0 else None
        status = RunStatus.ERROR if number == 7 else RunStatus.COMPLETED
        await store.finish(make_run(f"r{number:02}", session, created_at=1.0, user_id=user, status=status), session, [])
    await store.finish(make_run("child", make_session("s0"), created_at=2.0, parent="r00"), make_session("s0"), [])
    pages = [await store.runs(limit=10, page=page) for page in (1, 2, 3, 4)]
    assert [len(page) for page, _ in pages] == [10, 10, 5, 0]
    assert {total for _, total in pages} == {25}
    seen = [record.output.run_id for page, _ in pages for record in page]
    assert seen == sorted(seen, reverse=True), "each run on one page, the newest first"
    assert (await store.runs(children=True))[1] == 26
    assert (await store.runs(user_id="ada"))[1] == 5
    assert (await store.runs(session_id="s1", component_id="c0"))[1] == 4
    assert (await store.runs(kind="team"))[1] == 0
    assert [record.output.run_id for record in (await store.runs(status=RunStatus.ERROR))[0]] == ["r07"]
    assert (await store.runs(sort_order="asc", limit=1))[0][0].output.run_id == "r00"
    with pytest.raises(ValueError, match="1 or more"):
        await store.runs(limit=0)


async def test_sessions_are_paged_filtered_and_sorted(store: Store) -> None:
    names = ["Budget 100%", "budget_2", "Travel", None]
    for number, name in enumerate(names):
        session = make_session(f"s{number}", name=name, created_at=float(number), updated_at=10.0 - number)
        await store.finish(make_run(f"r{number}", session), session, [])
    listed, total = await store.sessions(limit=3)
    assert [session.session_id for session in listed] == ["s0", "s1", "s2"]
    assert total == 4
    assert [s.session_id for s in (await store.sessions(sort_by="created_at"))[0]] == ["s3", "s2", "s1", "s0"]
    assert [s.session_id for s in (await store.sessions(name="BUDGET", sort_order="asc"))[0]] == ["s1", "s0"]
    assert [s.session_id for s in (await store.sessions(name="100%"))[0]] == ["s0"]
    assert [s.session_id for s in (await store.sessions(name="t_2"))[0]] == ["s1"]
    assert await store.sessions(user_id="ada") == ([], 0)
    with pytest.raises(ValueError, match="sort_by"):
        await store.sessions(sort_by="state; DROP TABLE runs")  # type: ignore[arg-type]


async def test_a_name_that_somebody_gave_stays(store: Store) -> None:
    assert await store.rename_session("s1", "x") is None
    session = make_session(name="first words")
    await store.finish(make_run("r1", session), session, [])
    renamed = await store.rename_session("s1", "Budget")
    assert renamed is not None
    assert renamed.name == "Budget"
    await store.finish(make_run("r2", session), make_session(state={"turns": 2}), [])
    found = await store.session("s1")
    assert found is not None
    assert (found.name, found.state) == ("Budget", {"turns": 2})


async def test_a_begin_that_fails_is_counted_and_logged(opened: OpenStore, caplog: pytest.LogCaptureFixture) -> None:
    session = make_session(state={"bad": object()})
    opened.store.begin(make_run("r1", make_session(), status=RunStatus.RUNNING), session, [make_job("r1")])
    await asyncio.sleep(0.05)
    await opened.begun()
    assert opened.store.failed_begins == 1
    assert "r1" in caplog.text
    assert await opened.queue.jobs_of("r1") == []


async def test_the_jobs_of_a_beginning_that_could_not_be_written_come_with_the_end(
    opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, session = opened.store, make_session()
    post = store._writer.post

    def refused(write: Any) -> None:
        if write.final:
            post(write)
        else:
            store._begin_failed(write, StorageError("locked"))

    monkeypatch.setattr(store._writer, "post", refused)
    for run_id in ("r1", "r2"):
        store.begin(make_run(run_id, session, status=RunStatus.RUNNING), session, [make_job(run_id, "pre")])
    await asyncio.sleep(0.05)
    assert store.failed_begins == 2
    assert await status_of(store, "r1") is None
    await store.finish(make_run("r1", session), session, [make_job("r1", "post")])
    await store.finish(make_run("r2", session), session, [])
    assert sorted(job.hook for job in await opened.queue.jobs_of("r1")) == ["post", "pre"]
    assert [job.hook for job in await opened.queue.jobs_of("r2")] == ["pre"]
    assert await opened.woken(2)
    assert not store._owed


async def test_close_writes_begun_runs(database: Database) -> None:
    opened = OpenStore(database)
    await opened.store.open()
    opened.store.begin(make_run("r1", status=RunStatus.RUNNING), make_session(), [])
    await opened.close()
    async with OpenStore(database) as again:
        assert await status_of(again.store, "r1") is RunStatus.RUNNING


async def test_large_records_come_back_the_same(store: Store) -> None:
    session = make_session()
    store.begin(make_run("big", session, content="b" * 60_000, status=RunStatus.RUNNING, created_at=1.0), session, [])
    await asyncio.sleep(0.1)
    run = make_run("big", session, content="e" * 3_000_000, created_at=1.0)
    await store.finish(run, session, [make_job("big")])
    assert await store.run_row("big") == run
    assert await store.history("s1", 1) == [decode_record(run.record)]


@pytest.mark.parametrize("odd", ["nul \0 byte", "\x1b[31m", "\x1b0000", "quote ' \" \\ % _ \n ☃", "x" * 2_000, ""])
async def test_any_text_may_be_an_id_or_a_name(store: Store, odd: str) -> None:
    session = make_session(odd, component_id=odd, user_id=odd, name=odd, state={odd: odd}, metadata={odd: [odd]})
    run = make_run(odd, session, user_id=odd, content=odd, parent=None)
    await store.finish(run, session, [make_job(odd)])
    await store.finish(make_run("other"), make_session(), [])
    assert await store.session(odd) == session
    assert await store.run_row(odd) == run
    assert [record.output.run_id for record in await store.history(odd, 5)] == [odd]
    assert (await store.runs(session_id=odd, component_id=odd, user_id=odd))[1] == 1
    assert (await store.sessions(user_id=odd, name=odd))[0] == [session]
    assert (await store.claim_idempotency_key(odd, odd, odd, odd, odd)).state == "new"
    assert (await store.claim_idempotency_key(odd, odd, odd, "other", odd)).run_id == odd
    assert await store.rename_session(odd, odd + "2") is not None
    assert (await store.delete_user(odd)).runs == 1
    assert (await store.runs())[1] == 1


async def test_many_runs_of_one_session_at_once(store: Store) -> None:
    sessions = [make_session(state={"turns": number}, user_id="ada" if number % 2 else None) for number in range(60)]
    sessions[3].name = "first"
    for number, session in enumerate(sessions):
        store.begin(make_run(f"r{number}", session, status=RunStatus.RUNNING), session, [make_job(f"r{number}", "pre")])
    await asyncio.gather(
        *(store.finish(make_run(f"r{n}", session), session, [make_job(f"r{n}")]) for n, session in enumerate(sessions))
    )
    assert (await store.runs(status=RunStatus.COMPLETED))[1] == 60
    found = await store.session("s1")
    assert found is not None
    assert (found.state, found.name, found.user_id) == ({"turns": 59}, "first", "ada")


async def test_two_stores_write_the_same_sessions_at_once(opened: OpenStore) -> None:
    async with opened.another() as other:

        async def write(store: Store, name: str, order: int) -> None:
            for number in range(0, 20 * order, order):
                session = make_session(f"s{number % 5}", state={"by": name})
                store.begin(make_run(f"{name}{number}", session, status=RunStatus.RUNNING), session, [])
                await store.finish(make_run(f"{name}{number}", session), session, [make_job(f"{name}{number}")])

        await asyncio.gather(
            *(write(opened.store, f"a{task}-", 1) for task in range(4)),
            *(write(other.store, f"b{task}-", -1) for task in range(4)),
        )
        assert (await other.store.runs(status=RunStatus.COMPLETED))[1] == 160
    assert (await opened.store.sessions())[1] == 5


async def test_a_closed_store_says_so(database: Database) -> None:
    opened = OpenStore(database)
    with pytest.raises(StorageError, match="not open"):
        await opened.store.run("r1")
    await opened.store.open()
    await opened.close()
    with pytest.raises(StorageError, match="closed"):
        await opened.store.finish(make_run("r1"), make_session(), [])


async def test_two_processes_do_not_share_an_instance_id(database: Database) -> None:
    first, second = (OpenStore(database, instance="one") for _ in range(2))
    await first.store.open()
    with pytest.raises(StorageError, match="instance id one"):
        await second.store.open()
    await first.close()
    await second.store.open()
    await second.close()
