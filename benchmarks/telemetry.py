"""What recording costs: CPU of each span and metric, off and on; memory while a collector is dead."""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from benchmarks.figures import Figure, Prediction, Report, about, at_most
from offpath.proof.machine import Neighbours
from offpath.telemetry import tracing
from offpath.telemetry.instruments import instruments

HOOK_ID = "agent:support:post:notify"
RUNS_PER_SECOND = 100
HOUR_OF_RUNS = 3_600 * RUNS_PER_SECOND
DEAD = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Every recording alone, then what a run records together, then an hour of runs with nobody to take it."""
    neighbours = Neighbours()
    for arm, predictions in _PREDICTED.items():
        if only and not any(word in arm for word in only):
            continue
        report.say(arm)
        with _ARMS[arm]():
            for name, record in _RECORDINGS.items():
                value = _cpu(record, 5 if report.quick else 25)
                report.add(Figure(f"{arm}: {name}", value * 1e9, "ns", predicted=predictions.get(name)))
    if not only or any(word in "dead collector" for word in only):
        _dead_collector(report)
    report.heard(neighbours.share())
    report.notes.append("nanoseconds of CPU of the process; the least of the rounds, so that neighbours count little")


# -- what is recorded -------------------------------------------------------------------------------------------------


def _run_span() -> None:
    with tracing.run_span("agent", "Support", "support", run_id="r", session_id="s") as span:
        span.ended("completed", input_tokens=30, output_tokens=40)


def _chat_span() -> None:
    with tracing.chat_span("gpt-4o", "openai", "api.example.com", 443) as chat:
        chat.answered(response_id="x", model="gpt-4o-2024", finish_reason="stop", input_tokens=30, output_tokens=40)


def _tool_span() -> None:
    with tracing.tool_span("search", "c", "Support"):
        pass


def _hand_over() -> None:
    with tracing.producer_span(3, run_id="r") as hand_over:
        str(hand_over.traceparent)


def _hook_span() -> None:
    with tracing.hook_span(
        "notify", HOOK_ID, "notification", run_id="r", job_key="r:post:notify", attempt=1, traceparent=_TRACEPARENT
    ) as hook:
        hook.ended("success")


def _count() -> None:
    instruments().hooks_queued.add(1, hook=HOOK_ID, hook_kind="notification")


def _measure() -> None:
    instruments().commit_duration.record(0.002, store="sqlite")


def _whole_run() -> None:
    """What the response path of a run with one call to a model and three hooks records, besides HTTP."""
    with tracing.run_span("agent", "Support", "support", run_id="r", session_id="s") as span:
        _chat_span()
        _hand_over()
        for _ in range(3):
            _count()
            _measure()
        span.ended("completed", input_tokens=30, output_tokens=40)


def _request() -> None:
    """A request that is answered at once."""
    try:
        _http(dict(_SCOPE), _receive, _send).send(None)
    except StopIteration:
        return
    raise RuntimeError("the request waited for something")


async def _receive() -> Any:
    return {"type": "http.request", "body": b""}


async def _send(message: Any) -> None:
    pass


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"900")]})
    await send({"type": "http.response.body", "body": b"{}"})


_SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "path": "/agents/support/runs",
    "query_string": b"",
    "scheme": "http",
    "headers": [(b"host", b"127.0.0.1"), (b"accept", b"*/*"), (b"content-length", b"300")],
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 50_000),
    "route": SimpleNamespace(path_format="/agents/{agent_id}/runs"),
}
_http: Any = _answer
_TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01,{'c' * 16}"
_ALL = "all of a run with one model call and three hooks"
_RECORDINGS: dict[str, Callable[[], None]] = {
    "run": _run_span,
    "call to a model": _chat_span,
    "call of a tool": _tool_span,
    "hand-over": _hand_over,
    "hook": _hook_span,
    "request": _request,
    "counter": _count,
    "histogram": _measure,
    _ALL: _whole_run,
}


def _cpu(record: Callable[[], None], rounds: int, calls: int = 500) -> float:
    """Seconds of CPU of one call: the least of the rounds."""
    least = float("inf")
    for _ in range(rounds + 1):
        began = time.process_time()
        for _ in range(calls):
            record()
        least = min(least, time.process_time() - began)
    return least / calls


# -- where it goes ----------------------------------------------------------------------------------------------------


@contextmanager
def _off() -> Iterator[None]:
    with _recording(None, None):
        yield


@contextmanager
def _recording(tracer: Any, meter: Any, *, contrib: bool = False) -> Iterator[None]:
    """Record to these, requests too."""
    global _http
    tracing.use_providers(tracer, meter)
    if contrib:
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        _http = OpenTelemetryMiddleware(
            _answer, tracer_provider=tracer, meter_provider=meter, exclude_spans=["receive", "send"]
        )
    else:
        from offpath.telemetry.http_requests import HttpRequests

        _http = HttpRequests(_answer)
    try:
        yield
    finally:
        _http = _answer
        tracing.use_providers(None, None)
        if tracer is not None:
            tracer.shutdown()


@contextmanager
def _ours(ratio: float | None, readers: int) -> Iterator[None]:
    """As a service has it, but for sending: spans are encoded, and readers are not asked."""
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    from offpath.telemetry.direct_metrics import DirectMeterProvider
    from offpath.telemetry.otlp_spans import EncodedSpanBatches, OtlpSpanExporter

    tracer = None
    if ratio is not None:
        tracer = TracerProvider(ParentBasedTraceIdRatio(ratio), shutdown_on_exit=False)
        exporter = OtlpSpanExporter(endpoint="http://127.0.0.1:9/v1/traces")
        tracer.add_span_processor(EncodedSpanBatches(exporter, lambda content: True))
    with _recording(tracer, DirectMeterProvider([InMemoryMetricReader() for _ in range(readers)], Resource({}))):
        yield


@contextmanager
def _sdk() -> Iterator[None]:
    """What was there before: the SDK's spans and histograms, its encoder, the contrib instrumentation."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from offpath.telemetry.export import SpanBatches

    class Encoding(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            encode_spans(spans).SerializePartialToString()
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

    # The variable that turns the faster ways off.
    os.environ["OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"] = "true"
    try:
        tracer = TracerProvider(shutdown_on_exit=False)
        tracer.add_span_processor(SpanBatches(Encoding()))
        meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
        with _recording(tracer, meter, contrib=True):
            yield
    finally:
        del os.environ["OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"]


_ARMS: dict[str, Callable[[], Any]] = {
    "off": _off,
    "metrics": lambda: _ours(None, 1),
    "traces unsampled, metrics": lambda: _ours(0.0, 1),
    "traces sampled, metrics": lambda: _ours(1.0, 1),
    "traces sampled, metrics twice (page and OTLP)": lambda: _ours(1.0, 2),
    "not chosen: all by the SDK and contrib": _sdk,
}
_NO_OP = at_most(1_000)
_PREDICTED: dict[str, dict[str, Prediction]] = {
    "off": dict.fromkeys([name for name in _RECORDINGS if name not in ("request", _ALL)], _NO_OP),
    "metrics": {"counter": about(600), "histogram": about(1_500)},
    "traces unsampled, metrics": {},
    "traces sampled, metrics": {"run": about(20_000), "call to a model": about(22_000), "hook": about(20_000)},
    "traces sampled, metrics twice (page and OTLP)": {_ALL: at_most(100_000)},
    # a span 13.5 us, current with attributes 24.8; a histogram 5.7 to 7; a span's encoding 33
    "not chosen: all by the SDK and contrib": {_ALL: about(250_000)},
}


# -- a dead collector -------------------------------------------------------------------------------------------------


def _dead_collector(report: Report) -> None:
    """Record an hour of runs as fast as it goes, with everything on and no collector."""
    from offpath.telemetry.providers import setup_telemetry

    runs = HOUR_OF_RUNS // (40 if report.quick else 1)
    report.say(f"{runs} runs with a dead collector")
    before = {name: os.environ.get(name) for name in DEAD}
    os.environ.update(DEAD)
    logging.disable(logging.ERROR)  # exporters say often that nobody answers
    with tempfile.TemporaryDirectory() as directory:
        telemetry = setup_telemetry(role="service", instance="bench", snapshot_dir=Path(directory))
        try:
            process = psutil.Process()
            for _ in range(5_000):
                _whole_run()
            gc.collect()
            rss = process.memory_info().rss
            seen, cpu = [], time.process_time()
            for _ in range(100):
                for _ in range(runs // 100):
                    _whole_run()
                seen.append((process.memory_info().rss - rss) / 2**20)
            cpu = (time.process_time() - cpu) / runs
            threads = threading.active_count()
            dropped = sum(instruments().telemetry_dropped.values().values())
        finally:
            began = time.perf_counter()
            telemetry.shutdown(2.0)
            ended = time.perf_counter() - began
            logging.disable(logging.NOTSET)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
    share = f"{runs / HOUR_OF_RUNS:.0%} of an hour at {RUNS_PER_SECOND} runs a second, as fast as it goes"
    report.add(
        Figure("dead collector: memory grows by", seen[-1], "MB", min(seen), max(seen), at_most(20.0), share),
        Figure("dead collector: of that in the second half", seen[-1] - seen[49], "MB", predicted=at_most(2.0)),
        Figure("dead collector: CPU of a run, its spans dropped", cpu * 1e9, "ns"),
        Figure("dead collector: spans dropped and counted", dropped, "", note=f"of {3 * (runs + 5_000):,}"),
        Figure("dead collector: threads", threads, ""),
        Figure("dead collector: shutdown", ended, "s", predicted=at_most(4.0)),
    )


if __name__ == "__main__":
    from rich.console import Console

    found = Report("telemetry", "--quick" in sys.argv)
    run(found, [word for word in sys.argv[1:] if not word.startswith("--")])
    found.print(Console(width=150))
    if "--save" in sys.argv:
        found.save()
