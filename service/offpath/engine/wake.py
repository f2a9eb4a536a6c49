"""Telling the worker that there is something to claim: one datagram, sent after a commit.

The receiver writes where it listens to a file beside the database, so that senders find it whatever their environment.
It listens on a Unix datagram socket; where there are none, on UDP at the loopback address; where an event loop cannot
watch a socket (Windows' default one), it listens on nothing and its owner polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Final

from offpath.engine.wakeable import Wakeable
from offpath.storage.paths import DatabasePaths
from offpath.storage.rights import OWNER_ONLY

logger = logging.getLogger("offpath.engine")

_BYTE: Final = b"w"
Address = str | tuple[str, int]


class WakeSender:
    """Sends wakes; safe on any thread, never blocks, never raises."""

    def __init__(self, paths: DatabasePaths) -> None:
        self._paths = paths
        self._known: dict[str, tuple[socket.socket, Address]] = {}

    def send(self, placement: str = "") -> None:
        """Wake the worker, or the service thread of that placement, if one listens."""
        known = self._known.get(placement)
        if known is not None and _sent(*known):
            return
        known = self._look_up(placement)
        if known is not None:
            self._known[placement] = known
            _sent(*known)

    def close(self) -> None:
        while self._known:
            self._known.popitem()[1][0].close()

    def _look_up(self, placement: str) -> tuple[socket.socket, Address] | None:
        stale = self._known.pop(placement, None)
        if stale is not None:
            stale[0].close()
        try:
            kind, _, place = self._paths.wake_address(placement).read_text().strip().partition(":")
            if kind == "udp":
                host, _, port = place.rpartition(":")
                number = int(port)
                if not 0 < number < 65_536:
                    return None
                address: Address = (host, number)
                found = _udp_socket()
            elif kind == "unix" and sys.platform != "win32":
                address = place
                found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            else:
                return None
        except (OSError, ValueError):
            return None
        found.setblocking(False)
        return found, address


class WakeReceiver(Wakeable):
    """Receives wakes on an event loop.

    Args:
        paths: Where the address is published.
        placement: "" for the worker, else the service process whose thread this is.
    """

    def __init__(self, paths: DatabasePaths, placement: str = "") -> None:
        super().__init__()
        self._address_file = paths.wake_address(placement)
        self._paths = paths
        self._placement = placement
        self._socket: socket.socket | None = None
        self._socket_file: Path | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def listening(self) -> bool:
        """False where the owner has to poll."""
        return self._socket is not None

    def open(self) -> None:
        """Listen, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        bound, address = self._bind()
        try:
            self._loop.add_reader(bound.fileno(), self._readable)
        except NotImplementedError:
            bound.close()
            logger.warning("this event loop cannot watch sockets: the queue is looked at every 50 ms instead")
            return
        self._socket = bound
        temporary = self._address_file.with_name(f"{self._address_file.name}.{os.getpid()}.tmp")
        temporary.touch(OWNER_ONLY)
        temporary.write_text(address + "\n")
        os.replace(temporary, self._address_file)

    def close(self) -> None:
        if self._socket is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._address_file.unlink(missing_ok=True)
        if self._socket_file is not None:
            self._socket_file.unlink(missing_ok=True)

    def _bind(self) -> tuple[socket.socket, str]:
        if sys.platform != "win32":
            try:
                path = self._paths.wake_socket(self._placement)
                # Whoever bound it before is gone: its successor holds the lock.
                path.unlink(missing_ok=True)
                bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                bound.setblocking(False)
                bound.bind(os.fspath(path))
                self._socket_file = path
                return bound, f"unix:{path}"
            except OSError as error:
                logger.warning("no Unix socket for wakes (%s): a UDP port on the loopback address is used", error)
        bound = _udp_socket()
        bound.setblocking(False)
        bound.bind(("127.0.0.1", 0))
        host, port = bound.getsockname()
        return bound, f"udp:{host}:{port}"

    def _readable(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket is not None:
                self._socket.recv(16)
        self.wake()


def _sent(sender: socket.socket, address: Address) -> bool:
    try:
        sender.sendto(_BYTE, address)
    except BlockingIOError:
        return True  # its buffer is full of wakes
    except OSError as error:
        # macOS says ENOBUFS where Linux says EAGAIN.
        return error.errno == errno.ENOBUFS
    return True


def _udp_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
