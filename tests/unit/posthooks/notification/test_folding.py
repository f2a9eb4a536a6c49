"""When notices become messages."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offpath.posthooks.notification.folding import BATCH, SUMMARY
from offpath.posthooks.notification.rules import budget_notices, channel_of
from offpath.runs.job import occasion_of
from unit.posthooks.notification.notices import Folds, failure, rules, total


def test_first_is_told_at_once_with_its_run_and_a_job() -> None:
    folds = Folds(rules())
    folds.add([failure(1)])
    (message,) = folds.turn(1_000.0)
    (delivery,), (job,) = folds.deliveries, folds.jobs
    assert (delivery.channel, delivery.run_id, delivery.job_key) == ("ops", "r1", job.key)
    assert occasion_of(job.key) == delivery.id == message.id
    assert (job.kind, job.hook, job.hook_id) == ("notification", "offpath.notify", "agent:support:post:offpath.notify")
    assert message.items[0].runs[0].id == "r1"
    assert folds.waiting == []


@pytest.mark.parametrize("at_once", [True, False])
def test_burst_of_a_thousand_failures_gives_two_messages_in_the_first_interval(at_once: bool) -> None:
    folds = Folds(rules("ops", "lead"))
    messages = []
    for number in range(1_000):
        folds.add([failure(number, channel=channel) for channel in ("ops", "lead")])
        if not at_once:
            messages += folds.turn(1_000.0 + number * 0.1)
    for second in range(100, 301):
        messages += folds.turn(1_000.0 + second)
    for channel in ("ops", "lead"):
        assert len([delivery for delivery in folds.deliveries if delivery.channel == channel]) <= 2
    assert total(messages) == 2_000
    assert folds.waiting == []


def test_more_than_one_run_is_about_no_run() -> None:
    folds = Folds(rules())
    folds.add([failure(number) for number in range(7)])
    (message,) = folds.turn(1_000.0)
    assert folds.deliveries[0].run_id == ""
    assert folds.jobs[0].key.startswith(":post:offpath.notify:")
    assert folds.jobs[0].component_id == "support"
    (item,) = message.items
    assert item.count == 7
    assert len(item.runs) == 5


def test_second_message_says_since_when_and_how_many() -> None:
    folds = Folds(rules())
    folds.add([failure(0, at=1_000.0)])
    folds.turn(1_000.0)
    for number in range(1, 500):
        folds.add([failure(number, at=1_000.0 + number * 0.5)])
        assert folds.turn(1_000.0 + number * 0.5) == []
    assert len(folds.waiting) <= 20
    (message,) = folds.turn(1_300.0)
    assert message.items[0].count == 499
    assert message.items[0].since == 1_000.5
    folds.add([failure(1_000, at=1_700.0)])
    (last,) = folds.turn(1_700.0)
    assert last.items[0].count == 1


def test_many_kinds_at_once_are_summed_up() -> None:
    folds = Folds(rules(most=10))
    folds.add([failure(number, agent=f"a{number}") for number in range(200)])
    messages = folds.turn(1_000.0)
    assert len(messages) == 10
    assert [delivery.group for delivery in folds.deliveries].count(SUMMARY) == 1
    assert total(messages) == 200
    folds.add([failure(number, agent=f"a{number}", at=1_001.0) for number in range(200, 400)])
    assert folds.turn(1_001.0) == []
    assert total(folds.turn(1_301.0)) == 200


def test_urgent_kinds_have_a_message_of_their_own() -> None:
    folds = Folds(rules(most=2))
    folds.add([failure(number, agent=f"a{number}") for number in range(5)])
    folds.add(budget_notices(folds.rules, "2026-11-20", at=1_010.0, limit=5.0))
    first, summary = folds.turn(1_010.0)
    assert first.items[0].event == "budget_exhausted"
    assert len(summary.items) == 5
    assert folds.jobs[0].component_id == "home"


def test_overwhelmed_channel_does_not_hold_up_another() -> None:
    folds = Folds(rules("slack", "pager", most=2))
    folds.add([failure(number, channel="slack", agent=f"a{number}") for number in range(50)])
    folds.turn(1_000.0)
    folds.add([failure(99, channel="slack", agent="b"), failure(99, channel="pager", agent="b")])
    (message,) = folds.turn(1_001.0)
    assert folds.deliveries[-1].channel == "pager"
    assert message.items[0].component_id == "b"


def test_budget_is_told_once_in_its_window() -> None:
    folds = Folds(rules())
    folds.add(budget_notices(folds.rules, "2026-11-20", at=1_000.0))
    assert len(folds.turn(1_000.0)) == 1
    again = [
        msgspec.structs.replace(notice, key=f"budget_exhausted:2026-11-20:again@{channel_of(notice)}")
        for notice in budget_notices(folds.rules, "2026-11-20", at=5_000.0)
    ]
    folds.add(again)
    assert folds.turn(5_000.0) == []
    assert folds.waiting == []
    folds.add(budget_notices(folds.rules, "2026-11-21", at=90_000.0))
    assert len(folds.turn(90_000.0)) == 1


def test_what_nobody_wants_any_more_is_taken() -> None:
    folds = Folds(rules("ops", hook_dead=None))
    folds.add([failure(1), failure(2, channel="gone")])
    assert folds.turn(1_000.0) == []
    assert folds.waiting == []


def test_clock_that_went_back_holds_nothing_up() -> None:
    folds = Folds(rules())
    folds.add([failure(1, at=9_000.0)])
    folds.turn(9_000.0)
    folds.add([failure(2, at=1_000.0)])
    assert len(folds.turn(1_000.0)) == 1


def test_waiting_notices_of_one_kind_do_not_hide_others() -> None:
    folds = Folds(rules())
    folds.add([failure(0)])
    folds.turn(1_000.0)
    folds.add([failure(number, at=1_001.0) for number in range(1, 3 * BATCH)])
    folds.add([failure(90_000, agent="other", at=1_002.0)])
    (message,) = folds.turn(1_003.0)
    assert message.items[0].component_id == "other"
    (rest,) = folds.turn(1_301.0)
    assert rest.items[0].count == 3 * BATCH - 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 7), st.integers(1, 60)), min_size=1, max_size=40),
    st.integers(2, 5),
    st.randoms(use_true_random=False),
)
def test_every_notice_is_told_once_and_the_limits_hold(
    bursts: list[tuple[int, int, int]], most: int, draw: random.Random
) -> None:
    """Any bursts (when, of which agent, how many): nothing is lost or told twice, and no window has too much."""
    folds = Folds(rules(interval=30.0, most=most))
    added, number = 0, 0
    for second in range(300):
        for when, agent, count in bursts:
            if when == second:
                folds.add([failure(number + each, agent=f"a{agent}", at=float(second)) for each in range(count)])
                number, added = number + count, added + count
        if draw.random() < 0.7:
            folds.turn(float(second))
    messages = folds.turn(10_000.0)
    messages += folds.turn(20_000.0)
    from offpath.posthooks.notification.message import decode_message

    assert total([decode_message(delivery.message) for delivery in folds.deliveries]) == added
    assert folds.waiting == []
    times = sorted(delivery.created_at for delivery in folds.deliveries)
    for index, time in enumerate(times):
        assert len([each for each in times[index:] if each - time < 30.0]) <= most
    of_group: dict[str, list[float]] = {}
    for delivery in folds.deliveries:
        for item in decode_message(delivery.message).items:
            of_group.setdefault(item.component_id, []).append(delivery.created_at)
    for told in of_group.values():
        assert all(later - earlier >= 30.0 for earlier, later in itertools.pairwise(told))
