"""Configuration: the channels that the environment names, and what each of them is told."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, cast
from urllib.parse import urlsplit

from offpath.errors import ConfigurationError
from offpath.ledger.notice import EVENTS, NoticeEvent
from offpath.posthooks.notification.rules import LIMITED, ChannelRules, NoticeRules
from offpath.posthooks.notification.webhook import signing_key
from offpath.runs.status import ComponentKind
from offpath.settings import Settings
from offpath.settings.settings import NOTIFIED_BY_DEFAULT

WEBHOOK: Final = "webhook"
"""The name of the channel that OFFPATH_NOTIFY_WEBHOOK_URL makes."""

_ENTRY: Final = re.compile(r"(?:(?P<name>[^=:/\s]+)=)?(?P<url>(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://\S.*)", re.DOTALL)
_BETWEEN: Final = re.compile(r"[,\s]+(?=(?:[^=:/,\s]+=)?[A-Za-z][A-Za-z0-9+.-]*://)")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SECONDS: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h)?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_USD: Final = re.compile(r"\$?(?P<number>\d+(?:\.\d+)?)")
_EXAMPLES: Final[dict[NoticeEvent, str]] = {"slow_run": "slow_run=10s", "cost_above": "cost_above=0.50"}


@dataclass(frozen=True, slots=True)
class Channel:
    """Somewhere that messages go."""

    name: str
    url: str = field(repr=False)
    """Holds secrets: never shown."""
    on: Mapping[NoticeEvent, float | None]
    """What it is told; see `ChannelRules`."""
    key: bytes | None = field(default=None, repr=False)
    """What a webhook's messages are signed with; None for what Apprise sends."""

    @property
    def scheme(self) -> str:
        """What may be shown of the URL."""
        return self.url.partition("://")[0].lower()

    def describe(self) -> str:
        """One line for people: `oncall (pagerduty): run_error, slow_run above 10 s`."""
        shown = "signed webhook" if self.key is not None else self.scheme
        return f"{self.name} ({shown}): {', '.join(_described(event, limit) for event, limit in self.on.items())}"


@dataclass(frozen=True, slots=True)
class Notifications:
    """All that is to be known for telling people."""

    channels: tuple[Channel, ...]
    interval: float
    """Seconds; see `NoticeRules`."""
    content: bool = False
    """Whether what users and agents said may be told."""
    public_url: str | None = None
    """Where people reach the service; without a slash at its end."""
    trace_url: str | None = None
    """Where people find a trace, with `{trace_id}` in its place."""

    def rules(self, home_kind: ComponentKind, home_id: str) -> NoticeRules:
        """What other processes need to know, without secrets.

        Args:
            home_kind: With `home_id`, the component whose hook sends what is about no component.
        """
        channels = tuple(ChannelRules(channel.name, dict(channel.on)) for channel in self.channels)
        return NoticeRules(channels, self.interval, home_kind=home_kind, home_id=home_id)

    def channel(self, name: str) -> Channel | None:
        """The channel of that name."""
        return next((channel for channel in self.channels if channel.name == name), None)

    def describe(self) -> list[str]:
        """A line for each channel."""
        return [channel.describe() for channel in self.channels]


def notifications(settings: Settings) -> Notifications | None:
    """What the settings say; None if there is no channel.

    Raises:
        ConfigurationError: A channel, an event or an address is not understood; the text names the variable, and never
            shows an address.
    """
    places = [*_apprise_channels(settings), *_webhook_channels(settings)]
    _check_names([name for name, _, _ in places], settings.notify_options)
    if not places:
        return None
    default = events_of("OFFPATH_NOTIFY_ON", settings.notify_on)
    channels = tuple(
        Channel(name, url, _wanted(name, settings.notify_options.get(name, {}), default), key)
        for name, url, key in places
    )
    return Notifications(
        channels=channels,
        interval=settings.notify_interval,
        content=settings.notify_content,
        public_url=_web_address("OFFPATH_PUBLIC_URL", settings.public_url),
        trace_url=_trace_address(settings.trace_url),
    )


def events_of(variable: str, entries: Iterable[str]) -> dict[NoticeEvent, float | None]:
    """Events by name, those of `LIMITED` with their limit. `default` stands for the default ones, `none` for none.

    Raises:
        ConfigurationError: An entry names no event, or has no limit that is understood.
    """
    found: dict[NoticeEvent, float | None] = {}
    for entry in entries:
        name, equals, text = (part.strip() for part in entry.partition("="))
        if entry == "default":
            found |= dict.fromkeys(cast("tuple[NoticeEvent, ...]", NOTIFIED_BY_DEFAULT))
        elif entry != "none":
            event = _event(variable, name)
            found[event] = _limit(variable, event, text, given=bool(equals))
    return found


# Channels.


def _apprise_channels(settings: Settings) -> list[tuple[str, str, bytes | None]]:
    secret = settings.notify_urls
    if secret is None:
        return []
    entries = _entries(secret.get_secret_value())
    if entries and importlib.util.find_spec("apprise") is None:
        raise ConfigurationError(
            'OFFPATH_NOTIFY_URLS needs the package apprise, which is not installed: pip install "offpath[notify]"'
        )
    found: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ConfigurationError(
                f"OFFPATH_NOTIFY_URLS: entry {number} is no URL (it is not shown, since it may hold a secret); write "
                "scheme://..., as Apprise has it for the service, perhaps with a name before it: oncall=slack://..."
            )
        name = match["name"] or _free_name(match["scheme"], found)
        if name in found:
            raise ConfigurationError(
                f"OFFPATH_NOTIFY_URLS has two channels {name!r}; give one of them another name: name=scheme://..."
            )
        found[name] = match["url"]
    return [(name, url, None) for name, url in found.items()]


