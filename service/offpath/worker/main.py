"""The worker's parent process."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

import msgspec

from offpath.engine.adapters import open_engine
from offpath.errors import ConfigurationError, OffpathError, StorageError
from offpath.storage.database import Database, SqliteDb, database_from_url
from offpath.storage.paths import DatabasePaths
from offpath.telemetry.content import mask_content
from offpath.telemetry.logs import configure_logging
from offpath.telemetry.page import MetricsPage
from offpath.telemetry.providers import Telemetry, setup_telemetry
from offpath.telemetry.status_server import StatusServer
from offpath.worker.assembly import build_worker
from offpath.worker.options import WorkerOptions
from offpath.worker.order import EXIT_CONFIGURATION, EXIT_DATABASE, EXIT_FAILED, ORDER_VARIABLE, Order, Report
from offpath.worker.pool import PoolHooks
from offpath.worker.process_pool import ProcessPool
from offpath.worker.signals import WorkerSignals
from offpath.worker.worker import Worker

_log = logging.getLogger("offpath.worker")


class _Supervision:
    """The worker's end of the socket to its supervisor; there is none for a worker on its own."""

    def __init__(self, descriptor: int | None) -> None:
        self._socket = None if descriptor is None else socket.socket(fileno=descriptor)

    def watch(self, lost: Any) -> None:
        if self._socket is not None:
            self._socket.setblocking(False)
            self._socket.set_inheritable(False)
            asyncio.get_running_loop().add_reader(self._socket, self._readable, lost)

    def _readable(self, lost: Any) -> None:
        assert self._socket is not None  # noqa: S101  # only ever called with one
        try:
            gone = not self._socket.recv(1024)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            asyncio.get_running_loop().remove_reader(self._socket)
            lost()

    def report(self, report: Report) -> None:
        if self._socket is not None:
            try:
                self._socket.send(msgspec.json.encode(report)[:60_000] + b"\n")
            except OSError:
                # The supervisor is gone, which `watch` notices.
                return


def worker_main(target: str, database_url: str, settings: Any) -> int:
    """Run a worker in this process until SIGTERM or SIGINT: `offpath worker MODULE:APP`.

    Args:
        settings: A `Settings`, or anything with its attributes.

    Returns:
        The exit code: 0 after a drain, 2 if the database cannot be used as it is, 78 if the target or another setting
        cannot, 1 if the database cannot be reached or something broke.
    """
    direct: Any = getattr(settings, "database_direct_url", None)
    direct = direct.get_secret_value() if hasattr(direct, "get_secret_value") else direct
    with _models(settings):
        return _main(target, database_url, direct, WorkerOptions.from_settings(settings), None)


def _models(settings: Any) -> AbstractContextManager[object]:
    """What answers the hooks' calls to models: with OFFPATH_OFFLINE=1 a stand-in of this worker's own."""
    if not getattr(settings, "offline", False):
        return nullcontext()
    from offpath.models.stand_in import stand_in_model

    return stand_in_model()


def supervised_main() -> int:
    """Run the worker that a supervisor ordered: `python -m offpath.worker`."""
    encoded = os.environ.pop(ORDER_VARIABLE, None)
    if encoded is None:
        print("python -m offpath.worker is started by a service; to start a worker: offpath worker MODULE:APP")  # noqa: T201
        return EXIT_CONFIGURATION
    order = msgspec.json.decode(encoded, type=Order)
    sys.path[:] = order.path
    return _main(order.target, order.database, order.direct, order.options, order.supervisor)


def _main(target: str, url: str, direct_url: str | None, options: WorkerOptions, supervisor: int | None) -> int:
    configure_logging(options.log_level, role="worker")
    supervision = _Supervision(supervisor)
    of_configuration = EXIT_CONFIGURATION if supervisor is not None else EXIT_DATABASE
    try:
        database = database_from_url(url, direct_url)
        if supervisor is None:
            database.prepare()
        of_configuration = EXIT_CONFIGURATION
        return asyncio.run(_run(target, database, options, supervision, supervised=supervisor is not None))
    except OffpathError as error:
        if supervisor is None or not isinstance(error, ConfigurationError):
            _log.error("the worker cannot work: %s", error)
        supervision.report(Report(error=str(error)))
        return of_configuration if isinstance(error, ConfigurationError) else EXIT_FAILED


async def _run(
    target: str, database: Database, options: WorkerOptions, supervision: _Supervision, *, supervised: bool
) -> int:
    paths = database.paths
    options = msgspec.structs.replace(options, metrics_dir=str(paths.metrics))
    telemetry = setup_telemetry(
        role="worker",
        instance=f"worker-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        snapshot_dir=paths.metrics,
        redact=mask_content,
        store="sqlite" if isinstance(database, SqliteDb) else "postgres",
    )
    configure_logging(options.log_level, role="worker", telemetry=telemetry)
    engine = open_engine(database)
    signals = WorkerSignals(engine)

    def ready(hooks: PoolHooks) -> None:
        signals.ready(hooks.infos)
        gc.collect()
        gc.freeze()
        _log.info("worker %d runs %d hooks of %s", os.getpid(), len(hooks.infos), target)
        supervision.report(Report(ready=True))
        is_ready.set()

    is_ready = asyncio.Event()
    pool = ProcessPool(target, options, failed=lambda reason: worker.fail(reason), events=signals)
    worker = build_worker(database, pool, options, engine=engine, events=signals, ready=ready)
    _on_signals(worker, supervised=supervised)
    supervision.watch(lambda: worker.stop(at_once=True))
    async with _served(None if supervised else options, paths, telemetry, is_ready, signals):
        watching = asyncio.create_task(_watch_queue(is_ready, signals))
        try:
            await worker.run()
        finally:
            watching.cancel()
            await asyncio.to_thread(telemetry.shutdown)
    return EXIT_FAILED if worker.failure else 0


async def _watch_queue(is_ready: asyncio.Event, signals: WorkerSignals) -> None:
    await is_ready.wait()
    await signals.watch_queue()


@asynccontextmanager
async def _served(
    options: WorkerOptions | None,
    paths: DatabasePaths,
    telemetry: Telemetry,
    is_ready: asyncio.Event,
    signals: WorkerSignals,
) -> AsyncIterator[None]:
    """Serve /metrics, /health and /ready of a worker on its own, if it was told where."""
    if options is None or options.worker_port is None:
        yield
        return

    async def ready() -> None:
        if not is_ready.is_set():
            raise StorageError("the worker is starting")
        if signals.fault:
            raise StorageError(signals.fault)

    page = MetricsPage(paths.metrics, telemetry.reader) if telemetry.enabled else None
    server = StatusServer(
        page, ready=ready, host=options.worker_host, port=options.worker_port, token=options.metrics_token
    )
    await server.start()
    _log.info("the worker serves /metrics, /health and /ready at %s:%d", options.worker_host, server.port)
    try:
        yield
    finally:
        await server.stop()
        if page is not None:
            page.close()


def _on_signals(worker: Worker, *, supervised: bool) -> None:
    """The first signal drains, the second ends at once."""
    stopping = False

    def stop() -> None:
        nonlocal stopping
        worker.stop(at_once=stopping)
        stopping = True

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    # Ctrl-C reaches the service too, which then stops its worker when its own work is done.
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if supervised else stop)
