"""Session evaluators: what is evaluated of a conversation that has been quiet, and how its runs are had."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from offpath.hooks.info import HookInfo
from offpath.hooks.parent import ask
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.question import FetchSession
from offpath.posthooks import names
from offpath.posthooks.evaluation.plan_rule import PlanRules
from offpath.runs.job import HookJob, Phase, hook_id, job_key
from offpath.runs.record import RunRecord, decode_record

MOST_RUNS: Final = 100
"""The newest runs of a conversation that are evaluated together."""
_PHASE: Final[Phase] = "post"


class SessionWork(NamedTuple):
    """What is to be done about a session that has been quiet."""

    entries: dict[str, PlanEntry]
    """Added to the plan of its last run, by the evaluation's name."""
    jobs: list[HookJob]


def session_work(
    rules: PlanRules,
    plan: RunPlan,
    hooks: Mapping[str, HookInfo],
    *,
    user_id: str | None,
    occasion: str,
    overload: bool = False,
    budget_used_up: bool = False,
) -> SessionWork:
    """The evaluations of a conversation. Pure.

    A session that goes on and falls quiet again is evaluated again, on its new last run.

    Args:
        plan: Of the session's last run. Evaluations that it has already are left as they are.
        hooks: By id, as the workers know them; a hook that is not there gets no job, and its evaluations are not
            planned.
        user_id: Whose session it is, for filters.
        occasion: Eight letters or digits that tell this time apart from others.
    """
    planned = rules.entries(
        run_id=plan.run_id,
        session_id=plan.session_id,
        kind=plan.component_kind,
        component_id=plan.component_id,
        user_id=user_id,
        status=plan.status,
        nested=False,
        overload=overload,
        budget_used_up=budget_used_up,
        scope="session",
    )
    entries: dict[str, PlanEntry] = {}
    wanted: dict[str, list[str]] = {}
    for name, entry in planned.items():
        if name in plan.entries:
            continue
        if entry.state == "pending":
            if _id(plan, entry.hook) not in hooks:
                continue
            wanted.setdefault(entry.hook, []).append(name)
        entries[name] = entry
    jobs = [_job(plan, hooks[_id(plan, hook)], evaluations, occasion) for hook, evaluations in wanted.items()]
    return SessionWork(entries, jobs)


def with_entries(plan: RunPlan, work: SessionWork) -> RunPlan:
    """The plan with what was added; what it has itself stays."""
    return msgspec.structs.replace(plan, entries={**work.entries, **plan.entries})


async def session_records(record: RunRecord) -> list[RunRecord]:
    """The runs of a record's conversation, oldest first, up to that record.

    Raises:
        StorageError: They cannot be had now.
        ConfigurationError: No worker runs the hook, so nobody can be asked.
    """
    answer = await ask(FetchSession(record.output.session_id, MOST_RUNS))
    found = [decode_record(encoding) for encoding in answer.records]
    own = record.output
    earlier = [each for each in found if each.output.run_id != own.run_id and each.output.created_at <= own.created_at]
    return [*earlier, record]


def _id(plan: RunPlan, hook: str) -> str:
    return hook_id(plan.component_kind, plan.component_id, _PHASE, hook)


def _job(plan: RunPlan, hook: HookInfo, evaluations: list[str], occasion: str) -> HookJob:
    # Of a judged evaluator the hook's name says which one is meant.
    named = f"{'+'.join(evaluations)}.{occasion}" if hook.name == names.EVALUATE else occasion
    return HookJob(
        key=job_key(plan.run_id, _PHASE, hook.name, named),
        run_id=plan.run_id,
        component_kind=plan.component_kind,
        component_id=plan.component_id,
        phase=_PHASE,
        hook=hook.name,
        kind=hook.kind,
        version=hook.version,
        priority=hook.priority,
        queued_at=time.time(),
        traceparent=plan.traceparent,
    )
