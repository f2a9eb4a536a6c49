"""What every engine has to do, whatever it stands on."""

from __future__ import annotations

import asyncio
import time
import tracemalloc

import msgspec
import pytest

from conformance.conftest import Bench, claim_within
from conformance.samples import hook_id, make_job, make_run, make_session
from offpath.engine.protocol import Attempt, ClaimedJob, HookEngine
from offpath.errors import StorageError
from offpath.runs.job import JobState

NOTIFY = hook_id("notify")
EVALUATE = hook_id("evaluate")


def ended(claimed: ClaimedJob, outcome: str = "success", *, error: str | None = None) -> Attempt:
    now = time.time()
    return Attempt(claimed, outcome, now - 0.5, now, error=error, result=b'{"ok":true}', executor="4711")  # type: ignore[arg-type]


async def states(engine: HookEngine, run_id: str) -> dict[str, JobState]:
    return {job.hook: job.state for job in await engine.jobs_of(run_id)}


async def test_jobs_queue_up_without_a_worker(bench: Bench) -> None:
    await bench.enqueue(make_job("r1"), make_job("r2"))
    worker = await bench.worker()
    assert [job.job.run_id for job in await worker.claim({NOTIFY: 5}, limit=5)] == ["r1", "r2"]


async def test_a_job_comes_back_as_it_was_given(bench: Bench) -> None:
    job = make_job("r1", priority=3, queued_at=12.5)
    await bench.enqueue(job)
    worker = await bench.worker()
    (claimed,) = await worker.claim({NOTIFY: 1}, limit=1)
    assert claimed.job == job
    assert claimed.attempt == 1


