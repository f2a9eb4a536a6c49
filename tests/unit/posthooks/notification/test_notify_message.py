"""What people read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.notice import EVENTS
from offpath.posthooks.notification.message import (
    LONGEST_CONTENT,
    Content,
    Item,
    Message,
    RunLink,
    as_event,
    decode_message,
    encode_message,
    harmless,
    named,
    redacted,
    render,
    severity_of,
)
from unit.posthooks.notification.notices import TRACEPARENT


def message(event: str = "run_error", count: int = 1, **changes: Any) -> Message:
    given: dict[str, Any] = {
        "event": event,
        "count": count,
        "since": 1_700_000_000.0,
        "until": 1_700_000_000.0 if count == 1 else 1_700_000_090.0,
        "component_kind": "agent",
        "component_id": "support",
        "component_name": "Support",
        "subjects": ("ModelError",),
        "runs": (RunLink("r1", TRACEPARENT),),
    }
    return Message("d1", 1_700_000_100.0, (Item(**(given | changes)),))


def test_one_failed_run() -> None:
    shown = render(
        message(), public_url="https://agents.example.com", trace_url="https://traces.example.com/t/{trace_id}"
    )
    assert shown.title == "offpath: a run of Support failed (ModelError)"
    assert shown.body.splitlines() == [
        "Where: agent support",
        "When: 2023-11-14 22:13:20 UTC",
        "Run: https://agents.example.com/runs/r1",
        f"Trace: https://traces.example.com/t/{'ab' * 16}",
    ]


def test_many_failed_runs() -> None:
    shown = render(message(count=40, runs=(RunLink("r1"), RunLink("r2"))))
    assert shown.title == "offpath: 40 runs of Support failed (ModelError)"
    assert "When: 2023-11-14 22:13:20 to 22:14:50 UTC" in shown.body
    assert shown.body.splitlines()[-3:] == ["Run: r1", "Run: r2", "and 38 more"]


@pytest.mark.parametrize("event", [*EVENTS, "test"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("number", [None, 12.345])
def test_every_event_has_words(event: str, count: int, number: float | None) -> None:
    shown = render(message(event, count, number=number, limit=10.0))
    assert shown.title.startswith("offpath: ")
    assert shown.severity == ("info" if event == "test" else severity_of(event))
    assert "None" not in shown.title + shown.body
    assert "\n" not in shown.title


def test_summary_names_the_kinds() -> None:
    items = tuple(message(component_name=f"A{number}", count=2).items[0] for number in range(40))
    shown = render(Message("d1", 0.0, items))
    assert shown.title == "offpath: 80 notices of 40 kinds"
    assert "- 2 runs of A0 failed (ModelError)" in shown.body
    assert shown.body.endswith("- and 10 kinds more")


def test_event_for_programs() -> None:
    event = json.loads(as_event(message(number=None), public_url="https://agents.example.com"))
    assert event["type"] == "run_error"
    assert event["timestamp"] == "2023-11-14T22:15:00.000Z"
    (notice,) = event["data"]["notices"]
    assert notice["severity"] == "failure"
    assert notice["text"] == "a run of Support failed (ModelError)"
    assert notice["runs"] == [
        {"id": "r1", "url": "https://agents.example.com/runs/r1", "trace_id": "ab" * 16},
    ]
    assert "content" not in event["data"]


def test_stored_form() -> None:
    assert decode_message(encode_message(message(count=3))) == message(count=3)


def test_content_cannot_become_markup_mention_or_link() -> None:
    hostile = (
        "<!channel> @everyone <https://evil.example|click> [x](http://evil.example) www.evil.example\n# big\x00\u202e"
    )
    shown = render(message(), content=Content(hostile, "fine")).body.splitlines()
    (line,) = [line for line in shown if line.startswith("Input: ")]
    for bad in ("<", ">", "@everyone", "://", "evil.example", "\x00", "\u202e"):
        assert bad not in line
    assert shown[-1] == "Output: fine"


@given(st.text(max_size=80))
def test_harmless_is_one_line_without_what_channels_read_as_markup(text: str) -> None:
    shown = harmless(text)
    assert not {"<", ">", "\n", "\r", "\x00", "\u202e", "\u2028"} & set(shown)
    assert "//" not in shown
    assert all(shown[index + 1] == "\N{WORD JOINER}" for index, char in enumerate(shown) if char == "@")


def test_names_are_cut_and_on_one_line() -> None:
    assert named("a\nb\tc") == "a b c"
    assert len(named("x" * 500)) < 130


def test_redaction_comes_before_cutting() -> None:
    secret = "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z" * 2
    text = "x " * (LONGEST_CONTENT // 2 - 5) + secret
    assert "sk-proj" not in redacted(text)
    assert "jane@example.com" not in redacted("write to jane@example.com")
    assert len(redacted("word " * 1_000)) < LONGEST_CONTENT + 10


def test_a_secret_that_is_cut_at_the_end_is_not_shown() -> None:
    secret = "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z" * 2
    # So many secrets that the part that was looked at becomes short.
    text = " ".join([secret] * 2_000)
    assert "Ab3dEf6hIj9k" not in redacted(text)
