"""Inbox: where the stack's notifications go, so that somebody takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

SECRET: Final = "whsec_b2ZmcGF0aCBzdGFjazogbm9ib2R5IHJlYWRzIHRoaXM="  # noqa: S105  # signs messages to ourselves
_MOST: Final = 1_000_000


class _Inbox(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(min(int(self.headers.get("content-length", 0)), _MOST))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Nobody wants to read that."""


@contextmanager
def inbox() -> Iterator[str]:
    """Take messages while the block runs; their address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Inbox)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/notifications"
    finally:
        server.shutdown()
        server.server_close()