async def test_a_key_is_queued_once(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r1"))
    await bench.enqueue(make_job("r1"))
    claimed = await claim_within(worker, {NOTIFY: 5}, limit=5)
    assert len(claimed) == 1
    await bench.enqueue(make_job("r1"))
    assert await worker.claim({NOTIFY: 5}, limit=5) == [], "not while it is in flight"
    await worker.complete([ended(claimed[0])])
    await bench.enqueue(make_job("r1"), make_job("r2"))
    assert [job.job.run_id for job in await claim_within(worker, {NOTIFY: 5}, limit=5)] == ["r2"], "nor when it is done"


async def test_what_is_rolled_back_is_not_queued(bench: Bench) -> None:
    worker = await bench.worker()
    session = make_session(state={"bad": object()})
    with pytest.raises(StorageError):
        await bench.store.finish(make_run("r1"), session, [make_job("r1")])
    await bench.enqueue(make_job("r2"))
    assert [job.job.run_id for job in await claim_within(worker, {NOTIFY: 5}, limit=5)] == ["r2"]


async def test_a_claim_respects_free_slots_and_the_limit(bench: Bench) -> None:
    await bench.enqueue(*(make_job(f"r{n}", hook) for n in range(5) for hook in ("notify", "evaluate")))
    worker = await bench.worker()
    claimed = await worker.claim({NOTIFY: 2, EVALUATE: 0}, limit=10)
    assert [(job.job.hook, job.job.run_id) for job in claimed] == [("notify", "r0"), ("notify", "r1")]
    assert await worker.claim({NOTIFY: 0, EVALUATE: 0}, limit=10) == []
    assert await worker.claim({NOTIFY: 5, EVALUATE: 5}, limit=0) == []
    claimed = await worker.claim({NOTIFY: 5, EVALUATE: 5}, limit=3)
    assert len(claimed) == 3
    rest = await worker.claim({NOTIFY: 50, EVALUATE: 50}, limit=100)
    assert len(rest) == 5
    assert len({job.id for job in [*claimed, *rest]}) == 8


async def test_lower_priority_numbers_go_first_when_slots_are_short(bench: Bench) -> None:
    worker = await bench.worker()
    for number in range(4):
        await bench.enqueue(
            make_job(f"r{number}", "evaluate", priority=3), make_job(f"r{number}", "notify", priority=0)
        )
    claimed = await claim_within(worker, {NOTIFY: 9, EVALUATE: 9}, limit=5)
    assert [job.job.hook for job in claimed] == ["notify"] * 4 + ["evaluate"]
    assert [job.job.run_id for job in claimed] == ["r0", "r1", "r2", "r3", "r0"]
    await bench.enqueue(make_job("late", "notify", priority=0))
    await asyncio.sleep(0.05)
    (first, *_) = await worker.claim({NOTIFY: 9, EVALUATE: 9}, limit=1)
    assert first.job.run_id == "late", "a new one overtakes those of later priority that were read before"


async def test_the_oldest_go_first_within_a_priority(bench: Bench) -> None:
    worker = await bench.worker()
    for number in range(30):
        await bench.enqueue(make_job(f"r{number:02}", "notify" if number % 2 else "evaluate"))
    order: list[str] = []
    while claimed := await worker.claim({NOTIFY: 3, EVALUATE: 3}, limit=4):
        order += [job.job.run_id for job in claimed]
    assert order == sorted(order)
    assert len(order) == 30


async def test_jobs_of_unknown_hooks_stay_until_somebody_knows_them(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r1", "unknown"), make_job("r1"))
    assert [job.job.hook for job in await claim_within(worker, {NOTIFY: 5}, limit=5)] == ["notify"]
    assert await worker.claim({NOTIFY: 5}, limit=5) == []
    assert [job.job.hook for job in await worker.claim({NOTIFY: 5, hook_id("unknown"): 1}, limit=5)] == ["unknown"]


async def test_a_commit_wakes_the_worker(bench: Bench) -> None:
    worker = await bench.worker()
    assert await worker.claim({NOTIFY: 1}, limit=1) == []
    waiting = asyncio.create_task(worker.wait(60.0))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await bench.enqueue(make_job("r1"))
    await asyncio.wait_for(waiting, 2.0)
    assert len(await worker.claim({NOTIFY: 1}, limit=1)) == 1
    idle = asyncio.create_task(worker.wait(60.0))
    await asyncio.sleep(0.1)
    assert not idle.done(), "one wake is answered once"
    idle.cancel()


async def test_a_wake_before_the_wait_is_not_lost(bench: Bench) -> None:
    worker = await bench.worker()
    await worker.claim({NOTIFY: 1}, limit=1)
    await bench.enqueue(make_job("r1"))
    await asyncio.sleep(0.05)
    await asyncio.wait_for(worker.wait(60.0), 2.0)


async def test_waiting_ends_at_its_timeout(bench: Bench) -> None:
    worker = await bench.worker()
    await asyncio.wait_for(worker.wait(0.05), 2.0)


async def test_waking_a_worker_that_is_not_there_is_no_error(bench: Bench) -> None:
    bench.producer.wake()
    worker = await bench.worker()
    bench.producer.wake()
    await worker.close()
    bench.workers.clear()
    bench.producer.wake()
    again = await bench.worker()
    waiting = asyncio.create_task(again.wait(60.0))
    await asyncio.sleep(0.01)
    bench.producer.wake()
    await asyncio.wait_for(waiting, 2.0)


async def test_an_ended_job_is_stored_with_all_that_is_known(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r1"), make_job("r1", "evaluate"))
    claimed = await claim_within(worker, {NOTIFY: 1, EVALUATE: 1}, limit=2)
    attempts = [ended(claimed[0]), ended(claimed[1], "cancelled")]
    await worker.complete(attempts)
    await worker.complete(attempts)  # after a lost connection it is called again
    first, second = sorted(await bench.producer.jobs_of("r1"), key=lambda job: job.hook, reverse=True)
    assert (first.state, first.outcome, first.attempts) == (JobState.SUCCEEDED, "success", 1)
    assert first.worker == "4711"
    assert first.duration == pytest.approx(0.5)
    assert second.state is JobState.CANCELLED
    assert await worker.stats() == []


async def test_a_retry_is_scheduled_wakes_and_counts(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r1"))
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    due = time.time() + 0.15
    await worker.retry_at([(ended(claimed, "error", error="boom"), due)])
    (info,) = await worker.jobs_of("r1")
    assert (info.state, info.attempts, info.error) == (JobState.SCHEDULED, 1, "boom")
    assert info.due_at == pytest.approx(due)
    assert await worker.claim({NOTIFY: 1}, limit=1) == []
    again = await claim_within(worker, {NOTIFY: 1}, limit=1, seconds=3.0)
    assert time.time() >= due
    assert [(job.job.key, job.attempt) for job in again] == [(claimed.job.key, 2)]
    assert await worker.claim({NOTIFY: 1}, limit=1) == [], "not twice, though its row still says scheduled"
    await worker.complete([ended(again[0])])
    assert await states(worker, "r1") == {"notify": JobState.SUCCEEDED}


async def test_a_retry_in_the_past_may_start_at_once(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r1"))
    claimed = list(await claim_within(worker, {NOTIFY: 1}, limit=1))
    for attempt in range(2, 6):
        await worker.retry_at([(ended(claimed[0], "error"), time.time() - 1.0)])
        claimed = list(await claim_within(worker, {NOTIFY: 1}, limit=1, seconds=3.0))
        assert claimed[0].attempt == attempt


async def test_scheduled_jobs_survive_the_worker(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r1"))
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    await worker.retry_at([(ended(claimed, "error"), time.time() + 0.1)])
    await worker.close()
    bench.workers.clear()
    again = await claim_within(await bench.worker(), {NOTIFY: 1}, limit=1, seconds=3.0)
    assert [job.attempt for job in again] == [2]


async def test_dead_letters_are_kept_and_can_be_requeued(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r1"))
    (claimed,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    await worker.dead([ended(claimed, "timeout", error="too slow")])
    (info,) = await bench.producer.jobs_of("r1")
    assert (info.state, info.outcome, info.error) == (JobState.DEAD, "timeout", "too slow")
    (stats,) = await worker.stats()
    assert (stats.dead, stats.ready, stats.oldest_age) == (1, 0, 0.0)
    assert await worker.claim({NOTIFY: 1}, limit=1) == []

    waiting = asyncio.create_task(worker.wait(60.0))
    await asyncio.sleep(0.01)
    assert await bench.producer.requeue(claimed.job.key)
    await asyncio.wait_for(waiting, 2.0)
    assert not await bench.producer.requeue(claimed.job.key), "it is queued already"
    assert not await bench.producer.requeue("no:post:such")
    (again,) = await claim_within(worker, {NOTIFY: 1}, limit=1)
    assert again.job == claimed.job
    assert again.attempt == 1
    await worker.complete([ended(again)])
    assert await states(worker, "r1") == {"notify": JobState.SUCCEEDED}
    assert not await bench.producer.requeue(claimed.job.key), "it succeeded"


async def test_a_released_job_is_claimed_again_without_an_attempt(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(*(make_job(f"r{n}") for n in range(3)))
    claimed = await claim_within(worker, {NOTIFY: 2}, limit=2)
    await worker.started([(claimed[0], time.time(), "4711")])
    await worker.release(claimed)
    again = await worker.claim({NOTIFY: 9}, limit=9)
    assert [(job.job.run_id, job.attempt) for job in again] == [("r0", 1), ("r1", 1), ("r2", 1)]
    await worker.release(again)
    await worker.close()
    bench.workers.clear()
    later = await (await bench.worker()).claim({NOTIFY: 9}, limit=9)
    assert [job.attempt for job in later] == [1, 1, 1]


async def test_what_a_lost_worker_had_is_claimable_and_known_starts_count(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(make_job("r0"), make_job("r1"), make_job("r2"))
    claimed = await claim_within(worker, {NOTIFY: 9}, limit=9)
    await worker.started([(claimed[1], time.time(), "4711")])
    (info,) = await bench.producer.jobs_of("r1")
    assert (info.state, info.attempts, info.worker) == (JobState.RUNNING, 1, "4711")
    await worker.close()
    bench.workers.clear()
    again = await (await bench.worker()).claim({NOTIFY: 9}, limit=9)
    assert [(job.job.run_id, job.attempt) for job in again] == [("r0", 1), ("r1", 2), ("r2", 1)]


async def test_stats_tell_the_backlog_and_its_age(bench: Bench) -> None:
    worker = await bench.worker()
    now = time.time()
    await bench.enqueue(*(make_job(f"r{n}", queued_at=now - 100 + n) for n in range(5)))
    await bench.enqueue(make_job("r0", "evaluate", queued_at=now - 10))
    claimed = await claim_within(worker, {NOTIFY: 2}, limit=2)
    await worker.retry_at([(ended(claimed[0], "error"), now + 60)])
    await worker.started([(claimed[1], now, "1")])
    stats = {entry.hook_id: entry for entry in await worker.stats()}
    notify = stats[NOTIFY]
    assert (notify.ready, notify.scheduled, notify.running, notify.dead) == (3, 1, 1, 0)
    assert notify.oldest_age == pytest.approx(100, abs=5)
    assert stats[EVALUATE].oldest_age == pytest.approx(10, abs=5)


async def test_the_backlog_is_counted_up_to_a_limit(bench: Bench) -> None:
    assert await bench.producer.backlog(10) == 0
    await bench.enqueue(*(make_job(f"r{n}", hook) for n in range(4) for hook in ("notify", "evaluate")))
    assert await bench.producer.backlog(100) == 8, "of all hooks, and without a worker"
    assert await bench.producer.backlog(5) == 5
    assert await bench.producer.backlog(0) == 0
    worker = await bench.worker()
    first, second, third, _ = await worker.claim({NOTIFY: 4}, limit=4)
    assert await bench.producer.backlog(100) == 8, "a job that is under way has not ended"
    await worker.complete([ended(first)])
    await worker.dead([ended(second, "error")])
    await worker.retry_at([(ended(third, "error"), time.time() + 60)])
    assert await bench.producer.backlog(100) == 6
    assert await worker.backlog(100) == 6
    assert await bench.producer.backlog(100, [NOTIFY]) == 1, "a retry whose time has not come does not press"
    assert await bench.producer.backlog(100, [NOTIFY, EVALUATE]) == 5
    assert await bench.producer.backlog(3, [NOTIFY, EVALUATE]) == 3
    assert await bench.producer.backlog(100, []) == 0


async def test_errors_are_bounded_and_may_hold_anything(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(*(make_job(f"r{n}") for n in range(4)))
    claimed = await claim_within(worker, {NOTIFY: 4}, limit=4)
    texts = ["x" * 1_000_000, "nul \0 byte", "half a pair \ud83d", "quote ' \" \\ \n ☃"]
    await worker.dead([ended(job, "error", error=text) for job, text in zip(claimed, texts, strict=True)])
    errors = [(await worker.jobs_of(f"r{n}"))[0].error or "" for n in range(4)]
    assert len(errors[0]) <= 4_000
    assert errors[1].startswith("nul ")
    assert errors[1].endswith(" byte")
    assert errors[2].startswith("half a pair")
    assert errors[3] == texts[3]


async def test_many_ends_at_once_are_all_stored(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(*(make_job(f"r{n}") for n in range(350)))
    claimed: list[ClaimedJob] = []
    while len(claimed) < 350:
        claimed += await claim_within(worker, {NOTIFY: 350}, limit=350)
    await asyncio.gather(
        *(worker.complete([ended(job)]) for job in claimed[:250]),
        worker.dead([ended(j, "error") for j in claimed[250:]]),
    )
    (stats,) = await worker.stats()
    assert (stats.ready, stats.running, stats.dead) == (0, 0, 100)


async def test_a_burst_is_claimed_to_its_end_after_one_wake(bench: Bench) -> None:
    worker = await bench.worker()
    assert await worker.claim({NOTIFY: 1}, limit=1) == []
    await bench.enqueue(*(make_job(f"r{n}") for n in range(600)))
    await bench.enqueue(*(make_job(f"r{n}", "evaluate") for n in range(5)))
    await asyncio.sleep(0.05)
    found: list[str] = []
    while claimed := await worker.claim({NOTIFY: 1000, EVALUATE: 1000}, limit=70):
        found += [job.job.key for job in claimed]
    assert len(found) == len(set(found)) == 605


async def test_an_end_that_cannot_be_stored_fails_alone(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(*(make_job(f"r{n}") for n in range(5)))
    claimed = await claim_within(worker, {NOTIFY: 5}, limit=5)
    ends = [ended(job) for job in claimed]
    ends[2] = msgspec.structs.replace(ends[2], executor="half a pair \ud83d")
    results = await asyncio.gather(*(worker.complete([end]) for end in ends), return_exceptions=True)
    assert [isinstance(result, StorageError) for result in results] == [False, False, True, False, False]
    assert await worker.claim({NOTIFY: 5}, limit=5) == []
    await worker.dead([ended(claimed[2], "error")])
    assert await states(worker, claimed[2].job.run_id) == {"notify": JobState.DEAD}


async def test_an_end_that_cannot_be_stored_keeps_no_other_of_its_batch(bench: Bench) -> None:
    worker = await bench.worker()
    await bench.enqueue(*(make_job(f"r{n}") for n in range(7)))
    claimed = await claim_within(worker, {NOTIFY: 7}, limit=7)
    ends = [ended(job) for job in claimed]
    ends[2] = msgspec.structs.replace(ends[2], executor="half a pair \ud83d")
    with pytest.raises(StorageError):
        await worker.complete(ends)
    found = [(await states(worker, f"r{n}"))["notify"] for n in range(7)]
    assert [n for n, state in enumerate(found) if state is not JobState.SUCCEEDED] == [2]


async def test_a_long_queue_costs_no_memory(bench: Bench) -> None:
    session = make_session()
    hooks = [f"hook{n}" for n in range(10)]
    await asyncio.gather(
        *(
            bench.store.finish(make_run(f"r{n}", session), session, [make_job(f"r{n}", hook) for hook in hooks])
            for n in range(1_000)
        )
    )
    tracemalloc.start()
    worker = await bench.worker()
    free = {hook_id(hook): 1 for hook in hooks}
    done = 0
    while done < 300:
        claimed = await worker.claim(free, limit=8)
        await worker.complete([ended(job) for job in claimed])
        done += len(claimed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    assert sum(entry.ready for entry in await worker.stats()) == 10_000 - done
