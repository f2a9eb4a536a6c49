"""Reads of the ledger on PostgreSQL; each is given a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Delivery
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import Grain, Measure, RollupKey, Sums
from offpath.ledger.window import Stretch
from offpath.storage.failed_runs import FailedRuns, Span
from offpath.storage.ledger import RunQuery
from offpath.storage.ledger_rows import evaluation_of
from offpath.storage.postgres import ledger_statements as statements
from offpath.storage.postgres.ledger_rows import delivery_of, feedback_of, sums_of
from offpath.storage.postgres.rows import plan_of, run_of
from offpath.storage.postgres.text import restored, stored
from offpath.storage.store import RunRow

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

_MOST_COUNTED: Final = 10_000
_FIRST_PAGE: Final = 50
_PAGE: Final = 1_000
"""Failed results that are read at a time."""


async def bookings_wait(connection: Connection) -> bool:
    waiting: bool = await connection.fetchval(statements.BOOKINGS_WAIT)
    return waiting


async def unbooked(connection: Connection) -> int:
    count: int = await connection.fetchval(statements.UNBOOKED, _MOST_COUNTED)
    return count


async def plans(connection: Connection, run_ids: Sequence[str]) -> dict[str, RunPlan]:
    found = map(plan_of, await connection.fetch(statements.PLANS_OF, _stored(run_ids)))
    return {plan.run_id: plan for plan in found}


async def evaluations(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[EvaluationRow]]:
    found: dict[str, list[EvaluationRow]] = {}
    for run_id, data in await connection.fetch(statements.EVALUATIONS_OF, _stored(run_ids)):
        found.setdefault(restored(run_id), []).append(evaluation_of(data))
    return found


async def failed_runs(
    connection: Connection, name: str, since: float, until: float, wanted: Mapping[tuple[str, str] | None, int]
) -> dict[tuple[str, str] | None, list[str]]:
    failed = FailedRuns(name, since, until, wanted)
    for span in failed.spans():
        if failed.enough or not await _walk(connection, failed, span):
            break
    return failed.found()


async def _walk(connection: Connection, failed: FailedRuns, span: Span) -> bool:
    """Whether more may be looked at."""
    last: tuple[float, str] = (span.until, "")
    size = _FIRST_PAGE
    while True:
        window = (failed.since, failed.until)
        rows = await connection.fetch(statements.FAILED_RUNS, stored(failed.name), span.since, *last, size, *window)
        for run_id, evaluated_at, kind, component_id, created_at, entries in rows:
            # Of a run that is being deleted there may be no plan.
            component = (kind or "", restored(component_id or ""))
            if not failed.take(restored(run_id), evaluated_at, component, created_at or 0.0, entries):
                return False
        if len(rows) < size:
            return True
        last = rows[-1][1], rows[-1][0]
        size = _PAGE


async def feedback(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[Feedback]]:
    found: dict[str, list[Feedback]] = {}
    for row in await connection.fetch(statements.FEEDBACK_OF, _stored(run_ids)):
        one = feedback_of(row)
        found.setdefault(one.run_id, []).append(one)
    return found


async def rollups(
    connection: Connection,
    measure: Measure,
    grain: Grain,
    facet: str,
    start: int,
    end: int,
    component: tuple[str, str] | None,
    value: str | None,
) -> list[tuple[RollupKey, Sums]]:
    statement = statements.SUMS
    values: list[Any] = [measure, grain, stored(facet), start, end]
    if component is not None:
        statement += " AND component_kind = $6 AND component_id = $7"
        values += map(stored, component)
    if value is not None:
        values.append(stored(value))
        statement += f" AND value = ${len(values)}"
    return [sums_of(row) for row in await connection.fetch(f"{statement} ORDER BY start", *values)]


async def leading(
    connection: Connection,
    measure: Measure,
    facet: str,
    stretches: Sequence[Stretch],
    by: Sequence[str],
    limit: int,
) -> tuple[int, list[tuple[RollupKey, Sums]]]:
    bounds = [each for stretch in stretches for each in stretch]
    ranking = statements.leading(len(stretches), len(by))
    async with connection.transaction():
        # A plan for any window, which is taken from the sixth call on, takes twice as long.
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        first = await connection.fetch(ranking, measure, stored(facet), *by, *bounds, limit)
    if not first:
        return 0, []
    values = [row[0] for row in first]
    statement = statements.USERS_SUMS if facet == "user" else statements.VALUES_SUMS
    rows: list[tuple[RollupKey, Sums]] = []
    for grain, start, end in stretches:
        found = await connection.fetch(statement, measure, grain, stored(facet), start, end, values)
        rows += map(sums_of, found)
    return first[0][2], rows


async def ended_runs(connection: Connection, query: RunQuery, after: tuple[float, str], limit: int) -> list[RunRow]:
    where, values = _where(query)
    values += (after[0], stored(after[1]), limit)
    at, run_id, most = (f"${len(values) - back}" for back in (2, 1, 0))
    rows = await connection.fetch(
        f"{statements.ENDED_RUNS}{where} AND (created_at, run_id) > ({at}, {run_id}) "
        f"ORDER BY created_at, run_id LIMIT {most}",
        *values,
    )
    return [run_of(row) for row in rows]


async def count_runs(connection: Connection, query: RunQuery) -> int:
    where, values = _where(query)
    count: int = await connection.fetchval(f"{statements.COUNT_RUNS}{where}", *values)
    return count


async def quiet_sessions(
    connection: Connection, since: float, before: float, limit: int
) -> list[tuple[str, str, float]]:
    """Session, its last outermost ended run, and when that ended."""
    rows = await connection.fetch(statements.QUIET_SESSIONS, since, before, limit)
    return [(restored(row[0]), restored(row[1]), row[2]) for row in rows]


async def session_records(connection: Connection, session_id: str, limit: int) -> list[bytes]:
    rows = await connection.fetch(statements.SESSION_RECORDS, stored(session_id), limit)
    return [row[0] for row in reversed(rows)]


async def spent(connection: Connection, window: str) -> int:
    found: int | None = await connection.fetchval(statements.SPENT, window)
    return found or 0


async def notices_wait(connection: Connection) -> bool:
    waiting: bool = await connection.fetchval(statements.NOTICES_WAIT)
    return waiting


async def delivery(connection: Connection, delivery_id: str) -> Delivery | None:
    row = await connection.fetchrow(statements.DELIVERY, stored(delivery_id))
    return None if row is None else delivery_of(row)


def _stored(texts: Sequence[str]) -> list[str]:
    return [stored(text) for text in texts]


def _where(query: RunQuery) -> tuple[str, list[Any]]:
    where, values = "", []
    for condition, value in (
        ("created_at >=", query.since),
        ("created_at <", query.until),
        ("kind =", query.component_kind),
        ("component_id =", None if query.component_id is None else stored(query.component_id)),
    ):
        if value is not None:
            values.append(value)
            where += f" AND {condition} ${len(values)}"
    if not query.nested:
        where += " AND parent_run_id IS NULL"
    return where, values
