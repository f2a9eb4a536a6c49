"""The request that all arms get, and where it goes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from offpath.errors import ConfigurationError
from offpath.proof.load import Address, form_request, json_request
from offpath.proof.target import KINDS, Call

_RUNS: Final = re.compile(r"(?P<prefix>.*)/(agents|teams|workflows)/[^/]+/runs/?")


def run_path(component: str) -> str:
    """The path of runs of "support", "team:desk" or "workflow:review".

    Raises:
        ConfigurationError: There is no such kind.
    """
    kind, separator, component_id = component.partition(":")
    if not separator:
        kind, component_id = "agent", component
    if kind not in KINDS or not component_id:
        raise ConfigurationError(
            f"component {component!r} is not understood; write the id of an agent, team:ID or workflow:ID"
        )
    return f"/{kind}s/{component_id}/runs"


def run_request(path: str, call: Call, headers: Mapping[str, str] | None = None, *, host: str = "127.0.0.1") -> bytes:
    """A whole POST of one run, not streamed.

    Args:
        headers: Besides those of the call.
        host: For the Host header.

    Raises:
        ConfigurationError: The call's body is no JSON, or a header cannot be sent.
    """
    all_headers = dict(headers or {}) | dict(call.headers)
    for name, value in all_headers.items():
        # Its value stays out of the text: it is a key as a rule.
        if not name or re.search(r"[\r\n:]", name) or re.search(r"[\r\n]", value):
            raise ConfigurationError(f"the header {name!r} cannot be sent: no line ends, and no colon in its name")
    if call.body:
        try:
            value = json.loads(call.body)
        except ValueError as error:
            raise ConfigurationError(f"the body is no JSON: {error}") from error
        request = json_request(path, value, all_headers)
    else:
        request = form_request(path, {"message": call.message, "stream": "false"}, all_headers)
    return request.replace(b"Host: 127.0.0.1\r\n", f"Host: {host}\r\n".encode(), 1)


def first_component(components: Sequence[tuple[str, str]]) -> str:
    """What is called if nothing else is asked for."""
    kind, component_id = components[0]
    return f"{kind}:{component_id}"


class Place:
    """Where the requests of one URL go.

    Args:
        url: http://host:port, perhaps with a path; one of a `UrlTarget`.
        component: See `Call`; "" if the URL is that of the runs itself.

    Raises:
        ConfigurationError: There is no such component.
    """

    def __init__(self, url: str, component: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None  # noqa: S101  # checked by UrlTarget
        path = parts.path.rstrip("/")
        self.address: Address = (parts.hostname, parts.port or 80)
        self.host = parts.netloc
        self.path = path + run_path(component) if component else path or "/"
        found = _RUNS.fullmatch(self.path)
        self.prefix: str | None = found["prefix"] if found is not None else None
        """The path before `/hooks`, if the path of the runs is one of offpath's."""
