"""A load generator for HTTP/1.1 that costs little CPU, since it shares two cores with what it measures.

One thread, plain sockets and `select`, which waits to the microsecond; epoll and the event loops on it round to
milliseconds. Requests are encoded before the clock starts, and responses are read only as far as their length.
"""

from __future__ import annotations

import gc
import json
import random
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from offpath.proof.errors import ProofError

_BUFFER = 1 << 16
_END_OF_HEAD = b"\r\n\r\n"
_BOUNDARY = "offpath-form-boundary"
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""Longest wait for answers once the last request is due."""

IDLE_SECONDS = 3.0
"""A connection that was idle for longer is opened anew: servers close theirs after five seconds or so."""

Address = tuple[str, int]


class LoadError(ProofError):
    """The server closed a connection, answered nonsense, or did not answer."""


@dataclass(slots=True)
class LoadResult:
    """What one block of requests saw. Times in seconds."""

    latencies: list[float] = field(default_factory=list)
    """One for each answer of status 200 after the lead-in; in an open loop from the intended arrival."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Of all answers, the lead-in's included."""
    seconds: float = 0.0
    """From the first request, or the end of the lead-in, to the last answer."""
    cpu: float = 0.0
    """CPU that the generator itself used."""

    @property
    def rate(self) -> float:
        """Answers of status 200 a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def check(self) -> LoadResult:
        """Itself.

        Raises:
            LoadError: If any answer was not a 200: its latency would be that of an error.
        """
        if set(self.statuses) != {200}:
            raise LoadError(f"not every answer was a 200: {dict(self.statuses)}")
        return self


def form_request(path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> bytes:
    """A POST of a multipart form, as `curl -F` sends it."""
    parts = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    body = f"{parts}--{_BOUNDARY}--\r\n".encode()
    return _request(path, body, f"multipart/form-data; boundary={_BOUNDARY}", headers)


def json_request(path: str, value: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST of JSON."""
    return _request(path, json.dumps(value).encode(), "application/json", headers)


