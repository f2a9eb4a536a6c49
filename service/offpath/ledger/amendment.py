"""Amendments: changes of a run's plan that no job of its end brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from offpath.ledger.booking import Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.evaluation_sums import evaluation_deltas
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import add
from offpath.runs.output import RunOutput


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
