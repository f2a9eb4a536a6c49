"""Sets OpenTelemetry up for one process, and takes it down again.

A provider that the application has set is used and never replaced. Otherwise there is one of ours: for metrics always,
since every process writes the snapshots that /metrics is made of; for traces and logs where an exporter is asked for.
`OTEL_SDK_DISABLED=true` turns everything off.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from offpath.telemetry import names, tracing
from offpath.telemetry.instruments import instruments

if TYPE_CHECKING:
    from fastapi import FastAPI
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import TracerProvider

    from offpath.telemetry.content import Capture
    from offpath.telemetry.snapshot import SnapshotReader

__all__ = [
    "Providers",
    "Role",
    "Telemetry",
    "application_providers",
    "instrument_app",
    "preload",
    "setup_telemetry",
    "silence_fastapi",
]

Role = Literal["service", "worker", "executor"]

UNTRACED_URLS: Final = "/health$,/ready$,/metrics$"
"""As `http_requests.UNTRACED_PATHS`, for the contrib instrumentation."""
SEMANTICS_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
_CONTRIB_VARIABLES: Final = (
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
    "OTEL_PYTHON_INSTRUMENTATION_HTTP_CAPTURE_ALL_METHODS",
)
_INSTRUMENTED: Final = "_offpath_instrumented"
FLUSH_SECONDS: Final = 2.0
"""For what is left at the end. Executors, worker and service end in turn, and ten seconds is all that some supervisors
give: a dead collector must not use them up."""

logger = logging.getLogger("offpath.telemetry")


class Providers(NamedTuple):
    """One of each; None: there is none."""

    tracer: TracerProvider | None
    meter: MeterProvider | None
    logger: LoggerProvider | None


NOTHING: Final = Providers(None, None, None)


class Telemetry:
    """What one process holds while telemetry is on. Made by `setup_telemetry`."""

    def __init__(self, providers: Providers = NOTHING, ours: Providers = NOTHING) -> None:
        self.providers = providers
        self._ours = ours
        self.reader: SnapshotReader | None = None
        """Writes this process's metrics for the /metrics page; `flush()` before serving it."""
        self.capture: Capture | None = None
        """Where content goes; None: nowhere."""
        self._pid = os.getpid()
        self._down = False

    @property
    def enabled(self) -> bool:
        """Whether anything is recorded."""
        return any(provider is not None for provider in self.providers)

    def flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Write and send what there is, for at most `timeout` seconds. False if there was not time enough."""
        work = [provider.force_flush for provider in self._flushable() if hasattr(provider, "force_flush")]
        return _within(timeout, work)

    def shutdown(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Write and send what there is, then end, within about `timeout` seconds whatever the collector does.

        Providers of the application are flushed and live on. Safe to call twice.

        Returns:
            False if something could not be sent in time.
        """
        if self._down:
            return True
        self._down = True
        if self._pid != os.getpid():
            # Inherited through a fork: it is the parent's to end.
            return True
        sent = self.flush(timeout)
        tracing.use_providers(None, None)
        work: list[Callable[..., Any]] = []
        if self.reader is not None and self._ours.meter is None:
            work.append(partial(_remove_reader, self.providers.meter, self.reader))
        work += [provider.shutdown for provider in self._ours if provider is not None and hasattr(provider, "shutdown")]
        _forget_globals(self._ours)
        return _within(max(1.0, timeout / 2), work) and sent

    def _flushable(self) -> list[Any]:
        # The application's meter provider may have a reader that pushes for long; ours is written all the same.
        found: list[Any] = [provider for provider in self.providers if provider is not None]
        return [*found, self.reader] if self.reader is not None and self._ours.meter is None else found


_current: Telemetry | None = None


