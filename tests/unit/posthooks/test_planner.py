"""What is planned for a run that ends: states, jobs, and in which order reasons count."""

from __future__ import annotations

from typing import Any

import pytest

from offpath.ledger.plan import PlanEntry
from offpath.posthooks import names
from offpath.posthooks.evaluation.filters import RunFilter
from offpath.posthooks.evaluation.plan_rule import PlanRule
from offpath.posthooks.evaluation.sampling import draw
from offpath.posthooks.notification.rules import ChannelRules, NoticeRules
from offpath.posthooks.planner import Planner, PlannerData, decode_planner, encode_planner
from offpath.runs.output import RunFailure, RunMetrics, RunOutput
from offpath.runs.status import RunStatus

TONE = names.judged("tone")
RULES = (
    PlanRule("pii", names.EVALUATE),
    PlanRule("inner", names.EVALUATE, nested=True),
    PlanRule("rare", names.EVALUATE, rate=0.25),
    PlanRule("sales", names.EVALUATE, filter=RunFilter(agents=("sales-*",))),
    PlanRule("tone", TONE, judged=True),
)


def planner(**changes: Any) -> Planner:
    # As another process has it.
    fields: dict[str, Any] = {"rules": RULES, "analytics": True}
    return Planner(decode_planner(encode_planner(PlannerData(**(fields | changes)))))


def output(run_id: str = "drawn", **changes: Any) -> RunOutput:
    fields: dict[str, Any] = {
        "run_id": run_id,
        "kind": "agent",
        "component_id": "support",
        "component_name": "Support",
        "session_id": "s1",
        "status": RunStatus.COMPLETED,
        "metrics": RunMetrics(duration=1.5),
        "created_at": 1_000.0,
    }
    return RunOutput(**(fields | changes))


def drawn(at_most: float = 0.25) -> str:
    """The id of a run that chance chooses."""
    return next(f"run{number}" for number in range(10_000) if draw(f"run{number}") < at_most)


def left_out(at_least: float = 0.25) -> str:
    return next(f"run{number}" for number in range(10_000) if draw(f"run{number}") >= at_least)


def states(planner: Planner, given: RunOutput) -> dict[str, str]:
    planned = planner.plan(given)
    assert planned is not None
    return {name: entry.state for name, entry in planned.plan.entries.items()}


def test_one_state_for_every_evaluator_and_a_job_for_what_is_pending() -> None:
    planned = planner().plan(output(left_out(), user_id="u1"))
    assert planned is not None
    plan = planned.plan
    assert plan.entries == {
        "pii": PlanEntry("pending", 1.0, names.EVALUATE),
        "inner": PlanEntry("pending", 1.0, names.EVALUATE),
        "rare": PlanEntry("sampled_out", 0.25),
        "sales": PlanEntry("filtered"),
        "tone": PlanEntry("pending", 1.0, TONE),
    }
    assert planned.hooks == {names.EVALUATE, TONE, names.ANALYTICS}
    assert planned.shed == ()
    assert (plan.component_kind, plan.component_id, plan.component_name) == ("agent", "support", "Support")
    assert (plan.created_at, plan.duration, plan.status, plan.error_type) == (1_000.0, 1.5, "completed", "")
    assert (plan.nested, plan.counted, plan.strip, plan.blocked_by) == (False, False, False, "")


def test_a_drawn_run_has_its_probability_with_it() -> None:
    planned = planner().plan(output(drawn()))
    assert planned is not None
    assert planned.plan.entries["rare"] == PlanEntry("pending", 0.25, names.EVALUATE)


def test_of_nested_runs_only_those_that_want_them() -> None:
    planned = planner().plan(output(parent_run_id="outer"))
    assert planned is not None
    assert planned.plan.entries == {"inner": PlanEntry("pending", 1.0, names.EVALUATE)}
    assert planned.plan.nested
    assert planned.hooks == {names.EVALUATE, names.ANALYTICS}


@pytest.mark.parametrize("status", [RunStatus.ERROR, RunStatus.CANCELLED, RunStatus.INTERRUPTED, RunStatus.BLOCKED])
def test_other_ends_are_filtered_and_need_no_job(status: RunStatus) -> None:
    error = RunFailure(type="ValueError", reason="error", message="")
    planned = planner().plan(output(status=status, error=error), blocked_by="no_secrets")
    assert planned is not None
    assert {entry.state for entry in planned.plan.entries.values()} == {"filtered"}
    assert planned.hooks == {names.ANALYTICS}
    assert (planned.plan.status, planned.plan.error_type, planned.plan.blocked_by) == (
        status,
        "ValueError",
        "no_secrets",
    )


def test_under_pressure_evaluations_go_first_and_analytics_last() -> None:
    under = planner()
    under.pressure = 1
    planned = under.plan(output(drawn()))
    assert planned is not None
    assert planned.hooks == {names.ANALYTICS}
    assert planned.shed == ()
    under.pressure = 2
    planned = under.plan(output(drawn()))
    assert planned is not None
    assert planned.hooks == frozenset()
    assert planned.shed == (names.ANALYTICS,)
    assert {name: entry.state for name, entry in planned.plan.entries.items()} == {
        "pii": "overload",
        "inner": "overload",
        "rare": "overload",
        "sales": "filtered",
        "tone": "overload",
    }
    under.pressure = 0
    assert states(under, output(drawn()))["pii"] == "pending"


def test_without_money_the_others_go_on() -> None:
    broke = planner()
    broke.budget_used_up = True
    planned = broke.plan(output(drawn()))
    assert planned is not None
    assert planned.plan.entries["tone"] == PlanEntry("budget", 1.0)
    assert planned.hooks == {names.EVALUATE, names.ANALYTICS}


def test_reasons_count_in_this_order() -> None:
    """filtered, sampled_out, overload, budget: the first that holds is the one that is told."""
    judged = planner(
        rules=(
            PlanRule("other", TONE, judged=True, rate=0.25, filter=RunFilter(agents=("sales",))),
            PlanRule("rare", TONE, judged=True, rate=0.25),
            PlanRule("all", TONE, judged=True),
        )
    )
    judged.budget_used_up = True
    assert states(judged, output(left_out())) == {"other": "filtered", "rare": "sampled_out", "all": "budget"}
    judged.pressure = 1
    assert states(judged, output(left_out())) == {"other": "filtered", "rare": "sampled_out", "all": "overload"}


def test_probabilities_stay_when_overload_or_budget_leave_a_drawn_run_out() -> None:
    under = planner(rules=(PlanRule("rare", TONE, judged=True, rate=0.25),))
    under.budget_used_up = True
    planned = under.plan(output(drawn()))
    assert planned is not None
    assert planned.plan.entries["rare"] == PlanEntry("budget", 0.25), "it stands for four runs that have no score"


@pytest.mark.parametrize(
    "data",
    [
        PlannerData(analytics=True),
        PlannerData(strip=True),
        PlannerData(notices=NoticeRules(channels=(ChannelRules("ops", {"run_error": None}),))),
    ],
    ids=["analytics", "content", "notices"],
)
def test_any_built_in_is_enough_for_a_plan(data: PlannerData) -> None:
    assert data.anything
    planned = Planner(decode_planner(encode_planner(data))).plan(output())
    assert planned is not None
    assert planned.plan.entries == {}
    assert planned.hooks == ({names.ANALYTICS} if data.analytics else frozenset())
    assert planned.plan.strip == data.strip


def test_without_built_ins_there_is_no_plan() -> None:
    assert decode_planner(b"") == PlannerData()
    assert Planner(PlannerData()).plan(output()) is None
