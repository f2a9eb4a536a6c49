"""The server: the page, the dashboards, and the three questions to Prometheus that they need. Loopback only."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

PAGE: Final = Path(__file__).with_name("page")
DASHBOARDS: Final = Path(__file__).resolve().parents[2] / "dashboards"
TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
QUESTIONS: Final = frozenset({"query", "query_range", "series"})
SECONDS: Final = 30.0
# Labels hold untrusted words; the page adds text only, and were it to err, nothing else would run.
POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'"


class ViewerServer(ThreadingHTTPServer):
    """Args: port (0 takes a free one); the URL of a Prometheus; where the dashboards are."""

    daemon_threads = True

    def __init__(self, port: int, prometheus: str, dashboards: Path = DASHBOARDS) -> None:
        super().__init__(("127.0.0.1", port), _Answer)
        self.prometheus = prometheus.rstrip("/")
        self.dashboards = dashboards

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def viewer(port: int, prometheus: str) -> Iterator[str]:
    """Serve from a thread while the block runs; gives the page's URL.

    Raises:
        OSError: The port is taken.
    """
    server = ViewerServer(port, prometheus)
    thread = threading.Thread(target=server.serve_forever, name="viewer", daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answer(BaseHTTPRequestHandler):
    server: ViewerServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # Pages of other origins reach loopback under names of their own: those get nothing.
        if self.headers.get("Host", "") not in (
            f"127.0.0.1:{self.server.server_port}",
            f"localhost:{self.server.server_port}",
        ):
            self._send(HTTPStatus.FORBIDDEN, b"only 127.0.0.1 and localhost are served\n", "text/plain")
            return
        path = urlsplit(self.path).path
        if path.startswith("/prometheus/"):
            self._ask(path.removeprefix("/prometheus/"))
        elif path == "/dashboards":
            names = sorted(file.stem for file in self.server.dashboards.glob("*.json"))
            self._send(HTTPStatus.OK, json.dumps(names).encode(), TYPES[".json"])
        elif path.startswith("/dashboards/"):
            self._file(self.server.dashboards, path.removeprefix("/dashboards/") + ".json")
        else:
            self._file(PAGE, path.removeprefix("/") or "index.html")

    def _file(self, directory: Path, name: str) -> None:
        # A name out of the listing, so that no path leads anywhere else.
        found = next((file for file in directory.iterdir() if file.name == name and file.suffix in TYPES), None)
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, b"there is no such page\n", "text/plain")
        else:
            self._send(HTTPStatus.OK, found.read_bytes(), TYPES[found.suffix])

    def _ask(self, question: str) -> None:
        """Pass a question on to Prometheus, and its answer back, errors included."""
        if question not in QUESTIONS:
            self._send(HTTPStatus.NOT_FOUND, b"there is no such question\n", "text/plain")
            return
        url = f"{self.server.prometheus}/api/v1/{question}?{urlsplit(self.path).query}"
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310  # the operator named it
                self._send(HTTPStatus.OK, answer.read(), TYPES[".json"])
        except urllib.error.HTTPError as error:
            self._send(HTTPStatus(error.code), error.read(), TYPES[".json"])
        except (OSError, ValueError) as error:
            body = json.dumps({"status": "error", "error": f"{self.server.prometheus} does not answer: {error}"})
            self._send(HTTPStatus.BAD_GATEWAY, body.encode(), TYPES[".json"])

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", f"{content_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        """Nothing: the page asks a hundred questions a minute."""
