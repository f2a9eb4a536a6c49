"""What runs add to the sums of evaluations."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.evaluation_sums import entry_sums, evaluation_deltas, evaluation_keys, tenth, transition
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import LATEST, RollupKey, Sums, add, merged
from offpath.ledger.state import STATES

entries = st.builds(
    PlanEntry,
    state=st.sampled_from(STATES),
    probability=st.one_of(st.just(1.0), st.floats(0.01, 1.0)),
    fingerprint=st.sampled_from(["", "aaaa", "bbbb"]),
    value=st.none() | st.floats(0.0, 1.0),
    passed=st.none() | st.booleans(),
    label=st.none() | st.sampled_from(["good", "bad"]),
    evaluated_at=st.floats(0, 2e9),
)


def without_zeros(sums: Mapping[str, Any]) -> dict[str, Any]:
    """What has been the latest result once remains so, and is left out."""
    found: dict[str, Any] = {}
    for name, value in sums.items():
        kept = without_zeros(value) if isinstance(value, Mapping) else value
        if kept and name != LATEST:
            found[name] = kept
    return found


@given(st.lists(st.lists(entries, min_size=1, max_size=5), max_size=8), st.randoms(use_true_random=False))
def test_transitions_in_any_order_give_the_sums_of_the_final_entries(
    histories: list[list[PlanEntry]], shuffle: random.Random
) -> None:
    steps: list[Sums] = []
    expected: Sums = {}
    for history in histories:
        steps += [transition(before, after) for before, after in zip([None, *history], history, strict=False)]
        add(expected, entry_sums(history[-1]))
    shuffle.shuffle(steps)
    stored: str | None = None
    total: Sums = {}
    for step in steps:
        add(total, step)
        stored = merged(stored, step)
    assert without_zeros(total) == without_zeros(expected)
    if stored is not None:
        assert merged(stored, {}) == stored


@given(entries)
def test_what_does_not_change_adds_nothing(entry: PlanEntry) -> None:
    assert transition(entry, entry) == {}


@given(entries)
def test_taking_an_entry_away_leaves_nothing(entry: PlanEntry) -> None:
    assert without_zeros(add(transition(None, entry), transition(entry, None))) == {}


def test_a_scored_run_weighs_as_many_runs_as_it_stands_for() -> None:
    entry = PlanEntry("scored", 0.25, "offpath.evaluate", "f1", 0.5, True, "good", 1_000.9)
    assert entry_sums(entry) == {
        "states": {"scored": 1},
        "weights": {"scored": 4.0},
        "fp": {
            "f1": {
                "labels": {"good": {"n": 1, "w": 4.0}},
                "hist": {"0.5": 4.0},
            }
            | {"n": 1, "cw": 4.0, "latest": 1000, "j": 1, "y": 1, "w": 4.0, "w2": 16.0, "wy": 4.0, "w2y": 16.0}
            | {"nv": 1, "v": 0.5, "vw": 4.0, "vw2": 16.0, "wv": 2.0, "w2v": 8.0, "w2v2": 4.0}
        },
    }


@pytest.mark.parametrize("state", ["sampled_out", "filtered"])
def test_a_run_that_was_not_drawn_has_no_weight(state: Any) -> None:
    assert entry_sums(PlanEntry(state, 0.1)) == {"states": {state: 1}}


def test_a_new_version_takes_the_place_of_the_old_one() -> None:
    before = PlanEntry("scored", 1.0, "", "f1", passed=True)
    after = PlanEntry("scored", 1.0, "", "f2", passed=False)
    total = add(transition(None, before), transition(before, after))
    assert without_zeros(total) == {
        "states": {"scored": 1},
        "weights": {"scored": 1.0},
        "fp": {"f2": {"n": 1, "cw": 1.0, "j": 1, "w": 1.0, "w2": 1.0}},
    }


@pytest.mark.parametrize(
    ("value", "bound"),
    [(-0.1, "0.0"), (0.0, "0.0"), (0.05, "0.1"), (0.1, "0.1"), (0.1 * 3, "0.3"), (0.31, "0.4"), (1.0, "1.0")],
)
def test_values_fall_into_tenths_by_their_upper_bound(value: float, bound: str) -> None:
    assert tenth(value) == bound


@pytest.mark.parametrize("probability", [0.0, -1.0, 1.5, float("nan")])
def test_an_impossible_probability_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="inclusion probability"):
        entry_sums(PlanEntry("scored", probability))


def test_runs_are_counted_under_the_hour_and_the_day_of_their_creation() -> None:
    plan = RunPlan("r", "s", "agent", "support", "Support", False, 90_061.5, "completed", 1.0, "", "", {})
    hour = RollupKey("evaluation", "hour", 90_000, "evaluator", "agent", "support", "pii")
    day = RollupKey("evaluation", "day", 86_400, "evaluator", "agent", "support", "pii")
    assert evaluation_keys(plan, "pii") == (hour, day)
    deltas = evaluation_deltas(plan, "pii", None, PlanEntry("pending"))
    assert set(deltas) == {hour, day}
    add(deltas[hour], deltas[hour])
    assert deltas[day] == transition(None, PlanEntry("pending"))
    assert evaluation_deltas(plan, "pii", PlanEntry("pending"), PlanEntry("pending")) == {}
