"""The hooks that evaluate: what they evaluate, what they give back, and when they ask to be tried again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from offpath import Agent, Retry, tool
from offpath.errors import StorageError
from offpath.hooks.arguments import JobView
from offpath.hooks.bound import bind_hooks
from offpath.hooks.parent import answered_by
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.question import (
    Answer,
    FetchedPlan,
    FetchedSession,
    FetchPlan,
    FetchSession,
    Question,
    Reserve,
    Reserved,
    Settled,
)
from offpath.models.message import Message, ToolCall
from offpath.offline import OfflineModel
from offpath.posthooks.evaluation import outage, spans
from offpath.posthooks.evaluation.configuration import enabled_evaluators
from offpath.posthooks.evaluation.enabled import enable
from offpath.posthooks.evaluation.hook import (
    JUDGED_LANE,
    JUDGED_RETRIES,
    RULES_LANE,
    RULES_RETRIES,
    EvaluationHook,
    evaluation_hooks,
)
from offpath.posthooks.evaluation.sampling import draw
from offpath.posthooks.evaluation.suspension import FIRST, PATIENCE, Suspensions
from offpath.runs.context import RunContext, Session
from offpath.runs.input import RunInput
from offpath.runs.job import job_key
from offpath.runs.output import RunOutput, ToolExecution
from offpath.runs.record import RunRecord, encode_record
from offpath.runs.status import RunStatus
from offpath.settings import Settings
from offpath.telemetry import tracing
from offpath.testing import FakeModel, run_hook, run_output
from offpath_evaluators import EvaluationContext, Failed, NotApplicable, evaluator
from offpath_evaluators.judge import question

away = {"times": 0}


@evaluator("blocking")
def blocking(context: EvaluationContext) -> bool:
    """One that takes its time, and the thread with it."""
    time.sleep(0.2)
    return True


@evaluator("away_once")
async def away_once(context: EvaluationContext) -> bool | Failed:
    """One that depends on a service."""
    away["times"] += 1
    return Failed("away", "the service is away", 7.0) if away["times"] < 10 else True


@evaluator("broken")
def broken(context: EvaluationContext) -> bool:
    """One that raises."""
    raise ValueError("quotes " + (context.output or ""))


@evaluator("sees_tools")
def sees_tools(context: EvaluationContext) -> bool | NotApplicable:
    """Whether the offered tools are known."""
    return bool(context.tools) or NotApplicable("no_tools")


@pytest.fixture(autouse=True)
def reset(monkeypatch: pytest.MonkeyPatch) -> None:
    away["times"] = 0
    # The judge's own tries, within an attempt of the job, follow each other at once.
    monkeypatch.setattr(question, "_LONGEST_DELAY", 0.001)


@pytest.fixture
async def model() -> AsyncIterator[OfflineModel]:
    async with OfflineModel() as running:
        yield running


def hooks(*code: Any, model: OfflineModel | None = None, **settings: Any) -> dict[str, EvaluationHook]:
    if model is not None:
        settings |= {"judge_model": "judge-1", "judge_base_url": model.base_url}
    given = Settings(**settings)
    made = evaluation_hooks(enabled_evaluators(given, code), given)
    found: dict[str, EvaluationHook] = {}
    for hook in made:
        assert isinstance(hook, EvaluationHook)
        found[hook.__name__] = hook
    return found


async def evaluated(hook: EvaluationHook, output: RunOutput | None = None, **options: Any) -> dict[str, EvaluationRow]:
    """By name, as they would be stored."""
    result = await run_hook(hook, run_output=output, **options)
    rows = msgspec.json.decode(msgspec.json.encode(result["evaluations"]), type=list[EvaluationRow])
    return {row.name: row for row in rows}


async def called(
    hook: EvaluationHook, output: RunOutput, *, occasion: str = "", attempt: int = 1
) -> dict[str, EvaluationRow]:
    """By a job with an occasion."""
    result = await hook(
        RunInput("Where is it?"),
        output,
        RunContext(output.run_id, output.session_id),
        Session(output.session_id, "agent", output.component_id),
        JobView(job_key(output.run_id, "post", hook.__name__, occasion), attempt),
    )
    return {row.name: row for row in result["evaluations"]}


# What they are.


def test_one_hook_for_all_rules_and_one_for_each_judged_evaluator() -> None:
    settings: dict[str, Any] = {"judge_model": "m", "judge_api_key": "k" * 20, "judge_concurrency": 3}
    found = hooks(
        "pii",
        enable("secrets", run_on=["error"]),
        "helpfulness",
        "tone=geval",
        evaluator_options={"tone": {"criterion": "Kind?"}},
        **settings,
    )
    assert list(found) == ["offpath.evaluate", "offpath.evaluate.helpfulness", "offpath.evaluate.tone"]
    bound = {
        hook.name: hook for hook in bind_hooks("agent", "a", (), found.values(), in_background=False).background_post
    }
    rules, judged = bound["offpath.evaluate"], bound["offpath.evaluate.tone"]
    assert (rules.kind, rules.lane, rules.is_async) == ("evaluation", RULES_LANE, True)
    assert rules.options.run_on == (RunStatus.COMPLETED, RunStatus.ERROR)
    assert (judged.lane, bound["offpath.evaluate.helpfulness"].lane) == (JUDGED_LANE, JUDGED_LANE)
    assert judged.options.concurrency == 6
    assert judged.options.retries == JUDGED_RETRIES
    assert judged.options.version != bound["offpath.evaluate.helpfulness"].options.version


@pytest.mark.parametrize("kind", ["agent", "team", "workflow"])
def test_they_fit_every_component(kind: Any) -> None:
    (hook,) = hooks("pii").values()
    (bound,) = bind_hooks(kind, "x", (), [hook], in_background=True)
    assert kind in bound.arguments


def test_nothing_enabled_is_no_hook() -> None:
    assert hooks() == {}


# Rules.


async def test_rules_are_evaluated_together() -> None:
    (hook,) = hooks("pii", "not_empty", "broken_one=tool_error_rate", broken).values()
    rows = await evaluated(hook, run_output("Write to bob@example.com", run_id="r1"))
    assert (rows["pii"].state, rows["pii"].passed, rows["pii"].run_id) == ("scored", False, "r1")
    assert rows["not_empty"].passed
    assert (rows["broken_one"].state, rows["broken_one"].reason) == ("not_applicable", "no_tool_calls")
    assert (rows["broken"].state, rows["broken"].reason) == ("failed", "error")
    assert "bob" not in str(rows["broken"])
    assert rows["pii"].evaluated_at == pytest.approx(time.time(), abs=60)
    assert rows["pii"].fingerprint


async def test_only_what_the_plan_has_is_evaluated() -> None:
    (hook,) = hooks(
        "pii",
        enable("a=pii", agents=["other"]),
        enable("b=pii", sample_rate=draw("r1") * 0.9),
        enable("c=pii", sample_rate=draw("r1") * 0.5 + 0.5),
        enable("d=pii", run_on=["error"]),
        enable("e=pii", scope="session"),
    ).values()
    rows = await evaluated(hook, run_output(run_id="r1"))
    assert set(rows) == {"pii", "c"}
    assert rows["c"].probability == draw("r1") * 0.5 + 0.5
    failed = await evaluated(hook, run_output(run_id="r1", status=RunStatus.ERROR))
    assert set(failed) == {"d"}


async def test_nested_runs() -> None:
    (hook,) = hooks("pii", enable("all=pii", nested=True)).values()
    assert set(await evaluated(hook, run_output(parent_run_id="r0"))) == {"all"}


async def test_a_job_with_an_occasion_evaluates_what_it_names() -> None:
    (hook,) = hooks(enable("pii", sample_rate=1e-9), "secrets", "not_empty", enable("a=pii", agents=["other"])).values()
    rows = await called(hook, run_output(status=RunStatus.ERROR), occasion="pii+a+gone.0123abcd")
    assert set(rows) == {"pii", "a"}
    assert rows["pii"].probability == 1.0


async def test_rules_do_not_hold_up_the_event_loop() -> None:
    (hook,) = hooks(blocking).values()
    under_way = asyncio.create_task(evaluated(hook))
    turns = 0
    while not under_way.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert (await under_way)["blocking"].passed
    assert turns > 5


async def test_a_rule_that_depends_on_a_service_is_tried_again_and_never_takes_the_others_with_it() -> None:
    (hook,) = hooks("not_empty", away_once).values()
    for attempt in range(1, RULES_RETRIES + 1):
        with pytest.raises(Retry, match="away_once: away: the service is away") as caught:
            await evaluated(hook, attempt=attempt)
        assert caught.value.after == 30.0 * 2 ** (attempt - 1)
    rows = await evaluated(hook, attempt=RULES_RETRIES + 1)
    assert (rows["not_empty"].state, rows["away_once"].state) == ("scored", "failed")


@pytest.mark.parametrize(("asked", "waited"), [(300.0, 300.0), (1e12, 30.0), (float("nan"), 30.0), (-1.0, 30.0)])
async def test_the_wait_that_was_asked_for_is_kept_if_it_makes_sense(asked: float, waited: float) -> None:
    @evaluator("asking")
    async def asking(context: EvaluationContext) -> Failed:
        return Failed("away", retry_after=asked)

    (hook,) = hooks(asking).values()
    with pytest.raises(Retry) as caught:
        await evaluated(hook)
    assert caught.value.after == waited


async def test_many_large_results_stay_small_enough() -> None:
    names = [f"n{number}=pii" for number in range(100)]
    (hook,) = hooks(*names).values()
    text = " ".join(f"person{number}@example{number}.com" for number in range(300))
    result = await run_hook(hook, run_output=run_output(text))
    assert len(msgspec.json.encode(result)) < 65_536
    assert len(result["evaluations"]) == 100


async def test_a_rule_that_never_ends_is_left_alone_for_a_while() -> None:
    (hook,) = hooks("not_empty", enable(blocking, timeout=0.01)).values()
    seconds = [100.0]
    hook._suspensions = Suspensions(lambda: seconds[0])
    threads = set(threading.enumerate())
    reasons = [(await evaluated(hook))["blocking"].reason for _ in range(PATIENCE + 20)]
    assert reasons == ["timeout"] * PATIENCE + ["suspended"] * 20
    assert len(set(threading.enumerate()) - threads) <= PATIENCE + 1
    assert (await evaluated(hook))["not_empty"].state == "scored"
    seconds[0] += FIRST
    assert [(await evaluated(hook))["blocking"].reason for _ in range(2)] == ["timeout", "suspended"]
    seconds[0] += FIRST
    assert (await evaluated(hook))["blocking"].reason == "suspended"
    seconds[0] += FIRST
    hook.enabled["blocking"] = enable(blocking, timeout=5.0)
    assert [(await evaluated(hook))["blocking"].state for _ in range(2)] == ["scored", "scored"]
    hook.enabled["blocking"] = enable(blocking, timeout=0.01)
    assert [(await evaluated(hook))["blocking"].reason for _ in range(2)] == ["timeout", "timeout"]


async def test_offered_tools_are_known() -> None:
    @tool
    def find(what: str) -> str:
        """Find something.

        Args:
            what: A thing.
        """
        return what

    agent = Agent(id="finder", model=FakeModel(), tools=[find])
    output = run_output(
        component_id="finder",
        messages=[Message("assistant", None, [ToolCall("c1", "find", '{"what": 5}')])],
        tools=[ToolExecution("c1", "find", {"what": 5})],
    )
    (hook,) = hooks("tool_args_valid", sees_tools).values()
    rows = await evaluated(hook, output, agent=agent)
    assert rows["sees_tools"].passed
    assert (rows["tool_args_valid"].label, rows["tool_args_valid"].passed) == ("invalid", False)
    assert (await evaluated(hook))["sees_tools"].state == "not_applicable"


# Judged.


async def test_a_judged_evaluator_asks_its_judge(model: OfflineModel) -> None:
    found = hooks("helpfulness", enable("other=helpfulness", judge_model="judge-2"), model=model)
    first = await evaluated(found["offpath.evaluate.helpfulness"])
    second = await evaluated(found["offpath.evaluate.other"])
    row = first["helpfulness"]
    assert (row.state, row.judge_model, row.stand_in) == ("scored", "offline:judge-1", True)
    assert row.judge_calls >= 1
    assert row.input_tokens > 100
    assert second["other"].judge_model == "offline:judge-2"
    assert (row.asked_model, second["other"].asked_model) == ("judge-1", "judge-2")
    assert row.fingerprint != second["other"].fingerprint


async def test_a_judge_that_is_away_makes_the_job_wait_ever_longer() -> None:
    waits = []
    for attempt in (1, 2, 3, 6, 50, JUDGED_RETRIES + 1):
        # Of a process of its own: after some more, nobody would ask for a while.
        (hook,) = hooks("helpfulness", judge_model="m", judge_base_url="http://127.0.0.1:9/v1").values()
        with pytest.raises(Retry, match="judge_unavailable: .* cannot be reached") as caught:
            await evaluated(hook, attempt=attempt)
        waits.append(caught.value.after)
    assert waits == [30.0, 60.0, 120.0, 900.0, 900.0, 900.0]
    # A judge that is away for a day: the waits of all attempts, without jitter.
    assert sum(min(900.0, 30.0 * 2.0**attempt) for attempt in range(JUDGED_RETRIES)) > 86_400


async def test_a_judge_that_is_away_is_not_asked_for_every_run(model: OfflineModel) -> None:
    (hook,) = hooks("helpfulness", model=model).values()
    model.fail_next(*["drop"] * 1_000)
    for _ in range(outage.PATIENCE):
        with pytest.raises(Retry, match="judge_unavailable"):
            await evaluated(hook)
    received = model.received
    for attempt in (1, 2, 3):
        with pytest.raises(Retry, match="does not answer") as caught:
            await evaluated(hook, attempt=attempt)
        assert caught.value.after >= 30.0 * 2 ** (attempt - 1) - 1
    assert model.received == received


async def test_a_judge_that_is_back_gives_the_result(model: OfflineModel) -> None:
    (hook,) = hooks("helpfulness", model=model).values()
    model.fail_next(*["drop"] * 4)
    with pytest.raises(Retry, match="judge_unavailable"):
        await evaluated(hook)
    assert (await evaluated(hook, attempt=2))["helpfulness"].state == "scored"


async def test_what_another_try_would_not_mend_is_a_result(model: OfflineModel) -> None:
    (hook,) = hooks("helpfulness", model=model).values()
    model.fail_next("status:401")
    row = (await evaluated(hook))["helpfulness"]
    assert (row.state, row.reason) == ("failed", "judge_rejected")


async def test_a_judged_evaluator_may_not_apply_to_a_run(model: OfflineModel) -> None:
    (hook,) = hooks("groundedness", model=model).values()
    assert (await evaluated(hook))["groundedness"].reason == "missing_context"
    assert (await evaluated(hook, run_output(context=["A page."])))["groundedness"].state == "scored"


async def test_a_job_by_hand_evaluates_whatever_the_plan_says(model: OfflineModel) -> None:
    (hook,) = hooks(enable("helpfulness", sample_rate=1e-9), model=model).values()
    assert await evaluated(hook) == {}
    assert (await called(hook, run_output(), occasion="0123abcd"))["helpfulness"].state == "scored"


# The budget.


def plan_of(run_id: str, **entries: PlanEntry) -> RunPlan:
    return RunPlan(
        run_id=run_id,
        session_id="s1",
        component_kind="agent",
        component_id="support",
        component_name="Support",
        nested=False,
        created_at=0.0,
        status="completed",
        duration=1.0,
        error_type="",
        traceparent="",
        entries=entries,
    )


class Planned:
    """A worker's parent that knows what is planned."""

    def __init__(self, **entries: PlanEntry) -> None:
        self.entries = entries

    async def ask(self, question: Question) -> Answer:
        assert isinstance(question, FetchPlan)
        return FetchedPlan(plan_of(question.run_id, **self.entries))


