"""One durable call of a hook."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from offpath.runs.status import ComponentKind

Phase = Literal["pre", "post"]
HookKind = Literal["pre", "post", "evaluation", "analytics", "notification"]


class JobState(StrEnum):
    """How a job stands."""

    READY = "ready"
    """Waits for a free slot."""
    SCHEDULED = "scheduled"
    """Waits for its time: a retry."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    """Out of attempts, or impossible; a person can requeue it."""
    CANCELLED = "cancelled"
    """Its run was deleted before the job could start."""


class HookJob(msgspec.Struct, frozen=True):
    """A hook call that rides in its run's commit. Carries ids, never content."""

    key: str
    """`{run_id}:{phase}:{hook}`: one job for each run, phase and registered hook name; see `job_key`."""
    run_id: str
    component_kind: ComponentKind
    component_id: str
    phase: Phase
    hook: str
    """The hook's registered name, unique in its agent, team or workflow."""
    kind: HookKind
    version: str
    """The hook's version at the commit; recorded, not part of the key."""
    priority: int
    """Lower starts first when slots are short."""
    queued_at: float
    """Seconds since the epoch."""
    placement: str = ""
    """"" for any worker; else the id of the service process whose thread has to run it."""
    traceparent: str = ""

    @property
    def hook_id(self) -> str:
        """The hook's identity in its service: `agent:support:post:notify`."""
        return hook_id(self.component_kind, self.component_id, self.phase, self.hook)


def job_key(run_id: str, phase: Phase, hook: str, occasion: str = "") -> str:
    """The key of a job.

    Args:
        occasion: Tells further calls of one hook apart: an evaluation that was asked for again, a message.
    """
    return f"{run_id}:{phase}:{hook}:{occasion}" if occasion else f"{run_id}:{phase}:{hook}"


def occasion_of(key: str) -> str:
    """The occasion in a job's key; "" for the one job that a run's end brings."""
    parts = key.split(":", 3)
    return parts[3] if len(parts) == 4 else ""


def hook_id(kind: ComponentKind, component_id: str, phase: Phase, hook: str) -> str:
    return f"{kind}:{component_id}:{phase}:{hook}"


class JobInfo(msgspec.Struct, omit_defaults=True):
    """A job as people see it: in `GET /runs/{id}/hooks` and `offpath hooks list`. Times in seconds since the epoch."""

    key: str
    run_id: str
    component_kind: ComponentKind
    component_id: str
    phase: Phase
    hook: str
    kind: HookKind
    version: str
    state: JobState
    attempts: int
    """Attempts begun so far."""
    queued_at: float
    due_at: float | None = None
    """When a scheduled job may start."""
    started_at: float | None = None
    """Start of the last attempt."""
    finished_at: float | None = None
    duration: float | None = None
    """Seconds that the last attempt took."""
    outcome: str | None = None
    """Of the last attempt: success, error, timeout, killed, cancelled."""
    error: str | None = None
    worker: str | None = None
    """Process id of the executor of the last attempt."""
