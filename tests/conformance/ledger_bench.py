"""What tests of the ledger count with: plans, a simple way of booking, and a database with all that writes to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from conformance.conftest import Bench
from conformance.samples import hook_id, make_run, make_session
from offpath.engine.adapters import open_engine
from offpath.engine.protocol import Attempt
from offpath.ledger.booking import Batch, Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.notice import Delivery, Notice
from offpath.ledger.plan import PlanEntry, RunPlan, pending_of
from offpath.ledger.rollup import DAY, RollupKey, Sums, add
from offpath.ledger.state import State
from offpath.runs.job import HookJob
from offpath.storage.database import Database
from offpath.storage.ledger import Ledger
from offpath.storage.store import RunRow

NOON: Final = 20_000 * DAY + 43_200
"""The time of all runs here, so that one row holds the sums of a name."""


def entry(state: State = "pending", hook: str = "evaluate", **fields: Any) -> PlanEntry:
    return PlanEntry(state=state, hook=hook if state == "pending" else "", **fields)


def make_plan(run_id: str, *, strip: bool = False, session_id: str = "s1", **entries: PlanEntry | State) -> RunPlan:
    return RunPlan(
        run_id=run_id,
        session_id=session_id,
        component_kind="agent",
        component_id="support",
        component_name="Support",
        nested=False,
        created_at=float(NOON),
        status="completed",
        duration=0.5,
        error_type="",
        traceparent="00-trace-span-01",
        entries={name: value if isinstance(value, PlanEntry) else entry(value) for name, value in entries.items()},
        strip=strip,
    )


def planned_run(run_id: str, plan: RunPlan | None = None, **fields: Any) -> RunRow:
    run = make_run(run_id, **fields)
    run.plan = plan
    return run


def make_evaluation(run_id: str, name: str, **fields: Any) -> EvaluationRow:
    values: dict[str, Any] = {
        "fingerprint": "f1",
        "state": "scored",
        "subject": "output",
        "evaluator": name,
        "version": 1,
        "evaluated_at": 1.0,
        "duration": 0.01,
        "value": 1.0,
        "passed": True,
    }
    return EvaluationRow(run_id=run_id, name=name, **(values | fields))


def make_notice(key: str, **fields: Any) -> Notice:
    values: dict[str, Any] = {"event": "run_error", "group": "run_error:agent:support", "created_at": 1.0}
    return Notice(key=key, **(values | fields))


def make_delivery(delivery_id: str, **fields: Any) -> Delivery:
    values: dict[str, Any] = {"channel": "ops", "group": "g", "created_at": 1.0, "message": b'{"title":"x"}'}
    return Delivery(id=delivery_id, **(values | fields))


def sums_key(name: str, plan: RunPlan) -> RollupKey:
    return RollupKey("evaluation", "day", NOON - 43_200, "evaluator", plan.component_kind, plan.component_id, name)


def states(plan: RunPlan, sign: int = 1) -> dict[RollupKey, Sums]:
    """What a plan adds to the sums."""
    return {sums_key(name, plan): {"states": {found.state: sign}} for name, found in plan.entries.items()}


def change_of(before: RunPlan | None, after: RunPlan) -> Change:
    """The change that replaces a plan."""
    change = Change(plans={after.run_id: after})
    for delta in ({} if before is None else states(before, -1), states(after)):
        for key, sums in delta.items():
            add(change.deltas.setdefault(key, {}), sums)
    return change


def count(batch: Batch) -> Change:
    """Book as simply as can be: a job's result names the state that each evaluation it was for has come to."""
    change = Change()
    plans = dict(batch.plans)
    for booking in batch.bookings:
        plan = plans[booking.run_id]
        if booking.key is None:
            _add(change, states(plan))
            plans[plan.run_id] = change.plans[plan.run_id] = msgspec.structs.replace(plan, counted=True)
            continue
        _add(change, {RollupKey("usage", "day", 0, "component", "agent", "support", ""): {"jobs": 1}})
        if booking.job is None or booking.job.result is None:
            continue
        result: dict[str, State] = msgspec.json.decode(booking.job.result)
        _add(change, {RollupKey("usage", "day", 0, "component", "agent", "support", ""): {"results": 1}})
        waiting = set(pending_of(plan, booking.job.info.hook))
        for name in waiting & set(result):
            after = msgspec.structs.replace(plan, entries=plan.entries | {name: entry(result[name], fingerprint="f1")})
            _add(change, states(msgspec.structs.replace(plan, entries={name: plan.entries[name]}), -1))
            _add(change, states(msgspec.structs.replace(after, entries={name: after.entries[name]})))
            change.evaluations.append(make_evaluation(plan.run_id, name, state=result[name]))
            plan = plans[plan.run_id] = change.plans[plan.run_id] = after
    return change


