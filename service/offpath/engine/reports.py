"""What people ask of the embedded queue, and may do to it; needs no worker."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from offpath.engine import statements
from offpath.engine.pause import HookPause
from offpath.engine.protocol import QueueStats
from offpath.runs.job import JobInfo, JobState

_QUEUED: Final = (JobState.READY, JobState.SCHEDULED, JobState.RUNNING)


def jobs_of(connection: sqlite3.Connection, run_id: str) -> list[JobInfo]:
    """All jobs of a run, queued and ended, in the order they were queued."""
    return [_info(row) for row in connection.execute(statements.JOBS_OF_RUN, (run_id,))]


def jobs(connection: sqlite3.Connection, state: JobState | None, hook_id: str | None, limit: int) -> list[JobInfo]:
    """Jobs in one state, or all queued ones: the oldest of the queued first, the newest of the ended first."""
    if state is None:
        statement = statements.QUEUED_ALL
    elif state is JobState.DEAD:
        statement = statements.DEAD
    else:
        statement = statements.QUEUED if state in _QUEUED else statements.ENDED
    value = None if state is None else state.value
    return [_info(row) for row in connection.execute(statement, (value, hook_id, limit))]


def backlog(connection: sqlite3.Connection, limit: int, hooks: Sequence[str] | None) -> int:
    """How many jobs have not ended, counted up to `limit`; of some hooks, those that could run now."""
    most = max(0, limit)
    if hooks is None:
        found = connection.execute(statements.UNENDED, (most,))
    else:
        found = connection.execute(statements.UNENDED_OF, (msgspec.json.encode(list(hooks)).decode(), most))
    count: int = found.fetchone()[0]
    return count


def stats(connection: sqlite3.Connection) -> list[QueueStats]:
    """The backlog of each hook that has one."""
    counts: dict[str, dict[str, int]] = {}
    first: dict[str, int] = {}
    for hook_id, state, count, oldest in connection.execute(statements.BACKLOG).fetchall():
        counts.setdefault(hook_id, {})[state] = count
        if state != JobState.RUNNING:
            first[hook_id] = min(oldest, first.get(hook_id, oldest))
    for hook_id, count in connection.execute(statements.DEAD_COUNTS).fetchall():
        counts.setdefault(hook_id, {})["dead"] = count
    now = time.time()
    found = []
    for hook_id, states in sorted(counts.items()):
        row = connection.execute(statements.QUEUED_AT, (first[hook_id],)).fetchone() if hook_id in first else None
        found.append(
            QueueStats(
                hook_id=hook_id,
                ready=states.get("ready", 0),
                scheduled=states.get("scheduled", 0),
                running=states.get("running", 0),
                dead=states.get("dead", 0),
                oldest_age=max(0.0, now - row[0]) if row else 0.0,
            )
        )
    return found


def requeue(connection: sqlite3.Connection, key: str) -> bool:
    """Bring a dead job back, on the open transaction."""
    inserted = connection.execute(statements.REQUEUE, (key,)).rowcount
    connection.execute(statements.FORGET_DEAD, (key,))
    return inserted > 0


def pauses(connection: sqlite3.Connection) -> list[HookPause]:
    """All hooks with strikes, isolated or paused."""
    return [
        HookPause(row[0], row[1], bool(row[2]), row[3], row[4], row[5]) for row in connection.execute(statements.PAUSES)
    ]


def _info(row: Sequence[Any]) -> JobInfo:
    started, finished = row[12], row[13]
    return JobInfo(
        key=row[0],
        run_id=row[1],
        component_kind=row[2],
        component_id=row[3],
        phase=row[4],
        hook=row[5],
        kind=row[6],
        version=row[7],
        state=JobState(row[8]),
        attempts=row[9],
        queued_at=row[10],
        due_at=row[11],
        started_at=started,
        finished_at=finished,
        duration=None if started is None or finished is None else max(0.0, finished - started),
        outcome=row[14],
        error=row[15],
        worker=row[16],
    )