def setup_telemetry(
    *,
    role: Role,
    instance: str,
    snapshot_dir: Path | None,
    redact: Callable[[str], str] | None = None,
    store: Literal["sqlite", "postgres"] | None = None,
) -> Telemetry:
    """Set telemetry up for this process, by the `OTEL_*` variables. Once a process, after forking.

    Args:
        role: What the process is for.
        instance: Its id, unique among the processes of the service.
        snapshot_dir: Directory of the /metrics page, shared by all processes of the service; None: no page.
        redact: Applied to each text of captured content.
        store: Where this process stores runs; None if it stores none.

    Raises:
        ConfigurationError: An exporter is asked for that is not there, or its variables make no sense.
    """
    global _current
    if disabled():
        _current = Telemetry()
        tracing.use_providers(None, None)
        return _current
    if _current is not None and _current._pid != os.getpid():
        # What was inherited through a fork has threads in the parent only.
        _forget_globals(_current._ours)
    from offpath.telemetry.content import Capture

    found = application_providers()
    resource = _resource(role, instance)
    tracer = None if found.tracer is not None else _tracer_provider(resource)
    log_provider = None if found.logger is not None else _logger_provider(resource)
    reader = _snapshot_reader(snapshot_dir, instance, role)
    meter = None
    if found.meter is None:
        meter = _meter_provider(resource, reader)
    elif reader is not None:
        _add_reader(found.meter, reader)
    ours = Providers(tracer, meter, log_provider)
    in_use = Providers(found.tracer or tracer, found.meter or meter, found.logger or log_provider)
    telemetry = Telemetry(in_use, ours)
    telemetry.reader = reader
    _set_globals(ours)
    telemetry.capture = Capture.from_environment(redact)
    tracing.use_providers(telemetry.providers.tracer, telemetry.providers.meter, telemetry.capture)
    instruments().zero_process(store=store)
    _current = telemetry
    return telemetry


def preload() -> None:
    """Import what `setup_telemetry` will need, so that processes that are forked from this one need not."""
    if disabled():
        return
    from offpath.telemetry.exporters import asked_for

    spans = ("lean_span", "export") if asked_for("traces") else ()
    for module in ("content", "recorder", "recorded", "snapshot", "direct_metrics", *spans):
        import_module(f"offpath.telemetry.{module}")


def disabled() -> bool:
    """Whether `OTEL_SDK_DISABLED` turns everything off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def application_providers() -> Providers:
    """The providers that the application has set in this process, and that are not ours."""
    from opentelemetry import _logs, metrics, trace

    tracer, meter = trace.get_tracer_provider(), metrics.get_meter_provider()
    log_provider = _logs.get_logger_provider()
    ours = NOTHING if _current is None else _current._ours
    return Providers(
        tracer if _set_by_application(tracer, ours.tracer) else None,
        meter if _set_by_application(meter, ours.meter) else None,
        log_provider if _set_by_application(log_provider, ours.logger) else None,
    )


def _set_by_application(provider: object, ours: object) -> bool:
    # Until one is set, the global ones are proxies, which are the API's, as are those that do nothing.
    api = type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs"))
    return provider is not ours and not api


def instrument_app(app: FastAPI, telemetry: Telemetry) -> None:
    """Spans and metrics of requests, under the names of the stable HTTP conventions.

    Call it whenever the application starts, before it or in its lifespan; again in the same process is right. An
    application that somebody has instrumented already stays as it is.
    """
    if telemetry.providers.tracer is None and telemetry.providers.meter is None:
        return
    ours = getattr(app, _INSTRUMENTED, False)
    if getattr(app, "_is_instrumented_by_opentelemetry", False) and not ours:
        return
    setattr(app, _INSTRUMENTED, True)
    if _contrib_asked_for():
        _instrument_by_contrib(app, telemetry)
        return
    from offpath.telemetry.http_requests import HttpRequests, excluded_urls

    if any(getattr(middleware, "cls", None) is HttpRequests for middleware in app.user_middleware):
        return
    from starlette.middleware import Middleware

    silence_fastapi(app)
    app.user_middleware.insert(0, Middleware(HttpRequests, excluded=excluded_urls()))
    if app.middleware_stack is not None:
        # In a lifespan it is built already.
        app.middleware_stack = app.build_middleware_stack()


def silence_fastapi(app: FastAPI) -> None:
    """Turn off FastAPI's own telemetry, which would count each request of the app once more."""
    getattr(app, "_telemetry", {}).update(tracing=False, metrics=False, logs=False)


