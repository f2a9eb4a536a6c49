"""What evaluators see of a run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from offpath.models.message import Message, ToolCall, Usage
from offpath.posthooks.evaluation.context import run_context, session_context
from offpath.runs.content import without_content
from offpath.runs.context import RunContext, Session
from offpath.runs.input import RunInput
from offpath.runs.output import RunFailure, RunMetrics, RunOutput, ToolExecution
from offpath.runs.record import RunRecord, decode_record, encode_record
from offpath.runs.status import RunStatus
from offpath.testing import run_output


class Reply(BaseModel):
    text: str


def record(output: RunOutput, given: Any = "Where is it?", metadata: dict[str, Any] | None = None) -> RunRecord:
    return RunRecord(
        RunInput(given),
        output,
        RunContext(output.run_id, output.session_id, metadata=metadata or {}),
        Session(output.session_id, "agent", output.component_id),
    )


def test_a_run_with_all_its_parts() -> None:
    output = run_output(
        "It is here.",
        run_id="r1",
        session_id="s1",
        user_id="ada",
        model="gpt-x",
        context=["Page 1", "Page 2", "Page 1"],
        messages=[
            Message("user", "Where is it?"),
            Message("assistant", None, [ToolCall("c1", "find", '{"what": "it"}'), ToolCall("c2", "find", "{oops")]),
            Message("tool", "here", tool_call_id="c1"),
            Message("assistant", "It is here."),
        ],
        tools=[
            ToolExecution("c1", "find", {"what": "it"}, result="here", duration=0.5),
            ToolExecution("c2", "find", error="The arguments do not fit"),
        ],
        metrics=RunMetrics(Usage(10, 5, 15, 4, 2), duration=1.5, time_to_first_token=0.25, model_calls=2),
    )
    found = run_context(record(output, metadata={"reference": ["here", "there"], "shop": "A"}), [{"name": "find"}])
    assert (found.id, found.input, found.output) == ("r1", "Where is it?", "It is here.")
    assert found.context == ("Page 1", "Page 2")
    assert found.reference == ("here", "there")
    assert found.tools == [{"name": "find"}]
    assert found.messages is not None
    assert found.messages[1]["tool_calls"][0] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "find", "arguments": '{"what": "it"}'},
    }
    assert found.messages[2] == {"role": "tool", "content": "here", "tool_call_id": "c1"}
    assert found.tool_calls == (
        {"id": "c1", "name": "find", "arguments": {"what": "it"}, "result": "here", "duration": 0.5},
        {"id": "c2", "name": "find", "arguments": "{oops", "error": "The arguments do not fit"},
    )
    assert found.usage == {
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": 4,
        "reasoning_tokens": 2,
        "model_calls": 2,
        "duration": 1.5,
        "time_to_first_token": 0.25,
        "model": "gpt-x",
    }
    assert found.metadata == {
        "reference": ["here", "there"],
        "shop": "A",
        "status": "completed",
        "error": None,
        "session_id": "s1",
        "component": "agent:test-agent",
        "user_id": "ada",
    }


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("hello", "hello"),
        ([{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "image_url"}], '[{"type":"image_url"}]'),
        ({"topic": "x"}, '{"topic":"x"}'),
        (None, "null"),
    ],
)
def test_input_as_text(given: Any, text: str) -> None:
    assert run_context(record(run_output(), given)).input == text


def test_structured_output_is_its_json() -> None:
    assert run_context(record(run_output(Reply(text="hi")))).output == '{"text":"hi"}'


def test_no_answer_is_not_an_empty_answer() -> None:
    assert run_context(record(run_output(None))).output == ""
    failed = run_output(None, status=RunStatus.ERROR, error=RunFailure("ModelError", "model_failed", "secret words"))
    found = run_context(record(failed))
    assert found.output is None
    assert found.metadata is not None
    assert (found.metadata["status"], found.metadata["error"]) == ("error", "ModelError")


def test_a_cancelled_run_has_no_error() -> None:
    output = run_output("half", status=RunStatus.CANCELLED, error=RunFailure("Cancelled", "cancelled", ""))
    found = run_context(record(output, metadata={"error": "the caller's own"}))
    assert found.metadata is not None
    assert found.metadata["error"] is None


def test_removed_content_is_unknown_and_not_empty() -> None:
    output = run_output(context=["Page 1"], tools=[ToolExecution("c1", "find", {"what": "it"}, result="here")])
    found = run_context(without_content(record(output)))
    assert found.id == output.run_id
    assert (found.input, found.output, found.messages) == (None, None, None)
    assert (found.context, found.tool_calls) == (None, None)
    assert found.usage is not None
    assert found.usage["input_tokens"] == 12


def test_a_run_without_a_model_has_no_tokens() -> None:
    output = run_output("done", model=None, metrics=RunMetrics(duration=1.0))
    assert run_context(record(output)).usage == {"model_calls": 0, "duration": 1.0}


@pytest.mark.parametrize("value", [None, {}, [], [1, "a"], True, {"a": 1}])
def test_an_odd_reference_is_none(value: Any) -> None:
    found = run_context(record(run_output(), metadata={"reference": value, "expected_tool_calls": value}))
    assert found.reference is None
    assert not found.expected_tool_calls


def test_a_number_may_be_the_right_answer() -> None:
    assert run_context(record(run_output(), metadata={"expected": 42})).reference == "42"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(given=json_values, content=json_values, metadata=st.dictionaries(st.text(), json_values, max_size=3))
def test_odd_records_never_raise(given: Any, content: Any, metadata: dict[str, Any]) -> None:
    output = run_output("", metadata=metadata)
    output.content = content
    odd = record(output, given, metadata)
    assert isinstance(run_context(odd).input, str)
    try:
        stored = decode_record(encode_record(odd))
    except UnicodeEncodeError:  # half of a surrogate pair: no run holds it
        return
    assert run_context(stored).id == output.run_id


def test_what_json_cannot_hold_never_raises() -> None:
    output = run_output("")
    output.content = {"set": {1}, object(): 1}
    assert isinstance(run_context(record(output, object())).output, str)


def test_a_conversation() -> None:
    def turn(number: int) -> RunRecord:
        output = run_output(
            f"answer {number}",
            session_id="s1",
            messages=[
                Message("system", "Be kind."),
                Message("user", f"question {number}"),
                Message("assistant", f"answer {number}"),
            ],
            metrics=RunMetrics(Usage(10, 5, 15), duration=1.0, time_to_first_token=0.1 * number, model_calls=1),
            context=[f"page {number}"],
        )
        return record(output, f"question {number}")

    found = session_context("s1", [turn(1), turn(2), turn(3)])
    assert (found.id, found.input, found.output) == ("s1", "question 1", "answer 1\n\nanswer 2\n\nanswer 3")
    assert found.messages is not None
    assert [message["role"] for message in found.messages] == ["system", *["user", "assistant"] * 3]
    assert found.context == ("page 1", "page 2", "page 3")
    assert found.usage is not None
    assert found.usage["input_tokens"] == 30
    assert found.usage["duration"] == 3.0
    assert found.metadata is not None
    assert found.metadata["runs"] == 3
