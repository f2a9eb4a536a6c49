"""The SQL of the ledger, as constant strings so that each is prepared once for each connection.

Keys come as one JSON array. Rows that are written are bound one by one: with ten evaluations for each of 32 runs that
takes two thirds of the time of one statement that takes them out of a JSON document, and half beside a busy thread.
"""

# ruff: noqa: S608  # the f-strings join column names of this file; values are always bound

from __future__ import annotations

from functools import cache
from typing import Final

PLAN_COLUMNS: Final = (
    "run_id, session_id, component_kind, component_id, component_name, nested, created_at, status, duration, "
    "error_type, traceparent, plan, blocked_by, strip, counted"
)
_PLAN_ROW: Final = f"({', '.join('?' * 15)})"


@cache
def add_plans(rows: int) -> str:
    """Insert the plans of ended runs; one that exists stays."""
    return (
        f"INSERT INTO run_plans ({PLAN_COLUMNS}) VALUES {', '.join([_PLAN_ROW] * rows)} ON CONFLICT (run_id) DO NOTHING"
    )


PLANS: Final = (
    # The last column: whether the sums know the plan, which they do once its own booking is gone.
    f"SELECT {', '.join(f'p.{name}' for name in PLAN_COLUMNS.split(', '))}, "
    "NOT EXISTS (SELECT 1 FROM bookings AS b WHERE b.run_id = p.run_id AND b.key IS NULL) "
    "FROM json_each(?) AS e CROSS JOIN run_plans AS p ON p.run_id = e.value"
)
UNCHANGED_PLANS: Final = (
    "SELECT count(*) FROM json_each(?) AS e CROSS JOIN run_plans AS p ON p.run_id = json_extract(e.value, '$[0]') "
    "WHERE p.plan = json_extract(e.value, '$[1]')"
)
UPDATE_PLAN: Final = "UPDATE run_plans SET plan = ?, counted = ? WHERE run_id = ?"

_BOOKING: Final = (
    # A job that was requeued ends again, with a booking of its own: each one goes with the end that it stands for.
    "SELECT b.id, b.run_id, b.key, r.key, r.run_id, r.component_kind, r.component_id, r.phase, r.hook, r.kind, "
    "r.version, r.state, r.attempts, r.queued_at, r.started_at, r.finished_at, r.outcome, r.error, r.executor, "
    "r.result, r.traceparent FROM bookings AS b "
    "LEFT JOIN job_results AS r ON r.key = b.key AND r.finished_at = b.ended_at "
)
WAITING_BOOKINGS: Final = f"{_BOOKING} WHERE b.error IS NULL ORDER BY b.id LIMIT ?"
BOOKINGS: Final = f"{_BOOKING} WHERE b.error IS NULL AND b.id IN (SELECT value FROM json_each(?)) ORDER BY b.id"
TAKE_BOOKINGS: Final = "DELETE FROM bookings WHERE error IS NULL AND id IN (SELECT value FROM json_each(?))"
SET_ASIDE: Final = "UPDATE bookings SET error = ? WHERE run_id = ? AND id >= ? AND error IS NULL RETURNING id"
SET_ASIDE_BEFORE: Final = (
    "SELECT DISTINCT b.run_id FROM json_each(?) AS e CROSS JOIN bookings AS b ON b.run_id = e.value "
    "WHERE b.error IS NOT NULL"
)
BRING_BACK: Final = "UPDATE bookings SET error = NULL WHERE error IS NOT NULL"
UNBOOKED: Final = "SELECT count(*) FROM (SELECT 1 FROM bookings WHERE error IS NULL LIMIT ?)"
UNBOOK_ADDED: Final = "DELETE FROM bookings WHERE id = (SELECT max(id) FROM bookings WHERE run_id = ?1) AND key IS NULL"

