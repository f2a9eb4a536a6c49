"""Runs in this process, without HTTP and with a model that answers at once, stored as the service stores them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from benchmarks.committing import ANSWER
from benchmarks.targets.evaluators import JUDGED, RULES
from benchmarks.targets.one_agent import AGENT_ID
from benchmarks.targets.seed_hooks import log_analytics, send_notification
from offpath import Agent, AgentService
from offpath.engine.adapters import open_engine
from offpath.engine.later_wake import LaterWake
from offpath.engine.wake import WakeReceiver
from offpath.models.message import Message, ModelDelta, ModelReply, Usage
from offpath.posthooks.planner import Planner
from offpath.runner.environment import Environment, Planned
from offpath.runner.request import RunRequest
from offpath.runner.runner import run
from offpath.runs.context import Session
from offpath.runs.job import HookJob
from offpath.runs.output import RunOutput
from offpath.settings import Settings
from offpath.storage.database import SqliteDb
from offpath.storage.sqlite_store import SqliteStore
from offpath.storage.store import RunRow, Store
from offpath.telemetry.providers import Telemetry, setup_telemetry

ARMS = ("off", "off again", "seed hooks", "15 evaluators", "15 evaluators, no jobs", "seed hooks and 15 evaluators")
"""The one without jobs plans and stores the plan, to show what the jobs cost."""


class Answering:
    """A model that has its answer ready."""

    id = "gpt-4o-mini"
    provider = "openai"

    async def stream(self, messages: Sequence[Message], **options: Any) -> AsyncIterator[ModelDelta | ModelReply]:
        usage = Usage(input_tokens=30, output_tokens=100, total_tokens=130)
        yield ModelReply(Message("assistant", ANSWER), usage, response_id="r", model=self.id, finish_reason="stop")


@dataclass(slots=True)
class Times:
    """Seconds of one run: until it was answered, and of that until it was stored."""

    response: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)


class PlanAlone:
    """Plans, and leaves the jobs out."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner

    def plan(self, output: RunOutput, *, blocked_by: str = "") -> Planned | None:
        planned = self.planner.plan(output, blocked_by=blocked_by)
        return planned and replace(planned, hooks=frozenset())


class Rig:
    """What a service process holds, as far as runs go."""

    def __init__(self, service: AgentService, store: SqliteStore, environment: Environment) -> None:
        self.service = service
        self.store = store
        self.environment = environment
        self.agent = service.agents[AGENT_ID]
        self.times = Times()
        environment.store = cast(Store, self)
        environment.instance = store.instance

    async def finish(self, row: RunRow, session: Session, jobs: Sequence[HookJob]) -> None:
        """The store's, timed."""
        began = time.perf_counter()
        await self.store.finish(row, session, jobs)
        self.times.commit.append(time.perf_counter() - began)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def run(self) -> None:
        began = time.perf_counter()
        await run(self.agent, RunRequest("Hello, how are you?"), self.environment)
        self.times.response.append(time.perf_counter() - began)

    def take(self) -> Times:
        """What was measured since the last call."""
        taken, self.times = self.times, Times()
        return taken

    def forget(self) -> None:
        """Empty the queue, as a worker would have, so that it does not grow while nobody works; and checkpoint."""
        with contextlib.closing(sqlite3.connect(self.store.paths.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA busy_timeout=5000")
            for table in ("jobs", "bookings"):
                connection.execute(f"DELETE FROM {table}")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @property
    def planner(self) -> Planner:
        found = self.environment.planner
        assert isinstance(found, Planner)
        return found


def service_of(arm: str, database: Path, judge_url: str = "http://127.0.0.1:9/v1") -> AgentService:
    """The service of one of `ARMS`."""
    evaluated = "15" in arm
    rules = RULES if evaluated or "10" in arm else ()
    settings = Settings(
        analytics=evaluated,
        judge_model="gpt-4o-mini" if evaluated else None,
        judge_base_url=judge_url if evaluated else None,
        judge_api_key="none" if evaluated else None,
    )
    agent = Agent(
        id=AGENT_ID,
        name="BenchmarkAgent",
        model=Answering(),
        instructions="You are a helpful assistant",
        post_hooks=[log_analytics, send_notification] if "seed" in arm else [],
        markdown=True,
    )
    return AgentService(
        agents=[agent],
        run_hooks_in_background=True,
        evaluators=[*rules, *(JUDGED if evaluated else ())],
        settings=settings,
        db=SqliteDb(database),
    )


@asynccontextmanager
async def rig(arm: str, directory: Path) -> AsyncIterator[Rig]:
    """One arm with a database of its own; nobody runs its jobs unless a worker is started on it."""
    service = service_of(arm, directory / f"{arm.replace(' ', '-')}.db")
    database = service.db
    assert isinstance(database, SqliteDb)
    engine = open_engine(database)
    store = database.open_store(enqueue=engine.enqueue, wake=LaterWake(engine.wake, asyncio.get_running_loop()))
    planner = service.builtins.planner()
    environment = Environment(
        registry=service.registry, planner=PlanAlone(planner) if planner and "no jobs" in arm else planner
    )
    await store.open()
    receiver = WakeReceiver(database.paths)  # as a worker's, so that waking costs what it costs
    receiver.open()
    try:
        yield Rig(service, store, environment)
    finally:
        receiver.close()
        await store.close()
        await engine.close()


@asynccontextmanager
async def telemetry(directory: Path) -> AsyncIterator[Telemetry]:
    """Metrics as a service process has them."""
    found = setup_telemetry(role="service", instance="benchmark", snapshot_dir=directory / "metrics", store="sqlite")
    try:
        yield found
    finally:
        await asyncio.to_thread(found.shutdown)
