"""What runs, their usage and their hooks add to the sums, and the reports made of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import RollupKey, Sums, add, merged
from offpath.ledger.run_facts import RunFacts, ToolFacts
from offpath.ledger.usage import hook_deltas, judge_deltas, run_deltas, usage_deltas
from offpath.ledger.usage_report import describe, grouped, total, usage_report
from offpath.runs.job import JobInfo, JobState

CREATED = 1_700_000_000.0
HOUR, DAY = 1_699_999_200, 1_699_920_000


def a_plan(**changes: Any) -> RunPlan:
    plan = RunPlan(
        run_id="r1",
        session_id="s1",
        component_kind="agent",
        component_id="support",
        component_name="Support",
        nested=False,
        created_at=CREATED,
        status="completed",
        duration=2.0,
        error_type="",
        traceparent="",
        entries={},
    )
    return msgspec.structs.replace(plan, **changes)


def some_facts(**changes: Any) -> RunFacts:
    facts = RunFacts(
        component_kind="agent",
        component_id="support",
        component_name="Support",
        status="completed",
        user_id="ada",
        duration=2.0,
        time_to_first_token=0.4,
        model="gpt-4o-mini-2024-07-18",
        requested_model="gpt-4o-mini",
        provider="openai",
        model_calls=2,
        input_tokens=1_000,
        output_tokens=100,
        cached_tokens=400,
        cost=0.00021,
        pricing="priced",
        tools={"search": ToolFacts(calls=2, errors=1, seconds=0.3, latency={"80": 2})},
    )
    return msgspec.structs.replace(facts, **changes)


def a_job(**changes: Any) -> JobInfo:
    job = JobInfo(
        key="r1:post:notify",
        run_id="r1",
        component_kind="agent",
        component_id="support",
        phase="post",
        hook="notify",
        kind="post",
        version="1",
        state=JobState.SUCCEEDED,
        attempts=2,
        queued_at=CREATED,
        duration=0.5,
        outcome="success",
    )
    return msgspec.structs.replace(job, **changes)


class Book:
    """Rows of sums."""

    def __init__(self) -> None:
        self.rows: dict[RollupKey, Sums] = {}

    def add(self, *deltas: dict[RollupKey, Sums]) -> Book:
        for each in deltas:
            for key, sums in each.items():
                add(self.rows.setdefault(key, {}), sums)
        return self

    def of(self, facet: str, grain: str = "day") -> list[tuple[RollupKey, Sums]]:
        return [(key, sums) for key, sums in self.rows.items() if key.facet == facet and key.grain == grain]

    def report(self, *group_by: str, **options: Any) -> list[dict[str, Any]]:
        facet = next((name for name in group_by if name in ("model", "user", "tool")), "component")
        return usage_report(grouped(self.of(facet), group_by), group_by, **options)


def booked(plan: RunPlan, facts: RunFacts) -> Book:
    return Book().add(run_deltas(plan), usage_deltas(facts, plan))


def test_a_run_is_counted_in_its_hour_and_in_its_day() -> None:
    keys = set(run_deltas(a_plan()))
    assert keys == {
        RollupKey("usage", "hour", HOUR, "component", "agent", "support", ""),
        RollupKey("usage", "day", DAY, "component", "agent", "support", ""),
    }


def test_a_run_is_counted_even_if_its_usage_never_is() -> None:
    (row,) = Book().add(run_deltas(a_plan(status="error", error_type="ModelTimeoutError"))).report("agent")
    assert row["component"] == {"kind": "agent", "id": "support"}
    assert (row["runs"], row["accounted_runs"]) == (1, 0)
    assert row["status"] == {"error": 1}
    assert row["errors"] == {"ModelTimeoutError": 1}
    assert row["error_rate"] == 1.0


def test_usage_does_not_count_the_run_again() -> None:
    (row,) = booked(a_plan(), some_facts()).report("component")
    assert (row["runs"], row["accounted_runs"], row["nested_runs"]) == (1, 1, 0)
    assert row["model_calls"] == 2
    assert row["tokens"] == {"input": 1_000, "output": 100, "cached": 400, "reasoning": 0}
    assert row["cost"] == {"usd": 0.00021, "priced_calls": 2, "unpriced_calls": 0, "stand_in_calls": 0}
    assert row["latency"]["count"] == row["time_to_first_token"]["count"] == 1
    assert row["latency"]["mean"] == 2.0
    assert row["latency"]["p95"] == pytest.approx(2.0, rel=0.05)
    assert row["tools"] == {"calls": 2, "errors": 1, "error_rate": 0.5, "seconds": 0.3}


def test_unknown_prices_are_counted_and_add_no_cost() -> None:
    book = booked(a_plan(), some_facts(cost=None, pricing="unpriced"))
    book.add(usage_deltas(some_facts(), a_plan(run_id="r2")))
    (row,) = book.report("model")
    assert row["model"] == "gpt-4o-mini-2024-07-18"
    assert row["cost"] == {"usd": 0.00021, "priced_calls": 2, "unpriced_calls": 2, "stand_in_calls": 0}


def test_the_stand_in_is_neither_priced_nor_unpriced() -> None:
    (row,) = booked(a_plan(), some_facts(cost=None, pricing="stand_in")).report("component")
    assert row["cost"] == {"usd": 0.0, "priced_calls": 0, "unpriced_calls": 0, "stand_in_calls": 2}


def test_users_are_summed_by_day_over_all_components() -> None:
    book = booked(a_plan(), some_facts())
    book.add(usage_deltas(some_facts(component_id="other", status="error"), a_plan(component_id="other")))
    assert book.of("user", "hour") == []
    (row,) = book.report("user")
    assert row == {
        "user": "ada",
        "runs": 2,
        "nested_runs": 0,
        "error_rate": 0.5,
        "seconds": 4.0,
        "model_calls": 4,
        "tokens": {"input": 2_000, "output": 200},
        "cost": {"usd": 0.00042, "unpriced_calls": 0},
    }


def test_runs_of_nobody_are_those_of_no_user() -> None:
    (row,) = booked(a_plan(), some_facts(user_id=None)).report("user")
    assert row["user"] is None


def test_tools_have_calls_errors_and_times() -> None:
    (row,) = booked(a_plan(), some_facts()).report("tool")
    assert (row["tool"], row["calls"], row["errors"], row["error_rate"]) == ("search", 2, 1, 0.5)
    assert row["latency"]["count"] == 2
    assert row["latency"]["mean"] == pytest.approx(0.15)


def test_a_team_and_its_members_are_counted_where_they_are() -> None:
    book = booked(a_plan(component_kind="team", component_id="desk"), some_facts(input_tokens=10))
    book.add(run_deltas(a_plan(nested=True)), usage_deltas(some_facts(nested=True), a_plan(nested=True)))
    assert [row["tokens"]["input"] for row in book.report("team")] == [10]
    assert [(row["tokens"]["input"], row["nested_runs"]) for row in book.report("agent")] == [(1_000, 1)]
    whole = describe(total(grouped(book.of("component"), ["component"])), "component")
    assert (whole["runs"], whole["nested_runs"], whole["tokens"]["input"]) == (2, 1, 1_010)


def test_time_of_hooks_is_kept_by_kind_and_outcome() -> None:
    judged = a_job(kind="evaluation", state=JobState.DEAD, outcome="timeout", duration=30.0, attempts=4)
    book = Book().add(hook_deltas(a_plan(), a_job()), hook_deltas(a_plan(), judged))
    (row,) = book.report("component")
    assert row["hooks"] == {
        "evaluation": {"jobs": 1, "attempts": 4, "outcomes": {"timeout": 1}, "seconds": 30.0},
        "post": {"jobs": 1, "attempts": 2, "outcomes": {"success": 1}, "seconds": 0.5},
    }
    assert row["runs"] == 0


def test_a_job_that_never_ran_has_its_state_for_an_outcome() -> None:
    job = a_job(state=JobState.CANCELLED, outcome=None, duration=None, attempts=0)
    (row,) = Book().add(hook_deltas(a_plan(), job)).report("component")
    assert row["hooks"]["post"] == {"jobs": 1, "attempts": 0, "outcomes": {"cancelled": 1}, "seconds": 0.0}


def an_evaluation(**changes: Any) -> EvaluationRow:
    row = EvaluationRow(
        run_id="r1",
        name="polite",
        fingerprint="f",
        state="scored",
        subject="output",
        evaluator="polite",
        version=1,
        evaluated_at=CREATED,
        duration=0.1,
        judge_calls=2,
        input_tokens=500,
        output_tokens=50,
        cost=0.001,
    )
    return msgspec.structs.replace(row, **changes)


def test_the_judge_has_a_bill_of_its_own() -> None:
    book = booked(a_plan(), some_facts())
    for row in (an_evaluation(), an_evaluation(cost=None), an_evaluation(cost=None, stand_in=True)):
        book.add(judge_deltas(a_plan(), row))
    (report,) = book.report("component")
    assert report["judge"] == {
        "calls": 6,
        "tokens": {"input": 1_500, "output": 150},
        "cost": {"usd": 0.001, "priced_calls": 2, "unpriced_calls": 2, "stand_in_calls": 2},
    }
    assert report["cost"]["usd"] == 0.00021
    book.add(judge_deltas(a_plan(), an_evaluation(stand_in=True)))
    (report,) = book.report("component")
    assert report["judge"]["cost"]["usd"] == 0.002, "a stand-in that was given a price takes the budget, so it shows"
    assert judge_deltas(a_plan(), an_evaluation(judge_calls=0, cost=None)) == {}


def test_groups_come_largest_first_and_by_time_if_asked() -> None:
    book = Book()
    for number in range(4):
        later = a_plan(component_id="busy" if number else "quiet", created_at=CREATED - number * 86_400)
        book.add(run_deltas(later), usage_deltas(some_facts(cost=0.5 if not number else 0.1), later))
    assert [row["component"]["id"] for row in book.report("agent")] == ["busy", "quiet"]
    assert [row["component"]["id"] for row in book.report("agent", order_by="cost")] == ["quiet", "busy"]
    assert [row["component"]["id"] for row in book.report("agent", order_by="cost", limit=1)] == ["quiet"]
    days = [row["day"] for row in book.report("day")]
    assert days == sorted(days)
    assert days[-1] == "2023-11-14T00:00:00Z"
    assert len(book.report("agent", "day")) == 4


@pytest.mark.parametrize("order_by", ["runs", "cost", "tokens", "errors", "calls"])
@pytest.mark.parametrize("facet", ["agent", "model", "user", "tool"])
def test_every_facet_can_be_ordered_by_everything(facet: str, order_by: Any) -> None:
    book = booked(a_plan(), some_facts())
    book.add(run_deltas(a_plan(error_type="E", status="error")))
    assert len(book.report(facet, order_by=order_by)) == 1


def test_names_that_are_too_long_for_a_key_are_cut() -> None:
    deltas = usage_deltas(some_facts(model="m" * 5_000, user_id="u" * 5_000), a_plan())
    assert max(len(key.value) for key in deltas) == 200


def test_deltas_share_nothing() -> None:
    deltas = list(usage_deltas(some_facts(), a_plan()).values())
    before = [merged(None, sums) for sums in deltas]
    add(deltas[0], {"tokens": {"input": 7}, "tools": {"calls": 7}, "first": {"latency": {"80": 7}}})
    assert [merged(None, sums) for sums in deltas][1:] == before[1:]


runs = st.builds(
    lambda facts, plan: (facts, plan),
    st.builds(
        some_facts,
        input_tokens=st.integers(0, 10**6),
        cost=st.none() | st.floats(0, 10),
        user_id=st.none() | st.sampled_from(["a", "b"]),
        model=st.sampled_from(["", "m1", "m2"]),
        status=st.sampled_from(["completed", "error"]),
    ),
    st.builds(
        a_plan,
        created_at=st.floats(CREATED, CREATED + 3 * 86_400),
        component_id=st.sampled_from(["x", "y"]),
        nested=st.booleans(),
    ),
)


@given(st.lists(runs, max_size=12))
def test_hours_add_up_to_days_and_facets_to_each_other(given_runs: list[tuple[RunFacts, RunPlan]]) -> None:
    book = Book()
    for facts, plan in given_runs:
        book.add(run_deltas(plan), usage_deltas(facts, plan))
    for facet in ("component", "model", "tool"):
        by_hour = total(grouped(book.of(facet, "hour"), [facet]))
        by_day = total(grouped(book.of(facet, "day"), [facet]))
        for sums in (by_hour, by_day):
            sums.pop("seconds", None)  # floats depend on the order
            sums.get("first", {}).pop("seconds", None)
            sums.get("tools", {}).pop("seconds", None)
        assert by_hour == by_day
    whole = total(grouped(book.of("component"), ["component"]))
    users = total(grouped(book.of("user"), ["user"]))
    assert whole.get("runs", 0) == users.get("runs", 0) == len(given_runs)
    assert whole.get("cost", 0) == users.get("cost", 0)
    assert whole.get("tokens", {}).get("input", 0) == users.get("input", 0)
