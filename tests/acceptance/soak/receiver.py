"""Receiver: what takes notifications, or telemetry, and answers badly or not at all when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal

from acceptance.serving import free_port

Mood = Literal["well", "refusing", "limiting", "silent"]
"""well: 200. refusing: 503. limiting: 429 with Retry-After. silent: no answer until it is well again."""
_STATUS: Final[dict[Mood, int]] = {"well": 200, "refusing": 503, "limiting": 429}
_LONGEST_SILENCE: Final = 30.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


class Receiver:
    """An HTTP server on loopback, on a port that it keeps when it is away.

    Args:
        take: Called with headers (small names) and body of each request that is answered with 200, one at a time.
    """

    def __init__(self, take: Callable[[dict[str, str], bytes], None]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.mood: Mood = "well"
        self.answered: dict[int, int] = {}
        """Requests by the status of their answer."""

    def up(self) -> None:
        """Take connections."""
        if self._server is not None:
            return
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 60

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = receiver._answer({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                return

        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, headers: dict[str, str], body: bytes) -> int:
        began = time.monotonic()
        while self.mood == "silent" and time.monotonic() - began < _LONGEST_SILENCE:
            time.sleep(0.05)
        status = _STATUS.get(self.mood, 503)
        with self._lock:
            if status == 200:
                self._take(headers, body)
            self.answered[status] = self.answered.get(status, 0) + 1
        return status
