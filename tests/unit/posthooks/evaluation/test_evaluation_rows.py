"""Results as they are stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.posthooks.evaluation.rows import CUT, bounded, evaluation_row
from offpath_evaluators.evaluation import Evaluation, Provenance
from offpath_evaluators.score import Score

PROVENANCE = Provenance("pii", 2, "f" * 16, 0.5)


def scored(score: Score, **provenance: Any) -> Evaluation:
    return Evaluation("contact", "scored", "output", score, None, replace(PROVENANCE, **provenance))


def row(evaluation: Evaluation) -> EvaluationRow:
    return evaluation_row("r1", evaluation, probability=0.1, evaluated_at=5.0)


def test_a_score() -> None:
    found = row(scored(Score(0.25, False, "found", "An address.", {"kinds": {"email": 1}}, 1.0, "{span}")))
    assert found == EvaluationRow(
        run_id="r1",
        name="contact",
        fingerprint="f" * 16,
        state="scored",
        subject="output",
        evaluator="pii",
        version=2,
        evaluated_at=5.0,
        duration=0.5,
        value=0.25,
        passed=False,
        label="found",
        raw=1.0,
        unit="{span}",
        explanation="An address.",
        details={"kinds": {"email": 1}},
        probability=0.1,
    )
    assert msgspec.json.decode(msgspec.json.encode(found), type=EvaluationRow) == found


@pytest.mark.parametrize(("reason", "state"), [("budget", "budget"), ("unpriced", "failed"), ("timeout", "failed")])
def test_a_refused_budget_is_no_failure(reason: str, state: str) -> None:
    found = row(Evaluation("tone", "failed", "output", None, reason, PROVENANCE, explanation_of_reason="why"))
    assert (found.state, found.reason, found.explanation) == (state, reason, "why")


def test_the_stand_in_is_told_from_a_model() -> None:
    assert row(scored(Score(1.0), judge_model="offline:gpt-4o-mini")).stand_in
    assert not row(scored(Score(1.0), judge_model="gpt-4o-mini")).stand_in


@pytest.mark.parametrize(
    "odd", [{"a": {1, 2}}, {"a": float("nan")}, {"a": object()}, {1: 2}, {(1, 2): "\ud800"}, {"a": "\ud800"}]
)
def test_odd_details_become_json(odd: Any) -> None:
    found = row(scored(Score(1.0, details=odd)))
    assert msgspec.json.decode(msgspec.json.encode(found), type=EvaluationRow) == found


def test_odd_explanations_can_be_stored() -> None:
    found = row(scored(Score(1.0, explanation="a\ud800b\0c")))
    assert found.explanation == "a?b\ufffdc"


def test_rows_of_usual_size_are_left_alone() -> None:
    rows = [row(scored(Score(1.0, explanation="x" * 300, details={"spans": list(range(100))})))] * 15
    assert bounded(rows) == rows


@pytest.mark.parametrize("count", [1, 15, 100])
@pytest.mark.parametrize("unit", ["x", "\n", "\u20ac"])
def test_the_result_of_a_job_is_never_too_large(count: int, unit: str) -> None:
    big = row(scored(Score(1.0, explanation=unit * 100_000, details={"text": unit * 100_000})))
    found = bounded([big] * count)
    assert len(msgspec.json.encode({"evaluations": found})) < 60_100
    assert found[0].explanation is not None
    assert found[0].explanation.endswith(CUT)
    assert "left out" in str(found[0].details)
    assert found[0].value == 1.0


def test_only_what_is_too_large_is_cut() -> None:
    small = row(scored(Score(1.0, explanation="short", details={"a": 1})))
    big = row(scored(Score(1.0, explanation="x" * 100_000)))
    assert bounded([small, big])[0] == small
