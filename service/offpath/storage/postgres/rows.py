"""Between rows of PostgreSQL and what the store speaks of; a group of rows goes in as one array for each column."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from offpath.ledger.plan import RunPlan, decode_entries, encode_entries
from offpath.runs.context import Session
from offpath.runs.job import HookJob
from offpath.runs.status import RunStatus
from offpath.storage.postgres.text import restored, restored_or_none, stored, stored_or_none
from offpath.storage.rows import session_of, session_values
from offpath.storage.store import RunRow

Values = tuple[Any, ...]

_SESSION_TEXTS: Final = (0, 2, 3, 4)
_STATE, _UPDATED_AT, _USER, _NAME, _METADATA = 7, 6, 3, 4, 8


class PostgresWrite:
    """A run, its session and its jobs, to be written in one transaction.

    Raises:
        TypeError, ValueError: The session's state or metadata cannot be stored as JSON.
    """

    __slots__ = ("breaks", "final", "future", "jobs", "plan", "run", "run_id", "session", "submitted")

    def __init__(self, run: RunRow, session: Session, jobs: Sequence[HookJob], *, final: bool) -> None:
        self.run_id = run.run_id
        self.run: Values = run_columns(run)
        self.session: Values = session_columns(session)
        self.plan: Values | None = None if run.plan is None else plan_columns(run.plan)
        self.jobs = jobs
        self.final = final
        """False for the row of a starting run."""
        self.submitted = 0.0
        """By the monotonic clock."""
        self.breaks = 0
        """Connections that broke while it was being written."""
        self.future: asyncio.Future[None] | None = None
        """None if nobody waits."""


def run_columns(run: RunRow) -> Values:
    """The values for `statements.RUN_COLUMNS`."""
    return (
        stored(run.run_id),
        stored(run.session_id),
        run.kind,
        stored(run.component_id),
        stored(run.component_name),
        stored_or_none(run.user_id),
        stored_or_none(run.parent_run_id),
        run.status.value,
        run.created_at,
        run.updated_at,
        stored(run.owner),
        run.record,
    )


def run_of(row: Sequence[Any]) -> RunRow:
    """The run of a row of `statements.RUN_COLUMNS`."""
    return RunRow(
        run_id=restored(row[0]),
        session_id=restored(row[1]),
        kind=row[2],
        component_id=restored(row[3]),
        component_name=restored(row[4]),
        user_id=restored_or_none(row[5]),
        parent_run_id=restored_or_none(row[6]),
        status=RunStatus(row[7]),
        created_at=row[8],
        updated_at=row[9],
        owner=restored(row[10]),
        record=row[11],
    )


def plan_columns(plan: RunPlan) -> Values:
    """The values for `statements.PLAN_COLUMNS`."""
    return (
        stored(plan.run_id),
        stored(plan.session_id),
        plan.component_kind,
        stored(plan.component_id),
        stored(plan.component_name),
        plan.nested,
        plan.created_at,
        plan.status,
        plan.duration,
        stored(plan.error_type),
        stored(plan.traceparent),
        encode_entries(plan.entries),
        stored(plan.blocked_by),
        plan.strip,
        plan.counted,
    )


def plan_of(row: Sequence[Any]) -> RunPlan:
    """The plan of a row of `statements.PLAN_COLUMNS`.

    Raises:
        msgspec.ValidationError: A newer version wrote its entries.
    """
    return RunPlan(
        run_id=restored(row[0]),
        session_id=restored(row[1]),
        component_kind=row[2],
        component_id=restored(row[3]),
        component_name=restored(row[4]),
        nested=row[5],
        created_at=row[6],
        status=row[7],
        duration=row[8],
        error_type=restored(row[9]),
        traceparent=restored(row[10]),
        entries=decode_entries(row[11]),
        blocked_by=restored(row[12]),
        strip=row[13],
        counted=row[14],
    )


def session_columns(session: Session) -> Values:
    """The values for `statements.SESSION_COLUMNS`. State and metadata are JSON, which escapes what text cannot hold."""
    values = list(session_values(session))
    for index in _SESSION_TEXTS:
        values[index] = stored_or_none(values[index])
    return tuple(values)


def restored_session(row: Sequence[Any]) -> Session:
    """The session of a row of `statements.SESSION_COLUMNS`."""
    values = list(row)
    for index in _SESSION_TEXTS:
        values[index] = restored_or_none(values[index])
    return session_of(values)


def arrays(rows: Iterable[Values]) -> list[tuple[Any, ...]]:
    """One array for each column."""
    return list(zip(*rows, strict=True))


def merged_sessions(writes: Iterable[PostgresWrite], *, final: bool) -> list[Values]:
    """One row for each session of a group, as if the writes came one after the other; in an order for all writers.

    A statement may touch a row once only, and two writers that lock rows in different orders block each other.
    """
    sessions: dict[str, Values] = {}
    for write in writes:
        new = write.session
        old = sessions.get(new[0])
        if old is None:
            sessions[new[0]] = new
        elif final:
            both = list(old)
            both[_STATE], both[_UPDATED_AT] = new[_STATE], new[_UPDATED_AT]
            both[_USER] = old[_USER] if new[_USER] is None else new[_USER]
            both[_NAME] = new[_NAME] if old[_NAME] is None else old[_NAME]
            both[_METADATA] = old[_METADATA] if new[_METADATA] is None else new[_METADATA]
            sessions[new[0]] = tuple(both)
    return [sessions[session_id] for session_id in sorted(sessions)]


def merged_plans(writes: Iterable[PostgresWrite]) -> list[Values]:
    """The plans of a group, one for each run."""
    plans: dict[str, Values] = {}
    for write in writes:
        if write.plan is not None:
            plans.setdefault(write.run[0], write.plan)
    return [plans[run_id] for run_id in sorted(plans)]


def merged_runs(writes: Iterable[PostgresWrite]) -> list[Values]:
    """One row for each run of a group, the last one of it."""
    runs = {write.run[0]: write.run for write in writes}
    return [runs[run_id] for run_id in sorted(runs)]