def _webhook_channels(settings: Settings) -> list[tuple[str, str, bytes | None]]:
    url, secret = settings.notify_webhook_url, settings.notify_webhook_secret
    if url is None:
        return []
    address = _web_address("OFFPATH_NOTIFY_WEBHOOK_URL", url.get_secret_value(), secret=True)
    if secret is None:
        raise ConfigurationError(
            "OFFPATH_NOTIFY_WEBHOOK_URL is set and OFFPATH_NOTIFY_WEBHOOK_SECRET is not; set it to what the receiver "
            "checks the signature with: whsec_ and 24 to 64 random bytes in Base64"
        )
    try:
        key = signing_key(secret.get_secret_value())
    except ValueError as error:
        raise ConfigurationError(f"OFFPATH_NOTIFY_WEBHOOK_SECRET: {error}") from None
    return [(WEBHOOK, cast("str", address), key)]


def _entries(text: str) -> list[str]:
    """URLs may hold commas, so only those before another URL part them."""
    text = text.strip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except ValueError:
            listed = None
        if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
            return [each.strip() for each in listed if each.strip()]
    return [entry for part in _BETWEEN.split(text) if (entry := part.strip().strip(",").strip())]


def _free_name(scheme: str, taken: Iterable[str]) -> str:
    base = "_".join(re.findall(r"[a-z0-9]+", scheme.lower()))
    names = set(taken)
    number = 1
    name = base
    while name in names:
        number += 1
        name = f"{base}_{number}"
    return name


def _check_names(names: list[str], options: Mapping[str, Mapping[str, str]]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"OFFPATH_NOTIFY_URLS: a channel cannot be called {name!r}; a name has small letters, digits and "
                "single underscores, and begins with a letter"
            )
        if names.count(name) > 1:
            raise ConfigurationError(
                f"two channels are called {name!r}: OFFPATH_NOTIFY_WEBHOOK_URL makes one of that name; call the one in "
                "OFFPATH_NOTIFY_URLS otherwise"
            )
    for name, given in options.items():
        variable = f"OFFPATH_NOTIFY__{name.upper()}__{next(iter(given), 'ON').upper()}"
        if name not in names:
            there = f"there are {', '.join(names)}" if names else "OFFPATH_NOTIFY_URLS names none"
            raise ConfigurationError(f"{variable}: there is no channel {name!r}{_near(name, names)}; {there}")
        for option in given:
            if option != "on":
                raise ConfigurationError(
                    f"OFFPATH_NOTIFY__{name.upper()}__{option.upper()}: a channel has no such option; it has ON"
                )


def _wanted(
    name: str, options: Mapping[str, str], default: Mapping[NoticeEvent, float | None]
) -> Mapping[NoticeEvent, float | None]:
    text = options.get("on")
    if text is None:
        return default
    entries = [entry for part in re.split(r"[,\n]", text) if (entry := part.strip())]
    return events_of(f"OFFPATH_NOTIFY__{name.upper()}__ON", entries)


# Events.


def _event(variable: str, name: str) -> NoticeEvent:
    if name not in EVENTS:
        known = ", ".join(_EXAMPLES.get(event, event) for event in EVENTS)
        raise ConfigurationError(
            f"{variable}={name!r}: there is no such event{_near(name, EVENTS)}; there are {known}, default and none"
        )
    return name


def _limit(variable: str, event: NoticeEvent, text: str, *, given: bool) -> float | None:
    if event not in LIMITED:
        if given:
            raise ConfigurationError(f"{variable}: {event} takes no value; write {event} alone")
        return None
    match = (_SECONDS if event == "slow_run" else _USD).fullmatch(text)
    if match is None:
        unit = "a time such as 10s or 2m" if event == "slow_run" else "an amount in USD such as 0.50"
        shown = f"{event}={text}" if given else event
        raise ConfigurationError(f"{variable}={shown!r}: {event} takes {unit}; write {_EXAMPLES[event]}")
    number = float(match["number"])
    return number * _UNITS[match["unit"] or "s"] if event == "slow_run" else number


def _described(event: NoticeEvent, limit: float | None) -> str:
    if limit is None:
        return event
    return f"{event} above {limit:g} s" if event == "slow_run" else f"{event} {limit:g} USD"


def _near(name: str, known: Iterable[str]) -> str:
    matches = get_close_matches(name, list(known), n=2)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


# Addresses.


def _web_address(variable: str, text: str | None, *, secret: bool = False) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        shown = variable if secret else f"{variable}={text!r}"
        raise ConfigurationError(f"{shown} is no web address; write https://host or https://host:port/path")
    return text.strip() if secret else text.strip().rstrip("/")


def _trace_address(text: str | None) -> str | None:
    address = _web_address("OFFPATH_TRACE_URL", text)
    if address is not None and "{trace_id}" not in address:
        raise ConfigurationError(
            f"OFFPATH_TRACE_URL={text!r} has no {{trace_id}} in it; write https://traces.example.com/trace/{{trace_id}}"
        )
    return address