async def test_what_was_planned_is_done_whatever_the_rates_are_by_now() -> None:
    (hook,) = hooks("pii", enable("refusal", sample_rate=0.000001)).values()
    entries = {
        "refusal": PlanEntry("pending", 0.5, "offpath.evaluate"),
        "pii": PlanEntry("sampled_out", 0.1),
        "gone": PlanEntry("pending", 0.2, "offpath.evaluate"),
        "judged": PlanEntry("pending", 1.0, "offpath.evaluate.judged"),
    }
    with answered_by(Planned(**entries)):
        rows = await evaluated(hook)
    assert {name: (row.state, row.reason, row.probability) for name, row in rows.items()} == {
        "refusal": ("scored", None, 0.5),
        "gone": ("failed", "unknown_evaluator", 0.2),
    }


class Purse:
    """A worker's parent with so much money, in nano-USD."""

    def __init__(self, nano: int) -> None:
        self.nano = nano
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        if isinstance(question, FetchPlan):
            entry = PlanEntry("pending", hook="offpath.evaluate.helpfulness")
            return FetchedPlan(plan_of(question.run_id, helpfulness=entry))
        self.asked.append(question)
        if isinstance(question, Reserve):
            if question.amount > self.nano:
                return Reserved(None)
            self.nano -= question.amount
            return Reserved("2026-11-20")
        return Settled()


