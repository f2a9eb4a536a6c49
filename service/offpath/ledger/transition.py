"""What a result does to a plan's entry."""

from __future__ import annotations

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry


def entry_after(before: PlanEntry | None, row: EvaluationRow, hook: str) -> PlanEntry:
    """The entry once a result is stored.

    A run that chance or a filter left out stays left out, though somebody had it evaluated by hand: counted with its
    probability it would stand for runs that nobody drew. One that budget, overload or a fault kept from being evaluated
    was drawn, and counts. An older result, which a requeued job brings, changes nothing; nor does another attempt that
    came to nothing.

    Args:
        before: None for a run that had no such entry: the row's own probability holds then.
    """
    if before is not None:
        left_out = before.state in ("sampled_out", "filtered")
        in_vain = row.state in ("failed", "budget") and before.state in ("scored", "abstained", "not_applicable")
        if left_out or in_vain or before.evaluated_at > row.evaluated_at:
            return before
    return PlanEntry(
        state=row.state,
        probability=row.probability if before is None else before.probability,
        hook=hook,
        fingerprint=row.fingerprint,
        value=row.value,
        passed=row.passed,
        label=row.label,
        evaluated_at=row.evaluated_at,
        stand_in=row.stand_in,
    )
