"""What the routes work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from offpath.access_keys import KeyRing
from offpath.engine.pause import HookPause
from offpath.engine.protocol import QueueStats
from offpath.errors import NotFoundError, StorageError
from offpath.posthooks.builtin import Builtins
from offpath.runner.environment import Environment
from offpath.runner.runnable import Runnable
from offpath.runs.job import JobInfo, JobState
from offpath.runs.status import ComponentKind
from offpath.settings import Settings
from offpath.storage.ledger import Ledger
from offpath.storage.store import Store
from offpath.telemetry.status_server import Page


class HookJobs(Protocol):
    """What people may see and do with hook jobs; the engine's reads, usable without being the worker."""

    async def jobs_of(self, run_id: str) -> list[JobInfo]: ...

    async def jobs(
        self, *, state: JobState | None = None, hook_id: str | None = None, limit: int = 100
    ) -> list[JobInfo]:
        """Jobs in one state; None: all queued ones."""

    async def stats(self) -> list[QueueStats]: ...

    async def requeue(self, key: str) -> bool: ...

    async def pauses(self) -> list[HookPause]:
        """Hooks with strikes, isolated or paused."""

    async def resume(self, hook_id: str) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class ServiceContext:
    """A running service, as its HTTP routes see it. Built once for each app."""

    settings: Settings
    environment: Environment
    engine: HookJobs
    readiness: Callable[[], Awaitable[dict[str, str]]]
    """What the service depends on, each with "ok" or what is wrong."""
    started_at: float
    """Seconds since the epoch."""
    os_id: str
    name: str
    description: str | None = None
    version: str | None = None
    key_ring: KeyRing | None = None
    """None and an empty ring: no key is needed, and only this machine is served."""
    agents: Mapping[str, Runnable] = field(default_factory=dict)
    teams: Mapping[str, Runnable] = field(default_factory=dict)
    workflows: Mapping[str, Runnable] = field(default_factory=dict)
    cancel_elsewhere: Callable[[str], Awaitable[bool]] | None = None
    """Cancels a run that another process of the service may be executing."""

    metrics_page: Callable[[], Page | None] = lambda: None
    """What /metrics shows; None while telemetry is off."""

    builtins: Builtins = field(default_factory=Builtins)
    """The built-in hooks that are on."""
    open_ledger: Callable[[], Ledger | None] = lambda: None

    @property
    def ledger(self) -> Ledger:
        """What the built-in hooks know.

        Raises:
            StorageError: The service keeps nothing, or is starting.
        """
        found = self.open_ledger()
        if found is None:
            raise StorageError("the service has no store yet; try again, or give it a database")
        return found

    def check_started(self) -> None:
        """Refuse runs that nothing would keep.

        Raises:
            StorageError: Nobody has run the app's lifespan, or it has not got to the store yet.
        """
        if not self.environment.instance:
            raise StorageError(
                "the service has not started, so this run would not be stored and no hook would see it. Within another "
                "app it starts by AgentService.mount_on(app), not by app.mount(...)"
            )

    @property
    def store(self) -> Store:
        """The store of runs and sessions.

        Raises:
            StorageError: The service keeps nothing.
        """
        if self.environment.store is None:
            raise StorageError("the service has no store; give it a database")
        return self.environment.store

    def served(self, kind: ComponentKind) -> Mapping[str, Runnable]:
        """The components that have an address of their own; members and steps have none."""
        return {"agent": self.agents, "team": self.teams, "workflow": self.workflows}[kind]

    def component(self, kind: ComponentKind, component_id: str) -> Runnable:
        """A served component.

        Raises:
            NotFoundError: There is none of that kind and id.
        """
        found = self.served(kind).get(component_id)
        if found is None:
            raise NotFoundError(
                f'no {kind} has the id "{component_id[:100]}"; GET /{kind}s lists those that are served'
            )
        return found
