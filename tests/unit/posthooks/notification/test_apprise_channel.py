"""Sending through Apprise, against real receivers on loopback."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from notification_receivers import HANG, Reply, http_receiver, smtp_server
from offpath.posthooks.notification.apprise_channel import problem_of, send_with_apprise
from offpath.posthooks.notification.failure import DeliveryError
from offpath.posthooks.notification.message import Content, Rendered, render
from unit.posthooks.notification.test_notify_message import message

TOKEN = "TIiajkdnlazkcOXrIdevi7FQ"
SLACK = f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}/#general"
PLAIN = Rendered("Title", "Body", "failure")
HOSTILE = (
    "<!channel> @everyone <https://evil.example|click> [x](http://evil.example) <a href='http://evil.example'>y</a>"
)


def failing(url: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send_with_apprise(url, PLAIN)
    return caught.value


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends Slack's webhooks elsewhere."""
    from apprise.plugins.slack import NotifySlack

    def to(address: str) -> None:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{address}/services")

    return to


def test_message_arrives() -> None:
    with http_receiver() as receiver:
        send_with_apprise(f"json://{receiver.address}/in", PLAIN)
    (got,) = receiver.received
    assert (got.json["title"], got.json["message"], got.json["type"]) == ("Title", "Body", "failure")


def test_rate_limit_says_when_to_come_back() -> None:
    with http_receiver(Reply(429, headers={"Retry-After": "23"})) as receiver:
        error = failing(f"json://{receiver.address}/hunter2-token")
    assert (error.status_code, error.retry_after) == (429, 23.0)
    assert str(error) == "json answered 429"


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_refusals(status: int) -> None:
    with http_receiver(Reply(status, b"secret reason")) as receiver:
        error = failing(f"json://{receiver.address}/x")
    assert str(error) == f"json answered {status}"


def test_redirects_are_not_followed() -> None:
    with http_receiver() as other:
        with http_receiver(Reply(307, headers={"Location": f"http://{other.address}/"})) as receiver:
            assert "a redirect" in str(failing(f"json://{receiver.address}/x"))
        assert other.received == []


def test_silence_and_refused_connections() -> None:
    with http_receiver(Reply(HANG)) as receiver:
        assert "did not answer in time" in str(failing(f"json://{receiver.address}/x?rto=0.2"))
    assert "cannot be reached" in str(failing("json://127.0.0.1:9/x"))


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"invalid_token", "no success"),
        (b'{"ok": false, "error": "channel_not_found"}', "channel_not_found"),
    ],
)
def test_slack_that_answers_200_with_an_error(slack: Any, body: bytes, word: str) -> None:
    with http_receiver(Reply(200, body)) as receiver:
        slack(receiver.address)
        error = failing(SLACK)
    assert word in str(error)
    assert TOKEN not in str(error)


def test_200_with_an_error_counts_as_failure_for_other_services_too() -> None:
    with http_receiver(Reply(200, b'{"ok": false, "error": "<script>"}')) as receiver:
        error = failing(f"json://{receiver.address}/x")
    assert "that it does not name" in str(error)
    with http_receiver(Reply(200, b'{"ok": true}')) as receiver:
        send_with_apprise(f"json://{receiver.address}/x", PLAIN)


def test_slack_takes_content_for_text(slack: Any) -> None:
    with http_receiver() as receiver:
        slack(receiver.address)
        shown = render(message(component_name="<!here>"), content=Content(HOSTILE, "fine"))
        send_with_apprise(SLACK, shown)
    (got,) = receiver.received
    text = got.body.decode()
    for bad in ("<!", "<http", "@everyone", "http://evil", "https://evil", "evil.example"):
        assert bad not in text
    assert "Output: fine" in got.json["attachments"][0]["text"]
    # Nothing is fetched from elsewhere when the message is shown.
    assert "github" not in text


@pytest.mark.parametrize("form", ["text", "html"])
def test_mail_takes_content_for_text(form: str) -> None:
    with smtp_server() as server:
        url = f"mailto://127.0.0.1:{server.port}/?from=offpath@example.com&to=ops@example.com&format={form}"
        shown = render(message(), public_url="https://agents.example.com", content=Content(HOSTILE, "fine"))
        send_with_apprise(url, shown)
    (mail,) = server.messages
    assert mail["Subject"] == "offpath: a run of Support failed (ModelError)"
    assert [line.upper() for line in server.recipients] == ["RCPT TO:<OPS@EXAMPLE.COM>"]
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    assert (form == "html") == any(part.get_content_subtype() == "html" for part in parts)
    for part in parts:
        text = part.get_content()
        assert "https://agents.example.com/runs/r1" in text
        for bad in ("<a", "<script", "evil.example", "@everyone", "<!channel"):
            assert bad not in text


@pytest.mark.parametrize(
    "fault", [{"greeting": "421 too busy"}, {"on_recipient": "550 no such user"}, {"on_data": "451 try later"}]
)
def test_mail_that_is_refused(fault: dict[str, str]) -> None:
    with smtp_server(**fault) as server:
        error = failing(f"mailto://127.0.0.1:{server.port}/?from=offpath@example.com&to=ops@example.com")
    assert "mailto did not accept it" in str(error)
    assert "ops@example.com" not in str(error)
    assert server.messages == []


def test_mail_server_that_is_away() -> None:
    error = failing("mailto://127.0.0.1:9/?from=offpath@example.com&to=ops@example.com")
    assert "mailto did not accept it: Connection error" in str(error)


def test_logs_hold_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with http_receiver(Reply(500)) as receiver:
        failing(f"json://user:hunter2@{receiver.address}/hunter2-token")
    assert "hunter2" not in caplog.text
    assert caplog.records == []


def test_requests_of_others_are_not_touched() -> None:
    import requests

    with http_receiver() as receiver:
        send_with_apprise(f"json://{receiver.address}/x", PLAIN)
        assert requests.post(f"http://{receiver.address}/other", data=b"x", timeout=5).status_code == 200
    assert [got.path for got in receiver.received] == ["/x", "/other"]


def test_problems_name_the_nearest_service_and_no_url() -> None:
    assert problem_of(SLACK) is None
    assert problem_of("slak://hunter2/x") == "Apprise has no service 'slak'; did you mean slack or lark?"
    text = problem_of("slack://hunter2")
    assert text is not None
    assert "hunter2" not in text
    assert str(failing("slak://hunter2/x")).startswith("Apprise has no service")
