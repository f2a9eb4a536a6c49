"""What people ask of the queue in PostgreSQL, and may do to it; needs no worker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from offpath.engine.pause import HookPause
from offpath.engine.postgres import statements
from offpath.engine.postgres.connection import Connection
from offpath.engine.postgres.jobs import attempts_begun, entrypoint, headers_of, job_from, job_of, placement_of
from offpath.engine.postgres.presence import ALIVE_SECONDS
from offpath.engine.protocol import QueueStats
from offpath.runs.job import HookJob, JobInfo, JobState
from offpath.storage.postgres.text import restored, restored_or_none, stored, stored_or_none

Row = Mapping[str, Any]

_QUEUED = {
    None: statements.QUEUED,
    JobState.READY: statements.READY,
    JobState.SCHEDULED: statements.SCHEDULED,
    JobState.RUNNING: statements.RUNNING,
}


async def jobs_of(connection: Connection, run_id: str) -> list[JobInfo]:
    """All jobs of a run, queued and ended, in the order they were queued."""
    run = stored(run_id)
    # One statement after the other: a job that ends in between is in both, or it would be in neither.
    queued = await connection.fetch(statements.QUEUED_OF_RUN, f"{run}:", f"{run};")
    ended = await connection.fetch(statements.ENDED_OF_RUN, f"{run}:", f"{run};")
    found = {info.key: info for info in (*map(_queued, queued), *map(_ended, ended)) if info.run_id == run_id}
    return sorted(found.values(), key=lambda info: (info.queued_at, info.key))


async def jobs(connection: Connection, state: JobState | None, hook_id: str | None, limit: int) -> list[JobInfo]:
    """Jobs in one state, or all queued ones: the oldest of the queued first, the newest of the ended first."""
    hook = stored_or_none(hook_id)
    if state in _QUEUED:
        return [_queued(row) for row in await connection.fetch(_QUEUED[state], hook, limit)]
    if state is JobState.DEAD:
        return [_ended(row) for row in await connection.fetch(statements.DEAD, hook, limit)]
    assert state is not None  # noqa: S101  # it is among the queued
    return [_ended(row) for row in await connection.fetch(statements.ENDED, hook, limit, state.value)]


async def workers(connection: Connection) -> int:
    """How many workers have given a sign of life lately."""
    count: int = await connection.fetchval(statements.WORKERS, timedelta(seconds=ALIVE_SECONDS))
    return count


async def backlog(connection: Connection, limit: int, hooks: Sequence[str] | None) -> int:
    """How many jobs have not ended, counted up to `limit`; of some hooks, those that could run now."""
    most = max(0, limit)
    if hooks is None:
        count: int = await connection.fetchval(statements.UNENDED, most)
    else:
        names = [entrypoint(hook, "") for hook in hooks]
        count = await connection.fetchval(statements.UNENDED_OF, names, most)
    return count


async def stats(connection: Connection) -> list[QueueStats]:
    """The backlog of each hook that has one."""
    counts: dict[str, dict[str, int]] = {}
    first: dict[str, int] = {}
    for row in await connection.fetch(statements.BACKLOG):
        hook_id = restored(placement_of(row["entrypoint"])[1])
        of_hook = counts.setdefault(hook_id, {})
        of_hook[row["state"]] = of_hook.get(row["state"], 0) + row["jobs"]
        if row["state"] != JobState.RUNNING:
            first[hook_id] = min(row["oldest"], first.get(hook_id, row["oldest"]))
    for row in await connection.fetch(statements.DEAD_COUNTS):
        counts.setdefault(restored(row["hook_id"]), {})["dead"] = row["jobs"]
    oldest = {row["id"]: job_of(row["payload"]) for row in await _payloads(connection, list(first.values()))}
    now = time.time()
    return [
        QueueStats(
            hook_id=hook_id,
            ready=states.get("ready", 0),
            scheduled=states.get("scheduled", 0),
            running=states.get("running", 0),
            dead=states.get("dead", 0),
            oldest_age=_age(oldest.get(first.get(hook_id, 0)), now),
        )
        for hook_id, states in sorted(counts.items())
    ]


async def take_dead(connection: Connection, key: str) -> HookJob | None:
    """Remove a dead letter, on the open transaction, to queue it again."""
    row = await connection.fetchrow(statements.TAKE_DEAD, stored(key))
    if row is None:
        return None
    values = {name: restored(value) if isinstance(value, str) else value for name, value in row.items()}
    return job_from(values)


async def pauses(connection: Connection) -> list[HookPause]:
    """All hooks with strikes, isolated or paused."""
    return [
        HookPause(
            restored(row["hook_id"]),
            row["strikes"],
            bool(row["isolated"]),
            row["paused_at"],
            restored_or_none(row["reason"]),
            restored_or_none(row["version"]),
        )
        for row in await connection.fetch(statements.PAUSES)
    ]


async def _payloads(connection: Connection, ids: Sequence[int]) -> Sequence[Row]:
    found: Sequence[Row] = await connection.fetch(statements.PAYLOADS, ids) if ids else []
    return found


def _age(job: HookJob | None, now: float) -> float:
    return 0.0 if job is None else max(0.0, now - job.queued_at)


def _queued(row: Row) -> JobInfo:
    job, headers = job_of(row["payload"]), headers_of(row["headers"])
    waits = JobState.SCHEDULED if row["later"] else JobState.READY
    state = JobState.RUNNING if row["status"] == "picked" else waits
    return JobInfo(
        key=job.key,
        run_id=job.run_id,
        component_kind=job.component_kind,
        component_id=job.component_id,
        phase=job.phase,
        hook=job.hook,
        kind=job.kind,
        version=job.version,
        state=state,
        attempts=attempts_begun(row["attempts"], headers),
        queued_at=job.queued_at,
        due_at=row["due_at"] if state is JobState.SCHEDULED else None,
        started_at=headers.get("started_at"),
        error=headers.get("error"),
        worker=headers.get("executor"),
    )


def _ended(row: Row) -> JobInfo:
    started, finished = row["started_at"], row["finished_at"]
    return JobInfo(
        key=restored(row["key"]),
        run_id=restored(row["run_id"]),
        component_kind=row["component_kind"],
        component_id=restored(row["component_id"]),
        phase=row["phase"],
        hook=restored(row["hook"]),
        kind=row["kind"],
        version=restored(row["version"]),
        state=JobState(row["state"]),
        attempts=row["attempts"],
        queued_at=row["queued_at"],
        started_at=started,
        finished_at=finished,
        duration=None if started is None or finished is None else max(0.0, finished - started),
        outcome=row["outcome"],
        error=restored_or_none(row["error"]),
        worker=restored_or_none(row["executor"]),
    )