BUDGET: dict[str, Any] = {"judge_budget_usd": 1.0, "judge_prices": '{"judge-1": [1, 1], "offline:judge-1": [1, 1]}'}


async def test_a_judge_within_its_budget(model: OfflineModel) -> None:
    (hook,) = hooks("helpfulness", model=model, **BUDGET).values()
    purse = Purse(10**9)
    with answered_by(purse):
        row = (await evaluated(hook))["helpfulness"]
    assert row.state == "scored"
    assert row.cost is not None
    assert row.cost > 0
    assert isinstance(purse.asked[0], Reserve)


async def test_a_budget_that_is_used_up_is_a_state_of_its_own(model: OfflineModel) -> None:
    (hook,) = hooks("helpfulness", model=model, **BUDGET).values()
    with answered_by(Purse(0)):
        row = (await evaluated(hook))["helpfulness"]
    assert (row.state, row.reason) == ("budget", "budget")
    assert len(model.requests) == 0


async def test_a_budget_that_cannot_be_asked_makes_the_job_wait(model: OfflineModel) -> None:
    class Down:
        async def ask(self, question: Question) -> Answer:
            raise StorageError("the database is away")

    (hook,) = hooks("helpfulness", model=model, **BUDGET).values()
    with answered_by(Down()), pytest.raises(Retry):
        await evaluated(hook)


