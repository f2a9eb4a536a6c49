"""`offpath notify test`."""

from __future__ import annotations

import pytest

from notification_receivers import Reply, http_receiver, load_apprise, smtp_server
from unit.cli.projects import Project

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture(scope="module", autouse=True)
def apprise() -> None:
    load_apprise()


def test_each_channel_gets_a_message_and_says_what_happened(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        http_receiver() as good,
        http_receiver(Reply(429, headers={"Retry-After": "9"})) as busy,
        smtp_server() as mail,
    ):
        monkeypatch.setenv(
            "OFFPATH_NOTIFY_URLS",
            f"chat=json://{good.address}/hunter2,busy=json://{busy.address}/hunter2,"
            f"mail=mailto://127.0.0.1:{mail.port}/?from=offpath@example.com&to=ops@example.com,typo=slak://hunter2",
        )
        monkeypatch.setenv("OFFPATH_NOTIFY_WEBHOOK_URL", f"http://{good.address}/hook?token=hunter2")
        monkeypatch.setenv("OFFPATH_NOTIFY_WEBHOOK_SECRET", SECRET)
        result = project.run("notify", "test")
    assert result.exit_code == 1
    lines = {line.split(" ", 1)[0]: line for line in result.stdout.splitlines()}
    assert "sent in" in lines["chat"]
    assert lines["busy"] == "busy (json): FAILED: json answered 429"
    assert "sent in" in lines["mail"]
    assert "did you mean slack" in lines["typo"]
    assert "webhook (signed webhook): sent in" in lines["webhook"]
    assert "hunter2" not in result.output
    assert {got.path.partition("?")[0] for got in good.received} == {"/hunter2", "/hook"}
    assert "test message" in mail.messages[0]["Subject"]


def test_only_the_named_channel(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as receiver:
        monkeypatch.setenv("OFFPATH_NOTIFY_URLS", f"a=json://{receiver.address}/a,b=json://{receiver.address}/b")
        assert project.run("notify", "test", "--channel", "b").exit_code == 0
    assert [got.path for got in receiver.received] == ["/b"]
    result = project.run("notify", "test", "--channel", "c")
    assert result.exit_code == 2
    assert "there are a, b" in result.output


def test_without_a_channel_it_says_how_to_have_one(project: Project) -> None:
    result = project.run("notify", "test")
    assert result.exit_code == 2
    assert "OFFPATH_NOTIFY_URLS" in result.output
