"""What docs/how-to/notifications.md shows works as it says."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from dotenv.main import DotEnv

from offpath.ledger.notice import EVENTS
from offpath.posthooks.notification.apprise_channel import problem_of
from offpath.posthooks.notification.configuration import notifications
from offpath.posthooks.notification.message import Item, Message, RunLink, as_event
from offpath.posthooks.notification.rules import MOST_MESSAGES, NoticeRules
from offpath.posthooks.notification.webhook import signature, signing_key
from offpath.settings import Settings
from offpath.settings.settings import NOTIFIED_BY_DEFAULT
from unit.posthooks.notification.notices import TRACEPARENT

PAGE = (Path(__file__).parents[4] / "docs" / "how-to" / "notifications.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_variables_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    for block in blocks("bash"):
        for name, value in DotEnv(None, stream=StringIO(block)).dict().items():
            assert value is not None
            monkeypatch.setenv(name, value)
    found = notifications(Settings.load())
    assert found is not None
    assert [channel.name for channel in found.channels] == ["oncall", "team", "mail", "webhook"]
    for channel in found.channels[:3]:
        assert problem_of(channel.url) is None, channel.name
    oncall, team = found.channels[:2]
    assert set(oncall.on) == {"budget_exhausted", "hook_paused"}
    assert team.on["slow_run"] == 30.0
    assert found.trace_url is not None


def test_receiver_tells_right_from_wrong() -> None:
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, "notifications.md", "exec"), names)
    check = names["is_from_offpath"]
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"type":"test"}'
    now = int(time.time())
    signed = signature(signing_key(secret), "d1", now, body)
    headers = {"webhook-id": "d1", "webhook-timestamp": str(now), "webhook-signature": signed}
    assert check(headers, body, secret)
    assert not check(headers, body + b" ", secret)
    assert not check(headers | {"webhook-id": "d2"}, body, secret)
    assert not check(headers | {"webhook-timestamp": str(now - 1_000)}, body, secret)


def test_body_has_the_shape_that_is_shown() -> None:
    (shown,) = map(json.loads, blocks("json"))
    item = Item(
        "run_error", 1, 1.0, 1.0, "agent", "support", "Support", ("ModelError",), runs=(RunLink("r1", TRACEPARENT),)
    )
    made = json.loads(as_event(Message("d1", 1.0, (item,)), public_url="https://agents.example.com"))
    assert shape(made) == shape(shown)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else type(value)


def test_events_and_numbers() -> None:
    listed = re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE)
    assert tuple(listed) == EVENTS
    assert tuple(listed[:6]) == NOTIFIED_BY_DEFAULT
    assert MOST_MESSAGES == 10
    assert NoticeRules(()).interval == Settings().notify_interval == 300.0
