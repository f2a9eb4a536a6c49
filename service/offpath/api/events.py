"""Events of a run as AgentOS's clients know them, and their frames in a stream of server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from offpath.api import wire
from offpath.api.link import hooks_url
from offpath.errors import OffpathError
from offpath.runs.event import EventKind, RunEvent
from offpath.runs.output import RunFailure, RunOutput
from offpath.runs.status import ComponentKind, RunStatus

logger = logging.getLogger("offpath.api")

_AGENT_NAMES: Final = {
    EventKind.STARTED: "RunStarted",
    EventKind.CONTENT: "RunContent",
    EventKind.REASONING: "ReasoningContentDelta",
    EventKind.CONTENT_COMPLETED: "RunContentCompleted",
    EventKind.TOOL_STARTED: "ToolCallStarted",
    EventKind.TOOL_COMPLETED: "ToolCallCompleted",
    EventKind.TOOL_ERROR: "ToolCallError",
    EventKind.COMPLETED: "RunCompleted",
    EventKind.ERROR: "RunError",
    EventKind.CANCELLED: "RunCancelled",
}
_WORKFLOW_NAMES: Final = {
    EventKind.STARTED: "WorkflowStarted",
    EventKind.STEP_STARTED: "StepStarted",
    EventKind.STEP_COMPLETED: "StepCompleted",
    EventKind.STEP_ERROR: "StepError",
    EventKind.PARALLEL_STARTED: "ParallelExecutionStarted",
    EventKind.PARALLEL_COMPLETED: "ParallelExecutionCompleted",
    EventKind.CONDITION_STARTED: "ConditionExecutionStarted",
    EventKind.CONDITION_COMPLETED: "ConditionExecutionCompleted",
    EventKind.COMPLETED: "WorkflowCompleted",
    EventKind.ERROR: "WorkflowError",
    EventKind.CANCELLED: "WorkflowCancelled",
}
NAMES: Final[dict[ComponentKind, dict[EventKind, str]]] = {
    "agent": _AGENT_NAMES,
    "team": {kind: f"Team{name}" for kind, name in _AGENT_NAMES.items()},
    # What a workflow says itself has no event of its own: its steps' agents say it, and WorkflowCompleted repeats it.
    "workflow": _WORKFLOW_NAMES,
}
_FLAT: Final = frozenset(
    {
        EventKind.PARALLEL_STARTED,
        EventKind.PARALLEL_COMPLETED,
        EventKind.CONDITION_STARTED,
        EventKind.CONDITION_COMPLETED,
    }
)
KEEP_ALIVE: Final = b": keep-alive\n\n"


def _lenient(value: Any) -> Any:
    """An event is for reading along: what is no JSON is shown as text, and never breaks the stream."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)


_encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder(enc_hook=_lenient).encode


def event_frame(event: RunEvent, root: str) -> bytes | None:
    """The event's frame, or None if clients know no such event.

    Args:
        root: What comes before the links in it; see `link`.
    """
    name = NAMES[event.kind].get(event.event)
    if name is None:
        return None
    try:
        return frame(name, _payload(event, name, root))
    except (TypeError, ValueError, RecursionError, OverflowError):
        logger.warning("event %s of run %s cannot be sent as JSON; sent without its content", name, event.run_id)
        return frame(name, _base(event, name))


