"""Rounds and blocks for what was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.errors import ConfigurationError
from offpath.proof.findings import ArmName
from offpath.proof.plan import LEAST_PAIRS, Amount, Plan, plan_case

ARMS: tuple[ArmName, ...] = ("off", "off again", "on", "no storage")


def planned(amount: Amount, rate: float = 100.0, lead_in: float = 1.0) -> Plan:
    return plan_case(amount, ARMS, rate=rate, connections=8, lead_in=lead_in, seed=7)


@given(
    seconds=st.floats(60, 7_200),
    lead_in=st.floats(0.1, 10),
    rate=st.floats(10, 1_000),
)
def test_the_time_that_was_asked_for_is_used_and_not_much_more(seconds: float, lead_in: float, rate: float) -> None:
    plan = planned(Amount(seconds=seconds), rate, lead_in)
    if plan.pairs > LEAST_PAIRS:
        assert seconds * 0.5 < plan.seconds <= seconds * 1.01
    assert plan.pairs >= LEAST_PAIRS


@given(requests=st.integers(100, 100_000), rate=st.floats(5, 1_000))
def test_as_many_requests_as_were_asked_for(requests: int, rate: float) -> None:
    plan = planned(Amount(requests=requests), rate)
    assert plan.requests >= requests - 1
    assert plan.requests <= max(requests + 1, plan.pairs * 10 + 1)


def test_pairs_can_be_chosen() -> None:
    assert planned(Amount(pairs=9)).pairs == 9
    assert planned(Amount(requests=1_800, pairs=9)).block_seconds == pytest.approx(2)
    assert planned(Amount(quick=True, pairs=7)).pairs == 7
    assert planned(Amount(quick=True), lead_in=0.3).seconds < planned(Amount()).seconds / 4


def test_a_block_of_a_low_rate_is_long_enough_for_some_requests() -> None:
    assert planned(Amount(quick=True), rate=1.0).block_seconds == pytest.approx(10)


def test_all_arms_get_the_same_arrivals_after_their_lead_in() -> None:
    plan = planned(Amount(), lead_in=3.0)
    measured = {}
    for arm in ARMS:
        lead_in = plan.lead_in_of(arm)
        arrivals = plan.arrivals(4, arm)
        assert arrivals == sorted(arrivals)
        measured[arm] = [due - lead_in for due in arrivals if due >= lead_in]
    assert measured["off"] == pytest.approx(measured["on"])
    assert measured["off"] == pytest.approx(measured["no storage"])
    assert plan.lead_in_of("on") == 3.0
    assert plan.lead_in_of("off") == 1.0
    assert plan.arrivals(5, "on") != plan.arrivals(4, "on")


def test_each_round_has_all_arms_in_a_random_order_that_is_the_same_each_time() -> None:
    plan = planned(Amount(pairs=40))
    orders = list(plan.orders())
    assert len(orders) == 40
    assert all(sorted(order) == sorted(ARMS) for order in orders)
    assert len({tuple(order) for order in orders}) > 10
    assert orders == list(plan.orders())


@pytest.mark.parametrize("amount", [Amount(requests=100, seconds=5), Amount(quick=True, seconds=5)])
def test_what_contradicts_itself_is_refused(amount: Amount) -> None:
    with pytest.raises(ConfigurationError, match="--"):
        amount.check()
