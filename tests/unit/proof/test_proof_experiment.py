"""Rounds of a case, with arms that answer as a test says."""

from __future__ import annotations

import socket

import pytest

from offpath.errors import ConfigurationError
from offpath.proof.errors import ProofError
from offpath.proof.experiment import Measured, capacity, choose_rate, measure, rounded, warm_up
from offpath.proof.findings import ArmName, Case
from offpath.proof.load import LoadResult
from offpath.proof.plan import Plan
from offpath.proof.progress import Silent
from unit.proof.case_making import FakeArm, fake_block

PLAN = Plan(("off", "off again", "on", "no storage"), 200.0, 8, 6, 1.0, 1.0)


def arms(**latencies: float) -> dict[ArmName, FakeArm]:
    named = {name.replace("_", " "): value for name, value in latencies.items()}
    return {name: FakeArm(name, named.get(name, 0.002)) for name in PLAN.arms}


def measured(made: dict[ArmName, FakeArm], block=fake_block) -> Measured:  # type: ignore[no-untyped-def]
    return measure(
        made, PLAN, Silent(), profile="seed", description="", model_seconds=0.0, limits={0.5: 1.01}, block=block
    )


def case_of(found: Measured) -> Case:
    assert found.case is not None
    return found.case


def test_arms_are_compared_by_what_their_blocks_measured() -> None:
    case = case_of(measured(arms(on=0.0026, no_storage=0.001)))
    ratios = {(each.a, each.b): each.quantiles[0].ratio.value for each in case.comparisons}
    assert ratios["off", "off again"] == 1.0
    assert ratios["off", "on"] == pytest.approx(1.3)
    assert ratios["no storage", "off"] == pytest.approx(2.0)
    for comparison in case.comparisons:
        assert comparison.pairs == 6
        assert sum(comparison.a_counts) == sum(comparison.b_counts) == comparison.requests
        assert len(comparison.edges_seconds) == len(comparison.a_counts) + 1
    difference = case.comparisons[1].quantiles[0].difference_us
    assert difference.value == pytest.approx(600, rel=0.1)
    assert difference.low <= difference.value <= difference.high
    assert case.resolutions[0].enough


def test_hooks_of_a_block_end_before_the_next_block() -> None:
    made, order = arms(), []

    def noted(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
        order.append((arm.name, made["on"].waited))
        return fake_block(arm, plan, number)

    case = case_of(measured(made, noted))
    hooked = 0
    for name, waited in order:
        assert waited == hooked
        hooked += name == "on"
    assert [made[name].waited for name in ("off", "off again", "no storage")] == [0, 0, 0]
    assert [run.run_id for run in case.waterfall] == ["run-0", "run-1", "run-2"]


def test_an_interruption_keeps_the_rounds_that_are_complete() -> None:
    def interrupted(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
        if number == 4 and arm.name == "on":
            raise KeyboardInterrupt
        return fake_block(arm, plan, number)

    found = measured(arms(), interrupted)
    case = case_of(found)
    assert found.interrupted
    assert case.comparisons[0].pairs == 4
    assert any("interrupted after 4 of 6" in note for note in case.notes)
    assert any("too few" in note for note in case.notes)
    assert not case.resolutions[0].enough
    assert case.waterfall == ()


def test_interrupted_at_once_there_is_no_case() -> None:
    def interrupted(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
        raise KeyboardInterrupt

    assert measured(arms(), interrupted) == Measured(None, interrupted=True)


def test_an_arm_that_does_not_keep_up_is_told() -> None:
    def late(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
        result = fake_block(arm, plan, number)
        result.seconds += 3 if arm.name == "on" and number < 2 else 0
        return result

    notes = case_of(measured(arms(), late)).notes
    assert any('"on" did not keep up' in note and "2 of 6" in note and "lower --rate" in note for note in notes)


def test_an_arm_that_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    made = arms()
    for arm in made.values():
        arm.address = address
    with pytest.raises(ProofError, match='arm "off": no connection to'):
        capacity(made, 2)
    with pytest.raises(ProofError, match='arm ".*": no connection to'):
        warm_up(made, PLAN)


def test_failed_hooks_are_counted() -> None:
    made = arms()
    made["on"].failed = 12
    assert case_of(measured(made)).hooks_failed == 12


def test_a_rate_that_the_machine_cannot_serve_is_refused_or_lowered() -> None:
    assert choose_rate(None, 100, 1_000, 8) == (100, "")
    rate, note = choose_rate(None, 100, 120, 8)
    assert rate == 48
    assert "100" in note
    assert choose_rate(90, 100, 120, 8) == (90, "")
    with pytest.raises(ConfigurationError, match="at most 120 requests a second on 8 connections.*--rate 48"):
        choose_rate(110, 100, 120, 8)


@pytest.mark.parametrize(
    ("rate", "shown"), [(123.4, 120), (48.9, 48), (7.77, 7.7), (0.26, 0.2), (0.01, 0.1), (1_000, 1_000)]
)
def test_rates_are_rounded_down_to_two_figures(rate: float, shown: float) -> None:
    assert rounded(rate) == pytest.approx(shown)
