"""What telemetry costs a run on the response path: CPU of the service process, off, with metrics, with all traces.

Encoding and sending are part of it: they happen in the same process.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.figures import Figure, Report, about, at_most
from benchmarks.response import REQUEST
from benchmarks.served import Served, scratch, served
from offpath.offline import OfflineOptions, offline_model_process
from offpath.proof.estimates import Pair, bootstrap
from offpath.proof.load import closed_loop
from offpath.proof.machine import Neighbours, cpu_of
from offpath.proof.turns import rounds

CONNECTIONS = 16
OFF = "off (OTEL_SDK_DISABLED)"
SAME = "off once more (A/A)"


class _Sink(BaseHTTPRequestHandler):
    """Takes what is exported, and drops it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Not in a benchmark's output."""


@contextmanager
def _collector() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure the arms in turns; CPU a run of the service process, and the differences."""
    seconds, count = (1.5, 4) if report.quick else (2.0, 20)
    with (
        scratch() as directory,
        offline_model_process(OfflineOptions(recorded_requests=0)) as model,
        _collector() as collector,
        ExitStack() as up,
    ):
        off = {"OTEL_SDK_DISABLED": "true"}
        variables: dict[str, dict[str, str]] = {
            OFF: off,
            SAME: off,
            "metrics": {},
            "metrics and every trace": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector}/v1/traces"},
            "everything over OTLP": {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_LOGS_EXPORTER": "otlp"},
        }
        arms: dict[str, Callable[[], float]] = {}
        for number, (name, more) in enumerate(variables.items()):
            service = up.enter_context(
                served("trivial_hooks", directory, model.base_url, name=f"arm{number}", variables=more)
            )
            arms[name] = partial(_block, service, seconds)
        neighbours = Neighbours()
        for block in arms.values():
            block()
        found = rounds(count, arms)
        report.heard(neighbours.share())
    for name, blocks in found.items():
        report.add(Figure(f"{name}: CPU of a run", _middle(blocks), "us", min(blocks), max(blocks)))
    for name, blocks in found.items():
        if name != OFF:
            estimate = bootstrap([([off], [on]) for off, on in zip(found[OFF], blocks, strict=True)], _more)
            predicted = about(0) if name == SAME else at_most(500)
            report.add(Figure.of(f"{name}: more than off", estimate, "us", predicted))
    report.notes += (
        f"{CONNECTIONS} connections, 2 trivial hooks a run, {count} blocks of {seconds:g} s in turns",
        "CPU of a run: medians, least - most; differences: medians of the differences of a round, 95 % interval",
    )


def _more(pairs: Sequence[Pair]) -> float:
    return statistics.median(on[0] - off[0] for off, on in pairs)


def _block(service: Served, seconds: float) -> float:
    before = cpu_of(service.pid)
    result = closed_loop(service.address, [REQUEST], connections=CONNECTIONS, seconds=seconds).check()
    return (cpu_of(service.pid) - before) / len(result.latencies) * 1e6


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
