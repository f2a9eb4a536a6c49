"""The hook that sends one message, with a receiver that is real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from notification_receivers import HttpReceiver, Reply, http_receiver
from offpath.hooks.arguments import JobView
from offpath.hooks.bound import bind_hooks
from offpath.hooks.parent import answered_by
from offpath.ledger.notice import Delivery
from offpath.ledger.question import Answer, FetchDelivery, FetchedDelivery, Question
from offpath.posthooks.notification.configuration import Channel, Notifications
from offpath.posthooks.notification.failure import DeliveryError
from offpath.posthooks.notification.hook import RETRIES, notification_hook
from offpath.posthooks.notification.message import encode_message
from offpath.runs.input import RunInput
from offpath.runs.job import job_key
from offpath.runs.output import RunOutput
from offpath.telemetry.instruments import instruments
from offpath.worker.retry_after import retry_after
from unit.posthooks.notification.test_notify_message import message

KEY = job_key("r1", "post", "offpath.notify", "d1")


class Stored:
    """A parent that has one delivery."""

    def __init__(self, delivery: Delivery | None) -> None:
        self.delivery = delivery

    async def ask(self, question: Question) -> Answer:
        assert question == FetchDelivery("d1")
        return FetchedDelivery(self.delivery)


@pytest.fixture
def metrics() -> Iterator[Any]:
    """Counts of sent notifications by channel and outcome."""
    reader = InMemoryMetricReader()
    before = instruments().provider
    instruments().connect(MeterProvider([reader], shutdown_on_exit=False))

    def read(name: str) -> dict[tuple[str, str], Any]:
        data = reader.get_metrics_data()
        assert data is not None
        return {
            (point.attributes["offpath.channel"], point.attributes["offpath.outcome"]): getattr(
                point, "value", getattr(point, "count", None)
            )
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    yield read
    instruments().connect(before)


def delivery(channel: str = "ops", run_id: str = "r1") -> Delivery:
    return Delivery(
        id="d1", channel=channel, group="g", created_at=1.0, message=encode_message(message()), run_id=run_id
    )


def to(receiver: HttpReceiver, **changes: Any) -> Notifications:
    channels = (
        Channel("ops", f"json://{receiver.address}/ops", {"run_error": None}),
        Channel("webhook", f"http://{receiver.address}/hook", {"run_error": None}, b"k" * 16),
    )
    return Notifications(**{"channels": channels, "interval": 300.0, **changes})


async def call(hook: Any, found: Delivery | None, *, attempt: int = 1, **arguments: Any) -> Any:
    with answered_by(Stored(found)):
        return await hook(job=JobView(KEY, attempt), **arguments)


def output(content: str = "call me at +49 30 1234567") -> RunOutput:
    return RunOutput("r1", "agent", "support", "Support", "s1", content=content)


@pytest.mark.parametrize("channel", ["ops", "webhook"])
async def test_message_is_sent(channel: str, metrics: Any) -> None:
    with http_receiver() as receiver:
        result = await call(notification_hook(to(receiver)), delivery(channel))
    assert result["sent"] is True
    (got,) = receiver.received
    assert b"a run of Support failed" in got.body
    assert metrics("offpath.notifications.sent") == {(channel, "success"): 1}
    assert metrics("offpath.notification.duration") == {(channel, "success"): 1}


@pytest.mark.parametrize("channel", ["ops", "webhook"])
async def test_rate_limit_reaches_the_job(channel: str, metrics: Any) -> None:
    with (
        http_receiver(Reply(429, headers={"Retry-After": "31"})) as receiver,
        pytest.raises(DeliveryError) as caught,
    ):
        await call(notification_hook(to(receiver)), delivery(channel))
    assert retry_after(caught.value) == 31.0
    assert f"channel {channel}" in str(caught.value)
    assert receiver.address not in str(caught.value)
    # It is tried again, so it is neither sent nor failed.
    assert metrics("offpath.notifications.sent") == {}
    assert metrics("offpath.notification.duration") == {(channel, "error"): 1}


@pytest.mark.parametrize(
    ("asked", "attempt", "waited"),
    [("1", 1, 1.0), ("1", 6, 32.0), ("90", 6, 90.0), ("1", 13, 3_600.0), ("9999999", 1, 86_400.0)],
)
async def test_waits_are_neither_too_short_nor_too_long(asked: str, attempt: int, waited: float) -> None:
    with (
        http_receiver(Reply(429, headers={"Retry-After": asked})) as receiver,
        pytest.raises(DeliveryError) as caught,
    ):
        await call(notification_hook(to(receiver)), delivery(), attempt=attempt)
    assert retry_after(caught.value) == waited


async def test_last_attempt_counts_as_failed(metrics: Any) -> None:
    with http_receiver(Reply(500)) as receiver, pytest.raises(DeliveryError):
        await call(notification_hook(to(receiver)), delivery(), attempt=RETRIES + 1)
    assert metrics("offpath.notifications.sent") == {("ops", "error"): 1}


async def test_message_that_went_with_its_run() -> None:
    with http_receiver() as receiver:
        result = await call(notification_hook(to(receiver)), None)
    assert result["sent"] is False
    assert receiver.received == []


async def test_channel_that_is_gone_is_tried_again(metrics: Any) -> None:
    """Another version of the code may have it while versions change."""
    with http_receiver() as receiver:
        hook = notification_hook(to(receiver))
        with pytest.raises(DeliveryError, match="'old'"):
            await call(hook, delivery("old"))
        with pytest.raises(DeliveryError, match="'old'"):
            await call(hook, delivery("old"), attempt=RETRIES + 1)
    assert metrics("offpath.notifications.sent") == {("old", "error"): 1}


@pytest.mark.parametrize(("content", "run_id", "shown"), [(False, "r1", False), (True, "", False), (True, "r1", True)])
async def test_content_is_told_only_if_asked_for_and_redacted(content: bool, run_id: str, shown: bool) -> None:
    said = RunInput("mail jane@example.com about the weather")
    with http_receiver() as receiver:
        hook = notification_hook(to(receiver, content=content))
        for channel in ("ops", "webhook"):
            await call(hook, delivery(channel, run_id), run_input=said, run_output=output())
    for got in receiver.received:
        text = got.body.decode()
        assert ("about the weather" in text) == shown
        assert "jane@example.com" not in text
        assert "1234567" not in text


async def test_content_that_is_not_kept_is_left_out() -> None:
    with http_receiver() as receiver:
        hook = notification_hook(to(receiver, content=True))
        await call(hook, delivery(), run_input=RunInput(""), run_output=output(""))
    assert b"Input" not in receiver.received[0].body


def test_declaration() -> None:
    notifications = Notifications((), 300.0)
    (bound,) = bind_hooks("agent", "support", [], [notification_hook(notifications)], in_background=False)
    assert (bound.name, bound.kind, bound.lane, bound.background) == (
        "offpath.notify",
        "notification",
        "offpath.notify",
        True,
    )
    assert bound.is_async
    assert bound.options.run_on == ()
