"""What a run used, by its stored record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from offpath.agents.agent import Agent
from offpath.agents.delegation import DELEGATE
from offpath.agents.team import Team
from offpath.agents.workflow import Workflow
from offpath.errors import ConfigurationError
from offpath.hooks.registry import HookRegistry
from offpath.models.message import Message, Usage
from offpath.models.openai_chat import OpenAIChat
from offpath.offline.completion import shown_model
from offpath.posthooks.analytics.facts import RunFacts, ToolFacts, facts_of
from offpath.posthooks.analytics.hook import analytics_hook
from offpath.posthooks.analytics.prices import Endpoint, PriceList
from offpath.posthooks.job_result import decode_result
from offpath.runs.output import RunFailure, RunMetrics, RunOutput, ToolExecution
from offpath.runs.status import RunStatus
from offpath.settings import Settings
from offpath.testing import FakeModel

OPENAI = Endpoint("https://api.openai.com/v1", "openai")
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


def a_run(**changes: Any) -> RunOutput:
    output = RunOutput(
        run_id="r1",
        kind="agent",
        component_id="support",
        component_name="Support",
        session_id="s1",
        user_id="ada",
        status=RunStatus.COMPLETED,
        model="gpt-4o-mini-2024-07-18",
        model_provider="openai",
        messages=[Message("user", "hi"), Message("assistant", "hello")],
        metrics=RunMetrics(usage=MILLION, duration=2.0, time_to_first_token=0.5, model_calls=1),
        created_at=1_760_000_000.0,
    )
    return msgspec.structs.replace(output, **changes)


def facts(output: RunOutput, own: Mapping[str, object] | None = None, **options: Any) -> RunFacts:
    given: dict[str, Any] = {"requested_model": "gpt-4o-mini", "endpoint": OPENAI} | options
    return facts_of(output, PriceList(own), **given)


def test_everything_that_the_record_says_is_there() -> None:
    found = facts(a_run(parent_run_id="r0", error=RunFailure("ModelTimeoutError", "model_timeout", "late")))
    assert (found.component_kind, found.component_id, found.status) == ("agent", "support", "completed")
    assert (found.nested, found.user_id, found.error_type) == (True, "ada", "ModelTimeoutError")
    assert (found.duration, found.time_to_first_token, found.model_calls) == (2.0, 0.5, 1)
    assert (found.model, found.requested_model) == ("gpt-4o-mini-2024-07-18", "gpt-4o-mini")
    assert (found.input_tokens, found.output_tokens) == (1_000_000, 1_000_000)


def test_a_known_model_at_its_own_endpoint_has_its_list_price() -> None:
    found = facts(a_run())
    assert found.cost == pytest.approx(0.15 + 0.60)
    assert found.pricing == "priced"


def test_cached_tokens_are_cheaper() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=1_000_000)
    found = facts(a_run(metrics=RunMetrics(usage=usage, model_calls=1)))
    assert found.cost == pytest.approx(0.075)


def test_a_prompt_is_as_long_as_one_call_not_as_the_run() -> None:
    """A price that rises above 200,000 tokens does not rise for two prompts of 150,000."""
    usage = Usage(input_tokens=300_000, output_tokens=1_000)
    endpoint = Endpoint(None, "google")

    def cost(calls: int) -> float | None:
        output = a_run(model="gemini-2.5-pro", metrics=RunMetrics(usage=usage, model_calls=calls))
        return facts(output, requested_model="gemini-2.5-pro", endpoint=endpoint).cost

    assert cost(2) == pytest.approx(300_000 * 1.25e-6 + 1_000 * 10e-6)
    assert (cost(1) or 0) > (cost(2) or 0)


def test_a_model_that_is_not_in_the_list_is_unpriced() -> None:
    found = facts(a_run(model="gpt-4o-mini-of-mine"), requested_model="gpt-4o-mini-of-mine")
    assert (found.cost, found.pricing) == (None, "unpriced")


def test_a_known_name_at_an_unknown_endpoint_is_unpriced() -> None:
    found = facts(a_run(), endpoint=Endpoint("https://llm.example.com/v1", "openai"))
    assert (found.cost, found.pricing) == (None, "unpriced")


def test_a_known_name_without_an_endpoint_is_unpriced() -> None:
    assert facts(a_run(), endpoint=None).pricing == "unpriced"


def test_own_prices_beat_known_ones_by_either_name() -> None:
    assert facts(a_run(), {"gpt-4o-mini": [1, 2]}).cost == 3.0
    assert facts(a_run(), {"gpt-4o-mini": [1, 2], "gpt-4o-mini-2024-07-18": [0, 0.5]}).cost == 0.5
    assert facts(a_run(), {"gpt-4o-mini": [1, 2]}, endpoint=None).cost == 3.0


def test_the_offline_stand_in_is_never_priced_as_what_it_stands_for() -> None:
    output = a_run(model=shown_model("gpt-4o-mini"))
    for own in (None, {"gpt-4o-mini": [1, 2]}):
        found = facts(output, own)
        assert (found.cost, found.pricing) == (None, "stand_in")
    assert facts(output, {"offline:gpt-4o-mini": [0, 1]}).cost == 1.0


def test_a_run_that_nobody_answered_costs_nothing_and_is_not_unpriced() -> None:
    output = a_run(
        status=RunStatus.ERROR, messages=[Message("user", "hi")], metrics=RunMetrics(duration=1.0, model_calls=1)
    )
    found = facts(output)
    assert (found.cost, found.pricing) == (None, "none")


def test_an_answer_without_counts_of_tokens_is_unpriced() -> None:
    found = facts(a_run(metrics=RunMetrics(model_calls=1)), {"gpt-4o-mini": [1, 2]})
    assert (found.cost, found.pricing) == (None, "unpriced")


def test_a_record_without_content_is_priced_all_the_same() -> None:
    assert facts(a_run(messages=[], content=None)).cost == pytest.approx(0.75)
    uncounted = a_run(messages=[], content=None, metrics=RunMetrics(model_calls=1))
    assert facts(uncounted).pricing == "unpriced"


def test_a_workflow_uses_no_model_itself() -> None:
    output = a_run(kind="workflow", model=None, model_provider=None, messages=[], metrics=RunMetrics(duration=1.0))
    found = facts(output, requested_model="", endpoint=None)
    assert (found.model, found.pricing, found.model_calls) == ("", "none", 0)


def test_tools_are_told_apart_and_made_up_ones_are_together() -> None:
    tools = [
        ToolExecution("1", "search", duration=0.1),
        ToolExecution("2", "search", error="no", duration=0.3),
        ToolExecution("3", "serach", error="there is none", duration=0.0),
        ToolExecution("4", "book"),
    ]
    found = facts(a_run(tools=tools), tools=["search", "book"]).tools
    assert set(found) == {"search", "_OTHER", "book"}
    assert (found["search"].calls, found["search"].errors) == (2, 1)
    assert found["search"].seconds == pytest.approx(0.4)
    assert sum(found["search"].latency.values()) == 2
    assert found["book"] == ToolFacts(calls=1)
    assert "serach" in facts(a_run(tools=tools)).tools


@pytest.mark.parametrize(
    ("model", "environ", "expected"),
    [
        (OpenAIChat("m"), {}, Endpoint("https://api.openai.com/v1", "openai")),
        (OpenAIChat("m"), {"OPENAI_BASE_URL": "http://10.0.0.1/v1 "}, Endpoint("http://10.0.0.1/v1", "openai")),
        (OpenAIChat("m", base_url="https://u:p@host/v1?key=1"), {}, Endpoint("https://host/v1", "openai")),
        (FakeModel(["x"]), {}, Endpoint(None, FakeModel(["x"]).provider)),
        (None, {}, None),
    ],
)
def test_the_endpoint_is_where_the_model_is_asked(model: Any, environ: dict[str, str], expected: Any) -> None:
    assert Endpoint.of(model, environ) == expected


@pytest.mark.parametrize("text", ["[]", "nonsense", '{"m": 3}', '{"m": [1]}', '{"m": [-1, 2]}', '{"m": ["1", "2"]}'])
def test_prices_that_are_none_stop_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="OFFPATH_PRICES"):
        analytics_hook(Settings(analytics=True, prices=text))


def lookup(query: str) -> str:
    """Look something up."""
    return query


async def test_the_hook_accounts_for_every_kind_of_component_and_every_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    agent = Agent(id="support", model=OpenAIChat("gpt-4o-mini"), tools=[lookup])
    team = Team([agent], id="desk", model=OpenAIChat("gpt-4o-mini"))
    workflow = Workflow(id="flow", steps=[team])
    hook = analytics_hook(Settings(analytics=True))
    registry = HookRegistry([workflow], in_background=False, extra_post_hooks=[hook])
    assert set(registry.hooks) == {
        f"{each}:post:offpath.analytics" for each in ("agent:support", "team:desk", "workflow:flow")
    }
    for bound in registry.hooks.values():
        assert (bound.background, bound.kind, bound.lane) == (True, "analytics", "offpath.analytics")
        assert set(bound.options.run_on) == set(RunStatus) - {RunStatus.RUNNING}

    tools = [ToolExecution("1", "lookup"), ToolExecution("2", DELEGATE), ToolExecution("3", "made_up")]

    async def accounted(kind: str, component: Any) -> RunFacts:
        bound = registry.hooks[f"{kind}:{component.id}:post:offpath.analytics"]
        output = a_run(kind=kind, component_id=component.id, tools=tools)
        result = await bound.function(**bound.select({"run_output": output, kind: component}))
        found = decode_result(msgspec.json.encode(result)).usage  # as the job keeps it
        assert found is not None
        return found

    found = await accounted("agent", agent)
    assert found.cost == pytest.approx(0.75)
    assert found.requested_model == "gpt-4o-mini"
    assert set(found.tools) == {"lookup", "_OTHER"}
    assert set((await accounted("team", team)).tools) == {DELEGATE, "_OTHER"}
    assert (await accounted("workflow", workflow)).pricing == "unpriced"  # as a made-up record has it
