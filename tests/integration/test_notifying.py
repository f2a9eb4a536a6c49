"""From notices to jobs on both databases, and jobs that belong to no run."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conformance.conftest import ADAPTERS
from conformance.ledger_bench import LedgerBench
from offpath.engine.pause import HookPause
from offpath.engine.protocol import Attempt, ClaimedJob, Engine
from offpath.posthooks.notification.message import decode_message
from offpath.posthooks.notification.rules import NoticeRules, budget_notices
from offpath.runs.job import JobState, occasion_of
from offpath.worker.notifying import Notifying
from unit.posthooks.notification.notices import failure, rules

NOTIFY = "agent:support:post:offpath.notify"


async def claim(engine: Engine, count: int) -> list[ClaimedJob]:
    """So many jobs, as soon as the engine has seen them."""
    claimed: list[ClaimedJob] = []
    for _ in range(100):
        claimed += await engine.claim({NOTIFY: 10}, limit=10)
        if len(claimed) >= count:
            return claimed
        await engine.wait(0.1)
    raise AssertionError(f"only {len(claimed)} jobs can be claimed")


class Paused:
    """An engine with paused hooks."""

    def __init__(self, *pauses: HookPause) -> None:
        self.found = list(pauses)

    async def pauses(self) -> list[HookPause]:
        return self.found


@pytest.fixture(params=ADAPTERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LedgerBench]:
    async with ADAPTERS[request.param](tmp_path) as database:
        made = LedgerBench(database)
        await made.open()
        yield made
        await made.close()


def notifying(bench: LedgerBench, wanted: NoticeRules, now: list[float], *pauses: HookPause) -> Notifying:
    return Notifying(bench.ledger, wanted, Paused(*pauses), clock=lambda: now[0])


async def test_a_burst_is_two_messages_with_the_right_counts(bench: LedgerBench) -> None:
    now = [time.time()]
    begun = now[0]
    notices = notifying(bench, rules("ops"), now)
    await bench.ledger.add_notices([failure(0, at=now[0])])
    assert await notices.turn() == 1
    for first in range(1, 1_000, 111):
        now[0] += 1.0
        await bench.ledger.add_notices([failure(number, at=now[0]) for number in range(first, first + 111)])
        assert await notices.turn() == 0
    now[0] = begun + 300.0
    assert await notices.turn() == 1
    assert await notices.turn() == 0

    engine = await bench.worker()
    engine.serve({})
    first_job, second_job = await claim(engine, 2)
    assert (first_job.job.run_id, second_job.job.run_id) == ("r0", "")
    counts = []
    for claimed in (first_job, second_job):
        delivery = await bench.ledger.delivery(occasion_of(claimed.job.key))
        assert delivery is not None
        (item,) = decode_message(delivery.message).items
        counts.append(item.count)
    assert counts == [1, 999]

    # A job that belongs to no run ends like any other, and can be brought back.
    at = time.time()
    await engine.complete([Attempt(first_job, "success", at, at)])
    await engine.dead([Attempt(second_job, "error", at, at, error="down")])
    (dead,) = await engine.jobs(state=JobState.DEAD)
    assert (dead.key, dead.run_id) == (second_job.job.key, "")
    assert await engine.requeue(second_job.job.key)
    (again,) = await claim(engine, 1)
    assert again.job.key == second_job.job.key
    await engine.complete([Attempt(again, "success", at, at)])
    assert await bench.ledger.unbooked() == 0


async def test_counts_outlive_what_is_forgotten(bench: LedgerBench) -> None:
    """Other messages make the ledger forget old times; counts are none."""
    now = [time.time()]
    notices = notifying(bench, rules("ops"), now)
    await bench.ledger.add_notices([failure(0, at=now[0])])
    await notices.turn()
    await bench.ledger.add_notices([failure(number, at=now[0]) for number in range(1, 101)])
    await notices.turn()
    await bench.ledger.add_notices([failure(500, agent="other", at=now[0])])
    assert await notices.turn() == 1
    now[0] += 301.0
    assert await notices.turn() == 1
    engine = await bench.worker()
    claimed = await claim(engine, 2)
    found = [await bench.ledger.delivery(occasion_of(each.job.key)) for each in claimed]
    assert sorted(decode_message(each.message).items[0].count for each in found if each is not None) == [1, 100]


async def test_pauses_are_told_once_whoever_leads(bench: LedgerBench) -> None:
    now = [time.time()]
    pause = HookPause("agent:support:post:slow", strikes=3, paused_at=now[0])
    assert await notifying(bench, rules("ops", "lead"), now, pause).turn() == 2
    now[0] += 3_600.0
    assert await notifying(bench, rules("ops", "lead"), now, pause).turn() == 0
    again = HookPause("agent:support:post:slow", strikes=3, paused_at=now[0])
    assert await notifying(bench, rules("ops", "lead"), now, again).turn() == 2


async def test_budget_is_told_once_in_a_window(bench: LedgerBench) -> None:
    now = [time.time()]
    wanted = rules("ops")
    told = 0
    for _ in range(5):
        await bench.ledger.add_notices(budget_notices(wanted, "2026-11-20", at=now[0]))
        told += await notifying(bench, wanted, now).turn()
        now[0] += 400.0
    assert told == 1
