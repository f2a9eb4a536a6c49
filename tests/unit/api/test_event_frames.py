"""Frames of server-sent events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.api.events import NAMES, event_frame, replay_frames
from offpath.runs.event import EventKind, RunEvent
from offpath.runs.output import RunFailure, RunOutput
from offpath.runs.status import ComponentKind, RunStatus


def event(kind: EventKind, component: ComponentKind = "agent", **fields: Any) -> RunEvent:
    return RunEvent(
        event=kind,
        kind=component,
        component_id="a",
        component_name="A",
        run_id="r",
        session_id="s",
        created_at=1.5,
        **fields,
    )


def decoded(frame: bytes | None) -> dict[str, Any]:
    assert frame is not None
    name, data, *rest = frame.decode("ascii").split("\n")
    assert rest == ["", ""]
    payload: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert name == f"event: {payload['event']}"
    return payload


@given(
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.dictionaries(st.text("aé\u2028", max_size=3), st.floats(allow_nan=False, allow_infinity=False))
)
def test_a_frame_is_two_lines_of_ascii_whatever_it_carries(content: Any) -> None:
    frame = event_frame(event(EventKind.CONTENT, content=content), "")
    assert decoded(frame)["content"] == content
    assert frame is not None
    # As clients split lines: at more than line feeds.
    assert len(frame.decode().splitlines()) == 3


@pytest.mark.parametrize("component", list(NAMES))
@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_has_a_name_or_is_left_out(kind: EventKind, component: ComponentKind) -> None:
    frame = event_frame(event(kind, component, content="x"), "")
    if frame is None:
        assert kind not in NAMES[component]
        return
    payload = decoded(frame)
    assert payload[f"{component}_id"] == "a"
    assert (payload["run_id"], payload["session_id"], payload["created_at"]) == ("r", "s", 1)


@pytest.mark.parametrize("content", [{(1, 2): 3}, object(), 2**100, float("nan")])
def test_what_is_no_json_does_not_break_a_stream(content: Any) -> None:
    assert decoded(event_frame(event(EventKind.CONTENT, content=content), ""))["run_id"] == "r"


def test_an_error_carries_its_reason_and_not_the_refused_content() -> None:
    failure = RunFailure(
        "OutputCheckError", "output_check_failed", "no", 422, {"check_trigger": "pii_detected", "run_id": "x"}
    )
    payload = decoded(event_frame(event(EventKind.ERROR, content="refused", error=failure), ""))
    assert (payload["content"], payload["error_id"], payload["run_id"]) == ("no", "pii_detected", "r")
    workflow = decoded(event_frame(event(EventKind.ERROR, "workflow", content="refused", error=failure), ""))
    assert workflow["error"] == "no"
    assert "refused" not in json.dumps([payload, workflow])


@pytest.mark.parametrize(
    ("status", "content", "names"),
    [
        (RunStatus.COMPLETED, "x", ["RunStarted", "RunContent", "RunCompleted"]),
        (RunStatus.CANCELLED, None, ["RunStarted", "RunCancelled"]),
        (RunStatus.INTERRUPTED, None, ["RunStarted", "RunError"]),
    ],
)
def test_a_replay_tells_how_the_run_ended(status: RunStatus, content: str | None, names: list[str]) -> None:
    output = RunOutput("r", "agent", "a", "A", "s", status=status, content=content)
    assert [decoded(frame)["event"] for frame in replay_frames(output, "")] == names
