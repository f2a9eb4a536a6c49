"""The command line: starts everything, says where it is, and ends it all at Ctrl+C."""

from __future__ import annotations

import argparse
import math
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.stack import prometheus
from deploy.stack.children import Children, StackError
from deploy.stack.environment import Places, service_environment, worker_environment
from deploy.stack.inbox import inbox
from deploy.viewer.server import viewer
from rich.console import Console

from offpath.demo_traffic import RATE, checked_rate
from offpath.errors import OffpathError
from offpath.offline import OfflineProcessError, offline_model_process
from offpath.storage.database import upgrade

ROOT: Final = Path(__file__).resolve().parents[2]
SHORT: Final = Path("/tmp")  # noqa: S108  # mkdtemp makes a directory of ours in it
"""Paths of sockets must be short; elsewhere temporary directories are deep down."""
SERVICE_PORT: Final = 7777
WORKER_PORT: Final = 7778
PROMETHEUS_PORT: Final = 9090
VIEWER_PORT: Final = 3000


class _StopError(Exception):
    """SIGTERM or SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack until it is stopped; the exit code: 0, or 1 if it could not be or broke."""
    given = _arguments(arguments)
    console = Console(highlight=False, soft_wrap=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        _run(given, console)
    except _StopError:
        pass
    except (StackError, OffpathError, OfflineProcessError) as error:
        console.print(f"offpath stack: {error}", markup=False)
        return 1
    console.print("The stack has ended.")
    return 0


def _run(given: argparse.Namespace, console: Console) -> None:
    program = prometheus.program()
    checked_rate(given.rate)
    service_port, worker_port = _port(given.port, SERVICE_PORT), _port(given.worker_port, WORKER_PORT)
    port = _port(given.prometheus_port, PROMETHEUS_PORT)
    with ExitStack() as closing:
        base = SHORT if SHORT.is_dir() else None
        directory = Path(tempfile.mkdtemp(prefix="offpath-stack-", dir=base))
        closing.callback(shutil.rmtree, directory, ignore_errors=True)
        console.print("Starting PostgreSQL, the demo, its worker and Prometheus ...")
        places = Places(
            directory=directory,
            database=_database(closing),
            model=closing.enter_context(offline_model_process()).base_url,
            inbox=closing.enter_context(inbox()),
            service_port=service_port,
            worker_port=worker_port,
        )
        children = Children(directory)
        closing.callback(_ending, console, children)
        _start(children, places, given)
        _start_prometheus(children, places, given, program, port)
        page = closing.enter_context(viewer(_port(given.viewer_port, VIEWER_PORT), f"http://127.0.0.1:{port}"))
        _say(console, places, given, port, page)
        _watch(children, given.seconds)


def _database(closing: ExitStack) -> str:
    """The URL of a new database on a server of our own."""
    # The tests' own server, which is right for root and for everybody else, and ends with this process.
    sys.path.append(str(ROOT / "tests"))
    try:
        from postgres_server import PostgresServer, fresh_database
    except ImportError as error:
        raise StackError(f"{error}; the stack needs the development environment: run `make stack`") from error
    server = PostgresServer()
    closing.callback(server.remove)
    url: str = fresh_database(server=server)
    upgrade(url)
    return url


def _start(children: Children, places: Places, given: argparse.Namespace) -> None:
    offpath = [sys.executable, "-m", "offpath.cli"]
    latency, rate = f"{given.latency:g}", f"{given.rate:g}"
    demo = [*offpath, "demo", "--latency", latency, "--traffic", rate]
    worker = [*offpath, "worker", "offpath.demo:app", "--database-url", places.database]
    # First the worker: what it has not announced as zero before it happens, no `increase` can see.
    children.start("worker", worker, worker_environment(places))
    children.wait(lambda: _answers(places.worker_port, "/ready"), "that the worker is ready")
    children.start("service", demo, service_environment(places))
    children.wait(lambda: _answers(places.service_port, "/ready"), "that the demo is ready")


def _start_prometheus(children: Children, places: Places, given: argparse.Namespace, program: str, port: int) -> None:
    configured = places.directory / "prometheus.yml"
    targets = {"service": f"127.0.0.1:{places.service_port}", "worker": f"127.0.0.1:{places.worker_port}"}
    ruled_by = prometheus.rules(places.directory, given.rules_every)
    configured.write_text(prometheus.configuration(targets, given.interval, ruled_by))
    command = prometheus.command(program, configured, places.directory / "prometheus", port)
    children.start("prometheus", command, {})
    children.wait(lambda: _answers(port, "/-/ready"), "that Prometheus is ready")


def _say(console: Console, places: Places, given: argparse.Namespace, port: int, page: str) -> None:
    url = f"http://127.0.0.1:{port}"
    until = "until Ctrl+C" if given.seconds is None else f"for {given.seconds:g} s, or until Ctrl+C"
    lines = {
        "Service": f"http://127.0.0.1:{places.service_port}  (its pages: /docs, /metrics)",
        "Worker": f"http://127.0.0.1:{places.worker_port}  (/metrics, /ready)",
        "Prometheus": f"{url}  (/graph, /alerts, /rules, /targets)",
        "Judge": f"{places.model}  (the offline stand-in)",
        "PostgreSQL": places.database,
        "Logs": f"{places.directory}/*.log",
        "Dashboards": f"{page}  (for your own Grafana: dashboards/*.json, data source {url})",
        "Traffic": f"{given.rate:g} visits a second, answered by the offline stand-in; costs are made up",
    }
    for name, value in lines.items():
        console.print(f"{name:<12}{value}", markup=False)
    console.print(f"It runs {until}.")


def _watch(children: Children, seconds: float | None) -> None:
    end = time.monotonic() + (math.inf if seconds is None else seconds)
    while time.monotonic() < end:
        children.check()
        time.sleep(0.2)


def _ending(console: Console, children: Children) -> None:
    # A second Ctrl+C is not to leave anything behind.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    console.print("Ending ...")
    children.stop()


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:  # loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _port(wanted: int | None, usual: int) -> int:
    """The port that was asked for; without one the usual one if it is free, else any.

    Raises:
        StackError: The one that was asked for is taken.
    """
    if wanted or wanted is None:
        try:
            with socket.create_server(("127.0.0.1", wanted or usual)):
                return wanted or usual
        except OSError as error:
            if wanted:
                raise StackError(f"port {wanted} cannot be had ({error.strerror}); name another one, or 0") from error
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(number: int, frame: FrameType | None) -> None:
    raise _StopError


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m deploy.stack", description="Run the whole stack on this machine.")
    parser.add_argument("--seconds", type=float, help="end after so many seconds; default: at Ctrl+C")
    parser.add_argument("--rate", type=float, default=RATE, help="visits a second (%(default)g)")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds that the model takes (%(default)g)")
    parser.add_argument("--interval", type=int, default=5, help="seconds between two scrapes (%(default)d)")
    every = "seconds between two evaluations of rules, instead of what their file says; for tests"
    parser.add_argument("--rules-every", type=int, metavar="SECONDS", help=every)
    for name, usual in (
        ("", SERVICE_PORT),
        ("worker-", WORKER_PORT),
        ("prometheus-", PROMETHEUS_PORT),
        ("viewer-", VIEWER_PORT),
    ):
        what = f"0 takes a free one; default: {usual}, or a free one if it is taken"
        parser.add_argument(f"--{name}port", type=int, metavar="PORT", help=what)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