# Conversations.


class Talk:
    """A worker's parent that has a conversation."""

    def __init__(self, records: list[RunRecord]) -> None:
        self.records = records
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        if isinstance(question, FetchPlan):
            return FetchedPlan(plan_of(question.run_id, not_empty=PlanEntry("pending", hook="offpath.evaluate")))
        self.asked.append(question)
        assert isinstance(question, FetchSession)
        return FetchedSession([encode_record(record) for record in self.records])


def turn(number: int) -> RunRecord:
    output = run_output(f"answer {number}", run_id=f"r{number}", session_id="s1", created_at=float(number))
    return RunRecord(
        RunInput(f"question {number}"), output, RunContext(output.run_id, "s1"), Session("s1", "agent", "test-agent")
    )


@evaluator("talk")
def talk(context: EvaluationContext) -> float:
    """How many of four answers there are."""
    assert context.id == "s1"
    assert context.input == "question 1"
    return len([each for each in context.messages or () if each["role"] == "assistant"]) / 4


async def test_a_conversation_is_evaluated_as_a_whole_up_to_the_run() -> None:
    (hook,) = hooks("not_empty", enable(talk, scope="session", sample_rate=0.5)).values()
    # Meanwhile a fourth run has come: it belongs to the next time.
    parent = Talk([turn(1), turn(2), turn(3), turn(4)])
    with answered_by(parent):
        rows = await called(hook, turn(3).output, occasion="talk.0123abcd")
        assert await called(hook, turn(3).output) != {}
    assert (rows["talk"].value, rows["talk"].probability, rows["talk"].run_id) == (0.75, 0.5, "r3")
    assert [type(question) for question in parent.asked] == [FetchSession]


