"""The load generator against a small server whose answers are known."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from offpath.proof.load import LoadError, closed_loop, form_request, json_request, open_loop, poisson_arrivals

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request of each connection with the next of some answers, in pieces if they hold a None."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.received: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = ("127.0.0.1", self.listening.getsockname()[1])
        self.threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work, *arguments) -> None:  # type: ignore[no-untyped-def]
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65_536):
                self.received.append(data)
                answer = self.answers[len(self.received) % len(self.answers)]
                if not answer:
                    return
                half = len(answer) // 2
                connection.sendall(answer[:half])
                connection.sendall(answer[half:])

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for thread in self.threads:
            thread.join(5)


@pytest.fixture
def serve() -> Iterator[object]:
    servers: list[Server] = []

    def make(*answers: bytes) -> Server:
        servers.append(Server(*answers))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def test_closed_loop_counts_every_answer(serve) -> None:  # type: ignore[no-untyped-def]
    server = serve(OK)
    result = closed_loop(server.address, [b"request"], connections=3, count=30).check()
    assert len(result.latencies) == len(server.received) == 30
    assert result.rate > 0


def test_open_loop_sends_each_arrival_once(serve) -> None:  # type: ignore[no-untyped-def]
    server = serve(OK)
    arrivals = [number / 1_000 for number in range(40)]
    result = open_loop(server.address, [b"request"], arrivals, connections=2, lead_in=0.02).check()
    assert len(server.received) == 40
    assert len(result.latencies) == 20  # those of the lead-in are sent, not counted


def test_latency_counts_from_the_intended_arrival(serve) -> None:  # type: ignore[no-untyped-def]
    server = serve(OK)
    # All arrive at once on one connection, so that each waits for those before it.
    latencies = open_loop(server.address, [b"request"], [0.0] * 20, connections=1).latencies
    assert latencies == sorted(latencies)
    result = open_loop(server.address, [b"request"], [0.0, 0.1], connections=1)
    assert result.latencies[1] <= result.seconds - 0.1


def test_requests_take_turns(serve) -> None:  # type: ignore[no-untyped-def]
    server = serve(OK)
    closed_loop(server.address, [b"first", b"second"], connections=1, count=4)
    assert server.received == [b"first", b"second", b"first", b"second"]


def test_an_error_status_is_no_latency(serve) -> None:  # type: ignore[no-untyped-def]
    server = serve(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
    result = closed_loop(server.address, [b"request"], connections=1, count=3)
    assert result.latencies == []
    with pytest.raises(LoadError, match="503"):
        result.check()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"nonsense\r\n\r\n"])
def test_no_proper_answer_is_an_error(serve, answer: bytes) -> None:  # type: ignore[no-untyped-def]
    server = serve(answer)
    with pytest.raises(LoadError):
        closed_loop(server.address, [b"request"], connections=1, count=1)


def test_nobody_who_listens_is_an_error_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    with pytest.raises(LoadError, match=f"no connection to 127.0.0.1:{address[1]}"):
        open_loop(address, [b"request"], [0.0], connections=1)


def test_requests_are_what_curl_would_send() -> None:
    head, _, body = form_request("/agents/a/runs", {"message": "Hi", "stream": "false"}).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /agents/a/runs HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'name="message"\r\n\r\nHi\r\n' in body
    assert json_request("/x", {"a": 1}).endswith(b'\r\n\r\n{"a": 1}')


def test_arrivals_are_the_same_for_the_same_seed() -> None:
    arrivals = poisson_arrivals(1_000, 5.0, seed=3)
    assert arrivals == poisson_arrivals(1_000, 5.0, seed=3) == sorted(arrivals)
    assert arrivals != poisson_arrivals(1_000, 5.0, seed=4)
    assert 4_700 < len(arrivals) < 5_300
    assert arrivals[-1] < 5.0
