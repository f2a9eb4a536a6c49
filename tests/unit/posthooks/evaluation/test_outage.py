"""While a judge is away one asks at a time; the others wait, and nothing is spent on asking."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from offpath.posthooks.evaluation.outage import FIRST, LONGEST, PATIENCE, Outage
from offpath_evaluators.evaluation import Evaluation, Provenance


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def result(state: Any = "scored", reason: str | None = None, retry_after: float | None = None) -> Evaluation:
    provenance = Provenance("tone", 1, "h", 0.0, judge_calls=1)
    return Evaluation("tone", state, "output", None, reason, provenance, retry_after=retry_after)


AWAY = ("judge_unavailable", "timeout")


def failed(reason: str = "judge_unavailable") -> Evaluation:
    return result("failed", reason, 30.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock) -> Outage:
    return Outage("gpt-judge", clock)


@pytest.mark.parametrize("reason", AWAY)
def test_after_a_few_failures_in_a_row_nobody_asks(outage: Outage, reason: str) -> None:
    for _ in range(PATIENCE):
        assert outage.wait() == 0.0
        outage.note([failed(reason)])
    assert outage.wait() == FIRST


def test_single_failures_change_nothing(outage: Outage) -> None:
    for _ in range(50):
        outage.note([failed()] * (PATIENCE - 1))
        outage.note([result()])
        assert outage.wait() == 0.0


@pytest.mark.parametrize(
    "other",
    [failed("rate_limited"), result("failed", "judge_rejected"), result("failed", "malformed_verdict", 30.0)],
    ids=["rate_limited", "rejected", "malformed"],
)
def test_a_judge_that_says_anything_is_there(outage: Outage, other: Evaluation) -> None:
    outage.note([other] * 50)
    assert outage.wait() == 0.0
    outage.note([failed()] * (PATIENCE - 1))
    outage.note([other])
    outage.note([failed()])
    assert outage.wait() == 0.0


@pytest.mark.parametrize("silent", [result("failed", "budget"), result("not_applicable", "missing_context")])
def test_what_was_not_asked_says_nothing(outage: Outage, silent: Evaluation) -> None:
    outage.note([failed()] * (PATIENCE - 1))
    outage.note([silent])
    outage.note([failed()])
    assert outage.wait() > 0.0


def test_one_asks_and_the_others_wait_for_it(outage: Outage, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        outage.note([failed()] * 40)
        waits = []
        for _ in range(8):
            clock.now += waits[-1] if waits else FIRST
            assert outage.wait() == 0.0, "one asks"
            assert [outage.wait() for _ in range(5)] == [FIRST] * 5, "the others do not"
            outage.note([failed()])
            waits.append(outage.wait())
        assert waits == [60.0, 120.0, 240.0, 480.0, LONGEST, LONGEST, LONGEST, LONGEST]
        clock.now += LONGEST
        assert outage.wait() == 0.0
        outage.note([result()])
        assert [outage.wait() for _ in range(5)] == [0.0] * 5
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "the judge gpt-judge does not answer: its jobs wait, and one of them asks in 30 s",
        "the judge gpt-judge answers again",
    ]


def test_those_under_way_when_the_others_gave_up_lengthen_nothing(outage: Outage, clock: Clock) -> None:
    outage.note([failed()] * PATIENCE)
    for _ in range(20):
        clock.now += 1.0
        outage.note([failed()])
    assert outage.wait() == FIRST - 20.0


def test_one_that_is_never_heard_of_again_is_followed_by_another(outage: Outage, clock: Clock) -> None:
    outage.note([failed()] * PATIENCE)
    clock.now += FIRST
    assert outage.wait() == 0.0
    clock.now += 59.0
    assert outage.wait() > 0.0
    clock.now += 2.0
    assert outage.wait() == 0.0
