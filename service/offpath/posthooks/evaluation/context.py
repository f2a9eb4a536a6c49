"""From a run's record to what evaluators see of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec

from offpath.models.message import Message
from offpath.runs.output import RunOutput, ToolExecution
from offpath.runs.record import RunRecord
from offpath.runs.status import RunStatus
from offpath_evaluators.context import EvaluationContext

T = TypeVar("T")
Json = Mapping[str, Any]

_FAULTS = (RunStatus.ERROR, RunStatus.INTERRUPTED)


def run_context(record: RunRecord, tools: Sequence[Json] | None = None) -> EvaluationContext:
    """A run as evaluators see it. Never raises: what cannot be read is left out.

    The right answer may come with the run, in its metadata: `reference` or `expected`, a text or several, and
    `expected_tool_calls`.

    Args:
        tools: Those that were offered to the model: OpenAI's form, or name, description and parameters.
    """
    output = record.output
    given = _mapping(record.context.metadata) or _mapping(output.metadata)
    return EvaluationContext(
        id=output.run_id,
        input=_input(record),
        output=_output(output),
        context=_passages([output]),
        reference=_reference(given),
        messages=_messages([output]),
        tools=tools or None,
        tool_calls=_tool_calls([output]),
        expected_tool_calls=_calls(given.get("expected_tool_calls")),
        usage=_usage([output]),
        metadata=_metadata(output, given),
    )


def session_context(
    session_id: str, records: Sequence[RunRecord], tools: Sequence[Json] | None = None
) -> EvaluationContext:
    """A conversation as evaluators see it: the input of its first run, all its answers as the output, all its messages.

    Args:
        records: Its runs, oldest first, at least one.
    """
    first, last = records[0], records[-1]
    outputs = [record.output for record in records]
    given = _mapping(last.context.metadata) or _mapping(last.output.metadata)
    metadata = _metadata(last.output, given)
    return EvaluationContext(
        id=session_id,
        input=_input(first),
        output=_answers(outputs),
        context=_passages(outputs),
        reference=_reference(given),
        messages=_messages(outputs),
        tools=tools or None,
        tool_calls=_tool_calls(outputs),
        expected_tool_calls=_calls(given.get("expected_tool_calls")),
        usage=_usage(outputs),
        metadata={**metadata, "runs": len(records)},
    )


def _answers(outputs: Sequence[RunOutput]) -> str | None:
    """All that was answered, in order: what must not be said at the end must not be said in the middle either."""
    found = [text for output in outputs if (text := _output(output)) is not None]
    return "\n\n".join(found) if found else None


def input_text(content: Any) -> str:
    """The input as text: the texts among content parts, else JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
        if texts:
            return "\n".join(texts)
    return _json(content)


def _input(record: RunRecord) -> str | None:
    text = _try(lambda: input_text(record.input.input_content), "")
    return None if not text and _without_content(record.output) else text


def _output(output: RunOutput) -> str | None:
    if output.content is None:
        # A completed run that says nothing has answered with nothing; any other one has not answered.
        return "" if output.status == RunStatus.COMPLETED and not _without_content(output) else None
    if isinstance(output.content, str):
        return output.content
    return _try(output.get_content_as_string, "") or _json(output.content)


def _without_content(output: RunOutput) -> bool:
    """Whether the content was removed before this record was read: it is not known then, and not empty."""
    return output.content is None and not output.messages


def _passages(outputs: Iterable[RunOutput]) -> tuple[str, ...] | None:
    found = (item.content for output in outputs for item in output.context if item.content)
    return tuple(dict.fromkeys(found)) or None


def _reference(given: Json) -> str | tuple[str, ...] | None:
    for name in ("reference", "expected"):
        value = given.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return tuple(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return None


def _messages(outputs: Sequence[RunOutput]) -> tuple[Json, ...] | None:
    found: list[Json] = []
    for output in outputs:
        for message in output.messages:
            if found and message.role == "system" and output is not outputs[0]:
                continue  # the instructions stand at the beginning, and not before every turn
            found.append(_message(message))
    return tuple(found) or None


def _message(message: Message) -> Json:
    shown: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        shown["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        shown["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        shown["name"] = message.name
    return shown


def _tool_calls(outputs: Sequence[RunOutput]) -> tuple[Json, ...] | None:
    if all(_without_content(output) for output in outputs):
        return None  # arguments and results are gone
    written = {
        call.id: call.arguments
        for output in outputs
        for message in output.messages
        for call in message.tool_calls or ()
    }
    executions = chain.from_iterable(output.tools for output in outputs)
    return tuple(_tool_call(execution, written.get(execution.tool_call_id)) for execution in executions)


def _tool_call(execution: ToolExecution, written: str | None) -> Json:
    call: dict[str, Any] = {
        "id": execution.tool_call_id,
        "name": execution.tool_name,
        # The model's own words where they are no object, which the record shows as an empty one.
        "arguments": execution.tool_args or written or {},
        "result": execution.result,
        "error": execution.error,
        "duration": execution.duration,
    }
    return {name: value for name, value in call.items() if value is not None}


def _calls(value: Any) -> tuple[Json, ...] | None:
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    return tuple(value)


def _usage(outputs: Sequence[RunOutput]) -> Json:
    """Sums of several runs; the time to the first token is the longest of them."""
    usages = [output.metrics.usage for output in outputs]
    durations = [output.metrics.duration for output in outputs if output.metrics.duration is not None]
    waits = [output.metrics.time_to_first_token for output in outputs]
    models = [output.model for output in outputs if output.model]
    shown: dict[str, Any] = {
        "input_tokens": sum(usage.input_tokens for usage in usages),
        "output_tokens": sum(usage.output_tokens for usage in usages),
        "cached_tokens": sum(usage.cached_tokens for usage in usages),
        "reasoning_tokens": sum(usage.reasoning_tokens for usage in usages),
        "model_calls": sum(output.metrics.model_calls for output in outputs),
        "duration": sum(durations) if durations else None,
        "time_to_first_token": max((wait for wait in waits if wait is not None), default=None),
        "model": models[-1] if models else None,
    }
    if not shown["model_calls"] and not any(usage.input_tokens or usage.output_tokens for usage in usages):
        # Nothing was asked of a model: that is no count of 0, but nothing to measure.
        for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"):
            shown[name] = None
    return {name: value for name, value in shown.items() if value is not None}


def _metadata(output: RunOutput, given: Json) -> Json:
    error = output.error.type if output.error is not None and output.status in _FAULTS else None
    return {
        **given,
        "status": str.__str__(output.status),
        "error": error,
        "session_id": output.session_id,
        "component": f"{output.kind}:{output.component_id}",
        "user_id": output.user_id,
    }


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _json(value: Any) -> str:
    """JSON, or as near to it as can be had."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (TypeError, ValueError, RecursionError):
        return _try(lambda: json.dumps(value, default=str), repr(type(value)))


def _try(make: Callable[[], T], otherwise: T) -> T:
    try:
        return make()
    except (TypeError, ValueError, RecursionError):
        return otherwise
