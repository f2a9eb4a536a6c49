"""The rate of the comparison's open loop."""

from __future__ import annotations

import pytest
from benchmarks.peers_load import (
    COMPUTING_SHARE,
    LEAD_IN,
    LOAD_SHARE,
    arrivals,
    block_seconds,
    chosen,
    computing_one_in,
    counted,
)
from benchmarks.peers_result import ENOUGH_FOR_P99
from benchmarks.peers_rows import FULL
from benchmarks.targets.peer_hooks import BURN_SECONDS


@pytest.mark.parametrize(
    ("served", "rate"), [((1_000.0, 30.9), 12.0), ((1_000.0, 160.0), 40.0), ((8.0, 9.0), 5.0), ((), 5.0)]
)
def test_the_slowest_service_has_time_to_spare(served: tuple[float, ...], rate: float) -> None:
    load = chosen(served)
    assert load.rate == rate
    assert load.slowest == min(served, default=None)


@pytest.mark.parametrize("rate", [5.0, 12.0, 25.0, 40.0])
def test_hooks_that_compute_leave_a_service_time_to_answer(rate: float) -> None:
    computing = rate / computing_one_in(rate) * BURN_SECONDS
    assert computing == pytest.approx(COMPUTING_SHARE, abs=0.04)
    assert LOAD_SHARE + computing < 0.8


@pytest.mark.parametrize("rate", [22.0, 30.0, 40.0])
def test_a_full_run_has_enough_requests_for_a_p99(rate: float) -> None:
    seconds = block_seconds(rate, FULL.rounds, FULL.latency_requests, FULL.latency_seconds)
    assert counted(rate, FULL.rounds, seconds) >= ENOUGH_FOR_P99


def test_a_low_rate_makes_a_run_no_longer() -> None:
    assert block_seconds(5.0, FULL.rounds, FULL.latency_requests, FULL.latency_seconds) == FULL.latency_seconds


def test_every_service_gets_the_same_requests_and_those_of_the_lead_in_do_not_count() -> None:
    assert arrivals(20.0, 3.0, 1) == arrivals(20.0, 3.0, 1) != arrivals(20.0, 3.0, 2)
    both = [arrival for number in (0, 1) for arrival in arrivals(20.0, 3.0, number)]
    assert counted(20.0, 2, 3.0) == sum(arrival >= LEAD_IN for arrival in both) < len(both)
