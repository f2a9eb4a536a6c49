"""Sending one message to one channel, whichever kind of channel it is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Final

from offpath.posthooks.notification.configuration import Channel, Notifications
from offpath.posthooks.notification.failure import DeliveryError
from offpath.posthooks.notification.message import Content, Message, as_event, render
from offpath.posthooks.notification.webhook import send_webhook
from offpath.telemetry.instruments import instruments

TIMEOUT: Final = 45.0
"""Seconds that one attempt may take, whatever it does."""


async def deliver(
    notifications: Notifications, channel: Channel, message: Message, content: Content | None = None
) -> float:
    """Send a message once, and record how long it took.

    Returns:
        Seconds.

    Raises:
        DeliveryError: It was not accepted, or nobody knows; the text shows neither the address nor content.
    """
    began = time.monotonic()
    outcome = "error"
    try:
        async with asyncio.timeout(TIMEOUT):
            await _send(notifications, channel, message, content)
        outcome = "success"
    except TimeoutError:
        outcome = "timeout"
        raise DeliveryError(f"channel {channel.name}: sending did not end within {TIMEOUT:g} s") from None
    except DeliveryError as error:
        raise DeliveryError(
            f"channel {channel.name}: {error}", status=error.status_code, retry_after=error.retry_after
        ) from None
    finally:
        seconds = time.monotonic() - began
        instruments().notification_duration.record(seconds, channel=channel.name, outcome=outcome)
    return seconds


async def _send(notifications: Notifications, channel: Channel, message: Message, content: Content | None) -> None:
    links = {"public_url": notifications.public_url, "trace_url": notifications.trace_url}
    if channel.key is not None:
        body = as_event(message, **links, content=content)
        await send_webhook(channel.url, channel.key, message.id, body)
        return
    from offpath.posthooks.notification.apprise_channel import send_with_apprise

    rendered = render(message, **links, content=content)
    await _in_thread(lambda: send_with_apprise(channel.url, rendered))


async def _in_thread(function: Callable[[], None]) -> None:
    """Call something that blocks, on a thread that does not keep the process alive if it never ends."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    context = copy_context()

    def settle(error: BaseException | None) -> None:
        if ended.cancelled():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def work() -> None:
        error: BaseException | None = None
        try:
            context.run(function)
        except BaseException as raised:  # noqa: BLE001  # told to whoever waits
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=work, name="offpath-notify", daemon=True).start()
    await ended
