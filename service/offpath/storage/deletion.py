"""Deleting runs with everything that was copied from them."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from typing import Final

import msgspec

from offpath.storage import statements
from offpath.storage.connection import connect, is_busy
from offpath.storage.ledger_booking import withdraw
from offpath.storage.paths import DatabasePaths

logger = logging.getLogger("offpath.storage")

ONE_RUN: Final = "SELECT run_id FROM runs WHERE run_id = ?"
SESSION_RUNS: Final = "SELECT run_id FROM runs WHERE session_id = ?"
USER_RUNS: Final = (
    "SELECT run_id FROM runs WHERE user_id = ?1 "
    "UNION SELECT r.run_id FROM runs r JOIN sessions s ON s.session_id = r.session_id WHERE s.user_id = ?1"
)
DELETE_SESSION: Final = "DELETE FROM sessions WHERE session_id = ?"
DELETE_USER_SESSIONS: Final = "DELETE FROM sessions WHERE user_id = ?"

_BATCH: Final = 50
_CANCEL_JOBS: Final = (
    "INSERT OR REPLACE INTO job_results (key, run_id, session_id, hook_id, component_kind, component_id, phase, hook, "
    "kind, version, priority, queued_at, placement, traceparent, state, outcome, attempts, started_at, finished_at) "
    "SELECT key, run_id, NULL, hook_id, component_kind, component_id, phase, hook, kind, version, priority, queued_at, "
    "placement, '', 'cancelled', 'cancelled', attempts, started_at, ? FROM jobs "
    "WHERE key >= ? AND key < ? AND run_id = ?"
)
_CLEAR_RESULTS: Final = (
    "UPDATE job_results SET error = NULL, result = NULL, traceparent = '', session_id = NULL, "
    "state = CASE state WHEN 'dead' THEN 'cancelled' ELSE state END "
    "WHERE key >= ? AND key < ? AND run_id = ?"
)
_LEDGER: Final = (
    "DELETE FROM run_plans WHERE run_id = ?",
    "DELETE FROM evaluations WHERE run_id = ?",
    "DELETE FROM feedback WHERE run_id = ?",
    # Indexed only where there is a run.
    "DELETE FROM notices WHERE run_id = ? AND run_id <> ''",
    "DELETE FROM deliveries WHERE run_id = ? AND run_id <> ''",
    # Those that wait are dropped when their turn comes; what is set aside has an error's words.
    "DELETE FROM bookings WHERE run_id = ? AND error IS NOT NULL",
)
"""What the built-in hooks know of a run. The sums stay, which are numbers only; see `ledger_booking.withdraw`."""
_USER_SUMS: Final = "DELETE FROM rollups WHERE facet = 'user' AND value = ?"
_FORGET_NAME: Final = (
    # A session is called after what was said first.
    "UPDATE sessions SET name = NULL WHERE name IS NOT NULL "
    "AND session_id = (SELECT session_id FROM runs WHERE run_id = ?1) "
    "AND NOT EXISTS (SELECT 1 FROM runs AS r JOIN runs AS d ON d.run_id = ?1 WHERE r.session_id = d.session_id "
    "AND r.parent_run_id IS NULL AND r.created_at < d.created_at)"
)
_CHECKPOINT_TRIES: Final = 200


class Batch(msgspec.Struct, frozen=True):
    """What one transaction deleted."""

    done: bool
    sessions: int = 0
    runs: int = 0
    jobs_cancelled: int = 0
    payloads: tuple[str, ...] = ()
    """Files to remove, now that the deletion is durable."""


def delete_batch(connection: sqlite3.Connection, runs: str, value: str, sessions: str | None) -> Batch:
    """Delete some of the runs that a query finds, on the open transaction; the sessions go with the last of them."""
    roots = [row[0] for row in connection.execute(f"{runs} LIMIT {_BATCH}", (value,))]
    deleted = cancelled = 0
    payloads: list[str] = []
    for root in roots:
        family = family_of(connection, root)
        withdraw(connection, family)
        for run_id in family:
            removed, jobs, files = delete_run(connection, run_id)
            deleted += removed
            cancelled += jobs
            payloads += files
    done = len(roots) < _BATCH
    removed_sessions = connection.execute(sessions, (value,)).rowcount if done and sessions else 0
    if done and runs == USER_RUNS:
        connection.execute(_USER_SUMS, (value,))
        connection.execute("DELETE FROM feedback WHERE author = ?", (value,))
    return Batch(done, removed_sessions, deleted, cancelled, tuple(payloads))


def family_of(connection: sqlite3.Connection, run_id: str) -> list[str]:
    """A run and all runs that it started, directly or not."""
    return [row[0] for row in connection.execute(statements.CHILD_RUNS, (run_id,))]


def delete_run(connection: sqlite3.Connection, run_id: str) -> tuple[int, int, list[str]]:
    """Delete one run without its children: rows deleted, jobs cancelled, payload files to remove."""
    # The plan goes first: without one, nothing is booked for the jobs that are cancelled.
    for statement in _LEDGER:
        connection.execute(statement, (run_id,))
    # Keys begin with the run's id, so their unique index finds a run's jobs.
    keys = (f"{run_id}:", f"{run_id};", run_id)
    connection.execute(_FORGET_NAME, (run_id,))
    jobs = connection.execute(_CANCEL_JOBS, (time.time(), *keys)).rowcount
    connection.execute(_CLEAR_RESULTS, keys)
    connection.execute("DELETE FROM idempotency_keys WHERE run_id = ?", (run_id,))
    payload = connection.execute("SELECT payload FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    removed = connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,)).rowcount
    return removed, jobs, [payload[0]] if payload and payload[0] else []


def erase_log(paths: DatabasePaths) -> None:
    """Empty the write-ahead log, which still holds pages from before a deletion.

    Readers that are at work can hold that up for a moment; if they do for long, the log says so, and the pages are
    gone when the service stops or the log is next emptied.
    """
    with closing(connect(paths.database, synchronous="FULL", wal_autocheckpoint=0)) as connection:
        for _ in range(_CHECKPOINT_TRIES):
            try:
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                busy = 1
            if not busy:
                return
            time.sleep(0.005)
    logger.warning(
        "%s: deleted content stays in the write-ahead log until it is next emptied, since something keeps reading; "
        "stopping the service empties it",
        paths.database,
    )