STORE_EVALUATION: Final = (
    "INSERT INTO evaluations (run_id, name, fingerprint, state, passed, evaluated_at, data) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (run_id, name, fingerprint) DO UPDATE SET state = excluded.state, passed = excluded.passed, "
    "evaluated_at = excluded.evaluated_at, data = excluded.data"
)
EVALUATIONS: Final = (
    "SELECT v.run_id, v.data FROM json_each(?) AS e CROSS JOIN evaluations AS v ON v.run_id = e.value "
    "ORDER BY v.evaluated_at, v.name"
)
FAILED_RUNS: Final = (
    "SELECT v.run_id, v.evaluated_at, p.component_kind, p.component_id, p.created_at, "
    "CASE WHEN p.created_at >= ? AND p.created_at < ? THEN p.plan END "
    "FROM evaluations AS v INDEXED BY ix_evaluations_failed CROSS JOIN run_plans AS p ON p.run_id = v.run_id "
    "WHERE v.name = ? AND v.passed = 0 AND v.evaluated_at >= ? AND v.evaluated_at < ? ORDER BY v.evaluated_at DESC"
)

ADD_FEEDBACK: Final = (
    "INSERT INTO feedback (id, run_id, created_at, author, name, score, label, comment) "
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM runs WHERE run_id = ?2)"
)
FEEDBACK: Final = (
    "SELECT f.id, f.run_id, f.created_at, f.author, f.name, f.score, f.label, f.comment FROM json_each(?) AS e "
    "CROSS JOIN feedback AS f ON f.run_id = e.value ORDER BY f.created_at, f.id"
)

_ROLLUP_KEY: Final = "measure, grain, start, facet, component_kind, component_id, value"
_KEY_OF_E: Final = " AND ".join(
    f"r.{name} = json_extract(e.value, '$[{index}]')" for index, name in enumerate(_ROLLUP_KEY.split(", "))
)
STORED_SUMS: Final = (
    f"SELECT json_group_array(json_array(e.key, r.data)) FROM json_each(?) AS e CROSS JOIN rollups AS r ON {_KEY_OF_E}"
)
STORE_SUMS: Final = (
    f"INSERT INTO rollups ({_ROLLUP_KEY}, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    f"ON CONFLICT ({_ROLLUP_KEY}) DO UPDATE SET data = excluded.data"
)
ROLLUPS: Final = (
    f"SELECT {_ROLLUP_KEY}, data FROM rollups "
    "WHERE measure = ? AND grain = ? AND facet = ? AND start >= ? AND start < ?"
)


def sums_of_values(values: int, *, users: bool) -> str:
    """The statement that reads the sums of so many values; that of users by their index, of which there is one."""
    table, of_index = ("rollups INDEXED BY ix_rollups_user", " AND facet = 'user'") if users else ("rollups", "")
    return (
        f"SELECT {_ROLLUP_KEY}, data FROM {table} WHERE value IN ({', '.join('?' * values)}){of_index} "
        "AND measure = ? AND facet = ? AND grain = ? AND start >= ? AND start < ?"
    )


def leading(stretches: int, names: int) -> str:
    """The statement that ranks values by their numbers: value, number, and how many values there are."""
    number = " + ".join(["ifnull(json_extract(data, ?), 0)"] * names)
    rows = (
        f"SELECT value, {number} AS number FROM rollups "  # placeholders alone
        "WHERE measure = ? AND facet = ? AND grain = ? AND start >= ? AND start < ?"
    )
    return (
        f"SELECT value, sum(number) AS number, count(*) OVER () FROM ({' UNION ALL '.join([rows] * stretches)}) "
        "GROUP BY value ORDER BY number DESC, value LIMIT ?"
    )


RUN_EXISTS: Final = "SELECT EXISTS (SELECT 1 FROM runs WHERE run_id = ?)"
_HOOKS_ENDED: Final = (
    "NOT EXISTS (SELECT 1 FROM jobs AS j WHERE j.key >= r.run_id || ':' AND j.key < r.run_id || ';' "
    "AND j.run_id = r.run_id)"
)
TO_STRIP: Final = (
    "SELECT r.run_id, r.record, r.payload, r.updated_at FROM run_plans AS p CROSS JOIN runs AS r "
    f"ON r.run_id = p.run_id WHERE p.strip = 1 AND r.status <> 'running' AND {_HOOKS_ENDED} LIMIT ?"
)
STRIP: Final = (
    "UPDATE runs AS r SET record = ?, payload = ? WHERE r.run_id = ? AND r.updated_at = ? AND r.status <> 'running' "
    f"AND {_HOOKS_ENDED}"
)
STRIPPED: Final = "UPDATE run_plans SET strip = 0 WHERE run_id = ?"

