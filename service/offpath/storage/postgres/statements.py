"""The SQL of the store on PostgreSQL, as constant strings so that each is prepared once for each connection."""

# ruff: noqa: S608  # the f-strings join names of this file; values are always bound

from __future__ import annotations

from typing import Final

from offpath.storage.statements import SESSION_COLUMNS

RUNS: Final = "offpath_runs"
SESSIONS: Final = "offpath_sessions"
RESULTS: Final = "offpath_job_results"
KEYS: Final = "offpath_idempotency_keys"
INSTANCES: Final = "offpath_instances"
PLANS: Final = "offpath_run_plans"
ROLLUPS: Final = "offpath_rollups"
QUEUE: Final = "offpath_hook_queue"
"""The engine's; see `offpath.engine.postgres.schema`."""

RUN_COLUMNS: Final = (
    "run_id, session_id, kind, component_id, component_name, user_id, parent_run_id, status, created_at, updated_at, "
    "owner, record"
)
_SESSION_TYPES: Final = ("text",) * 5 + ("float8",) * 2 + ("text",) * 2
_RUN_TYPES: Final = ("text",) * 8 + ("float8",) * 2 + ("text", "bytea")
PLAN_COLUMNS: Final = (
    "run_id, session_id, component_kind, component_id, component_name, nested, created_at, status, duration, "
    "error_type, traceparent, plan, blocked_by, strip, counted"
)
_PLAN_TYPES: Final = (*("text",) * 5, "bool", "float8", "text", "float8", *("text",) * 4, "bool", "bool")


def _arrays(types: tuple[str, ...], first: int = 1) -> str:
    return ", ".join(f"${first + index}::{kind}[]" for index, kind in enumerate(types))


_INSERT_SESSIONS: Final = f"INSERT INTO {SESSIONS} ({SESSION_COLUMNS}) SELECT * FROM unnest({_arrays(_SESSION_TYPES)})"
_INSERT_RUNS: Final = (
    f"INSERT INTO {RUNS} ({RUN_COLUMNS}) SELECT * FROM unnest({_arrays(_RUN_TYPES, len(_SESSION_TYPES) + 1)})"
)
BEGIN: Final = (
    # Sessions and runs of starting runs; those that exist are newer.
    f"WITH stored_sessions AS ({_INSERT_SESSIONS} ON CONFLICT (session_id) DO NOTHING), "
    f"stored_runs AS ({_INSERT_RUNS} ON CONFLICT (run_id) DO NOTHING) SELECT NULL WHERE false"
)
_FINISH_ALL: Final = (
    f"WITH stored_sessions AS ({_INSERT_SESSIONS} ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, "
    f"updated_at = excluded.updated_at, user_id = coalesce(excluded.user_id, {SESSIONS}.user_id), "
    f"name = coalesce({SESSIONS}.name, excluded.name), metadata = coalesce(excluded.metadata, {SESSIONS}.metadata)), "
    f"stored_runs AS ({_INSERT_RUNS} ON CONFLICT (run_id) DO UPDATE SET status = excluded.status, "
    "updated_at = excluded.updated_at, user_id = excluded.user_id, session_id = excluded.session_id, "
    "owner = excluded.owner, record = excluded.record RETURNING run_id, interrupted_at)"
)
_INTERRUPTED_ONES: Final = "SELECT run_id FROM stored_runs WHERE interrupted_at IS NOT NULL"
FINISH: Final = (
    # Sessions and runs of ended runs. A name that somebody gave stays. The answer: runs that ended after all, though a
    # worker took them for cut off.
    f"{_FINISH_ALL} {_INTERRUPTED_ONES}"
)


def _insert_plans(first: int) -> str:
    """A run has one plan, that of its first end."""
    return (
        f"INSERT INTO {PLANS} ({PLAN_COLUMNS}) SELECT * FROM unnest({_arrays(_PLAN_TYPES, first)}) "
        "ON CONFLICT (run_id) DO NOTHING"
    )


ADD_PLANS: Final = _insert_plans(1)
FINISH_WITH_PLANS: Final = (
    f"{_FINISH_ALL}, stored_plans AS ({_insert_plans(len(_SESSION_TYPES) + len(_RUN_TYPES) + 1)}) {_INTERRUPTED_ONES}"
)
FORGET_RESULTS: Final = f"DELETE FROM {RESULTS} WHERE key = ANY($1::text[])"

