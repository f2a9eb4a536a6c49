"""Where notifications go in tests: an HTTP receiver and an SMTP server on loopback, which fail when told to."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG = 0
"""As a status: no answer, until the receiver is closed."""


@dataclass(frozen=True)
class Received:
    """A request. Header names in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What a request is answered with."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)


class HttpReceiver:
    """Answers each request with the next of `replies`, and with the last one from then on."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies or (Reply(),))
        self.received: list[Received] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = receiver._take(Received(self.path, headers, body))
                if reply.status == HANG:
                    receiver._closed.wait(60)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST  # noqa: N815  # the name that the server looks for

            def log_message(self, *arguments: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.address = f"127.0.0.1:{self.port}"

    def _take(self, received: Received) -> Reply:
        with self._lock:
            self.received.append(received)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()


class SmtpServer:
    """Takes mail, or refuses it with one of these replies.

    Args:
        greeting: Instead of 220: "421 too busy".
        on_recipient: Instead of 250: "550 no such user".
        on_data: Instead of 250 after the message: "451 try later".
        times: How many messages are answered with that; the others are taken.
    """

    def __init__(self, *, greeting: str = "", on_recipient: str = "", on_data: str = "", times: int = 1_000) -> None:
        self.greeting, self.on_recipient, self.on_data = greeting, on_recipient, on_data
        self.refusals = times if on_data else 0
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        smtp = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    smtp._talk(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    def _talk(self, connection: socketserver.StreamRequestHandler) -> None:
        def say(line: str) -> None:
            connection.wfile.write(f"{line}\r\n".encode())

        say(self.greeting or "220 loopback")
        if self.greeting:
            return
        while line := connection.rfile.readline().decode(errors="replace").strip():
            verb = line[:4].upper()
            if verb == "QUIT":
                say("221 bye")
                return
            if verb == "RCPT":
                self.recipients.append(line)
                say(self.on_recipient or "250 ok")
            elif verb == "DATA":
                say("354 go on")
                lines = []
                while (part := connection.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(part.removeprefix(b".") if part.startswith(b"..") else part)
                if self.refusals:
                    self.refusals -= 1
                    say(self.on_data)
                    continue
                self.messages.append(message_from_bytes(b"".join(lines), policy=policy.default))
                say("250 queued")
            else:
                say("250 ok")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()


@contextlib.contextmanager
def http_receiver(*replies: Reply) -> Iterator[HttpReceiver]:
    receiver = HttpReceiver(*replies)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.close()


@contextlib.contextmanager
def smtp_server(**replies: Any) -> Iterator[SmtpServer]:
    server = SmtpServer(**replies)
    server.start()
    try:
        yield server
    finally:
        server.close()


def load_apprise() -> None:
    """Have Apprise load its services, one of which imports a module that Python has deprecated."""
    import apprise

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert "json" in apprise.NotificationManager()