QUIET_SESSIONS: Final = (
    "SELECT s.session_id, s.updated_at, (SELECT l.run_id FROM runs AS l WHERE l.session_id = s.session_id "
    "AND l.parent_run_id IS NULL AND l.status <> 'running' ORDER BY l.created_at DESC, l.rowid DESC LIMIT 1) AS last "
    "FROM sessions AS s INDEXED BY ix_sessions_updated_at LEFT JOIN session_marks AS m ON m.session_id = s.session_id "
    "WHERE s.updated_at >= ? AND s.updated_at < ? AND (m.marked_at IS NULL OR m.marked_at < s.updated_at) "
    "AND last IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs AS u WHERE u.session_id = s.session_id "
    "AND u.status = 'running') ORDER BY s.updated_at LIMIT ?"
)
MARK_SESSIONS: Final = (
    "INSERT INTO session_marks (session_id, marked_at) SELECT s.session_id, ?2 FROM json_each(?1) AS e "
    "CROSS JOIN sessions AS s ON s.session_id = e.value WHERE TRUE "
    "ON CONFLICT (session_id) DO UPDATE SET marked_at = max(marked_at, excluded.marked_at)"
)
SESSION_RUNS: Final = (
    "SELECT run_id FROM runs WHERE session_id = ? AND parent_run_id IS NULL AND status <> 'running' "
    "ORDER BY created_at DESC, rowid DESC LIMIT ?"
)

_LATEST_WINDOW: Final = (
    # Of the same length, so that days are not compared with hours; a clock that went back finds the later one.
    'coalesce((SELECT max("window") FROM budgets WHERE "window" > ?1 AND length("window") = length(?1)), ?1)'
)
RESERVE: Final = (
    f'INSERT INTO budgets ("window", spent) SELECT {_LATEST_WINDOW}, ?3 WHERE ?3 <= ?2 '
    'ON CONFLICT ("window") DO UPDATE SET spent = spent + excluded.spent WHERE spent + excluded.spent <= ?2 '
    'RETURNING "window"'
)
GIVE_BACK: Final = 'UPDATE budgets SET spent = max(0, spent - ?2) WHERE "window" = ?1'
ADD_SPENT: Final = (
    f'INSERT INTO budgets ("window", spent) SELECT {_LATEST_WINDOW}, ?2 WHERE TRUE '
    'ON CONFLICT ("window") DO UPDATE SET spent = spent + excluded.spent'
)
SPENT: Final = f'SELECT spent FROM budgets WHERE "window" = {_LATEST_WINDOW}'

ADD_NOTICE: Final = (
    "INSERT INTO notices (key, run_id, created_at, data) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
)
NOTICES_WAIT: Final = "SELECT EXISTS (SELECT 1 FROM notices WHERE taken_at IS NULL)"
WAITING_NOTICES: Final = "SELECT data FROM notices WHERE taken_at IS NULL ORDER BY created_at, key LIMIT ?"
TAKE_NOTICES: Final = (
    "UPDATE notices SET taken_at = ?, data = '' WHERE key IN (SELECT value FROM json_each(?)) AND taken_at IS NULL"
)
FORGET_NOTICES: Final = "DELETE FROM notices WHERE taken_at < ?"
TOLD: Final = 'SELECT channel, "group", told_at FROM told'
TELL: Final = (
    'INSERT INTO told (channel, "group", told_at) VALUES (?, ?, ?) '
    'ON CONFLICT (channel, "group") DO UPDATE SET told_at = excluded.told_at'
)
FORGET_TOLD: Final = "DELETE FROM told WHERE told_at < ?"
ADD_DELIVERY: Final = (
    'INSERT INTO deliveries (id, run_id, channel, "group", created_at, message, job_key) VALUES (?, ?, ?, ?, ?, ?, ?) '
    "ON CONFLICT (id) DO NOTHING"
)
DELIVERY: Final = 'SELECT id, run_id, channel, "group", created_at, message, job_key FROM deliveries WHERE id = ?'
