"""Runs and sessions in the shape that AgentOS's clients read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from offpath.api.link import hooks_url
from offpath.models.message import Message
from offpath.runs.context import Session
from offpath.runs.input import RunInput
from offpath.runs.output import RunMetrics, RunOutput, ToolExecution
from offpath.runs.record import RunRecord
from offpath.runs.status import RunStatus

_PREVIEW_LENGTH: Final = 200
STATUS: Final[Mapping[RunStatus, str]] = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.COMPLETED: "COMPLETED",
    RunStatus.ERROR: "ERROR",
    RunStatus.CANCELLED: "CANCELLED",
    # Clients know no words for these two and would refuse the run; `outcome` has ours.
    RunStatus.INTERRUPTED: "ERROR",
    RunStatus.BLOCKED: "ERROR",
}


def run_json(output: RunOutput, root: str, run_input: RunInput | None = None) -> dict[str, Any]:
    """A run as the answer to `POST .../runs` and `GET .../runs/{run_id}`. `created_at` in whole seconds.

    Args:
        root: What comes before the links in it; see `link`.
    """
    body: dict[str, Any] = {
        "run_id": output.run_id,
        f"{output.kind}_id": output.component_id,
        f"{output.kind}_name": output.component_name,
        "session_id": output.session_id,
        "user_id": output.user_id,
        "parent_run_id": output.parent_run_id,
        "content": output.content,
        "content_type": output.content_type,
        "reasoning_content": output.reasoning_content,
        "model": output.model,
        "model_provider": output.model_provider,
        "created_at": int(output.created_at),
        "status": STATUS[output.status],
        "outcome": output.status.value,
        "metadata": output.metadata,
        "metrics": workflow_metrics_json(output) if output.kind == "workflow" else metrics_json(output.metrics),
        "messages": [message_json(message) for message in released_messages(output)] or None,
        "tools": [tool_json(tool) for tool in output.tools] if output.tools and released(output) else None,
        "input": _input_json(output, run_input),
        "context": output.context or None,
        "error": output.error,
        "child_run_ids": output.children or None,
        "hooks_url": hooks_url(root, output.run_id),
    }
    if output.response_id is not None:
        body["model_provider_data"] = {"id": output.response_id}
    if output.kind == "workflow":
        body["step_results"] = [step_json(step) for step in output.step_results]
    return {name: value for name, value in body.items() if value is not None}


def session_run_json(record: RunRecord, root: str) -> dict[str, Any]:
    """A run as `GET /sessions/{id}/runs` lists it: `created_at` as a date, the input as text."""
    output = record.output
    body = run_json(output, root)
    body["created_at"] = timestamp(output.created_at)
    body["run_input"] = record.input.input_content_string()
    body["run_response_format"] = "text" if output.content_type == "str" else "json"
    if isinstance(output.content, list):
        # The schema that clients parse this with knows text and objects only.
        body["content"] = output.get_content_as_string()
    return body


def run_preview_json(record: RunRecord) -> dict[str, Any]:
    """A run in short: the beginnings of what was asked and answered."""
    output = record.output
    body = {
        "run_id": output.run_id,
        "parent_run_id": output.parent_run_id,
        f"{output.kind}_id": output.component_id,
        "user_id": output.user_id,
        "status": STATUS[output.status],
        "run_input": record.input.input_content_string()[:_PREVIEW_LENGTH],
        "content_preview": output.get_content_as_string()[:_PREVIEW_LENGTH],
        "created_at": timestamp(output.created_at),
    }
    return {name: value for name, value in body.items() if value is not None}


def metrics_json(metrics: RunMetrics) -> dict[str, Any]:
    """Flat, without zeros, as clients expect them. Times in seconds."""
    usage = metrics.usage
    values = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cache_read_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "time_to_first_token": metrics.time_to_first_token,
        "duration": metrics.duration,
        "model_calls": metrics.model_calls,
    }
    return {name: value for name, value in values.items() if value}


def workflow_metrics_json(output: RunOutput) -> dict[str, Any]:
    """A workflow's metrics: clients insist on `steps`, each with these three names."""
    steps = {
        step["name"]: {"step_name": step["name"], "executor_type": step["kind"], "executor_name": step["name"]}
        for step in output.step_results
    }
    return {"steps": steps, **metrics_json(output.metrics)}