SESSION: Final = f"SELECT {SESSION_COLUMNS} FROM {SESSIONS} WHERE session_id = $1"
HISTORY: Final = (
    f"SELECT record FROM {RUNS} WHERE session_id = $1 AND parent_run_id IS NULL AND status = 'completed' "
    "ORDER BY created_at DESC, run_id DESC LIMIT $2"
)
RECORD: Final = f"SELECT record FROM {RUNS} WHERE run_id = $1"
RECORDS: Final = f"SELECT run_id, record FROM {RUNS} WHERE run_id = ANY($1::text[])"
RUN: Final = f"SELECT {RUN_COLUMNS} FROM {RUNS} WHERE run_id = $1"
RENAME_SESSION: Final = f"UPDATE {SESSIONS} SET name = $1 WHERE session_id = $2 RETURNING {SESSION_COLUMNS}"

CLAIM_KEY: Final = (
    f"INSERT INTO {KEYS} (scope, key, fingerprint, run_id, owner, created_at) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT (scope, key) DO NOTHING RETURNING run_id"
)
KEY: Final = (
    # A process counts as alive here for another lease: what lapsed in an outage is soon renewed.
    f"SELECT k.fingerprint, k.run_id, r.status, EXISTS (SELECT FROM {INSTANCES} i WHERE i.instance = k.owner "
    "AND i.expires_at + make_interval(secs => i.lease) > clock_timestamp()) "
    f"FROM {KEYS} k LEFT JOIN {RUNS} r ON r.run_id = k.run_id "
    "WHERE k.scope = $1 AND k.key = $2 FOR UPDATE OF k"
)
TAKE_KEY: Final = f"UPDATE {KEYS} SET run_id = $3, owner = $4, created_at = $5 WHERE scope = $1 AND key = $2"
RELEASE_KEY: Final = (
    # Not of a run that was stored after all, though its process could not learn it.
    f"DELETE FROM {KEYS} WHERE scope = $1 AND key = $2 AND run_id = $3 AND NOT EXISTS (SELECT FROM {RUNS} r "
    "WHERE r.run_id = $3 AND r.status NOT IN ('running', 'interrupted'))"
)

FAMILY: Final = (
    f'WITH RECURSIVE family (run_id) AS (SELECT unnest($1::text[]) COLLATE "C" UNION SELECT r.run_id FROM {RUNS} r '
    "JOIN family f ON r.parent_run_id = f.run_id) SELECT run_id FROM family ORDER BY run_id"
)
FORGET_NAMES: Final = (
    # A session is called after what was said first.
    f"UPDATE {SESSIONS} AS s SET name = NULL FROM {RUNS} AS d WHERE d.run_id = ANY($1::text[]) "
    "AND d.parent_run_id IS NULL AND s.session_id = d.session_id AND s.name IS NOT NULL "
    f"AND NOT EXISTS (SELECT FROM {RUNS} AS r WHERE r.session_id = d.session_id AND r.parent_run_id IS NULL "
    "AND r.created_at < d.created_at)"
)
DELETE_RUNS: Final = f"DELETE FROM {RUNS} WHERE run_id = ANY($1::text[])"
DELETE_KEYS: Final = f"DELETE FROM {KEYS} WHERE run_id = ANY($1::text[])"
ONE_RUN: Final = f"SELECT run_id FROM {RUNS} WHERE run_id = $1 LIMIT $2"
SESSION_RUNS: Final = f"SELECT run_id FROM {RUNS} WHERE session_id = $1 LIMIT $2"
USER_RUNS: Final = (
    f"(SELECT run_id FROM {RUNS} WHERE user_id = $1 LIMIT $2) UNION (SELECT r.run_id FROM {RUNS} r "
    f"JOIN {SESSIONS} s ON s.session_id = r.session_id WHERE s.user_id = $1 LIMIT $2) LIMIT $2"
)
DELETE_SESSION: Final = f"DELETE FROM {SESSIONS} WHERE session_id = $1"
DELETE_USER_SESSIONS: Final = f"DELETE FROM {SESSIONS} WHERE user_id = $1"
_SUMS_KEY: Final = "measure, grain, facet, start, component_kind, component_id, value"
DELETE_USER_FEEDBACK: Final = "DELETE FROM offpath_feedback WHERE author = $1"
DELETE_USER_SUMS: Final = (
    # Locked in the order in which they are added to.
    f"DELETE FROM {ROLLUPS} WHERE ({_SUMS_KEY}) IN (SELECT {_SUMS_KEY} FROM {ROLLUPS} "
    f"WHERE facet = 'user' AND value = $1 ORDER BY {_SUMS_KEY} LIMIT $2 FOR UPDATE)"
)