def _add(change: Change, deltas: dict[RollupKey, Sums]) -> None:
    for key, sums in deltas.items():
        add(change.deltas.setdefault(key, {}), sums)


class LedgerBench(Bench):
    """A database with a store and a ledger; more ledgers are further processes."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.wakes = 0
        self.ledgers: list[Ledger] = []
        self.ledger: Ledger

    def wake(self) -> None:
        self.wakes += 1

    async def open(self) -> None:
        await self.store.open()
        self.ledger = await self.another()

    async def another(self, **options: Any) -> Ledger:
        made: Ledger = self.database.open_ledger(
            enqueue=self.producer.enqueue,  # type: ignore[arg-type]
            wake=self.wake,
            **options,
        )
        await made.open()
        self.ledgers.append(made)
        return made

    async def finish(self, plan: RunPlan | None, *jobs: HookJob, run: RunRow | None = None, **fields: Any) -> None:
        """Store an ended run with its plan and jobs."""
        if run is None:
            assert plan is not None
            run = make_run(plan.run_id, make_session(plan.session_id), created_at=float(NOON), **fields)
        run.plan = plan
        await self.store.finish(run, make_session(run.session_id, user_id=run.user_id), list(jobs))

    async def end_jobs(self, result: dict[str, Any] | None, *, hook: str = "evaluate", dead: bool = False) -> int:
        """Have a worker end all jobs of a hook; how many there were."""
        worker = open_engine(self.database)
        await worker.open()  # a new one reads everything there is
        ended = 0
        while claimed := await worker.claim({hook_id(hook): 16}, limit=16):
            now = time.time()
            body = None if result is None else msgspec.json.encode(result)
            attempts = [
                Attempt(job, "error" if dead else "success", now - 0.5, now, result=body, error="no" if dead else None)
                for job in claimed
            ]
            await (worker.dead(attempts) if dead else worker.complete(attempts))
            ended += len(claimed)
        await worker.close()
        return ended

    async def book_all(self, *, limit: int = 100, ledger: Ledger | None = None) -> int:
        booked = 0
        while taken := await (ledger or self.ledger).book(count, limit=limit):
            booked += taken
        return booked

    async def sums(self) -> dict[str, dict[str, int]]:
        """State counts by evaluation name, without the zeros."""
        rows = await self.ledger.rollups("evaluation", "day", "evaluator", 0, NOON + DAY)
        found = {key.value: {state: n for state, n in sums["states"].items() if n} for key, sums in rows}
        return {name: counts for name, counts in found.items() if counts}

    async def plan_states(self, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """The same counted from the plans."""
        counts: dict[str, Counter[str]] = {}
        for plan in (await self.ledger.plans(run_ids)).values():
            for name, found in plan.entries.items():
                counts.setdefault(name, Counter())[found.state] += 1
        return {name: dict(counter) for name, counter in counts.items()}

    async def jobs_counted(self) -> dict[str, int]:
        rows = await self.ledger.rollups("usage", "day", "component", 0, NOON)
        return dict(rows[0][1]) if rows else {}

    async def close(self) -> None:
        for ledger in self.ledgers:
            await ledger.close()
        await super().close()