def released(output: RunOutput) -> bool:
    """Whether the run's answer may be shown: not if a guardrail refused it, or it failed before one could look."""
    return output.content is not None or output.status in (RunStatus.RUNNING, RunStatus.COMPLETED)


def released_messages(output: RunOutput) -> Sequence[Message]:
    """The run's messages; without the model's and its tools' if the answer was not released."""
    if released(output):
        return output.messages
    return [message for message in output.messages if message.role in ("system", "user")]


def message_json(message: Message) -> dict[str, Any]:
    """A message in OpenAI's shape."""
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        body["name"] = message.name
    return body


def tool_json(tool: ToolExecution) -> dict[str, Any]:
    """A tool's execution; a failed one has its error as its result, as the model saw it."""
    body: dict[str, Any] = {
        "tool_call_id": tool.tool_call_id,
        "tool_name": tool.tool_name,
        "tool_args": tool.tool_args,
        "tool_call_error": tool.error is not None,
        "result": tool.result if tool.error is None else tool.error,
    }
    if tool.duration is not None:
        body["metrics"] = {"duration": tool.duration}
    if tool.retrieval:
        body["retrieval"] = True
    return body


def step_json(step: Mapping[str, Any]) -> dict[str, Any]:
    """A workflow step's result, from what `RunOutput.step_results` has of it. Values that say nothing are kept."""
    kind = step["kind"]
    return {
        "step_name": step["name"],
        "step_type": {"parallel": "Parallel", "condition": "Condition"}.get(kind, "Step"),
        "executor_type": kind if kind != "condition" else None,
        "executor_name": step["name"],
        "step_run_id": step.get("run_id"),
        "content": step.get("content"),
        "success": step.get("success", True),
        "error": step.get("error"),
        "stop": step.get("stop", False),
        "steps": [step_json(nested) for nested in step.get("steps", ())] or None,
    }


def session_json(session: Session) -> dict[str, Any]:
    """A session as `GET /sessions` lists it."""
    body: dict[str, Any] = {
        "session_id": session.session_id,
        "session_name": session_name(session),
        "session_type": session.kind,
        f"{session.kind}_id": session.component_id,
        "user_id": session.user_id,
        "session_state": session.state,
        "metadata": session.metadata,
        "created_at": timestamp(session.created_at),
        "updated_at": timestamp(session.updated_at),
    }
    return {name: value for name, value in body.items() if value is not None}


def session_detail_json(session: Session, component_name: str | None, records: Sequence[RunRecord]) -> dict[str, Any]:
    """A session with its conversation.

    Args:
        component_name: None if the service no longer serves what the session belongs to.
        records: The session's own runs, oldest first.
    """
    kind = session.kind
    body = session_json(session)
    del body["session_type"]
    data = {"name": component_name, f"{kind}_id": session.component_id}
    total = RunMetrics()
    for record in records:
        total.usage += record.output.metrics.usage
    body |= {f"{kind}_data": {name: value for name, value in data.items() if value is not None}}
    if kind == "workflow":
        body |= {"workflow_name": component_name, "session_data": {"session_state": session.state}}
    else:
        body["chat_history"] = [
            message_json(message)
            for record in records
            for message in released_messages(record.output)
            if message.role in ("user", "assistant")
        ]
        body |= {"metrics": metrics_json(total), "total_tokens": total.usage.total_tokens}
    if kind == "agent":
        body["agent_session_id"] = session.session_id
    return {name: value for name, value in body.items() if value is not None}


def session_name(session: Session) -> str:
    """Its name, which is its first message until a person gives it another; else its id."""
    return session.name or session.session_id


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as a date in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _input_json(output: RunOutput, run_input: RunInput | None) -> Any:
    if run_input is None:
        return None
    if output.kind == "workflow":
        return run_input.input_content
    body: dict[str, Any] = {"input_content": run_input.input_content}
    if run_input.files:
        # Files are named, not sent back.
        body["file_names"] = [file.name for file in run_input.files]
    return body