def _request(path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Accept: */*",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + body


def poisson_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Times of arrival in seconds from the start, at `rate` a second on average; the same for the same seed."""
    draw, now, arrivals = random.Random(seed), 0.0, list[float]()  # noqa: S311  # arrivals, no secret
    while (now := now + draw.expovariate(rate)) < seconds:
        arrivals.append(now)
    return arrivals


class _Connection:
    """One kept-alive connection, with at most one request under way."""

    __slots__ = ("address", "expected", "intended", "received", "socket", "status", "used_at")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.socket = self._connect()
        self.used_at = time.perf_counter()
        self.intended = 0.0
        self.received = bytearray()
        self.expected = -1
        """Bytes of the whole answer, once its head is there."""
        self.status = 0

    def _connect(self) -> socket.socket:
        try:
            connected = socket.create_connection(self.address, timeout=CONNECT_SECONDS)
        except OSError as error:
            host, port = self.address
            raise LoadError(f"no connection to {host}:{port}: {error.strerror or error}") from error
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, request: bytes, intended: float) -> None:
        if time.perf_counter() - self.used_at > IDLE_SECONDS:
            self.socket.close()
            self.socket = self._connect()
        self.intended = intended
        self.expected = -1
        self.received.clear()
        try:
            self.socket.sendall(request)
        except OSError as error:
            raise LoadError(f"a request could not be sent: {error.strerror or error}") from error

    def receive(self) -> bool:
        """Read what is there; True when the answer is complete."""
        try:
            data = self.socket.recv(_BUFFER)
        except OSError as error:
            raise LoadError(f"a connection broke before it answered: {error.strerror or error}") from error
        self.used_at = time.perf_counter()
        if not data:
            raise LoadError("the server closed a connection before it answered")
        self.received += data
        if self.expected < 0:
            end = self.received.find(_END_OF_HEAD)
            if end < 0:
                return False
            self.status, length = _read_head(bytes(self.received[:end]))
            self.expected = end + len(_END_OF_HEAD) + length
        return len(self.received) >= self.expected


def _read_head(head: bytes) -> tuple[int, int]:
    """Status and Content-Length of an answer's head.

    Raises:
        LoadError: It is no HTTP/1.1 answer with a length.
    """
    try:
        status = int(head[9:12])
        rest = head.lower().partition(b"\r\ncontent-length:")[2]
        return status, int(rest.partition(b"\r\n")[0])
    except ValueError:
        raise LoadError(f"not an HTTP answer with a Content-Length: {head[:200]!r}") from None


def open_loop(
    address: Address, requests: Sequence[bytes], arrivals: Sequence[float], *, connections: int, lead_in: float = 0.0
) -> LoadResult:
    """Send a request at each arrival, however slow the answers are.

    Args:
        requests: Sent in turn.
        arrivals: Seconds from the start, ascending.
        connections: At most so many requests under way; an arrival that finds none free waits, and its latency counts.
        lead_in: Requests that arrive in these first seconds are sent, and not counted.

    Raises:
        LoadError: See there.
    """
    with _exchange(address, requests, connections, lead_in) as exchange:
        waiting: deque[float] = deque()
        next_arrival = 0
        while next_arrival < len(arrivals) or waiting or exchange.busy:
            now = exchange.now()
            while next_arrival < len(arrivals) and arrivals[next_arrival] <= now:
                waiting.append(arrivals[next_arrival])
                next_arrival += 1
            while waiting and exchange.idle:
                exchange.send(waiting.popleft())
            if next_arrival < len(arrivals):
                exchange.collect(max(0.0, arrivals[next_arrival] - exchange.now()))
            else:
                exchange.collect_some()
    return exchange.result


def closed_loop(
    address: Address,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float = 0.0,
    count: int = 0,
    lead_in: float = 0.0,
) -> LoadResult:
    """Send a request on each connection as soon as the one before is answered, for some seconds or so many in all.

    Args:
        requests: Sent in turn.
        seconds: How long requests are sent after the lead-in; those under way then are awaited and counted.
        count: How many are sent, when `seconds` is 0.
        lead_in: Requests sent in these first seconds are not counted.

    Raises:
        LoadError: See there.
    """
    with _exchange(address, requests, connections, lead_in) as exchange:
        end = lead_in + seconds
        while True:
            now = exchange.now()
            while exchange.idle and (now < end if seconds else exchange.sent < count):
                exchange.send(exchange.now())
            if not exchange.busy:
                break
            exchange.collect_some()
    return exchange.result


class _Exchange:
    """Requests under way on a few connections."""

    def __init__(self, opened: Sequence[_Connection], requests: Sequence[bytes], lead_in: float) -> None:
        self.idle = deque(opened)
        self.busy: dict[int, _Connection] = {}
        self.sent = 0
        self.result = LoadResult()
        self._requests = requests
        self._lead_in = lead_in
        self._start = time.perf_counter()

    def now(self) -> float:
        """Seconds from the start."""
        return time.perf_counter() - self._start

    def send(self, intended: float) -> None:
        connection = self.idle.popleft()  # in turns, so that none is idle for long
        connection.send(self._requests[self.sent % len(self._requests)], intended)
        self.busy[connection.fileno()] = connection
        self.sent += 1

    def collect(self, timeout: float) -> bool:
        """Take answers that come within `timeout` seconds; False if nothing came."""
        readable = select.select(list(self.busy), (), (), timeout)[0]
        for number in readable:
            connection = self.busy[number]
            if connection.receive():
                ended = self.now()
                del self.busy[number]
                self.idle.append(connection)
                self.result.statuses[connection.status] += 1
                if connection.intended >= self._lead_in and connection.status == 200:
                    self.result.latencies.append(ended - connection.intended)
        return bool(readable)

    def collect_some(self) -> None:
        if not self.collect(ANSWER_SECONDS):
            raise LoadError(f"{len(self.busy)} requests were not answered within {ANSWER_SECONDS:g} s")


@contextmanager
def _exchange(address: Address, requests: Sequence[bytes], connections: int, lead_in: float) -> Iterator[_Exchange]:
    opened: list[_Connection] = []
    gc.collect()
    gc.disable()  # a full collection of the generator's would look like a slow answer
    try:
        for _ in range(connections):
            opened.append(_Connection(address))
        cpu = time.process_time()
        exchange = _Exchange(opened, requests, lead_in)
        yield exchange
        exchange.result.seconds = max(0.0, exchange.now() - lead_in)
        exchange.result.cpu = time.process_time() - cpu
    finally:
        gc.enable()
        for connection in opened:
            connection.socket.close()
