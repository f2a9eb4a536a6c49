"""Sending through Apprise, and learning from it why a message was not accepted.

Apprise says success or failure. Nearly all of its services speak HTTP through `requests`, whose `Session.send` is
watched here while a message is sent: that gives the status and `Retry-After`. Everything that Apprise and what is
beneath it logs meanwhile is kept out of the logs, since it names addresses with their secrets.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from offpath.models.retry_after import seconds_to_wait
from offpath.posthooks.notification.failure import DeliveryError
from offpath.posthooks.notification.message import Rendered

_READ_SECONDS: Final = 10.0
"""What services are given to answer, unless the URL says otherwise (`?rto=`)."""
_LONGEST_ANSWER: Final = 100_000
"""Bytes of an answer that is looked into."""
_LOGGERS: Final = ("apprise", "urllib3.connectionpool", "requests_oauthlib.oauth2_session")
_WORD: Final = re.compile(r"[A-Za-z0-9_. -]{1,80}")
_PARAMETER: Final = re.compile(r"[?&](\w+)=")

_patching: Final = threading.Lock()


@dataclass(slots=True)
class _Answer:
    status: int
    retry_after: str | None
    refusal: str | None
    """What an answer says that calls itself a failure, whatever its status."""


@dataclass(slots=True)
class _Watch:
    """What is seen while one message is sent."""

    answers: list[_Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


_watch: Final[ContextVar[_Watch | None]] = ContextVar("offpath_apprise_watch", default=None)


def send_with_apprise(url: str, message: Rendered) -> None:
    """Send a message once; blocks.

    Args:
        url: An Apprise URL.

    Raises:
        DeliveryError: It was not accepted, or nobody knows; the text does not show the URL.
    """
    with _watched() as watch:
        service = _service(url)
        if service is None:
            raise DeliveryError(problem_of(url) or "Apprise does not understand the URL")
        import apprise

        sender = apprise.Apprise(asset=service.asset)
        sender.add(service)
        try:
            result = sender.notify(
                title=message.title,
                body=message.body,
                notify_type=apprise.NotifyType(message.severity),
                body_format=apprise.NotifyFormat.TEXT,
            )
            accepted = bool(result)
        except Exception as error:  # noqa: BLE001  # a plugin's, whose text may show the URL
            raise DeliveryError(f"{_scheme(url)} raised {type(error).__name__}") from None
    refusal = next((answer for answer in watch.answers if answer.refusal is not None), None)
    if accepted and refusal is None:
        return
    raise _failure(url, watch, refusal)


def problem_of(url: str) -> str | None:
    """What is wrong with an Apprise URL, without showing it; None if Apprise understands it. Imports Apprise."""
    if importlib.util.find_spec("apprise") is None:
        return 'the package apprise is not installed: pip install "offpath[notify]"'
    with _watched():
        if _service(url) is not None:
            return None
        import apprise

        services: Any = apprise.NotificationManager  # has no types
        schemes = {str(scheme) for scheme in services().schemas()}
    scheme = _scheme(url)
    if scheme in schemes:
        return f"the URL lacks something that {scheme} needs, or has a part that is not right; see Apprise's page of it"
    near = get_close_matches(scheme, sorted(schemes), n=2)
    return f"Apprise has no service {scheme!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")


def _service(url: str) -> Any:
    """What Apprise makes of the URL; None if nothing."""
    import apprise

    # On the calling thread, no images from elsewhere, nothing kept on the disk.
    asset = apprise.AppriseAsset(
        async_mode=False,
        app_id="offpath",
        app_desc="offpath",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is not None:
        given = {name.lower() for name in _PARAMETER.findall(url)}
        if "redirect" not in given:
            # A redirect could take the credentials along to anywhere.
            service.redirects = False
        if "rto" not in given:
            service.socket_read_timeout = _READ_SECONDS
    return service


def _failure(url: str, watch: _Watch, refusal: _Answer | None) -> DeliveryError:
    scheme = _scheme(url)
    waits = [wait for answer in watch.answers if (wait := seconds_to_wait(answer.retry_after)) is not None]
    bad = next((answer for answer in reversed(watch.answers) if not 200 <= answer.status < 300), None)
    if bad is not None:
        redirect = ", a redirect, which is not followed" if 300 <= bad.status < 400 else ""
        return DeliveryError(
            f"{scheme} answered {bad.status}{redirect}", status=bad.status, retry_after=max(waits) if waits else None
        )
    if refusal is not None:
        return DeliveryError(f"{scheme} answered {refusal.status} with the error {refusal.refusal}")
    if watch.errors and "Timeout" in watch.errors[-1]:
        return DeliveryError(f"{scheme} did not answer in time: {watch.errors[-1]}")
    if watch.errors:
        return DeliveryError(f"{scheme} cannot be reached: {watch.errors[-1]}")
    if watch.answers:
        return DeliveryError(f"{scheme} answered {watch.answers[-1].status} with what is no success")
    said = "; ".join(_without_secrets(line, url) for line in watch.lines[-2:])
    return DeliveryError(f"{scheme} did not accept it" + (f": {said}" if said else ""))


def _without_secrets(line: str, url: str) -> str:
    """A log line without personal data and without any part of the URL that is longer than a word."""
    from offpath_evaluators.detect import redact

    for part in sorted(set(re.split(r"[/:@?&=#,]+", url)), key=len, reverse=True):
        if len(part) >= 6 and part != _scheme(url):
            line = line.replace(part, "***")
    return redact(line)[0][:200]


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


# Watching.


@contextmanager
def _watched() -> Iterator[_Watch]:
    with _patching:
        _watch_requests()
        for name in _LOGGERS:
            # A logger takes the same filter once.
            logging.getLogger(name).addFilter(_withhold)
    watch = _Watch()
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def _withhold(record: logging.LogRecord) -> bool:
    watch = _watch.get()
    if watch is None:
        return True
    if record.levelno >= logging.WARNING and record.name == "apprise":
        watch.lines.append(record.getMessage())
    return False


def _watch_requests() -> None:
    """Have `requests` tell of its answers, where somebody watches."""
    from requests import RequestException, Response, Session

    original = Session.send
    if getattr(original, "__offpath__", False):
        return

    @functools.wraps(original)
    def send(self: Session, request: Any, **options: Any) -> Response:
        watch = _watch.get()
        if watch is None:
            return original(self, request, **options)
        try:
            answer = original(self, request, **options)
        except RequestException as error:
            watch.errors.append(type(error).__name__)
            raise
        refusal = None if options.get("stream") else _refusal(answer.content)
        watch.answers.append(_Answer(answer.status_code, answer.headers.get("Retry-After"), refusal))
        return answer

    send.__offpath__ = True  # type: ignore[attr-defined]
    Session.send = send  # type: ignore[method-assign]


def _refusal(content: bytes) -> str | None:
    """The error that an answer `{"ok": false, "error": "..."}` names, as Slack, Telegram and others have them."""
    if not content[:64].lstrip().startswith(b"{") or len(content) > _LONGEST_ANSWER:
        return None
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if answer.get("ok") is not False:
        return None
    error = answer.get("error") or answer.get("description")
    # Only a word: a longer text may repeat the message.
    return error if isinstance(error, str) and _WORD.fullmatch(error) else "that it does not name"
