"""Jobs of notifications do without a run's record: messages may be about no single run, or outlive it."""

from __future__ import annotations

from typing import Any

import msgspec

from offpath.hooks.hook import OPTIONS_ATTRIBUTE, HookOptions
from offpath.worker.hook_call import bound_hook, prepared
from offpath.worker.messages import Call
from unit.worker.memory_engine import MemoryEngine, MemoryRecords, ToldPool, success
from unit.worker.test_worker_loop import working
from unit.worker.worker_kit import FakeAgent, FakeService, hook_id_of, make_job, until


async def test_without_a_run_and_after_its_deletion() -> None:
    of_none = msgspec.structs.replace(make_job("notify", ""), kind="notification")
    of_deleted = msgspec.structs.replace(make_job("notify", "gone"), kind="notification")
    of_stored = msgspec.structs.replace(make_job("notify", "there"), kind="notification")
    ordinary = make_job("notify", "gone2")
    engine, pool = MemoryEngine([of_none, of_deleted, of_stored, ordinary]), ToldPool(answer=success)
    async with working(engine, pool, records=MemoryRecords("", "gone", "gone2")):
        await until(lambda: len(engine.completed) == 4)
    assert {ticket.claimed.job.key: ticket.record for ticket in pool.tickets} == {
        of_none.key: b"",
        of_deleted.key: b"",
        of_stored.key: b"there" * 10,
    }
    assert [attempt.outcome for attempt in engine.completed if attempt.claimed.job == ordinary] == ["cancelled"]


def test_hook_gets_its_job_and_nothing_of_a_run() -> None:
    def notify(job: Any, agent: Any, run_output: Any = None, session_state: Any = None) -> None: ...

    setattr(notify, OPTIONS_ATTRIBUTE, HookOptions(name="notify", run_in_background=True))
    agent = FakeAgent([notify])
    registry = FakeService(agent).registry
    hook_id = hook_id_of("notify")
    call = Call(1, hook_id, ":post:notify:d1", 3, 60.0, 0)
    arguments, session_id = prepared(registry, bound_hook(registry, hook_id), call, b"")
    assert (arguments["job"].key, arguments["job"].attempt) == (":post:notify:d1", 3)
    assert arguments["agent"] is agent
    assert (arguments["run_output"], arguments["session_state"], session_id) == (None, None, "")
