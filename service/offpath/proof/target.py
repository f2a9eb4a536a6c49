"""What `offpath prove` measures: profiles of its own, somebody's service, or two services that run already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from offpath.errors import ConfigurationError

MESSAGE: Final = "Hello, how are you?"
KINDS: Final = ("agent", "team", "workflow")


@dataclass(frozen=True, kw_only=True)
class Call:
    """The request that every arm gets again and again."""

    component: str = ""
    """The id of an agent, or "team:ID" or "workflow:ID". "": the first that the service has."""
    message: str = MESSAGE
    body: str = ""
    """JSON that is sent instead of the message."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Further headers, such as a key: never shown, never written."""


@dataclass(frozen=True, kw_only=True)
class DemoTarget:
    """Services of offpath's own, one for each profile of hooks; everything is started by `serve_arms`."""

    call: Call = field(default_factory=Call)

    def __str__(self) -> str:
        return "demo"


@dataclass(frozen=True, kw_only=True)
class AppTarget:
    """A service that is started once for each arm, as `offpath serve` would start it."""

    target: str
    """MODULE:APP."""
    call: Call = field(default_factory=Call)
    database_url: str | None = field(default=None, repr=False)
    """A database that all arms share. None: each arm has a SQLite file of its own, in a temporary directory."""
    real_model: bool = False
    """Whether its models are asked, and paid; otherwise the offline model answers."""

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigurationError: The target names no module and attribute.
        """
        place, _, attribute = self.target.rpartition(":")
        if not (place and attribute):
            raise ConfigurationError(
                f'target {self.target!r} is not understood; write MODULE:ATTRIBUTE, like "my_agents:app"'
            )

    def __str__(self) -> str:
        return self.target


@dataclass(frozen=True, kw_only=True)
class UrlTarget:
    """Two services that run already, one with hooks and one without. Nothing is started or switched.

    With a component in `call`, the URLs are those of the services; without one, requests are posted to the URLs as they
    are. "off again" is the service without hooks once more.
    """

    off: str
    on: str
    call: Call = field(default_factory=Call)
    idle_seconds: float = 3.0
    """How long is waited for hooks to end, where the service has no `/hooks` to ask."""

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigurationError: A URL holds what must not be shown, or cannot be measured; or both are the same.
        """
        for url in (self.off, self.on):
            parts = urlsplit(url)
            shown = f"{parts.scheme}://{parts.hostname or ''}"
            if parts.scheme != "http" or not parts.hostname:
                raise ConfigurationError(
                    f"{shown} cannot be measured: requests are sent as plain HTTP, so give http://host:port of the "
                    f"service itself, without a proxy that ends TLS between"
                )
            if parts.username or parts.password or parts.query or parts.fragment:
                raise ConfigurationError(
                    f"{shown} has to be without user, password, query and fragment; keys go in headers"
                )

        if _same_place(self.off, self.on):
            raise ConfigurationError(
                f"--url-off and --url-on are both {self.on}: nothing switches the hooks of a running service off, so "
                f"deploy a second one without hooks. The A/A check asks --url-off twice by itself"
            )

    def __str__(self) -> str:
        return f"{self.off} and {self.on}"


def _same_place(one: str, other: str) -> bool:
    places = [(parts.hostname, parts.port or 80, parts.path.rstrip("/")) for parts in map(urlsplit, (one, other))]
    return places[0] == places[1]


ProofTarget = DemoTarget | AppTarget | UrlTarget


def hints(target: ProofTarget) -> list[str]:
    """What somebody should know before requests are sent to a target."""
    if isinstance(target, DemoTarget):
        return []
    if isinstance(target, UrlTarget):
        return [
            "Every request is a run of these services, stored and paid for as any other, and their hooks do what "
            "they do."
        ]
    found = ["The hooks of your service run for real, notifications included, once for every request with hooks on."]
    if target.real_model:
        found.append("Your models are asked: every request of every arm costs what a run costs.")
    else:
        found.append("The offline model answers instead of yours, and judges evaluators; nothing is paid for.")
    if target.database_url is not None:
        found.append("All arms write their runs to the database that you named, and leave them there.")
    return found
