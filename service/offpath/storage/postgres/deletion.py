"""Deleting runs with everything that was copied from them, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from offpath.storage.deletion import Batch
from offpath.storage.postgres import statements
from offpath.storage.postgres.booking import withdraw
from offpath.storage.postgres.text import restored
from offpath.storage.store import JobRows

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

_BATCH: Final = 50
_SUMS: Final = 500


async def delete_batch(connection: Connection, jobs: JobRows, runs: str, value: str, sessions: str | None) -> Batch:
    """Delete some of the runs that a query finds, in the open transaction; the sessions go with the last of them."""
    roots = [row[0] for row in await connection.fetch(runs, value, _BATCH)]
    family = await family_of(connection, roots)
    withdrawal = await withdraw(connection, family)
    # Runs first: their plans go with them, so that the results of cancelled jobs are not booked.
    deleted = await delete_runs(connection, family)
    cancelled = await jobs.cancel_jobs(connection, [restored(run_id) for run_id in family]) if family else 0
    done = len(roots) < _BATCH
    removed = rows_of(await connection.execute(sessions, value)) if done and sessions else 0
    await withdrawal.execute(connection)
    return Batch(done, removed, deleted, cancelled)


async def family_of(connection: Connection, roots: Sequence[str]) -> list[str]:
    """Runs and all runs that they started, directly or not; ids as they are stored."""
    if not roots:
        return []
    return [row[0] for row in await connection.fetch(statements.FAMILY, roots)]


async def delete_runs(connection: Connection, run_ids: Sequence[str]) -> int:
    """Delete runs, without their children and jobs; how many there were.

    A trigger deletes what the ledger knows of them: processes of the version before, which do not know it, delete too.
    """
    if not run_ids:
        return 0
    await connection.execute(statements.DELETE_KEYS, run_ids)
    await connection.execute(statements.FORGET_NAMES, run_ids)
    return rows_of(await connection.execute(statements.DELETE_RUNS, run_ids))


async def delete_user_sums(connection: Connection, user_id: str) -> bool:
    """Delete some of the sums of a user's usage; whether there may be more."""
    return rows_of(await connection.execute(statements.DELETE_USER_SUMS, user_id, _SUMS)) == _SUMS


async def delete_user_feedback(connection: Connection, user_id: str) -> None:
    """Delete what a user said of runs, those of others among them."""
    await connection.execute(statements.DELETE_USER_FEEDBACK, user_id)


async def check_writable(connection: Connection) -> None:
    """Write nothing, in a way that only a database that can be written allows."""
    await connection.execute(statements.DELETE_RUNS, [])


def rows_of(status: str) -> int:
    """How many rows a statement touched, by its command tag."""
    return int(status.rpartition(" ")[2])
