"""The request that arms get, and the places that requests go to."""

from __future__ import annotations

import json

import pytest

from offpath.errors import ConfigurationError
from offpath.proof.run_request import Place, first_component, run_path, run_request
from offpath.proof.target import AppTarget, Call, DemoTarget, UrlTarget, hints


@pytest.mark.parametrize(
    ("component", "path"),
    [
        ("support", "/agents/support/runs"),
        ("agent:support", "/agents/support/runs"),
        ("team:desk", "/teams/desk/runs"),
        ("workflow:review", "/workflows/review/runs"),
    ],
)
def test_a_component_has_a_path(component: str, path: str) -> None:
    assert run_path(component) == path


@pytest.mark.parametrize("component", ["crew:desk", "team:", ":desk"])
def test_other_components_are_refused(component: str) -> None:
    with pytest.raises(ConfigurationError, match="write the id of an agent, team:ID or workflow:ID"):
        run_path(component)


def test_the_first_component_is_called_by_itself() -> None:
    assert first_component([("team", "desk"), ("workflow", "review")]) == "team:desk"


def test_a_message_is_sent_as_a_form_with_headers_and_host() -> None:
    call = Call(message="Grüß Gott", headers=(("Authorization", "Bearer one"), ("X-Tenant", "blue")))
    request = run_request("/agents/a/runs", call, {"X-Tenant": "red"}, host="agents.example.com:8080")
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /agents/a/runs HTTP/1.1"
    assert [line for line in lines if line.startswith("Host:")] == ["Host: agents.example.com:8080"]
    assert "Authorization: Bearer one" in lines
    assert [line for line in lines if line.startswith("X-Tenant:")] == ["X-Tenant: blue"]
    assert f"Content-Length: {len(body)}" in lines
    assert "Grüß Gott" in body.decode()
    assert 'name="stream"\r\n\r\nfalse' in body.decode()


def test_a_body_is_sent_as_json() -> None:
    request = run_request("/chat", Call(body='{"message": "hi",  "stream": false}'))
    head, _, body = request.partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    assert json.loads(body) == {"message": "hi", "stream": False}


def test_what_cannot_be_sent_is_refused_and_keys_are_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="the body is no JSON"):
        run_request("/chat", Call(body="{"))
    for name, value in (("X-Key", "secret\r\nX: y"), ("X\r\nY", "secret"), ("", "secret"), ("X:Y", "secret")):
        with pytest.raises(ConfigurationError, match="cannot be sent") as raised:
            run_request("/chat", Call(headers=((name, value),)))
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "component", "address", "path", "prefix"),
    [
        ("http://127.0.0.1:7777", "support", ("127.0.0.1", 7777), "/agents/support/runs", ""),
        ("http://agents.example.com/ai/", "team:desk", ("agents.example.com", 80), "/ai/teams/desk/runs", "/ai"),
        ("http://localhost:1/ai/agents/a/runs", "", ("localhost", 1), "/ai/agents/a/runs", "/ai"),
        ("http://localhost:1/chat", "", ("localhost", 1), "/chat", None),
        ("http://localhost:1", "", ("localhost", 1), "/", None),
        ("http://[::1]:1/chat", "", ("::1", 1), "/chat", None),
    ],
)
def test_a_url_is_a_place(url: str, component: str, address: tuple[str, int], path: str, prefix: str | None) -> None:
    place = Place(url, component)
    assert (place.address, place.path, place.prefix) == (address, path, prefix)


@pytest.mark.parametrize(
    "url", ["https://example.com", "example.com", "http://", "http://me:secret@example.com", "http://a/?key=secret"]
)
def test_a_url_that_cannot_be_measured_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        UrlTarget(off="http://127.0.0.1:7777", on=url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("on", ["http://a", "http://A:80/", "http://a/"])
def test_one_service_is_not_compared_with_itself(on: str) -> None:
    with pytest.raises(ConfigurationError, match="both"):
        UrlTarget(off="http://a", on=on)
    UrlTarget(off="http://a", on="http://a:81")


def test_targets_show_neither_keys_nor_passwords() -> None:
    call = Call(headers=(("Authorization", "Bearer secret"),))
    targets = (
        DemoTarget(call=call),
        AppTarget(target="a:app", call=call, database_url="postgresql://me:secret@host/db"),
        UrlTarget(off="http://a", on="http://b", call=call),
    )
    for target in targets:
        assert "secret" not in repr(target)
        assert "secret" not in str(target)
        assert not any("secret" in hint for hint in hints(target))


def test_hints_say_what_costs_money() -> None:
    assert hints(DemoTarget()) == []
    assert any("nothing is paid" in hint for hint in hints(AppTarget(target="a:app")))
    assert any("costs" in hint for hint in hints(AppTarget(target="a:app", real_model=True)))
    assert any("leave them there" in hint for hint in hints(AppTarget(target="a:app", database_url="sqlite:///x.db")))
    assert any("paid for" in hint for hint in hints(UrlTarget(off="http://a", on="http://b")))
