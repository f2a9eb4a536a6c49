"""The plan of a run: who is left out and why, in which order, with which probability."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.plan import PlanEntry
from offpath.posthooks.evaluation.filters import RunFilter
from offpath.posthooks.evaluation.plan_rule import PlanRule, PlanRules, pending_hooks
from offpath.posthooks.evaluation.sampling import draw
from offpath.runs.status import RunStatus

RUN: dict[str, Any] = {
    "run_id": "run-1",
    "session_id": "session-1",
    "kind": "agent",
    "component_id": "support",
    "user_id": "ada",
    "status": RunStatus.COMPLETED,
    "nested": False,
}


def plan_entries(rules: Iterable[PlanRule], **run: Any) -> dict[str, PlanEntry]:
    return PlanRules(rules).entries(**run)


def state(rule: PlanRule, **changes: Any) -> str | None:
    entry = plan_entries([rule], **(RUN | changes)).get(rule.name)
    return None if entry is None else entry.state


def rule(**fields: Any) -> PlanRule:
    return PlanRule(**({"name": "tone", "hook": "offpath.evaluate.tone"} | fields))


def test_a_run_that_nothing_excludes_waits_for_its_hook() -> None:
    assert plan_entries([rule()], **RUN) == {"tone": PlanEntry("pending", 1.0, "offpath.evaluate.tone")}


@pytest.mark.parametrize(
    ("wanted", "run", "expected"),
    [
        (RunFilter(), {}, "pending"),
        (RunFilter(agents=("support",)), {}, "pending"),
        (RunFilter(agents=("supp*",)), {}, "pending"),
        (RunFilter(agents=("sales", "supp?rt")), {}, "pending"),
        (RunFilter(agents=("sales",)), {}, "filtered"),
        (RunFilter(agents=("Support",)), {}, "filtered"),
        (RunFilter(agents=("support",)), {"kind": "team"}, "filtered"),
        (RunFilter(teams=("support",)), {}, "filtered"),
        (RunFilter(agents=("support",), teams=("*",)), {"kind": "team", "component_id": "desk"}, "pending"),
        (RunFilter(workflows=("w*",)), {"kind": "workflow", "component_id": "w1"}, "pending"),
        (RunFilter(users=("ada",)), {}, "pending"),
        (RunFilter(users=("a*",), agents=("support",)), {}, "pending"),
        (RunFilter(users=("bob",)), {}, "filtered"),
        (RunFilter(users=("*",)), {"user_id": None}, "filtered"),
    ],
)
def test_filters(wanted: RunFilter, run: dict[str, Any], expected: str) -> None:
    assert state(rule(filter=wanted), **run) == expected


@pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.RUNNING])
def test_only_the_wanted_ends_of_a_run_are_evaluated(status: RunStatus) -> None:
    assert state(rule(), status=status) == ("pending" if status == "completed" else "filtered")
    assert state(rule(run_on=(RunStatus.ERROR, RunStatus.BLOCKED)), status=status) == (
        "pending" if status in ("error", "blocked") else "filtered"
    )


def test_a_plain_text_is_as_good_a_status() -> None:
    assert state(rule(), status="completed") == "pending"


def test_nested_runs_have_entries_of_those_who_want_them_only() -> None:
    rules = [rule(name="outer"), rule(name="all", nested=True)]
    assert set(plan_entries(rules, **RUN)) == {"outer", "all"}
    assert set(plan_entries(rules, **(RUN | {"nested": True}))) == {"all"}


def test_the_reasons_count_in_order() -> None:
    low = draw("run-1") / 2
    bad = {"overload": True, "budget_used_up": True}
    judged: dict[str, Any] = {"judged": True}
    assert state(rule(rate=low, filter=RunFilter(agents=("no",)), **judged), **bad) == "filtered"
    assert state(rule(rate=low, **judged), **bad) == "sampled_out"
    assert state(rule(**judged), **bad) == "overload"
    assert state(rule(**judged), budget_used_up=True) == "budget"
    assert state(rule(), budget_used_up=True) == "pending"


@given(
    rate=st.floats(min_value=1e-6, max_value=1.0),
    run_id=st.text(min_size=1, max_size=40),
    group=st.sampled_from(["", "a", "b"]),
    overload=st.booleans(),
    used_up=st.booleans(),
)
def test_the_probability_is_the_rate_whatever_becomes_of_the_run(
    rate: float, run_id: str, group: str, overload: bool, used_up: bool
) -> None:
    run = RUN | {"run_id": run_id, "overload": overload, "budget_used_up": used_up}
    (entry,) = plan_entries([rule(rate=rate, group=group, judged=True)], **run).values()
    assert entry.probability == rate
    assert (entry.state == "sampled_out") == (draw(run_id, group) >= rate)
    assert bool(entry.hook) == (entry.state == "pending")


def test_evaluators_share_their_draw_unless_they_have_a_group_of_their_own() -> None:
    rules = PlanRules([rule(name="a", rate=0.3), rule(name="b", rate=0.3), rule(name="c", rate=0.3, group="c")])
    plans = [rules.entries(**(RUN | {"run_id": f"r{number}"})) for number in range(300)]
    assert all(plan["a"] == plan["b"] for plan in plans)
    assert any(plan["a"].state != plan["c"].state for plan in plans)


def test_sessions_are_drawn_by_their_id_and_planned_apart() -> None:
    rules = PlanRules([rule(name="run"), rule(name="talk", scope="session", rate=0.5, quiet=60.0)])
    assert set(rules.entries(**RUN)) == {"run"}
    for number in range(20):
        talk = RUN | {"session_id": f"s{number}", "scope": "session"}
        states = {rules.entries(**(talk | {"run_id": f"r{run}"}))["talk"].state for run in range(5)}
        assert states == {"sampled_out" if draw(f"s{number}") >= 0.5 else "pending"}
    assert rules.quiet == 60.0


def test_a_plan_shares_nothing_with_the_next() -> None:
    rules = PlanRules([rule()])
    rules.entries(**RUN)["tone"].state = "scored"
    assert rules.entries(**RUN)["tone"].state == "pending"


def test_rules_travel_between_processes() -> None:
    rules = [rule(rate=0.1, filter=RunFilter(agents=("a",)), run_on=(RunStatus.ERROR,), nested=True), rule()]
    assert msgspec.json.decode(msgspec.json.encode(rules), type=list[PlanRule]) == rules


def test_hooks_with_work() -> None:
    entries = {"a": PlanEntry("pending", 1.0, "x"), "b": PlanEntry("pending", 1.0, "x"), "c": PlanEntry("filtered")}
    assert pending_hooks(entries) == {"x"}
