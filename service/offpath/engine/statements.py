"""The SQL of the embedded engine, as constant strings so that each is prepared once for each connection."""

# ruff: noqa: S608  # the f-strings join column names of this file; values are always bound

from __future__ import annotations

from functools import cache
from typing import Final

_IDENTITY: Final = (
    "key, run_id, hook_id, component_kind, component_id, phase, hook, kind, version, priority, queued_at, placement, "
    "traceparent"
)
_ROW: Final = f"({', '.join('?' * 13)})"


@cache
def enqueue(rows: int) -> str:
    """Insert jobs, leaving keys that are queued or ended as they are. Values: key to traceparent, for each row."""
    columns = ", ".join(f"column{index}" for index in range(1, 14))
    return (
        f"INSERT INTO jobs ({_IDENTITY}, state, attempts) "
        f"SELECT {columns}, 'ready', 0 FROM (VALUES {', '.join([_ROW] * rows)}) AS new "
        "WHERE NOT EXISTS (SELECT 1 FROM job_results WHERE job_results.key = new.column1) "
        "ON CONFLICT (key) DO NOTHING"
    )


CLAIM_COLUMNS: Final = f"id, {_IDENTITY}, attempts, state, due_at"
NEW_JOBS: Final = f"SELECT {CLAIM_COLUMNS} FROM jobs WHERE id > ? ORDER BY id LIMIT ?"
READY_JOBS: Final = (
    f"SELECT {CLAIM_COLUMNS} FROM jobs "
    "WHERE hook_id = ? AND state = 'ready' AND due_at IS NULL AND id > ? AND placement = ? ORDER BY id LIMIT ?"
)
DUE_JOBS: Final = (
    f"SELECT {CLAIM_COLUMNS} FROM jobs "
    "WHERE hook_id = ? AND state = 'scheduled' AND due_at <= ? AND placement = ? ORDER BY due_at LIMIT ?"
)
NEXT_DUE: Final = "SELECT min(due_at) FROM jobs WHERE hook_id = ? AND state = 'scheduled' AND due_at > ?"
BRING_FORWARD: Final = "UPDATE jobs SET due_at = due_at - ? WHERE state = 'scheduled' AND placement = ?"
LAST_ID: Final = "SELECT coalesce(max(id), 0) FROM jobs"
HOOKS_PRESENT: Final = (
    # Jumps from one hook to the next through the index, however many jobs each has.
    "WITH RECURSIVE present (id) AS (SELECT min(hook_id) FROM jobs UNION ALL "
    "SELECT (SELECT min(hook_id) FROM jobs WHERE hook_id > present.id) FROM present WHERE present.id IS NOT NULL) "
    "SELECT id FROM present WHERE id IS NOT NULL"
)
RECOVER: Final = (
    "UPDATE jobs SET state = 'ready', due_at = NULL, "
    "error = coalesce(error, 'the worker ended while this attempt was under way') "
    "WHERE hook_id = ? AND state = 'running' AND placement = ?"
)
PLACEMENTS: Final = "SELECT DISTINCT placement FROM jobs WHERE placement <> ''"
ADOPT: Final = (
    "UPDATE jobs SET placement = ?, state = CASE state WHEN 'running' THEN 'ready' ELSE state END "
    "WHERE placement = ? AND hook_id IN (SELECT value FROM json_each(?)) RETURNING id, hook_id, state, due_at"
)

_RESULT_COLUMNS: Final = (
    "key, run_id, session_id, hook_id, component_kind, component_id, phase, hook, kind, version, priority, queued_at, "
    "placement, traceparent, state, outcome, attempts, started_at, finished_at, error, executor, result"
)
STORE_RESULTS: Final = (
    # One statement, hence one transaction that holds the write lock for no longer than it takes; a trigger deletes
    # the jobs. What is no longer queued, since its run was deleted, leaves no result.
    f"INSERT OR REPLACE INTO job_results ({_RESULT_COLUMNS}) "
    "SELECT j.key, j.run_id, r.session_id, j.hook_id, j.component_kind, j.component_id, j.phase, j.hook, j.kind, "
    "j.version, j.priority, j.queued_at, j.placement, j.traceparent, json_extract(e.value, '$[1]'), "
    "json_extract(e.value, '$[2]'), json_extract(e.value, '$[3]'), json_extract(e.value, '$[4]'), "
    "json_extract(e.value, '$[5]'), json_extract(e.value, '$[6]'), json_extract(e.value, '$[7]'), "
    "json_extract(e.value, '$[8]') FROM json_each(?) AS e CROSS JOIN jobs AS j ON j.id = json_extract(e.value, '$[0]') "
    "LEFT JOIN runs AS r ON r.run_id = j.run_id"
)
SCHEDULE_RETRIES: Final = (
    "UPDATE jobs SET state = 'scheduled', attempts = e.attempts, due_at = e.due_at, started_at = e.started_at, "
    "error = e.error, executor = e.executor FROM (SELECT json_extract(value, '$[0]') AS id, "
    "json_extract(value, '$[1]') AS attempts, json_extract(value, '$[2]') AS due_at, "
    "json_extract(value, '$[3]') AS started_at, json_extract(value, '$[4]') AS error, "
    "json_extract(value, '$[5]') AS executor FROM json_each(?)) AS e WHERE jobs.id = e.id"
)
NOTE_STARTED: Final = (
    "UPDATE jobs SET state = 'running', attempts = e.attempts, due_at = NULL, started_at = e.started_at, "
    "executor = e.executor FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempts, "
    "json_extract(value, '$[2]') AS started_at, json_extract(value, '$[3]') AS executor FROM json_each(?)) AS e "
    "WHERE jobs.id = e.id"
)
NOTE_RELEASED: Final = (
    "UPDATE jobs SET state = 'ready', due_at = NULL, attempts = max(0, attempts - 1), started_at = NULL, "
    "executor = NULL WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(?)) AND state = 'running'"
)

