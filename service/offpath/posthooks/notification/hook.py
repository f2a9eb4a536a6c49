"""The hook `offpath.notify`: sends one message to one channel. Its job is made when notices are folded."""

from __future__ import annotations

from typing import Any, Final

from offpath.hooks.arguments import JobView
from offpath.hooks.hook import OPTIONS_ATTRIBUTE, HookFunction, HookOptions
from offpath.hooks.parent import ask
from offpath.ledger.question import FetchDelivery
from offpath.posthooks import names
from offpath.posthooks.notification.configuration import Notifications
from offpath.posthooks.notification.delivery import TIMEOUT, deliver
from offpath.posthooks.notification.failure import DeliveryError
from offpath.posthooks.notification.message import Content, decode_message, redacted
from offpath.runs.input import RunInput
from offpath.runs.job import occasion_of
from offpath.runs.output import RunOutput
from offpath.telemetry.instruments import instruments

RETRIES: Final = 12
"""With the usual waits between attempts, about an hour in all."""
LONGEST_WAIT: Final = 86_400.0
"""Seconds for which a service can put a message off; later it is no news."""

_OPTIONS: Final = HookOptions(
    name=names.NOTIFY,
    run_in_background=True,
    timeout=TIMEOUT + 15.0,
    retries=RETRIES,
    # Its jobs are made by `folding` alone: no end of a run brings one.
    run_on=(),
    kind="notification",
    lane=names.NOTIFY,
)


def notification_hook(notifications: Notifications) -> HookFunction:
    """The hook, for all components."""

    async def notify(
        job: JobView, run_input: RunInput | None = None, run_output: RunOutput | None = None
    ) -> dict[str, Any]:
        """Send the message that the job's key names.

        Raises:
            DeliveryError: It was not accepted; the job is tried again, and is a dead letter in the end.
            StorageError: The message cannot be read now.
        """
        delivery = (await ask(FetchDelivery(occasion_of(job.key)))).delivery
        if delivery is None:
            return {"sent": False, "reason": "the message was deleted with its run"}
        channel = notifications.channel(delivery.channel)
        last = job.attempt > RETRIES
        if channel is None:
            if last:
                instruments().notifications_sent.add(1, channel=delivery.channel, outcome="error")
            raise DeliveryError(f"there is no channel {delivery.channel!r} any more; name it in OFFPATH_NOTIFY_URLS")
        content = None
        if notifications.content and delivery.run_id and run_output is not None:
            content = _content(run_input, run_output)
        try:
            seconds = await deliver(notifications, channel, decode_message(delivery.message), content)
        except DeliveryError as error:
            if last:
                instruments().notifications_sent.add(1, channel=channel.name, outcome="error")
            if error.retry_after is not None:
                error.retry_after = _wait(error.retry_after, job.attempt)
            raise
        instruments().notifications_sent.add(1, channel=channel.name, outcome="success")
        return {"sent": True, "channel": channel.name, "seconds": round(seconds, 3)}

    setattr(notify, OPTIONS_ATTRIBUTE, _OPTIONS)
    return notify


def _wait(asked: float, attempt: int) -> float:
    """Seconds until the next attempt: as asked, for a day at most. A service that says "1 second" again and again does
    not use up the attempts within seconds."""
    return max(min(asked, LONGEST_WAIT), min(2.0 ** (attempt - 1), 3_600.0))


def _content(run_input: RunInput | None, run_output: RunOutput) -> Content | None:
    asked = "" if run_input is None else run_input.input_content_string()
    answered = run_output.get_content_as_string()
    # Both are empty where no content is kept.
    return Content(redacted(asked), redacted(answered)) if asked or answered else None
