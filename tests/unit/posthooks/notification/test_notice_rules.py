"""Which events become notices, and for whom."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from offpath.engine.pause import HookPause
from offpath.posthooks.notification.rules import (
    TOO_OLD,
    ChannelRules,
    NoticeRules,
    budget_notices,
    channel_of,
    cost_notices,
    evaluation_notices,
    job_notices,
    pause_notices,
    run_notices,
)
from offpath.runs.job import JobState
from unit.posthooks.notification.notices import TRACEPARENT, dead_job, plan, row, rules


def test_failed_run_is_told_with_run_component_and_error_type() -> None:
    (notice,) = run_notices(rules(), plan(status="error", error_type="ModelTimeoutError"))
    assert notice.event == "run_error"
    assert (notice.run_id, notice.component_kind, notice.component_id) == ("r1", "agent", "support")
    assert notice.subject == "ModelTimeoutError"
    assert notice.created_at == 1_002.0
    assert notice.traceparent == TRACEPARENT


@pytest.mark.parametrize(
    ("status", "events"),
    [
        ("completed", []),
        ("cancelled", []),
        ("error", ["run_error"]),
        ("interrupted", ["run_error"]),
        ("blocked", ["guardrail_blocked"]),
    ],
)
def test_ends_of_runs(status: str, events: list[str]) -> None:
    found = run_notices(rules(), plan(status=status, blocked_by="pii" if status == "blocked" else ""))
    assert [notice.event for notice in found] == events


def test_runs_that_others_started_are_part_of_those() -> None:
    assert run_notices(rules(), plan(status="error", nested=True, duration=100.0)) == []
    assert cost_notices(rules(), plan(nested=True), 9.0) == []


def test_each_channel_has_its_own_notice_and_limit() -> None:
    wanted = NoticeRules(
        (
            ChannelRules("ops", {"slow_run": 10.0}),
            ChannelRules("lead", {"slow_run": 60.0}),
            ChannelRules("mail", {"run_error": None}),
        )
    )
    assert [channel_of(notice) for notice in run_notices(wanted, plan(duration=30.0))] == ["ops"]
    both = run_notices(wanted, plan(duration=90.0))
    assert [(channel_of(notice), notice.number, notice.limit) for notice in both] == [
        ("ops", 90.0, 10.0),
        ("lead", 90.0, 60.0),
    ]
    assert run_notices(wanted, plan(duration=10.0)) == []  # above, and not equal


def test_evaluations() -> None:
    assert evaluation_notices(rules(), plan(), row(passed=True, value=0.9)) == []
    assert evaluation_notices(rules(), plan(), row(passed=None, value=0.1)) == []
    assert evaluation_notices(rules(), plan(), row("abstained")) == []
    (failed,) = evaluation_notices(rules(), plan(), row("failed", reason="unavailable"))
    assert (failed.event, failed.subject) == ("evaluation_failed", "tone")
    (below,) = evaluation_notices(rules(), plan(), row(passed=False, value=0.2))
    assert (below.event, below.subject, below.number) == ("below_threshold", "tone", 0.2)


def test_scores_of_the_offline_stand_in_alarm_nobody() -> None:
    assert evaluation_notices(rules(), plan(), row(passed=False, value=0.2, stand_in=True)) == []


def test_what_a_backfill_finds_out_alarms_nobody() -> None:
    late = row(passed=False, value=0.2, evaluated_at=1_000.0 + TOO_OLD + 1)
    assert evaluation_notices(rules(), plan(), late) == []


def test_dead_letters_of_notifications_do_not_tell_of_themselves() -> None:
    (notice,) = job_notices(rules(), plan(), dead_job())
    assert (notice.subject, notice.number) == ("agent:support:post:notify", 4.0)
    assert job_notices(rules(), plan(), dead_job("notification", "offpath.notify")) == []
    assert job_notices(rules(), plan(), msgspec.structs.replace(dead_job(), state=JobState.SUCCEEDED)) == []


def test_cost() -> None:
    assert cost_notices(rules(), plan(), None) == []
    assert cost_notices(rules(), plan(), 0.5) == []
    (notice,) = cost_notices(rules(), plan(), 0.75)
    assert (notice.number, notice.limit) == (0.75, 0.5)


def test_pauses_and_budget_have_keys_of_their_occasion() -> None:
    first = HookPause("agent:support:post:notify", strikes=3, paused_at=50.0)
    again = HookPause("agent:support:post:notify", strikes=3, paused_at=90.0)
    isolated = HookPause("agent:support:post:other", strikes=1, isolated=True)
    found = pause_notices(rules(), [first, again, isolated])
    assert len({notice.key for notice in found}) == 2
    assert {notice.component_id for notice in found} == {"support"}
    (one,), (two,) = (budget_notices(rules(), "2026-11-20", at=at) for at in (1.0, 2.0))
    assert one.key == two.key


def test_hooks_names_with_at_signs_do_not_confuse_channels() -> None:
    found = pause_notices(rules("ops", "lead"), [HookPause("agent:a@b:post:x@y", paused_at=1.0)])
    assert [channel_of(notice) for notice in found] == ["ops", "lead"]


def test_rules_travel_as_plain_data() -> None:
    sent = msgspec.json.encode(rules("ops", "lead"))
    assert msgspec.json.decode(sent, type=NoticeRules) == rules("ops", "lead")


def test_worker_does_not_import_what_executors_need() -> None:
    code = (
        "import sys, offpath.worker.notifying; "
        "print([name for name in ('apprise', 'requests', 'aiohttp', 'offpath_evaluators') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
