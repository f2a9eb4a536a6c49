"""What is checked before anything listens."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from offpath.errors import ConfigurationError, ModelError
from offpath.hooks.component import Component
from offpath.hooks.registry import HookRegistry
from offpath.posthooks.builtin import Builtins
from offpath.settings import Settings

if TYPE_CHECKING:
    from offpath.posthooks.notification.configuration import Notifications

_STAND_IN = {"OPENAI_API_KEY": "offline", "OPENAI_BASE_URL": "http://127.0.0.1/v1"}
"""What the environment will hold once the offline model has started."""


class Checked(Protocol):
    """A service, as far as it is checked."""

    @property
    def registry(self) -> HookRegistry: ...

    @property
    def builtins(self) -> Builtins: ...


def check_startup(service: Checked, settings: Settings) -> None:
    """Refuse to start with a model that no call could reach.

    Members of teams and steps of workflows are looked at too. A model without a `check` method is taken as it is. The
    offline model is never a fallback: only `OFFPATH_OFFLINE=1` and `offpath demo` bring it in.

    Raises:
        ConfigurationError: It names every agent and team concerned, and the ways out.
    """
    environ = {**os.environ, **_STAND_IN} if settings.offline else dict(os.environ)
    concerned: dict[str, list[str]] = {}
    for component in service.registry:
        problem = _model_problem(component, environ)
        if problem is not None:
            concerned.setdefault(problem, []).append(f'{component.kind} "{component.id}"')
    if service.builtins.notification is not None:
        _check_channels(service.builtins.notification)
    if concerned:
        raise ConfigurationError("; ".join(f"{_listed(names)}: {problem}" for problem, names in concerned.items()))


def _check_channels(notifications: Notifications) -> None:
    """
    Raises:
        ConfigurationError: Messages to a channel could never arrive.
    """
    from offpath.posthooks.notification.apprise_channel import problem_of

    for channel in notifications.channels:
        problem = problem_of(channel.url) if channel.key is None else None
        if problem is not None:
            raise ConfigurationError(f'OFFPATH_NOTIFY_URLS: channel "{channel.name}": {problem}')


def check_port(host: str, port: int, *, otherwise: str) -> None:
    """Refuse to start where something else listens already.

    Args:
        otherwise: A command that takes another port, for the message.

    Raises:
        ConfigurationError: The port is taken, or the address is none of this machine's.
    """
    if port == 0:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            if os.name == "posix":
                # As the server does it: connections of a server that has just stopped do not count.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is taken: stop what listens there, or take another: {otherwise}"
        else:
            what = f"cannot listen on {host} port {port} ({error.strerror or error}); take another: {otherwise}"
        raise ConfigurationError(what) from error


def _model_problem(component: Component, environ: Mapping[str, str]) -> str | None:
    model: Any = getattr(component, "model", None)
    check = getattr(model, "check", None)
    if not callable(check):
        return None
    try:
        check(environ)
    except ModelError as error:
        return str(error)
    return None


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
