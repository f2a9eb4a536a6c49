"""What a result does to a plan's entry."""

from __future__ import annotations

import pytest

from offpath.ledger.estimate import summarize
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.evaluation_sums import entry_sums
from offpath.ledger.plan import PlanEntry
from offpath.ledger.state import State
from offpath.ledger.transition import entry_after


def result(state: State = "scored", *, at: float = 20.0, stand_in: bool = False) -> EvaluationRow:
    return EvaluationRow(
        run_id="r1",
        name="tone",
        fingerprint="aaaa",
        state=state,
        subject="output",
        evaluator="guidelines",
        version=1,
        evaluated_at=at,
        duration=0.1,
        value=1.0 if state == "scored" else None,
        passed=True if state == "scored" else None,
        stand_in=stand_in,
        probability=0.5,
    )


@pytest.mark.parametrize("state", ["sampled_out", "filtered"])
def test_a_run_that_nobody_drew_stays_left_out(state: State) -> None:
    before = PlanEntry(state, 0.1)
    assert entry_after(before, result(), "offpath.evaluate") is before


@pytest.mark.parametrize("state", ["pending", "budget", "overload", "dead", "failed", "abstained"])
def test_a_run_that_was_drawn_counts_with_the_probability_it_was_drawn_with(state: State) -> None:
    after = entry_after(PlanEntry(state, 0.1, evaluated_at=10.0), result(), "offpath.evaluate")
    assert (after.state, after.probability, after.passed) == ("scored", 0.1, True)


@pytest.mark.parametrize("state", ["failed", "budget"])
def test_another_attempt_that_came_to_nothing_takes_no_score_away(state: State) -> None:
    before = PlanEntry("scored", value=1.0, passed=True, evaluated_at=10.0)
    assert entry_after(before, result(state), "offpath.evaluate") is before


def test_an_older_result_changes_nothing() -> None:
    before = PlanEntry("scored", value=0.0, passed=False, evaluated_at=30.0)
    assert entry_after(before, result(at=20.0), "offpath.evaluate") is before


def test_without_an_entry_the_results_own_probability_holds() -> None:
    assert entry_after(None, result(), "offpath.evaluate").probability == 0.5


def test_scores_of_the_stand_in_are_told_apart() -> None:
    sums = entry_sums(entry_after(None, result(stand_in=True), "offpath.evaluate.tone"))
    assert summarize(sums).stand_in == 1
    assert summarize(entry_sums(entry_after(None, result(), "offpath.evaluate.tone"))).stand_in == 0
