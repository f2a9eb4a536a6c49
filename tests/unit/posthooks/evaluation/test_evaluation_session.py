"""What is planned for a conversation that has been quiet."""

from __future__ import annotations

from typing import Any

import pytest

from offpath.errors import ConfigurationError
from offpath.hooks.bound import bind_hooks
from offpath.hooks.info import HookInfo, hook_info
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.posthooks.evaluation.configuration import enabled_evaluators
from offpath.posthooks.evaluation.enabled import enable
from offpath.posthooks.evaluation.hook import evaluation_hooks
from offpath.posthooks.evaluation.plan_rule import PlanRules
from offpath.posthooks.evaluation.sampling import draw
from offpath.posthooks.evaluation.session import session_records, session_work, with_entries
from offpath.runs.context import RunContext, Session
from offpath.runs.input import RunInput
from offpath.runs.job import occasion_of
from offpath.runs.record import RunRecord
from offpath.settings import Settings
from offpath.testing import run_output

SETTINGS = Settings(judge_model="m", judge_api_key="k" * 20)
TEXT = "0123abcd"


def plan(**changes: Any) -> RunPlan:
    fields: dict[str, Any] = {
        "run_id": "r9",
        "session_id": "s1",
        "component_kind": "agent",
        "component_id": "support",
        "component_name": "Support",
        "nested": False,
        "created_at": 1.0,
        "status": "completed",
        "duration": 1.0,
        "error_type": "",
        "traceparent": "trace",
        "entries": {"pii": PlanEntry("scored", 1.0, "offpath.evaluate")},
    }
    return RunPlan(**(fields | changes))


def made(*code: Any) -> tuple[PlanRules, dict[str, HookInfo]]:
    enabled = enabled_evaluators(SETTINGS, code)
    bound = bind_hooks("agent", "support", (), evaluation_hooks(enabled, SETTINGS), in_background=True)
    return PlanRules(each.rule for each in enabled), {hook.id: hook_info(hook) for hook in bound}


ALL = (
    "pii",
    enable("length=response_length", scope="session"),
    enable("empty=not_empty", scope="session"),
    enable("user_frustration", scope="session"),
)


def test_a_job_for_the_rules_and_one_for_each_judged_evaluator() -> None:
    work = session_work(*made(*ALL)[:1], plan(), made(*ALL)[1], user_id=None, occasion=TEXT)
    assert {name: (entry.state, entry.hook) for name, entry in work.entries.items()} == {
        "length": ("pending", "offpath.evaluate"),
        "empty": ("pending", "offpath.evaluate"),
        "user_frustration": ("pending", "offpath.evaluate.user_frustration"),
    }
    rules, judged = work.jobs
    assert occasion_of(rules.key) == f"length+empty.{TEXT}"
    assert judged.key == f"r9:post:offpath.evaluate.user_frustration:{TEXT}"
    assert (rules.run_id, rules.hook_id, rules.kind, rules.traceparent) == (
        "r9",
        "agent:support:post:offpath.evaluate",
        "evaluation",
        "trace",
    )
    assert set(with_entries(plan(), work).entries) == {"pii", "length", "empty", "user_frustration"}


def test_a_session_is_planned_once_for_a_run() -> None:
    rules, hooks = made(*ALL)
    work = session_work(rules, plan(), hooks, user_id=None, occasion=TEXT)
    again = session_work(rules, with_entries(plan(), work), hooks, user_id=None, occasion="99999999")
    assert again == ({}, [])


@pytest.mark.parametrize(
    ("changes", "options", "state"),
    [
        ({"status": "error"}, {}, "filtered"),
        ({}, {"user_id": "bob"}, "filtered"),
        ({}, {"user_id": "ada", "overload": True}, "overload"),
        ({}, {"user_id": "ada", "budget_used_up": True}, "budget"),
        ({}, {"user_id": "ada"}, "pending"),
    ],
)
def test_what_is_left_out_is_said(changes: dict[str, Any], options: dict[str, Any], state: str) -> None:
    rules, hooks = made(enable("user_frustration", scope="session", users=["ada"]))
    work = session_work(rules, plan(**changes), hooks, occasion=TEXT, **({"user_id": None} | options))
    assert work.entries["user_frustration"].state == state
    assert len(work.jobs) == (state == "pending")


def test_the_draw_is_the_sessions() -> None:
    rules, hooks = made(enable("empty=not_empty", scope="session", sample_rate=0.5))
    for number in range(20):
        work = session_work(rules, plan(session_id=f"s{number}"), hooks, user_id=None, occasion=TEXT)
        assert work.entries["empty"].state == ("sampled_out" if draw(f"s{number}") >= 0.5 else "pending")
        assert work.entries["empty"].probability == 0.5


def test_a_component_without_the_hook_is_left_alone() -> None:
    rules, _ = made(*ALL)
    assert session_work(rules, plan(), {}, user_id=None, occasion=TEXT) == ({}, [])


async def test_without_a_worker_there_is_nobody_to_ask() -> None:
    output = run_output()
    record = RunRecord(RunInput(""), output, RunContext(output.run_id, "s1"), Session("s1", "agent", "test-agent"))
    with pytest.raises(ConfigurationError, match="no worker does"):
        await session_records(record)