def frame(name: str, payload: dict[str, Any]) -> bytes:
    """`event:` and `data:` lines; the data is one line of ASCII, since some clients split lines at U+2028 too."""
    data = _encode(payload)
    if not data.isascii():
        data = json.dumps(msgspec.json.decode(data), ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return b"event: %b\ndata: %b\n\n" % (name.encode("ascii"), data)


def error_frame(error: BaseException, first: RunEvent, root: str) -> bytes:
    """The last frame of a stream whose run could not be stored, after its first frames were sent."""
    if isinstance(error, OffpathError):
        failure = RunFailure(type(error).__name__, error.reason, str(error), error.status, error.details())
    else:
        failure = RunFailure(
            type(error).__name__, "internal_error", "the run failed unexpectedly; the service's log has the details"
        )
    event = msgspec.structs.replace(first, event=EventKind.ERROR, error=failure, model=None, model_provider=None)
    return event_frame(event, root) or b""


def replay_frames(output: RunOutput, root: str) -> Iterator[bytes]:
    """A stored run as a short stream: that it started, its answer, and how it ended."""
    ends = {RunStatus.COMPLETED: EventKind.COMPLETED, RunStatus.CANCELLED: EventKind.CANCELLED}
    end = ends.get(output.status, EventKind.ERROR)
    for kind in (EventKind.STARTED, EventKind.CONTENT, end):
        if kind is EventKind.CONTENT and output.content is None:
            continue
        event = RunEvent(
            event=kind,
            kind=output.kind,
            component_id=output.component_id,
            component_name=output.component_name,
            run_id=output.run_id,
            session_id=output.session_id,
            parent_run_id=output.parent_run_id,
            created_at=output.created_at,
            content=None if kind is EventKind.STARTED else output.content,
            output=output if kind is end else None,
            error=output.error if kind is end else None,
        )
        yield event_frame(event, root) or b""


def _base(event: RunEvent, name: str) -> dict[str, Any]:
    kind = event.kind
    payload: dict[str, Any] = {
        "created_at": int(event.created_at),
        "event": name,
        f"{kind}_id": event.component_id,
        f"{kind}_name": event.component_name,
        "run_id": event.run_id,
        "session_id": event.session_id,
    }
    if event.parent_run_id is not None:
        payload["parent_run_id"] = event.parent_run_id
    return payload


def _payload(event: RunEvent, name: str, root: str) -> dict[str, Any]:
    payload = _base(event, name)
    kind = event.event
    if kind is EventKind.CONTENT:
        payload["content"] = event.content
        payload["content_type"] = "str"
        return payload
    if kind is EventKind.REASONING:
        payload["reasoning_content"] = event.content
        return payload
    values = {
        "model": event.model,
        "model_provider": event.model_provider,
        "step_name": event.step_name,
        "step_index": event.step_index,
        "content": event.content,
        "tool": wire.tool_json(event.tool) if event.tool is not None else None,
    }
    payload.update((key, value) for key, value in values.items() if value is not None)
    if kind in _FLAT and isinstance(event.content, dict):
        # What a Parallel or Condition says of itself are fields of its own, not content.
        del payload["content"]
        payload.update(event.content)
    if kind is EventKind.TOOL_ERROR and event.tool is not None:
        payload["error"] = event.tool.error
    if kind in (EventKind.COMPLETED, EventKind.CANCELLED):
        _add_output(payload, event, root)
    elif kind is EventKind.ERROR or event.error is not None:
        _add_failure(payload, event, root)
    if kind is EventKind.CANCELLED:
        payload["reason"] = f"run {event.run_id} was cancelled"
    return payload


def _add_output(payload: dict[str, Any], event: RunEvent, root: str) -> None:
    output = event.output
    if output is None:
        return
    payload["content"] = output.content
    payload["content_type"] = output.content_type
    if output.content is None:
        del payload["content"]
    if output.reasoning_content:
        payload["reasoning_content"] = output.reasoning_content
    if output.metadata:
        payload["metadata"] = output.metadata
    payload["hooks_url"] = hooks_url(root, output.run_id)
    if event.kind == "workflow":
        payload["metrics"] = wire.workflow_metrics_json(output)
        payload["step_results"] = [wire.step_json(step) for step in output.step_results]
    else:
        payload["metrics"] = wire.metrics_json(output.metrics)


def _add_failure(payload: dict[str, Any], event: RunEvent, root: str) -> None:
    failure = event.error or RunFailure("RunError", "run_failed", "the run failed")
    details = failure.details
    # A workflow's events have `error` where the others have `content`; neither carries what was refused.
    payload.pop("content", None)
    payload["error" if event.kind == "workflow" else "content"] = failure.message
    payload["error_type"] = _snake(failure.type)
    payload["error_id"] = details.get("check_trigger") or failure.reason
    payload["reason"] = failure.reason
    payload["status_code"] = failure.status_code
    if details:
        payload |= {key: value for key, value in details.items() if key not in payload}
    payload["hooks_url"] = hooks_url(root, event.run_id)


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() and index else char.lower() for index, char in enumerate(name))