# Spans and events.


@pytest.fixture
def collected() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use_providers(provider, None)
    yield exporter
    tracing.use_providers(None, None)


async def test_spans_and_events(collected: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(spans, "evaluation_result", lambda name, **fields: events.append((name, fields)))
    (hook,) = hooks("pii", "tool_error_rate", broken, blocking).values()
    with tracing.hook_span("offpath.evaluate", "id", "evaluation", run_id="r1", job_key="k", attempt=1, traceparent=""):
        await evaluated(hook, run_output("bob@example.com", run_id="r1", response_id="resp-1"))
    found: dict[str, ReadableSpan] = {span.name: span for span in collected.get_finished_spans()}
    assert {"evaluate pii", "evaluate tool_error_rate", "evaluate broken", "evaluate blocking"} < set(found)
    hook_span = found["hook offpath.evaluate"]
    pii = found["evaluate pii"]
    assert pii.parent is not None
    assert pii.parent.span_id == hook_span.context.span_id
    assert dict(pii.attributes or {}) == {
        "gen_ai.evaluation.name": "pii",
        "gen_ai.evaluation.score.value": 0.0,
        "gen_ai.evaluation.score.label": "found",
        "gen_ai.response.id": "resp-1",
        "offpath.run.id": "r1",
    }
    assert (found["evaluate broken"].attributes or {})["error.type"] == "error"
    slow = found["evaluate blocking"]
    assert (slow.end_time or 0) - (slow.start_time or 0) > 150_000_000
    told = dict(events)
    assert set(told) == {"pii", "broken", "blocking"}
    assert (told["pii"]["score"], told["pii"]["label"], told["pii"]["response_id"]) == (0.0, "found", "resp-1")
    assert told["broken"]["error_type"] == "error"


async def test_a_result_that_is_not_final_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(spans, "evaluation_result", lambda name, **fields: events.append(name))
    (hook,) = hooks("pii", away_once).values()
    with pytest.raises(Retry):
        await evaluated(hook)
    assert events == []
