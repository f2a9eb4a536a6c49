"""Amendments: changes of a run's plan that no job of its end brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from offpath.ledger.booking import Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.evaluation_sums import evaluation_deltas
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import add
from offpath.ledger.state import State
from offpath.runs.output import RunOutput

LEFT_OUT: Final[frozenset[State]] = frozenset({"sampled_out", "filtered"})
"""Not drawn."""
RESULTS: Final[frozenset[State]] = frozenset({"scored", "abstained", "not_applicable"})
"""Evaluated, with something to show for it."""


def empty_plan(output: RunOutput) -> RunPlan:
    """A plan without entries, for a run that ended while no built-in hook was on."""
    return RunPlan(
        run_id=output.run_id,
        session_id=output.session_id,
        component_kind=output.kind,
        component_id=output.component_id,
        component_name=output.component_name,
        nested=output.parent_run_id is not None,
        created_at=output.created_at,
        status=output.status.value,
        duration=output.metrics.duration or 0.0,
        error_type="" if output.error is None else output.error.type,
        traceparent="",
        entries={},
        # There is no booking that would count it: what its entries add is in the change that adds them.
        counted=True,
    )


def amended(plan: RunPlan, entries: Mapping[str, PlanEntry], evaluations: Iterable[EvaluationRow] = ()) -> Change:
    """A plan with other entries, results with it, and what that does to the sums.

    Args:
        entries: Those that change or are added, by the evaluation's name.
    """
    change = Change(evaluations=list(evaluations))
    changed = {name: entry for name, entry in entries.items() if plan.entries.get(name) != entry}
    if not changed:
        return change
    change.plans[plan.run_id] = msgspec.structs.replace(plan, entries={**plan.entries, **changed})
    if plan.counted:
        for name, entry in changed.items():
            for key, sums in evaluation_deltas(plan, name, plan.entries.get(name), entry).items():
                add(change.deltas.setdefault(key, {}), sums)
    return change


def withdrawn(plans: Iterable[RunPlan]) -> Change:
    """What becomes of the sums when runs are deleted: what is still to be evaluated of them will never be.

    What was found out stays in the sums, which are numbers only.
    """
    change = Change()
    for plan in plans:
        for name, entry in plan.entries.items():
            if plan.counted and entry.state == "pending":
                for key, sums in evaluation_deltas(plan, name, entry, None).items():
                    add(change.deltas.setdefault(key, {}), sums)
    return change


def entry_of(row: EvaluationRow, probability: float, hook: str) -> PlanEntry:
    """The entry of a run whose current result this is."""
    return PlanEntry(
        state=row.state,
        probability=probability,
        hook=hook,
        fingerprint=row.fingerprint,
        value=row.value,
        passed=row.passed,
        label=row.label,
        evaluated_at=row.evaluated_at,
        stand_in=row.stand_in,
    )


def settled(entry: PlanEntry, seen: PlanEntry | None, now: PlanEntry | None) -> PlanEntry:
    """The entry that is written, where something may have come in between, such as the end of a job.

    Args:
        entry: Made from what was seen.
        now: The one that there is.
    """
    if now is None or now == seen:
        return entry
    if entry.state in LEFT_OUT or now.state in LEFT_OUT:
        return now if entry.state in LEFT_OUT else entry
    in_vain = now.state in RESULTS and entry.state not in RESULTS
    newer = now if in_vain or not entry.evaluated_at or now.evaluated_at > entry.evaluated_at else entry
    return msgspec.structs.replace(newer, probability=max(entry.probability, now.probability))
