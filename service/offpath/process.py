"""What one service process holds while it is up: store, hooks, and the worker beside it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from fastapi import FastAPI

from offpath.access_keys import KeyRing
from offpath.api.application import create_app
from offpath.api.context import ServiceContext
from offpath.engine.adapters import job_rows, open_engine
from offpath.engine.later_wake import LaterWake
from offpath.errors import StorageError
from offpath.hooks.registry import HookRegistry
from offpath.models.clients import close_clients, preload
from offpath.models.stand_in import stand_in_model
from offpath.posthooks.builtin import Builtins
from offpath.posthooks.names import is_judged
from offpath.runner.cancellation import Cancellation, CancelSocket, StoreCancellation
from offpath.runner.environment import Environment
from offpath.runner.runnable import Runnable
from offpath.serve import TARGET_VARIABLE
from offpath.settings import Settings
from offpath.startup import check_startup
from offpath.storage.database import Database, SqliteDb
from offpath.storage.ledger import Ledger
from offpath.storage.sqlite_store import SqliteStore
from offpath.target import find_target
from offpath.telemetry.instruments import instruments
from offpath.telemetry.logs import configure_logging
from offpath.telemetry.page import MetricsPage
from offpath.telemetry.providers import instrument_app, setup_telemetry
from offpath.worker.pressure import PressureWatch, budget_of
from offpath.worker.queue_watch import QueueWatch
from offpath_evaluators.detect import redact

if TYPE_CHECKING:
    from offpath.worker.supervisor import Supervisor

logger = logging.getLogger("offpath")

ROW_SECONDS: Final = 0.1
"""After this a starting run has a row; stores write it within 50 ms."""


class Service(Protocol):
    """What is served; `AgentService` from below."""

    id: str
    name: str
    description: str | None
    version: str | None
    agents: Mapping[str, Runnable]
    teams: Mapping[str, Runnable]
    workflows: Mapping[str, Runnable]
    target: str | None
    """Where other processes import it, if that is known."""

    @property
    def registry(self) -> HookRegistry: ...

    @property
    def builtins(self) -> Builtins: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def db(self) -> Database: ...

    @property
    def app(self) -> FastAPI | None: ...


class ServiceProcess:
    """One process of a service. Building it opens nothing; `start` does, and `stop` closes it again."""

    def __init__(self, service: Service) -> None:
        database = service.db
        self.service = service
        self.settings = service.settings
        self.database = database
        self.engine = open_engine(database)
        self.planner = service.builtins.planner()
        self.environment = Environment(
            registry=service.registry,
            buffer_checked_streams=self.settings.stream_output_checks == "buffer",
            planner=self.planner,
            keeps=self.settings.store_content,
        )
        self.context = ServiceContext(
            settings=self.settings,
            environment=self.environment,
            engine=self.engine,
            key_ring=KeyRing.from_settings(self.settings),
            os_id=service.id,
            name=service.name,
            description=service.description,
            version=service.version or "",
            agents=service.agents,
            teams=service.teams,
            workflows=service.workflows,
            readiness=self.readiness,
            started_at=time.time(),
            cancel_elsewhere=self.cancel_elsewhere,
            metrics_page=lambda: self.page,
            builtins=service.builtins,
            open_ledger=lambda: self.ledger,
        )
        self.supervisor: Supervisor | None = None
        self.page: MetricsPage | None = None
        """What /metrics shows; None while telemetry is off."""
        self.ledger: Ledger | None = None
        """What the built-in hooks know; None before the start, or if the database has none."""
        self._cancellation: Cancellation | None = None
        self._closing = AsyncExitStack()

    def make_app(self, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
        """The HTTP side of this process."""
        return create_app(self.context, lifespan=lifespan)

    async def start(self) -> None:
        """Open the store and start what runs hooks.

        Raises:
            ConfigurationError: The settings, the database or a model's key are not usable.
            StorageError: The database cannot be opened.
        """
        # Before anything that may have something to say.
        configure_logging(self.settings.log_level, secrets=_secrets(self.settings))
        check_startup(self.service, self.settings)
        try:
            await self._start()
        except BaseException:
            await self._closing.aclose()
            raise
        # What is alive now stays alive: full collections need not look at it, which is what sets p99.
        gc.collect()
        gc.freeze()

    async def _start(self) -> None:
        settings, environment = self.settings, self.environment
        # Python's own default is a few threads, which two slow tools would hold up for everybody.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64, thread_name_prefix="offpath"))
        if settings.offline:
            self._closing.enter_context(stand_in_model())
        instance = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        wake = LaterWake(self.engine.wake, asyncio.get_running_loop())
        store = self.database.open_store(
            enqueue=self.engine.enqueue,
            wake=wake,
            jobs=job_rows(self.engine),
            instance=instance,
            inline_record_bytes=settings.inline_record_bytes,
            storage_timeout=settings.storage_timeout,
            instance_lease=settings.instance_lease,
        )
        await store.open()
        self._closing.push_async_callback(self.engine.close)
        self._closing.callback(wake.now)
        self._closing.push_async_callback(store.close)
        self._closing.push_async_callback(close_clients)
        environment.store, environment.instance = store, instance
        await self._start_ledger(wake)
        self._start_telemetry(instance)
        if isinstance(store, SqliteStore):
            self._cancellation = CancelSocket(self.database.paths, instance, environment.cancel)
        else:
            self._cancellation = StoreCancellation(store, environment.cancel)
        self._closing.push_async_callback(self._cancellation.close)
        await self._cancellation.open()
        await self._start_worker(instance)
        # Meanwhile the worker, in its own process, imports what it needs.
        await asyncio.to_thread(preload)

    async def stop(self) -> None:
        """Let runs and hooks finish within `drain_timeout`, then close everything; a further signal cuts it short."""
        with _further_signals() as further:
            stopping = asyncio.create_task(self._drain())
            signalled = asyncio.create_task(further.wait())
            await asyncio.wait([stopping, signalled], return_when=asyncio.FIRST_COMPLETED)
            signalled.cancel()
            if not stopping.done():
                logger.warning("stopping at once: hooks that did not finish run after the next start")
                stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
        self.environment.store = self.page = None
        gc.unfreeze()

    async def _drain(self) -> None:
        environment = self.environment
        if environment.active:
            logger.info("waiting for %d runs to end; press CTRL+C once more to stop at once", len(environment.active))
        cancelled = await environment.settle(self.settings.drain_timeout / 4)
        if cancelled:
            logger.warning("%d runs did not end within the drain timeout and were cancelled", cancelled)
        await self._closing.aclose()

    async def readiness(self) -> dict[str, str]:
        """What the service depends on, each with "ok" or what is wrong."""
        store = self.environment.store
        if store is None:
            return {"store": "not open: the service is starting or stopping"}
        try:
            await store.healthy()
        except StorageError as error:
            return {"store": str(error)}
        supervisor = self.supervisor
        return {"store": "ok"} | ({} if supervisor is None else {"worker": supervisor.condition})

    async def cancel_elsewhere(self, run_id: str) -> bool:
        """Ask the process that executes a run to cancel it. False if no living process does."""
        store = self.environment.store
        if store is None:
            return False
        row = await store.run_row(run_id)
        if row is None:
            # The row of a starting run may be written a moment later.
            await asyncio.sleep(ROW_SECONDS)
            row = await store.run_row(run_id)
        return row is not None and self._cancellation is not None and await self._cancellation.send(row.owner, run_id)

    def _start_telemetry(self, instance: str) -> None:
        telemetry = setup_telemetry(
            role="service",
            instance=instance,
            snapshot_dir=self.database.paths.metrics,
            redact=_redact,
            store="sqlite" if isinstance(self.database, SqliteDb) else "postgres",
        )
        self._closing.push_async_callback(asyncio.to_thread, telemetry.shutdown)
        configure_logging(
            self.settings.log_level, instance=instance, secrets=_secrets(self.settings), telemetry=telemetry
        )
        shown, registry = instruments(), self.service.registry
        shown.zero_components([(component.kind, component.name) for component in registry])
        shown.zero_hooks([(hook.id, hook.kind) for hook in registry.hooks.values() if hook.background])
        shown.zero_guardrails(
            (hook.name, registry.components[hook.component_kind, hook.component_id].name)
            for hook in registry.hooks.values()
            if hook.options.guardrail
        )
        if self.service.app is not None:
            instrument_app(self.service.app, telemetry)
        if telemetry.enabled:
            page = MetricsPage(self.database.paths.metrics, telemetry.reader)
            self._closing.callback(page.close)
            self.page = page

    async def _start_ledger(self, wake: LaterWake) -> None:
        ledger = self.database.open_ledger(
            enqueue=self.engine.enqueue, wake=wake, storage_timeout=self.settings.storage_timeout
        )
        await ledger.open()
        self._closing.push_async_callback(ledger.close)
        self.ledger = ledger
        if self.planner is not None and (self.planner.data.rules or self.planner.data.analytics):
            budget = budget_of(self.settings, ledger)
            background = [hook for hook in self.service.registry.hooks.values() if hook.background]
            judged = [hook.id for hook in background if is_judged(hook.name)]
            others = [hook.id for hook in background if not is_judged(hook.name)]
            watch = PressureWatch(
                self.planner, self.engine, self.settings.max_backlog, hooks=others, judged=judged, budget=budget
            )
            self._closing.push_async_callback(_cancelled, asyncio.create_task(watch.run()))

    async def _start_worker(self, instance: str) -> None:
        registry = self.service.registry
        # Open requests and runs have had the other half when the worker is asked to end.
        settings = self.settings.model_copy(update={"drain_timeout": self.settings.drain_timeout / 2})
        mode = settings.worker
        background = [hook for hook in registry.hooks.values() if hook.background]
        if mode == "inline":
            from offpath.worker.inline import InlineWorker

            inline = InlineWorker(self.database, registry, settings)
            await inline.start()
            self._closing.push_async_callback(inline.stop)
            self.environment.inline_jobs = inline.run_jobs
            return
        target = os.environ.get(TARGET_VARIABLE) or self.service.target or find_target(self.service.app, self.service)
        if mode == "thread" or target is None:
            if target is None and mode == "process" and background:
                logger.warning(
                    "no other process can import this service (it is made inside a function or a notebook), so its %d "
                    "background hooks run on a thread of this process: %s. Make it at the top of a module to give "
                    "them processes of their own",
                    len(background),
                    ", ".join(hook.name for hook in background),
                )
            placement = instance if target is None else ""
            if placement:
                self.environment.local_hooks = frozenset(hook.id for hook in background)
            from offpath.worker.local import LocalWorker

            local = LocalWorker(self.database, registry, settings, placement=placement)
            await local.start()
            self._closing.push_async_callback(local.stop)
            return
        if mode == "process":
            from offpath.worker.supervisor import Supervisor

            self.supervisor = Supervisor(target, self.database, settings)
            await self.supervisor.start()
            self._closing.push_async_callback(self.supervisor.stop)
        if self.page is not None:
            watch = QueueWatch(self.engine, self.database.paths.metrics, elsewhere=self.engine.workers_elsewhere)
            watching = asyncio.create_task(watch.run())
            self._closing.push_async_callback(_cancelled, watching)


def _redact(text: str) -> str:
    """Captured content without personal data and secrets."""
    return redact(text)[0]


def _secrets(settings: Settings) -> list[str]:
    """Values that no log line may hold."""
    secrets = (
        settings.api_key,
        settings.metrics_token,
        settings.judge_api_key,
        settings.notify_urls,
        settings.notify_webhook_secret,
    )
    return [secret.get_secret_value() for secret in secrets if secret is not None]


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextmanager
def _further_signals() -> Iterator[asyncio.Event]:
    """An event that a SIGINT or SIGTERM sets, where signals can be had: on the main thread."""
    further, loop, taken = asyncio.Event(), asyncio.get_running_loop(), []
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, further.set)
            taken.append(number)
    try:
        yield further
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
            signal.signal(number, previous[number])
