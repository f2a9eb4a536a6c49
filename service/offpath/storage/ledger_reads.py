"""What the ledger reads; calls on a reader's connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import Grain, Measure, RollupKey, Sums
from offpath.ledger.window import Stretch
from offpath.storage import ledger_statements as statements
from offpath.storage.failed_runs import FailedRuns, Span
from offpath.storage.ledger import RunQuery
from offpath.storage.ledger_rows import document, evaluation_of, feedback_of, plan_of, rollup_of
from offpath.storage.reader import Reader
from offpath.storage.rows import run_row
from offpath.storage.statements import RUN_COLUMNS
from offpath.storage.store import RunRow

_MOST_COUNTED: Final = 10_000


def plans(connection: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, RunPlan]:
    rows = connection.execute(statements.PLANS, (document(list(run_ids)),))
    return {row[0]: plan_of(row) for row in rows}


def evaluations(connection: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, list[EvaluationRow]]:
    found: dict[str, list[EvaluationRow]] = {}
    for run_id, data in connection.execute(statements.EVALUATIONS, (document(list(dict.fromkeys(run_ids))),)):
        found.setdefault(run_id, []).append(evaluation_of(data))
    return found


def failed_runs(connection: sqlite3.Connection, failed: FailedRuns) -> dict[tuple[str, str] | None, list[str]]:
    for span in failed.spans():
        if failed.enough or not _walk(connection, failed, span):
            break
    return failed.found()


def _walk(connection: sqlite3.Connection, failed: FailedRuns, span: Span) -> bool:
    """Whether more may be looked at."""
    with closing(connection.execute(statements.FAILED_RUNS, (failed.since, failed.until, failed.name, *span))) as rows:
        return all(
            failed.take(run_id, evaluated_at, (kind, component_id), created_at, entries)
            for run_id, evaluated_at, kind, component_id, created_at, entries in rows
        )


def feedback(connection: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, list[Feedback]]:
    found: dict[str, list[Feedback]] = {}
    for row in connection.execute(statements.FEEDBACK, (document(list(dict.fromkeys(run_ids))),)):
        found.setdefault(row[1], []).append(feedback_of(row))
    return found


def rollups(
    connection: sqlite3.Connection,
    measure: Measure,
    grain: Grain,
    facet: str,
    start: int,
    end: int,
    component: tuple[str, str] | None,
    value: str | None,
) -> list[tuple[RollupKey, Sums]]:
    statement = statements.ROLLUPS
    values: list[Any] = [measure, grain, facet, start, end]
    if component is not None:
        statement += " AND component_kind = ? AND component_id = ?"
        values += component
    if value is not None:
        statement += " AND value = ?"
        values.append(value)
    return [rollup_of(row) for row in connection.execute(f"{statement} ORDER BY start", values)]


def leading(
    connection: sqlite3.Connection,
    measure: Measure,
    facet: str,
    stretches: Sequence[Stretch],
    by: Sequence[str],
    limit: int,
) -> tuple[int, list[tuple[RollupKey, Sums]]]:
    paths = [f"$.{name}" for name in by]
    values: list[Any] = [each for stretch in stretches for each in (*paths, measure, facet, *stretch)]
    first = connection.execute(statements.leading(len(stretches), len(by)), (*values, limit)).fetchall()
    if not first:
        return 0, []
    statement = statements.sums_of_values(len(first), users=facet == "user")
    leaders = [value for value, _, _ in first]
    rows = [
        rollup_of(row)
        for stretch in stretches
        for row in connection.execute(statement, (*leaders, measure, facet, *stretch)).fetchall()
    ]
    return int(first[0][2]), rows


def unbooked(connection: sqlite3.Connection) -> int:
    return int(connection.execute(statements.UNBOOKED, (_MOST_COUNTED,)).fetchone()[0])


def _where(query: RunQuery) -> tuple[str, list[Any]]:
    where, values = "status <> 'running'", []
    for condition, value in (
        ("created_at >= ?", query.since),
        ("created_at < ?", query.until),
        ("kind = ?", query.component_kind),
        ("component_id = ?", query.component_id),
    ):
        if value is not None:
            where += f" AND {condition}"
            values.append(value)
    if not query.nested:
        where += " AND parent_run_id IS NULL"
    return where, values


def ended_runs(
    connection: sqlite3.Connection, reader: Reader, query: RunQuery, after: tuple[float, str], limit: int
) -> list[RunRow]:
    where, values = _where(query)
    rows = connection.execute(
        f"SELECT {RUN_COLUMNS} FROM runs WHERE {where} AND (created_at, run_id) > (?, ?) "  # noqa: S608  # names of ours
        "ORDER BY created_at, run_id LIMIT ?",
        (*values, *after, limit),
    ).fetchall()
    found = [(row, reader.record(connection, row[0]) if row[11] else bytes(row[12])) for row in rows]
    # A run may be deleted between the two reads.
    return [run_row(row, record) for row, record in found if record is not None]


def count_runs(connection: sqlite3.Connection, query: RunQuery) -> int:
    where, values = _where(query)
    return int(connection.execute(f"SELECT count(*) FROM runs WHERE {where}", values).fetchone()[0])  # noqa: S608


def quiet_sessions(
    connection: sqlite3.Connection, since: float, before: float, limit: int
) -> list[tuple[str, float, str]]:
    """Session, when its last run ended, and its last outermost ended run."""
    return connection.execute(statements.QUIET_SESSIONS, (since, before, limit)).fetchall()


def session_records(connection: sqlite3.Connection, reader: Reader, session_id: str, limit: int) -> list[bytes]:
    rows = connection.execute(statements.SESSION_RUNS, (session_id, limit)).fetchall()
    records = [reader.record(connection, run_id) for (run_id,) in reversed(rows)]
    return [record for record in records if record is not None]


def spent(connection: sqlite3.Connection, window: str) -> int:
    row = connection.execute(statements.SPENT, (window,)).fetchone()
    return 0 if row is None else int(row[0])