def _contrib_asked_for() -> bool:
    """Whether the environment asks for what only opentelemetry-instrumentation-fastapi does."""
    if os.environ.get(SEMANTICS_VARIABLE, "http").strip() not in ("", "http"):
        return True
    return any(os.environ.get(variable, "").strip() for variable in _CONTRIB_VARIABLES)


def _instrument_by_contrib(app: FastAPI, telemetry: Telemetry) -> None:
    # Without send and receive spans, which cost more than the rest of it together. The names are read once, when the
    # first instrumentation of the process is loaded.
    os.environ.setdefault(SEMANTICS_VARIABLE, "http")
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    if getattr(app, "_is_instrumented_by_opentelemetry", False):
        # A second start: its instruments are those of the first one's provider.
        FastAPIInstrumentor.uninstrument_app(app)
    excluded = (os.environ.get("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", ""), UNTRACED_URLS)
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=telemetry.providers.tracer,
        meter_provider=telemetry.providers.meter,
        server_request_hook=_redact_query,
        exclude_spans=["receive", "send"],
        excluded_urls=",".join(filter(None, excluded)),
    )
    if app.middleware_stack is not None:
        # In a lifespan the stack is built already, without the instrumentation. Left so, FastAPI's own telemetry would
        # take its place, which knows nothing of the excluded paths and adds a span for each of its steps.
        app.middleware_stack = app.build_middleware_stack()


def _redact_query(span: Any, scope: Any) -> None:
    """The instrumentation masks a few names of signatures only, and older names have the query in whole URLs too."""
    from offpath.telemetry.url_query import shown_query

    query: bytes = scope.get("query_string") or b""
    if not query or not span.is_recording():
        return
    shown = shown_query(query.decode("latin-1"))
    for name, value in dict(getattr(span, "attributes", None) or {}).items():
        if name == names.URL_QUERY.key:
            span.set_attribute(name, shown)
        elif name in ("http.url", "http.target", "url.full") and isinstance(value, str) and "?" in value:
            span.set_attribute(name, f"{value.partition('?')[0]}?{shown}")


def _resource(role: Role, instance: str) -> Resource:
    from opentelemetry.sdk.resources import Resource

    found = Resource.create()
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES beat what we know.
    named = str(found.attributes.get("service.name", ""))
    stated = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    ours: dict[str, Any] = {"offpath.role": role}
    if named.startswith("unknown_service"):
        ours["service.name"] = "offpath"
    if "service.instance.id=" not in stated:
        ours["service.instance.id"] = instance
    if "service.version" not in found.attributes:
        ours["service.version"] = _version()
    return found.merge(Resource(ours))


def _tracer_provider(resource: Resource) -> TracerProvider | None:
    from offpath.telemetry.exporters import make_exporters

    exporters = make_exporters("traces")
    if not exporters:
        return None
    from opentelemetry.sdk.trace import TracerProvider

    from offpath.telemetry.export import span_batches
    from offpath.telemetry.sampling import InheritingSampler

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    # The SDK has read OTEL_TRACES_SAMPLER; hooks follow their runs all the same.
    provider.sampler = InheritingSampler(provider.sampler)
    for exporter in exporters:
        provider.add_span_processor(span_batches(exporter))
    return provider


def _logger_provider(resource: Resource) -> LoggerProvider | None:
    from offpath.telemetry.exporters import make_exporters

    exporters = make_exporters("logs")
    if not exporters:
        return None
    from opentelemetry.sdk._logs import LoggerProvider

    from offpath.telemetry.export import LogBatches

    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_log_record_processor(LogBatches(exporter))
    return provider


