"""Writing runs: few statements for many rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from offpath.runs.job import HookJob
from offpath.storage import statements
from offpath.storage.ledger_rows import plan_values
from offpath.storage.ledger_statements import add_plans
from offpath.storage.rows import RunWrite, run_values, session_values
from offpath.storage.store import Enqueue


def apply_writes(connection: sqlite3.Connection, writes: Sequence[RunWrite], enqueue: Enqueue) -> None:
    """Write runs, sessions and jobs on the open transaction.

    Rows of starting runs come first and never replace anything, so that their order among ended ones does not matter.

    Raises:
        TypeError: If a session's state cannot be stored as JSON.
        sqlite3.Error: From SQLite.
    """
    begun = [write for write in writes if not write.final]
    ended = [write for write in writes if write.final]
    if begun:
        insert_rows(connection, statements.begin_sessions, [session_values(write.session) for write in begun])
        insert_rows(connection, statements.begin_runs, [run_values(write.run, write.payload) for write in begun])
    if ended:
        insert_rows(connection, statements.finish_sessions, [session_values(write.session) for write in ended])
        insert_rows(connection, statements.finish_runs, [run_values(write.run, write.payload) for write in ended])
        plans = [plan_values(write.run.plan) for write in ended if write.run.plan is not None]
        if plans:
            insert_rows(connection, add_plans, plans)
    jobs: list[HookJob] = [job for write in writes for job in write.jobs]
    if jobs:
        enqueue(connection, jobs)


def insert_rows(
    connection: sqlite3.Connection, statement: Callable[[int], str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Execute a multi-row statement for all rows, in as few calls as its size allows."""
    for first in range(0, len(rows), statements.MOST_ROWS):
        chunk = rows[first : first + statements.MOST_ROWS]
        values = chunk[0] if len(chunk) == 1 else [value for row in chunk for value in row]
        connection.execute(statement(len(chunk)), values)
