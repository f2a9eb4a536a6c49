"""The command line of notifications: notify test."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Annotated, Final

import typer

from offpath.errors import ConfigurationError
from offpath.settings import Settings, load_dotenv_into_environment

if TYPE_CHECKING:
    from offpath.posthooks.notification.configuration import Channel, Notifications

FAILED: Final = 1
"""Exit code when a channel did not take the message."""

notify_app = typer.Typer(help="Try out the channels for notifications.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(notify_app, name="notify")


@notify_app.callback()
def group() -> None:
    """Try out the channels for notifications."""


@notify_app.command("test")
def send_test(
    channel: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only to this channel; may be given several times.")
    ] = None,
) -> None:
    """Send a test message to each channel, from here and at once, and say what happened. Ends with 1 if any failed."""
    from offpath.console import output, plain
    from offpath.posthooks.notification.configuration import notifications

    load_dotenv_into_environment()
    found = notifications(Settings.load())
    if found is None:
        raise ConfigurationError(
            "there is no channel; set OFFPATH_NOTIFY_URLS, or OFFPATH_NOTIFY_WEBHOOK_URL and its _SECRET"
        )
    chosen = _chosen(found, channel)
    failures = asyncio.run(_send_all(found, chosen))
    console = output()
    for each, (seconds, error) in zip(chosen, failures, strict=True):
        kind = "signed webhook" if each.key is not None else each.scheme
        what = f"sent in {seconds:.2f} s" if error is None else f"FAILED: {error}"
        console.print(plain(f"{each.name} ({kind}): {what}", "" if error is None else "red"))
    if any(error is not None for _, error in failures):
        raise typer.Exit(FAILED)


def _chosen(found: Notifications, names: list[str] | None) -> list[Channel]:
    if not names:
        return list(found.channels)
    chosen = []
    for name in names:
        channel = found.channel(name)
        if channel is None:
            there = ", ".join(each.name for each in found.channels)
            raise ConfigurationError(f"--channel {name}: there is no such channel; there are {there}")
        chosen.append(channel)
    return chosen


async def _send_all(found: Notifications, channels: list[Channel]) -> list[tuple[float, str | None]]:
    return list(await asyncio.gather(*(_send(found, channel) for channel in channels)))


async def _send(found: Notifications, channel: Channel) -> tuple[float, str | None]:
    """Seconds, and what went wrong."""
    from offpath.posthooks.notification.delivery import deliver
    from offpath.posthooks.notification.failure import DeliveryError
    from offpath.posthooks.notification.message import Item, Message

    now = time.time()
    message = Message(uuid.uuid4().hex, now, (Item("test", 1, now, now),))
    try:
        return await deliver(found, channel, message), None
    except DeliveryError as error:
        return 0.0, str(error).removeprefix(f"channel {channel.name}: ")
