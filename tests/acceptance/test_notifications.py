"""Notifications of a running service, to a real SMTP server and a real HTTP receiver, with faults in between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from acceptance.metrics_page import scrape
from acceptance.serving import Service, ServiceMaker, eventually
from notification_receivers import HANG, HttpReceiver, Reply, SmtpServer, http_receiver, smtp_server
from postgres_server import drop_database, prepared_database

FAILURES = 1_000
SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
QUICK = {"OFFPATH_HOOK_BACKOFF": "0.01", "OFFPATH_HOOK_BACKOFF_MAX": "0.05"}


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[SmtpServer]:
    with smtp_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Variables that name a database."""
    if request.param == "sqlite":
        yield {}
        return
    url = prepared_database()
    try:
        yield {"OFFPATH_DATABASE_URL": url}
    finally:
        drop_database(url)


def mail_url(mail: SmtpServer) -> str:
    return f"mailto://127.0.0.1:{mail.port}/?from=offpath@example.com&to=ops@example.com"


def told(receiver: HttpReceiver) -> int:
    """How many notices the webhook's messages tell of."""
    return sum(notice["count"] for got in receiver.received for notice in got.json["data"]["notices"])


def fail(service: Service) -> str:
    """A run that fails; its id."""
    response = service.post("failing")
    assert response.status_code == 500, response.text
    return str(response.headers.get("x-run-id") or response.json()["run_id"])


def sent(service: Service, outcome: str) -> dict[str, int]:
    """What /metrics shows: messages by channel."""
    return scrape(service.http).by("offpath_channel", "offpath_notifications_sent_total", offpath_outcome=outcome)


@pytest.mark.slow
def test_burst_of_failures_is_two_messages_a_channel(
    make_service: ServiceMaker, receiver: HttpReceiver, mail: SmtpServer, database: dict[str, str]
) -> None:
    environment = {
        **database,
        "OFFPATH_NOTIFY_URLS": f"mail={mail_url(mail)}",
        "OFFPATH_NOTIFY_WEBHOOK_URL": f"http://{receiver.address}/hook",
        "OFFPATH_NOTIFY_WEBHOOK_SECRET": SECRET,
        "OFFPATH_PUBLIC_URL": "https://agents.example.com",
        "OFFPATH_NOTIFY_INTERVAL": "3600",
    }
    service = make_service("notify_app", environment=environment).start()
    run_id = fail(service)
    eventually(lambda: receiver.received and mail.messages, "the first failure is told")
    (notice,) = receiver.received[0].json["data"]["notices"]
    assert notice["runs"][0]["url"] == f"https://agents.example.com/runs/{run_id}"
    assert mail.messages[0]["Subject"] == "offpath: a run of Failing failed (HookError)"
    assert f"https://agents.example.com/runs/{run_id}" in mail.messages[0].get_content()

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda _: fail(service), range(FAILURES - 1)))
    # A later run that is told at once shows that all before it were seen to.
    service.run("fine")
    eventually(lambda: len(receiver.received) == 2 and len(mail.messages) == 2, "the dead letter is told")
    assert "dead letter" in mail.messages[1]["Subject"]
    assert service.stop() == 0

    # The interval is over: one message more, and no failure is missing.
    service.environment["OFFPATH_NOTIFY_INTERVAL"] = "1"
    service.start()
    eventually(lambda: told(receiver) == FAILURES + 1, f"all failures are told, not {told(receiver)}")
    eventually(lambda: len(mail.messages) == 3, "by mail, too")
    assert len(receiver.received) == 3
    assert mail.messages[2]["Subject"] == f"offpath: {FAILURES - 1} runs of Failing failed (HookError)"
    eventually(lambda: sent(service, "success").keys() == {"mail", "webhook"}, "they are counted")


def test_faults_of_channels_are_waited_out(make_service: ServiceMaker, mail: SmtpServer) -> None:
    """Refused, rate-limited, broken, silent, and success that is none: each channel has its message in the end."""
    faults: dict[str, list[Reply]] = {
        "limited": [Reply(429, headers={"Retry-After": "1"})],
        "broken": [Reply(500), Reply(503)],
        "silent": [Reply(HANG)],
        "refusing": [Reply(200, b'{"ok": false, "error": "channel_not_found"}')],
        "webhook": [Reply(429, headers={"Retry-After": "1"}), Reply(502)],
    }
    mail.on_data, mail.refusals = "451 try again later", 2
    receivers = {name: HttpReceiver(*replies, Reply()) for name, replies in faults.items()}
    for each in receivers.values():
        each.start()
    try:
        urls = [f"{name}=json://{each.address}/?rto=0.5" for name, each in receivers.items() if name != "webhook"]
        environment = {
            **QUICK,
            "OFFPATH_NOTIFY_URLS": ",".join([*urls, f"mail={mail_url(mail)}"]),
            "OFFPATH_NOTIFY_WEBHOOK_URL": f"http://{receivers['webhook'].address}/hook",
            "OFFPATH_NOTIFY_WEBHOOK_SECRET": SECRET,
        }
        service = make_service("notify_app", environment=environment).start()
        run_id = fail(service)
        attempts = {name: len(replies) + 1 for name, replies in faults.items()}
        eventually(
            lambda: {name: len(each.received) for name, each in receivers.items()} == attempts,
            "every channel was tried until it took the message",
        )
        eventually(lambda: mail.messages, "the mail is taken")

        def ended() -> bool:
            jobs = service.http.get(f"/runs/{run_id}/hooks").json()
            return [job["state"] for job in jobs if job["hook"] == "offpath.notify"] == ["succeeded"] * 6

        eventually(ended, "all jobs have ended well")
        for name in ("limited", "webhook"):
            first, second, *_ = receivers[name].received
            assert second.at - first.at >= 1.0, f"{name} was asked again too soon"
        ids = {got.headers["webhook-id"] for got in receivers["webhook"].received}
        assert len(ids) == 1, "a receiver can tell that it has the message"
    finally:
        for each in receivers.values():
            each.close()


def test_channel_that_is_down_is_a_dead_letter_that_is_counted(
    make_service: ServiceMaker, receiver: HttpReceiver
) -> None:
    environment = {
        **QUICK,
        "OFFPATH_NOTIFY_URLS": f"down=json://127.0.0.1:9/hunter2-token,up=json://{receiver.address}/",
        "OFFPATH_NOTIFY_INTERVAL": "1",
    }
    service = make_service("notify_app", environment=environment).start()
    run_id = fail(service)

    def dead() -> list[dict[str, Any]]:
        jobs = service.http.get(f"/runs/{run_id}/hooks").json()
        return [job for job in jobs if job["state"] == "dead"]

    (job,) = eventually(dead, "the job of the channel that is down is a dead letter")
    assert job["attempts"] == 13
    assert "channel down: json cannot be reached" in job["error"]

    def failed() -> bool:
        dead = scrape(service.http).by("offpath_hook_kind", "offpath_hooks_dead_total")
        return sent(service, "error") == {"down": 1} and dead.get("notification") == 1

    eventually(failed, "it is counted")
    # A dead letter of a notification is no reason for a notification: what is told next is the next failure.
    fail(service)
    eventually(lambda: len(receiver.received) == 2, "the next failure is told")
    assert "a run of Failing failed" in receiver.received[1].json["title"]
    service.stop()
    assert "hunter2" not in service.log.read_text()
    assert "hunter2" not in Path(service.database).read_bytes().decode(errors="replace")
