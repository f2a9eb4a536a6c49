"""Who is served: keys and scopes with a key, this machine only without one. Checked before anything is read."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from offpath.access_keys import KeyRing
from offpath.access_keys import Scope as KeyScope
from offpath.api.answer import error_answer
from offpath.api.link import route_path
from offpath.api.principal import LOCAL, SCOPE_KEY, Principal
from offpath.errors import AccessDeniedError

logger = logging.getLogger("offpath.api")

OPEN_PATHS: Final = frozenset({"/", "/health", "/ready"})
"""Served to anyone: they say nothing of what the service holds, and supervisors ask without a key."""
FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
        b"x-client-ip",
        b"cf-connecting-ip",
        b"true-client-ip",
    }
)
"""Headers that show a proxy: whoever is behind it is not on this machine, wherever the connection comes from."""
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TEST_CLIENT: Final = "testclient"
_TEST_HOST: Final = "testserver"
_REMEDY: Final = "set OFFPATH_API_KEY on the service and send the key as `Authorization: Bearer ...`"


class AccessControl:
    """ASGI middleware that refuses what may not be served, and notes the caller for the routes.

    Args:
        app: What comes after.
        key_ring: The keys in force; None or an empty one serves loopback addresses only.
        allowed_hosts: Names in the Host header that are served: "agents.example.com", "*.example.com", "*".
        allowed_origins: Origins of web pages that may call: "https://app.example.com", "*".
        open_paths: Served to anyone, or guarded by a check of their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        key_ring: KeyRing | None,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        open_paths: frozenset[str] = OPEN_PATHS,
    ) -> None:
        self.app = app
        self._open_paths = open_paths
        # Whether there are keys is settled at start: a ring that came to be empty must not open the service.
        self._key_ring = key_ring if key_ring is not None and len(key_ring) else None
        self._hosts = tuple(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origin.lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            path = route_path(scope)
            if path not in self._open_paths:
                try:
                    scope[SCOPE_KEY] = self._admit(scope, path)
                except AccessDeniedError as error:
                    await error_answer(error)(scope, receive, send)
                    return
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope, path: str) -> Principal:
        hosts: list[bytes] = []
        origin = authorization = None
        forwarded = False
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origin = value
            elif name == b"authorization":
                authorization = value
            elif name in FORWARDING:
                forwarded = True
        if self._key_ring is None:
            self._check_local(scope, hosts, origin, forwarded)
            return LOCAL
        if self._hosts:
            for host in hosts:
                name = host_name(host.decode("latin-1"))
                if not (self._allows_host(name) or is_loopback(name)):
                    raise AccessDeniedError(f"the Host {name[:100]!r} is not served; add it to OFFPATH_ALLOWED_HOSTS")
        if self._origins and origin is not None and not self._allows_origin(origin, hosts):
            raise _origin_denied(origin)
        return self._principal(self._key_ring, needed_scope(scope.get("method", "GET"), path), authorization)

    # -- with keys --------------------------------------------------------------------------------------------

    def _principal(self, ring: KeyRing, needed: KeyScope, authorization: bytes | None) -> Principal:
        kind, _, presented = (authorization or b"").decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not presented.strip():
            raise AccessDeniedError("a key is needed: send it as `Authorization: Bearer <key>`", status=401)
        key = ring.find(presented.strip())
        if key is None:
            raise AccessDeniedError("the key is not known; check what is sent as `Authorization: Bearer`", status=401)
        if not key.allows(needed):
            raise AccessDeniedError(
                f'the key "{key.name}" has no scope "{needed.value}", which this request needs; use another key'
            )
        return Principal(key.name, key.user)

    # -- without ----------------------------------------------------------------------------------------------

    def _check_local(self, scope: Scope, hosts: list[bytes], origin: bytes | None, forwarded: bool) -> None:
        if forwarded:
            raise AccessDeniedError(f"this request came through a proxy, and the service has no key: {_REMEDY}")
        client = scope.get("client")
        # None: a Unix socket. The test client has a name in place of an address.
        address = client[0] if client else None
        if address not in (None, "", _TEST_CLIENT) and not is_loopback(address):
            raise AccessDeniedError(f"without a key only this machine is served: {_REMEDY}")
        for host in hosts:
            name = host_name(host.decode("latin-1"))
            if not (is_loopback(name) or self._allows_host(name) or (address == _TEST_CLIENT and name == _TEST_HOST)):
                # A page of any site can have its name resolve to this machine; its Host gives it away.
                raise AccessDeniedError(
                    f"the Host {name[:100]!r} is no name of this machine; use http://localhost, or add it to "
                    f"OFFPATH_ALLOWED_HOSTS"
                )
        if origin is not None and not self._allows_origin(origin, hosts):
            raise _origin_denied(origin)

    def _allows_host(self, name: str) -> bool:
        return any(
            pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))
            for pattern in self._hosts
        )

    def _allows_origin(self, origin: bytes, hosts: list[bytes]) -> bool:
        """Pages of the service itself, and those of the settings."""
        given = origin.decode("latin-1").lower()
        if given in self._origins or "*" in self._origins:
            return True
        _, separator, authority = given.partition("://")
        return bool(separator) and len(hosts) == 1 and authority == hosts[0].decode("latin-1").lower()


def needed_scope(method: str, path: str) -> KeyScope:
    """The scope that a request needs: reading, running, or everything else."""
    if method in _READS:
        return KeyScope.READ
    if method == "POST" and path.rstrip("/").endswith(("/runs", "/cancel", "/feedback")):
        return KeyScope.RUN
    return KeyScope.ADMIN


def host_name(host: str) -> str:
    """The name or address of a Host header, without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() and ":" not in name else host.rstrip(":")


@lru_cache(maxsize=1_024)
def is_loopback(name: str) -> bool:
    """Whether a name or address stands for this machine whatever a name server says."""
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _origin_denied(origin: bytes) -> AccessDeniedError:
    return AccessDeniedError(
        f"pages of {origin.decode('latin-1')[:100]!r} may not call this service; add it to OFFPATH_ALLOWED_ORIGINS"
    )
