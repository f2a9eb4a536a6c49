"""The SQL of the store, as constant strings so that each is prepared once for each connection."""

# ruff: noqa: S608  # the f-strings join column names of this file; values are always bound

from __future__ import annotations

from functools import cache
from typing import Final

RUN_COLUMNS: Final = (
    "run_id, session_id, kind, component_id, component_name, user_id, parent_run_id, status, created_at, updated_at, "
    "owner, payload, record"
)
SESSION_COLUMNS: Final = "session_id, kind, component_id, user_id, name, created_at, updated_at, state, metadata"
MOST_ROWS: Final = 16
"""Rows of one multi-row insert: each statement gives the interpreter's lock up and has to win it back, which a busy
event loop makes slow, so a group is written with few statements."""


def _values(rows: int, columns: str) -> str:
    row = f"({', '.join('?' * (columns.count(',') + 1))})"
    return ", ".join([row] * rows)


@cache
def begin_sessions(rows: int) -> str:
    """Insert the sessions of starting runs; one that exists is newer."""
    return (
        f"INSERT INTO sessions ({SESSION_COLUMNS}) VALUES {_values(rows, SESSION_COLUMNS)} "
        "ON CONFLICT (session_id) DO NOTHING"
    )


@cache
def finish_sessions(rows: int) -> str:
    """Insert or update the sessions of ended runs; a name that somebody gave stays."""
    return (
        f"INSERT INTO sessions ({SESSION_COLUMNS}) VALUES {_values(rows, SESSION_COLUMNS)} "
        "ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at, "
        "user_id = coalesce(excluded.user_id, user_id), name = coalesce(name, excluded.name), "
        "metadata = coalesce(excluded.metadata, metadata)"
    )


@cache
def begin_runs(rows: int) -> str:
    """Insert starting runs; one that exists has ended already."""
    return f"INSERT INTO runs ({RUN_COLUMNS}) VALUES {_values(rows, RUN_COLUMNS)} ON CONFLICT (run_id) DO NOTHING"


@cache
def finish_runs(rows: int) -> str:
    """Insert or update ended runs."""
    return (
        f"INSERT INTO runs ({RUN_COLUMNS}) VALUES {_values(rows, RUN_COLUMNS)} "
        "ON CONFLICT (run_id) DO UPDATE SET status = excluded.status, updated_at = excluded.updated_at, "
        "user_id = excluded.user_id, session_id = excluded.session_id, owner = excluded.owner, "
        "payload = excluded.payload, record = excluded.record"
    )


SESSION: Final = f"SELECT {SESSION_COLUMNS} FROM sessions WHERE session_id = ?"
HISTORY: Final = (
    "SELECT record, payload, run_id FROM runs WHERE session_id = ? AND parent_run_id IS NULL AND status = 'completed' "
    "ORDER BY created_at DESC LIMIT ?"
)
RECORD: Final = "SELECT record, payload, run_id FROM runs WHERE run_id = ?"
RUN: Final = f"SELECT {RUN_COLUMNS} FROM runs WHERE run_id = ?"
RUNNING: Final = f"SELECT {RUN_COLUMNS} FROM runs WHERE status = 'running'"
GIVE_UP_RUNS: Final = (
    "UPDATE runs SET owner = ? WHERE status = 'running' AND owner = ? AND run_id IN (SELECT value FROM json_each(?))"
)
RENAME_SESSION: Final = "UPDATE sessions SET name = ? WHERE session_id = ?"

CLAIM_IDEMPOTENCY_KEY: Final = (
    "INSERT INTO idempotency_keys (scope, key, fingerprint, run_id, owner, created_at) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (scope, key) DO NOTHING"
)
IDEMPOTENCY_KEY: Final = (
    "SELECT k.fingerprint, k.run_id, k.owner, r.status FROM idempotency_keys k LEFT JOIN runs r ON r.run_id = k.run_id "
    "WHERE k.scope = ? AND k.key = ?"
)
TAKE_IDEMPOTENCY_KEY: Final = (
    "UPDATE idempotency_keys SET run_id = ?, owner = ?, created_at = ? WHERE scope = ? AND key = ?"
)
RELEASE_IDEMPOTENCY_KEY: Final = "DELETE FROM idempotency_keys WHERE scope = ? AND key = ? AND run_id = ?"

CHILD_RUNS: Final = (
    "WITH RECURSIVE family (run_id) AS (SELECT ? UNION SELECT r.run_id FROM runs r JOIN family f "
    "ON r.parent_run_id = f.run_id) SELECT run_id FROM family"
)