def _meter_provider(resource: Resource, snapshots: SnapshotReader | None) -> MeterProvider | None:
    from offpath.telemetry.exporters import make_exporters

    exporters = make_exporters("metrics")
    if snapshots is None and not exporters:
        return None
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

    from offpath.telemetry.direct_metrics import DirectMeterProvider, direct_provider_fits
    from offpath.telemetry.export import CountedMetricExporter

    # Snapshots first: at the end readers are asked in turn, and a dead collector may take all the time there is.
    readers: list[MetricReader] = [] if snapshots is None else [snapshots]
    readers += [PeriodicExportingMetricReader(CountedMetricExporter(exporter)) for exporter in exporters]
    if direct_provider_fits(exporters):
        return DirectMeterProvider(readers, resource, _views())
    return MeterProvider(metric_readers=readers, resource=resource, views=_views(), shutdown_on_exit=False)


def _views() -> list[Any]:
    """For the contrib HTTP instrumentation; our own instruments bring their buckets along."""
    if not _contrib_asked_for():
        return []
    from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View

    views = [
        View(
            instrument_name=metric.name,
            attribute_keys={label.key for label in metric.labels},
            aggregation=ExplicitBucketHistogramAggregation(metric.buckets) if metric.buckets else None,
        )
        for metric in names.METRICS
        if metric.name.startswith("http.")
    ]
    for name in ("http.server.request.body.size", "http.server.response.body.size"):
        views.append(View(instrument_name=name, aggregation=DropAggregation()))
    return views


def _snapshot_reader(directory: Path | None, instance: str, role: Role) -> SnapshotReader | None:
    if directory is None:
        return None
    from offpath.telemetry.snapshot import SnapshotReader

    return SnapshotReader(
        directory,
        instance=instance,
        role=role,
        dropped=lambda: instruments().telemetry_dropped.add(1, signal="snapshots"),
    )


def _add_reader(provider: MeterProvider, reader: SnapshotReader) -> None:
    add = getattr(provider, "add_metric_reader", None)
    if add is None:
        logger.warning(
            "the application's meter provider, a %s, takes no more readers, so this process's metrics are not on the "
            "/metrics page",
            type(provider).__name__,
        )
        return
    add(reader)


def _remove_reader(provider: MeterProvider | None, reader: SnapshotReader) -> None:
    remove = getattr(provider, "remove_metric_reader", None)
    if remove is None:
        reader.shutdown()
    else:
        remove(reader)  # shuts it down too


def _set_globals(ours: Providers) -> None:
    from opentelemetry import _logs, metrics, trace

    if ours.tracer is not None:
        trace.set_tracer_provider(ours.tracer)
    if ours.meter is not None:
        metrics.set_meter_provider(ours.meter)
    if ours.logger is not None:
        _logs.set_logger_provider(ours.logger)


def _forget_globals(ours: Providers) -> None:
    """Make room for other providers where the global ones are ours: the API lets them be set once only.

    That is for programs that live on: a test that starts several services, a child of a fork.
    """
    from opentelemetry import trace as trace_api
    from opentelemetry._logs import _internal as logs_api
    from opentelemetry.metrics import _internal as metrics_api
    from opentelemetry.util._once import Once

    if ours.tracer is not None and trace_api._TRACER_PROVIDER is ours.tracer:
        trace_api._TRACER_PROVIDER, trace_api._TRACER_PROVIDER_SET_ONCE = None, Once()
    if ours.meter is not None and metrics_api._METER_PROVIDER is ours.meter:
        metrics_api._METER_PROVIDER, metrics_api._METER_PROVIDER_SET_ONCE = None, Once()
    if ours.logger is not None and logs_api._LOGGER_PROVIDER is ours.logger:
        logs_api._LOGGER_PROVIDER, logs_api._LOGGER_PROVIDER_SET_ONCE = None, Once()


def _within(timeout: float, work: list[Callable[..., Any]]) -> bool:
    """Do all of it side by side, and wait for at most `timeout` seconds; a dead collector holds nobody up."""
    ended: list[bool] = []

    def do(each: Callable[..., Any]) -> None:
        try:
            ended.append(each() is not False)
        except Exception as error:  # noqa: BLE001  # telemetry never fails its process
            logger.warning("telemetry could not be sent: %s", error)

    threads = [threading.Thread(target=do, args=(each,), daemon=True, name="offpath-telemetry") for each in work]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return len(ended) == len(work) and all(ended)


def _version() -> str:
    try:
        return version("offpath")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
