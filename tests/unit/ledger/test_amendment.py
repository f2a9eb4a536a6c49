"""Changes of a run's plan that no job of its end brought."""

from __future__ import annotations

import msgspec
import pytest

from offpath.ledger.amendment import amended, empty_plan, settled
from offpath.ledger.evaluation_sums import evaluation_deltas
from offpath.ledger.plan import PlanEntry
from offpath.runs.output import RunOutput
from offpath.runs.status import RunStatus

OUTPUT = RunOutput(
    "run",
    "agent",
    "support",
    "Support",
    "session",
    parent_run_id="team",
    status=RunStatus.COMPLETED,
    created_at=7_200.0,
)


def test_what_changes_is_in_the_plan_and_in_the_sums() -> None:
    scored, filtered = PlanEntry("scored", evaluated_at=5.0), PlanEntry("filtered")
    plan = msgspec.structs.replace(empty_plan(OUTPUT), entries={"pii": PlanEntry("budget"), "tone": filtered})
    change = amended(plan, {"pii": scored, "tone": filtered, "new": filtered})
    assert change.plans["run"].entries == {"pii": scored, "tone": filtered, "new": filtered}
    expected = evaluation_deltas(plan, "pii", PlanEntry("budget"), scored)
    expected |= evaluation_deltas(plan, "new", None, filtered)
    assert change.deltas == expected
    assert plan.entries["pii"].state == "budget"


def test_a_plan_that_its_booking_will_count_changes_no_sums() -> None:
    plan = msgspec.structs.replace(empty_plan(OUTPUT), counted=False)
    change = amended(plan, {"pii": PlanEntry("filtered")})
    assert change.plans["run"].entries == {"pii": PlanEntry("filtered")}
    assert change.deltas == {}


def test_what_does_not_change_is_not_written() -> None:
    plan = msgspec.structs.replace(empty_plan(OUTPUT), entries={"pii": PlanEntry("filtered")})
    assert amended(plan, {"pii": PlanEntry("filtered")}).empty


def test_a_plan_made_afterwards_says_what_the_run_says() -> None:
    plan = empty_plan(OUTPUT)
    assert (plan.component_id, plan.created_at, plan.status) == ("support", 7_200.0, "completed")
    assert plan.nested
    assert plan.counted
    assert plan.entries == {}


OUT, LATER_OUT = PlanEntry("sampled_out", 0.1), PlanEntry("filtered")
SCORED, NEWER = PlanEntry("scored", 0.5, evaluated_at=5.0), PlanEntry("scored", 0.2, fingerprint="f2", evaluated_at=6.0)
FAILED, BUDGET = PlanEntry("failed", 0.5, evaluated_at=9.0), PlanEntry("budget", 0.5)


@pytest.mark.parametrize(
    ("entry", "seen", "now", "expected"),
    [
        (SCORED, None, None, SCORED),
        (SCORED, OUT, OUT, SCORED),
        (SCORED, None, NEWER, PlanEntry("scored", 0.5, fingerprint="f2", evaluated_at=6.0)),
        (NEWER, None, SCORED, PlanEntry("scored", 0.5, fingerprint="f2", evaluated_at=6.0)),
        (FAILED, OUT, SCORED, SCORED),
        (FAILED, OUT, NEWER, PlanEntry("scored", 0.5, fingerprint="f2", evaluated_at=6.0)),
        (BUDGET, OUT, NEWER, PlanEntry("scored", 0.5, fingerprint="f2", evaluated_at=6.0)),
        (SCORED, OUT, PlanEntry("pending", 0.9), PlanEntry("scored", 0.9, evaluated_at=5.0)),
        (BUDGET, None, OUT, BUDGET),
        (OUT, None, SCORED, SCORED),
        (OUT, None, LATER_OUT, LATER_OUT),
    ],
)
def test_what_came_in_between_is_not_undone(
    entry: PlanEntry, seen: PlanEntry | None, now: PlanEntry | None, expected: PlanEntry
) -> None:
    """And a run counts with the higher probability, whoever has noted it."""
    assert settled(entry, seen, now) == expected