REQUEUE: Final = (
    f"INSERT INTO jobs ({_IDENTITY}, state, attempts) SELECT {_IDENTITY}, 'ready', 0 FROM job_results "
    "WHERE key = ? AND state = 'dead' ON CONFLICT (key) DO NOTHING"
)
FORGET_DEAD: Final = "DELETE FROM job_results WHERE key = ? AND state = 'dead'"
_JOB_INFO: Final = (
    "key, run_id, component_kind, component_id, phase, hook, kind, version, state, attempts, queued_at, due_at, "
    "started_at, NULL AS finished_at, NULL AS outcome, error, executor, id AS position FROM jobs"
)
_RESULT_INFO: Final = (
    "key, run_id, component_kind, component_id, phase, hook, kind, version, state, attempts, queued_at, "
    "NULL AS due_at, started_at, finished_at, outcome, error, executor, NULL AS position FROM job_results"
)
_KEYS_OF_RUN: Final = "key >= ?1 || ':' AND key < ?1 || ';' AND run_id = ?1"
JOBS_OF_RUN: Final = (
    f"SELECT {_JOB_INFO} WHERE {_KEYS_OF_RUN} UNION ALL SELECT {_RESULT_INFO} WHERE {_KEYS_OF_RUN} "
    "ORDER BY queued_at, key"
)
QUEUED: Final = f"SELECT {_JOB_INFO} WHERE state = ?1 AND (?2 IS NULL OR hook_id = ?2) ORDER BY id LIMIT ?3"
QUEUED_ALL: Final = f"SELECT {_JOB_INFO} WHERE ?2 IS NULL OR hook_id = ?2 ORDER BY id LIMIT ?3"
ENDED: Final = (
    f"SELECT {_RESULT_INFO} WHERE state = ?1 AND (?2 IS NULL OR hook_id = ?2) ORDER BY finished_at DESC LIMIT ?3"
)
DEAD: Final = (
    f"SELECT {_RESULT_INFO} WHERE state = 'dead' AND (?2 IS NULL OR hook_id = ?2) ORDER BY finished_at DESC LIMIT ?3"
)
UNENDED: Final = "SELECT count(*) FROM (SELECT 1 FROM jobs LIMIT ?)"
UNENDED_OF: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM json_each(?) AS e CROSS JOIN jobs AS j ON j.hook_id = e.value "
    "AND j.state IN ('ready', 'running') LIMIT ?)"
)
BACKLOG: Final = "SELECT hook_id, state, count(*), min(id) FROM jobs GROUP BY hook_id, state"
QUEUED_AT: Final = "SELECT queued_at FROM jobs WHERE id = ?"
DEAD_COUNTS: Final = "SELECT hook_id, count(*) FROM job_results WHERE state = 'dead' GROUP BY hook_id"

PAUSES: Final = "SELECT hook_id, strikes, isolated, paused_at, reason, version FROM hook_pauses ORDER BY hook_id"
PAUSE: Final = (
    "INSERT INTO hook_pauses (hook_id, strikes, isolated, paused_at, reason, version) VALUES (?1, 0, 0, ?2, ?3, ?4) "
    "ON CONFLICT (hook_id) DO UPDATE SET paused_at = ?2, reason = ?3, version = ?4"
)
STRIKE: Final = (
    "INSERT INTO hook_pauses (hook_id, strikes, isolated, paused_at, reason, version) VALUES (?1, 1, 1, NULL, ?2, ?3) "
    "ON CONFLICT (hook_id) DO UPDATE SET strikes = strikes + 1, isolated = 1, reason = ?2, version = ?3 "
    "RETURNING strikes"
)
ISOLATE: Final = (
    "INSERT INTO hook_pauses (hook_id, strikes, isolated, paused_at, reason, version) VALUES (?1, 0, 1, NULL, ?2, ?3) "
    "ON CONFLICT (hook_id) DO UPDATE SET isolated = 1, reason = coalesce(?2, reason), version = coalesce(?3, version)"
)
RESUME: Final = "DELETE FROM hook_pauses WHERE hook_id = ?"