_OWNER_ALIVE: Final = (
    f"EXISTS (SELECT FROM {INSTANCES} i WHERE i.instance = r.owner AND i.expires_at > clock_timestamp())"
)
LAPSED_OWNERS: Final = (
    # With the lease, which is NULL for a process that gave it up.
    f"SELECT r.owner, (SELECT i.lease FROM {INSTANCES} i WHERE i.instance = r.owner) FROM {RUNS} r "
    f"WHERE status = 'running' AND NOT {_OWNER_ALIVE} GROUP BY r.owner"
)
INTERRUPTED: Final = (
    f"SELECT {RUN_COLUMNS} FROM {RUNS} r WHERE status = 'running' AND owner = ANY($1::text[]) "
    f"AND NOT {_OWNER_ALIVE} ORDER BY created_at LIMIT $2"
)
MARK_INTERRUPTED: Final = (
    f"UPDATE {RUNS} r SET status = 'interrupted', updated_at = $2, record = $3, interrupted_at = $2 "
    f"WHERE run_id = $1 AND status = 'running' AND NOT {_OWNER_ALIVE} RETURNING run_id"
)
OLD_RUNS: Final = (
    # A run counts as ended when it last changed.
    f"SELECT run_id FROM {RUNS} WHERE created_at < $1 AND updated_at < $1 AND status <> 'running' "
    "AND parent_run_id IS NULL ORDER BY created_at, run_id LIMIT $2 OFFSET $3"
)
ORPHANED_CHILDREN: Final = (
    f"SELECT c.run_id FROM {RUNS} AS c WHERE c.parent_run_id IS NOT NULL AND c.created_at < $1 AND c.updated_at < $1 "
    f"AND c.status <> 'running' AND NOT EXISTS (SELECT FROM {RUNS} AS p WHERE p.run_id = c.parent_run_id) "
    "ORDER BY c.created_at, c.run_id LIMIT $2 OFFSET $3"
)
LIVE_RUNS: Final = (
    f"SELECT run_id FROM {RUNS} WHERE run_id = ANY($1::text[]) AND (status = 'running' OR updated_at >= $2)"
)
OLD_RESULTS: Final = (
    # What deleted runs left: results without content, and dead letters of runs that are gone.
    f"DELETE FROM {RESULTS} WHERE key IN (SELECT key FROM {RESULTS} AS r WHERE r.finished_at < $1 "
    f"AND NOT EXISTS (SELECT FROM {RUNS} WHERE {RUNS}.run_id = r.run_id) LIMIT $2)"
)
OLD_SESSIONS: Final = (
    f"DELETE FROM {SESSIONS} WHERE session_id IN (SELECT session_id FROM {SESSIONS} AS s WHERE s.updated_at < $1 "
    f"AND NOT EXISTS (SELECT FROM {RUNS} WHERE {RUNS}.session_id = s.session_id) LIMIT $2)"
)
OLD_DELIVERIES: Final = (
    # Messages that were sent, or could not be.
    "DELETE FROM offpath_deliveries WHERE id IN (SELECT id FROM offpath_deliveries AS d WHERE d.created_at < $1 "
    f"AND NOT EXISTS (SELECT FROM {QUEUE} AS q WHERE q.dedupe_key = d.job_key AND q.status IN ('queued', 'picked')) "
    "LIMIT $2)"
)
OLD_NOTICES: Final = (
    # Those that nobody folds any more, since notifications were switched off.
    "DELETE FROM offpath_notices WHERE key IN (SELECT key FROM offpath_notices WHERE taken_at IS NULL "
    "AND created_at < $1 LIMIT $2)"
)
OLD_KEYS: Final = (
    f"DELETE FROM {KEYS} WHERE (scope, key) IN (SELECT scope, key FROM {KEYS} WHERE created_at < $1 LIMIT $2)"
)
GIVE_UP_RUNS: Final = (
    f"UPDATE {RUNS} SET owner = $1 WHERE status = 'running' AND owner = $2 AND run_id = ANY($3::text[])"
)
DEAD_INSTANCES: Final = (
    f"DELETE FROM {INSTANCES} i WHERE expires_at < clock_timestamp() - interval '1 hour' "
    f"AND NOT EXISTS (SELECT FROM {RUNS} r WHERE r.status = 'running' AND r.owner = i.instance)"
)
"""Their rows are of no more use."""

ENTER_INSTANCE: Final = (
    f"INSERT INTO {INSTANCES} (instance, host, schema, lease, expires_at) "
    "VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $4)) ON CONFLICT (instance) DO UPDATE SET "
    "host = excluded.host, schema = excluded.schema, lease = excluded.lease, expires_at = excluded.expires_at "
    f"WHERE {INSTANCES}.expires_at <= clock_timestamp() RETURNING instance"
)
RENEW_INSTANCE: Final = (
    f"INSERT INTO {INSTANCES} (instance, host, schema, lease, expires_at) "
    "VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $4)) "
    "ON CONFLICT (instance) DO UPDATE SET expires_at = excluded.expires_at"
)
LEAVE_INSTANCE: Final = f"DELETE FROM {INSTANCES} WHERE instance = $1"
IS_ALIVE: Final = f"SELECT EXISTS (SELECT FROM {INSTANCES} WHERE instance = $1 AND expires_at > clock_timestamp())"
