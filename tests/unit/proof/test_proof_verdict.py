"""Resolution, verdicts and exit codes."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.proof import comparing
from offpath.proof.comparing import compare_arms
from offpath.proof.findings import Case, Findings, Verdict
from offpath.proof.resolution import disturbances, resolve, resolved_by
from offpath.proof.verdict import exit_code, exit_code_of, judge
from unit.proof.case_making import case, comparison, estimate

LIMITS = {0.5: 1.01}


def test_half_the_width_of_the_check_is_what_can_be_resolved() -> None:
    found = {each.q: each for each in resolve(comparison("off", "off again", 0.98, 1.02, requests=1_000), LIMITS)}
    assert found[0.5].wanted == pytest.approx(0.01)
    assert found[0.5].resolved == pytest.approx(0.02)
    assert not found[0.5].enough
    # Twice as narrow to resolve it, and twice again to keep it as a rule: four times as many each time.
    assert 16_000 <= found[0.5].requests_needed <= 16_100
    assert found[0.99].wanted == 0.05  # no limit: what is usual
    assert found[0.99].enough


def test_a_check_that_does_not_hold_1_resolves_nothing_smaller_than_its_error() -> None:
    assert resolved_by(estimate(0.99, 1.02)) == pytest.approx(0.015)
    assert resolved_by(estimate(1.02, 1.03)) == pytest.approx(0.03)
    assert resolved_by(estimate(0.95, 0.96)) == pytest.approx(0.05)
    told = disturbances(case((1.02, 1.03), (1.0, 1.01)))
    assert len(told) == 3
    assert "does not hold 1" in told[0]
    assert disturbances(case((0.99, 1.01), (1.0, 1.01))) == []


@pytest.mark.parametrize(
    ("check", "answer", "kept", "resolved", "code"),
    [
        ((0.995, 1.005), (0.996, 1.009), True, True, 0),
        ((0.995, 1.005), (0.996, 1.011), False, True, 1),  # the upper end counts
        ((0.995, 1.005), (1.05, 1.07), False, True, 1),
        ((0.97, 1.03), (0.999, 1.001), False, False, 3),  # within, but by luck: never kept
        ((0.97, 1.03), (0.98, 1.05), False, False, 3),
        ((0.97, 1.03), (1.02, 1.05), False, True, 1),  # all of it above the limit
        ((1.02, 1.03), (1.02, 1.025), False, False, 3),  # no more than the arms differ by themselves
        ((1.02, 1.03), (1.05, 1.06), False, True, 1),
        ((1.001, 1.004), (1.0, 1.009), True, True, 0),  # unequal, but by less than is asked for
    ],
)
def test_the_upper_end_is_judged_and_only_where_it_can_be_resolved(
    check: tuple[float, float], answer: tuple[float, float], kept: bool, resolved: bool, code: int
) -> None:
    (verdict,) = judge(case(check, answer, LIMITS), LIMITS)
    assert (verdict.kept, verdict.resolved) == (kept, resolved)
    assert verdict.upper == answer[1]
    assert exit_code([verdict]) == code


@given(
    st.tuples(st.floats(0.5, 1.5), st.floats(0.0, 0.5)),
    st.tuples(st.floats(0.5, 1.5), st.floats(0.0, 0.5)),
    st.floats(1.001, 1.5),
)
def test_nothing_is_kept_that_is_above_the_limit_or_not_resolved(
    check: tuple[float, float], answer: tuple[float, float], limit: float
) -> None:
    made = case((check[0], sum(check)), (answer[0], sum(answer)), {0.5: limit})
    (verdict,) = judge(made, {0.5: limit})
    resolution = made.resolutions[0]
    if verdict.kept:
        assert sum(answer) <= limit
        assert resolution.resolved <= limit - 1
    elif verdict.resolved:
        assert sum(answer) > limit
    assert verdict.reason


def test_more_requests_are_needed_to_keep_a_limit_than_to_resolve_it() -> None:
    check = comparison("off", "off again", 0.99, 1.01, requests=1_000)
    assert resolve(check, {0.5: 1.0101})[0].enough
    assert resolve(check, {0.5: 1.0101})[0].requests_needed > 3_900
    wider = comparison("off", "on", 0.98, 1.02)
    assert resolve(check, {0.5: 1.0101}, wider)[0].requests_needed > 15_000, "the interval that is judged is wider"
    made = case((0.991, 1.009), (0.992, 1.012), LIMITS)
    (missed,) = judge(made, LIMITS)
    assert "reaches above 1.01, as it often does with 1,000 requests an arm: about 3,300 would keep it" in missed.reason
    (above,) = judge(case((0.991, 1.009), (1.05, 1.07), LIMITS), LIMITS)
    assert "often" not in above.reason


def a_measurement(draw: random.Random, noise: float) -> Case:
    """Three equal arms, with the verdict's resolution."""
    arms = [[[math.exp(draw.gauss(0, noise)) for _ in range(20)] for _ in range(8)] for _ in range(3)]
    check = compare_arms("off", "off again", arms[0], arms[1], (0.0, 1.0))
    answer = compare_arms("off", "on", arms[0], arms[2], (0.0, 1.0))
    made = case((1.0, 1.0), (1.0, 1.0))
    return msgspec.structs.replace(made, comparisons=(check, answer), resolutions=resolve(check, {0.5: 1.02}, answer))


def test_with_the_requests_that_are_advised_an_equal_service_is_mostly_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "QUANTILES", (0.5,))
    draw, kept = random.Random(5), 0
    for _ in range(20):
        advised = a_measurement(draw, 0.2).resolutions[0].requests_needed
        # In place of more requests, less noise: by the square root, as it is taken for granted.
        kept += judge(a_measurement(draw, 0.2 * math.sqrt(160 / advised)), {0.5: 1.02})[0].kept
    assert kept >= 17


def test_without_a_measurement_nothing_is_kept() -> None:
    made = case((0.99, 1.01), (1.0, 1.0), LIMITS)
    without_check = msgspec.structs.replace(made, resolutions=())
    assert not judge(without_check, LIMITS)[0].resolved
    without_answer = msgspec.structs.replace(made, comparisons=made.comparisons[:1])
    assert not judge(without_answer, LIMITS)[0].resolved


def test_too_few_rounds_decide_nothing() -> None:
    made = case((0.999, 1.001), (1.0, 1.001), LIMITS)
    few = tuple(msgspec.structs.replace(each, pairs=5) for each in made.comparisons)
    (verdict,) = judge(msgspec.structs.replace(made, comparisons=few, resolutions=resolve(few[0], LIMITS)), LIMITS)
    assert (verdict.kept, verdict.resolved) == (False, False)
    assert "5 rounds are too few" in verdict.reason


def verdict(kept: bool, resolved: bool = True) -> Verdict:
    return Verdict("seed, model 0 ms", 0.5, 1.01, 1.02, kept, "", resolved)


def test_a_miss_counts_more_than_what_could_not_be_resolved() -> None:
    assert exit_code([]) == 0
    assert exit_code([verdict(True), verdict(False, False)]) == 3
    assert exit_code([verdict(False, False), verdict(False), verdict(True)]) == 1


def test_an_interrupted_experiment_has_no_result() -> None:
    found = Findings(1, "0", "", 1.0, "demo", {}, "offpath prove", (), (verdict(True),), interrupted=True)
    assert exit_code_of(found) == 130
