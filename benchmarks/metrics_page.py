"""What the /metrics page costs: CPU of writing a snapshot, and of making the page, at 10,000 samples.

    python -m benchmarks.metrics_page [--processes 5] [--rounds 15] [--save]

All processes report all 10,000 samples, which is the worst case, and each has counted since the last page. Beside it,
what was not chosen: OTLP protobuf in the files, and prometheus-client writing the samples. Milliseconds of CPU of this
process, so that neighbours matter less.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from rich.console import Console

from benchmarks.figures import Figure, Report, at_most
from offpath.proof.machine import Neighbours
from offpath.telemetry.direct_metrics import DirectMeterProvider
from offpath.telemetry.instruments import Counter, Histogram
from offpath.telemetry.names import Attribute, Metric
from offpath.telemetry.page import MetricsPage
from offpath.telemetry.snapshot import SnapshotReader
from offpath.telemetry.snapshot_file import decode_snapshot, encode_snapshot

_openmetrics_text: Callable[[object], bytes] = generate_latest  # prometheus-client has no types for it
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
BOUNDS = [0.01 * 2**step for step in range(15)]
HISTOGRAMS, AGENTS, COUNTERS, OTHERS = 8, 50, 14, 200
"""8 x 50 histograms of 18 samples, 14 x 200 counters: 10,000 samples, 3,200 points."""


class Process:
    """Stands for one process: a provider with its reader.

    Args:
        ours: The instruments are offpath's, as nearly all of a service are; else the SDK's, as an application's own.
    """

    def __init__(self, directory: Path, number: int, *, ours: bool = True) -> None:
        self.reader = SnapshotReader(directory, f"process-{number}", "service", interval=3600.0)
        self.plain = InMemoryMetricReader()
        resource = Resource({"service.name": "bench"})
        self.provider = DirectMeterProvider([self.reader, self.plain], resource)
        labels = {"histogram": ("agent_name", "kind", "hook"), "counter": ("agent_name", "kind", "status")}
        keys = {"agent_name": "gen_ai.agent.name"}
        metrics = [
            Metric(f"bench.h{index}.duration", "histogram", "s", "A", buckets=tuple(BOUNDS))
            for index in range(HISTOGRAMS)
        ] + [Metric(f"bench.c{index}", "counter", "{run}", "B") for index in range(COUNTERS)]
        metrics = [
            replace(
                metric,
                labels=tuple(Attribute(keys.get(name, f"offpath.{name}"), name) for name in labels[metric.kind]),
            )
            for metric in metrics
        ]
        if ours:
            histograms = [Histogram(metric) for metric in metrics if metric.kind == "histogram"]
            counters = [Counter(metric) for metric in metrics if metric.kind == "counter"]
            self.provider.serve([each.connect_directly() for each in (*histograms, *counters)])
            self._record = [partial(_record, each) for each in histograms]
            self._add = [partial(_add, each) for each in counters]
        else:
            meter = self.provider.get_meter("bench")
            self._record = [
                partial(
                    _sdk_record,
                    meter.create_histogram(
                        each.name, each.unit, each.description, explicit_bucket_boundaries_advisory=BOUNDS
                    ),
                )
                for each in metrics
                if each.kind == "histogram"
            ]
            self._add = [
                partial(_sdk_add, meter.create_counter(each.name, each.unit, each.description))
                for each in metrics
                if each.kind == "counter"
            ]

    def count(self) -> None:
        for agent in range(AGENTS):
            for record in self._record:
                for _ in range(3):
                    record(f"agent {agent}", random.lognormvariate(0, 2))
        for other in range(OTHERS):
            for add in self._add:
                add(f"agent {other}")


def _record(histogram: Histogram, agent: str, value: float) -> None:
    histogram.record(value, agent_name=agent, kind="agent", hook="evaluate")


def _add(counter: Counter, agent: str) -> None:
    counter.add(1, agent_name=agent, kind="agent", status="completed")


def _sdk_record(histogram: Any, agent: str, value: float) -> None:
    histogram.record(value, {"gen_ai.agent.name": agent, "offpath.kind": "agent", "offpath.hook": "evaluate"})


def _sdk_add(counter: Any, agent: str) -> None:
    counter.add(1, {"gen_ai.agent.name": agent, "offpath.kind": "agent", "offpath.status": "completed"})


def cpu(rounds: int, measured: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> list[float]:
    """Milliseconds of CPU of each round."""
    found = []
    for _ in range(rounds):
        before()
        began = time.process_time()
        measured()
        found.append((time.process_time() - began) * 1e3)
    return found


def walk(content: bytes) -> int:
    """Read OTLP as far as a merge has to."""
    known = {}
    for resource in ExportMetricsServiceRequest.FromString(content).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.histogram.data_points:
                    labels = tuple((pair.key, pair.value.string_value) for pair in point.attributes)
                    known[metric.name, labels] = (list(point.bucket_counts), point.sum)
                for number in metric.sum.data_points:
                    labels = tuple((pair.key, pair.value.string_value) for pair in number.attributes)
                    known[metric.name, labels] = number.as_int
    return len(known)


class Registry:
    def __init__(self, families: list[Any]) -> None:
        self.collect = lambda: families


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>-metrics_page.json")
    options = parser.parse_args()
    report, neighbours = Report("metrics_page", quick=False), Neighbours()
    for ours in (True, False):
        with tempfile.TemporaryDirectory() as name:
            measure(report, Path(name), options.processes, options.rounds, ours=ours)
    report.heard(neighbours.share())
    report.notes.append("CPU of the process that makes the page: medians of the rounds, least - most")
    report.print(Console(width=150))
    if options.save:
        report.save()


def measure(report: Report, directory: Path, count_of_processes: int, rounds: int, *, ours: bool) -> None:
    """Fill a directory, and make pages of it."""
    tracer = TracerProvider().get_tracer("bench")
    processes = [Process(directory, number, ours=ours) for number in range(count_of_processes)]

    def count() -> None:
        with tracer.start_as_current_span("run"):
            for process in processes:
                process.count()
        for process in processes[1:]:
            process.reader.flush()

    def add(what: str, found: list[float], most: float | None = None) -> None:
        predicted = None if most is None else at_most(most)
        name = what if ours else f"an application's own instruments: {what}"
        report.add(Figure(name, statistics.median(found), "ms", min(found), max(found), predicted))

    first = processes[0]
    count()
    snapshot = first.reader.flush()
    page = MetricsPage(directory, first.reader)
    body, _ = page.render(OPENMETRICS)
    samples = sum(not line.startswith(b"#") for line in body.splitlines()) - 1
    report.notes.append(f"{count_of_processes} processes, {samples:,} samples on the page, {len(body):,} bytes")
    alone = MetricsPage(directory, None)
    add("page, own flush included", cpu(rounds, lambda: page.render(OPENMETRICS), count), 60)
    add("page, plain text", cpu(rounds, lambda: page.render(None), count), 60)
    add("page without the flush", cpu(rounds, lambda: alone.render(OPENMETRICS), count))
    add("snapshot: collect, encode, write", cpu(rounds, first.reader.flush, first.count))
    add("snapshot: nothing new", cpu(rounds, first.reader.flush))
    add("collecting alone", cpu(rounds, first.plain.get_metrics_data, first.count))
    if ours:
        content = first.reader.presence.path.with_suffix(".snapshot").read_bytes()
        add("reading one file", cpu(rounds, lambda: decode_snapshot(content)))
        add("encoding one file", cpu(rounds, lambda: encode_snapshot(snapshot)))
        data = first.plain.get_metrics_data()
        assert data is not None
        otlp = encode_metrics(data).SerializeToString()
        add("not chosen: OTLP, encode", cpu(rounds, lambda: encode_metrics(data).SerializeToString()))
        add("not chosen: OTLP, read one file", cpu(rounds, lambda: walk(otlp)))
        registry = Registry(list(text_string_to_metric_families(body.decode())))  # type: ignore[no-untyped-call]
        add("not chosen: prometheus-client writes the samples", cpu(rounds, partial(_openmetrics_text, registry)))
    for process in processes:
        process.provider.shutdown()
    page.close()


if __name__ == "__main__":
    main()
