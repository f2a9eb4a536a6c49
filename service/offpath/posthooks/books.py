"""Books: what runs that ended and jobs that ended mean for plans, evaluations, sums and notices. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from offpath.ledger.booking import Batch, Booking, Change, EndedJob
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.evaluation_sums import evaluation_keys, transition
from offpath.ledger.plan import PlanEntry, RunPlan, pending_of
from offpath.ledger.rollup import RollupKey, Sums, add
from offpath.ledger.run_facts import RunFacts
from offpath.ledger.state import SKIPPED
from offpath.ledger.transition import entry_after
from offpath.ledger.usage import hook_deltas, judge_deltas, run_deltas, usage_deltas
from offpath.posthooks import names
from offpath.posthooks.job_result import JobResult, decode_result
from offpath.posthooks.notification.rules import (
    NoticeRules,
    budget_notices,
    cost_notices,
    evaluation_notices,
    job_notices,
    run_notices,
)
from offpath.runs.job import JobState, occasion_of

logger = logging.getLogger("offpath.posthooks")


@dataclass(slots=True)
class Booked(Change):
    """A change, and what is shown of it once it is stored."""

    results: list[tuple[EvaluationRow, RunPlan]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Evaluation and reason."""
    usage: list[tuple[RunFacts, RunPlan]] = field(default_factory=list)


class Books:
    """Keeps the books of a service.

    Args:
        notices: What people want to be told; None: nothing.
        analytics: Whether usage is accounted for; then time of hooks is, too.
        budget_window: Name of the judge's budget window that a time lies in.
    """

    def __init__(
        self, notices: NoticeRules | None, *, analytics: bool, budget_window: Callable[[float], str] | None = None
    ) -> None:
        self._notices = notices
        self._analytics = analytics
        self._budget_window = budget_window

    def book(self, batch: Batch) -> Booked:
        """What bookings change. Those of deleted runs change nothing."""
        booked = Booked()
        for booking in batch.bookings:
            plan = booked.plans.get(booking.run_id) or batch.plans.get(booking.run_id)
            if plan is None:
                continue
            if booking.key is None:
                self._run_ended(plan, booked)
            elif booking.job is not None:
                self._job_ended(plan, booking, booking.job, booked)
        return booked

    # Runs.

    def _run_ended(self, plan: RunPlan, booked: Booked) -> None:
        if plan.counted:
            return
        counted = msgspec.structs.replace(plan, counted=True)
        booked.plans[plan.run_id] = counted
        for name, entry in plan.entries.items():
            _count_entry(booked, plan, name, None, entry)
            if entry.state in SKIPPED and not entry.evaluated_at:
                booked.skipped.append((name, entry.state))
        if self._analytics:
            _count(booked, run_deltas(plan))
        if self._notices is not None:
            booked.notices += run_notices(self._notices, counted)
        if any(entry.state == "budget" for entry in plan.entries.values()):
            self._budget_used_up(plan.created_at, booked)

    # Jobs.

    def _job_ended(self, plan: RunPlan, booking: Booking, job: EndedJob, booked: Booked) -> None:
        if self._analytics:
            _count(booked, hook_deltas(plan, job.info))
        if job.info.state == JobState.DEAD and self._notices is not None:
            booked.notices += job_notices(self._notices, plan, job.info)
        if job.info.kind == "evaluation":
            self._evaluation_ended(plan, job, booked)
        elif job.info.kind == "analytics" and job.info.state == JobState.SUCCEEDED:
            self._accounted(plan, job, booked)

    def _accounted(self, plan: RunPlan, job: EndedJob, booked: Booked) -> None:
        facts = _result(job).usage
        if facts is None:
            return
        _count(booked, usage_deltas(facts, plan))
        booked.usage.append((facts, plan))
        if self._notices is not None:
            booked.notices += cost_notices(self._notices, plan, facts.cost)

    def _evaluation_ended(self, plan: RunPlan, job: EndedJob, booked: Booked) -> None:
        hook, occasion = job.info.hook, occasion_of(job.info.key)
        if job.info.state == JobState.SUCCEEDED:
            rows = _result(job).evaluations
        elif job.info.state == JobState.DEAD:
            rows = []
        else:
            return  # cancelled with its run
        entries = dict(plan.entries)
        for row in rows:
            entries[row.name] = entry_after(entries.get(row.name), row, hook)
        given = {row.name for row in rows}
        waiting = occasion_names(hook, occasion) if occasion else pending_of(plan, hook)
        for name in waiting:
            entry = entries.get(name)
            if name in given or entry is None or entry.state not in ("pending", "dead"):
                continue
            # Its job died; or the code that ran it knows no such evaluator any more.
            state = "dead" if job.info.state == JobState.DEAD else "failed"
            entries[name] = msgspec.structs.replace(entry, state=state)
        self._changed(plan, entries, booked)
        booked.evaluations += [row for row in rows if not _in_vain(row, plan, entries)]
        if self._analytics:
            for row in rows:
                _count(booked, judge_deltas(plan, row))
        booked.results += [(row, plan) for row in rows]
        if self._notices is not None:
            for row in rows:
                booked.notices += evaluation_notices(self._notices, plan, row)
                if row.state == "budget":
                    self._budget_used_up(row.evaluated_at, booked)

    def _budget_used_up(self, at: float, booked: Booked) -> None:
        if self._notices is None or self._budget_window is None:
            return
        known = {notice.key for notice in booked.notices}
        found = budget_notices(self._notices, self._budget_window(at), at=at)
        booked.notices += [notice for notice in found if notice.key not in known]

    def _changed(self, plan: RunPlan, entries: dict[str, PlanEntry], booked: Booked) -> None:
        if plan.counted:
            for name, entry in entries.items():
                before = plan.entries.get(name)
                if before != entry:
                    _count_entry(booked, plan, name, before, entry)
        booked.plans[plan.run_id] = msgspec.structs.replace(plan, entries=entries)


def _in_vain(row: EvaluationRow, plan: RunPlan, entries: Mapping[str, PlanEntry]) -> bool:
    """Whether it is an attempt that came to nothing, where there is a result of the same version: that one stays."""
    before = plan.entries.get(row.name)
    kept = before is not None and entries[row.name] is before
    return kept and row.state in ("failed", "budget") and before is not None and before.fingerprint == row.fingerprint


def occasion_names(hook: str, occasion: str) -> Sequence[str]:
    """The evaluations that a job with an occasion is about."""
    if hook != names.EVALUATE:
        return (hook.removeprefix(f"{names.EVALUATE}."),)
    return occasion.partition(".")[0].split("+")


def _count(booked: Booked, deltas: Mapping[RollupKey, Sums]) -> None:
    for key, sums in deltas.items():
        add(booked.deltas.setdefault(key, {}), sums)


def _count_entry(booked: Booked, plan: RunPlan, name: str, before: PlanEntry | None, after: PlanEntry) -> None:
    """As `evaluation_deltas` has it, without its copies: of a batch there are hundreds."""
    sums = transition(before, after)
    if sums:
        for key in evaluation_keys(plan, name):
            add(booked.deltas.setdefault(key, {}), sums)


def _result(job: EndedJob) -> JobResult:
    if job.result is None:
        return JobResult()
    try:
        return decode_result(job.result)
    except msgspec.DecodeError:
        logger.warning("the result of %s is not understood; its evaluations count as failed", job.info.key)
        return JobResult()
