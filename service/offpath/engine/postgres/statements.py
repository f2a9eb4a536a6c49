"""The SQL of the engine on PgQueuer's table, as constant strings so that each is prepared once for each connection.

PgQueuer's own statements queue, claim and time jobs. Those here end a claim: only that worker may which holds it, as
`queue_manager_id` and `attempts` say, and what became of the job is stored in the same statement.

What a job's `headers` hold: `run` (the id of its run), `begun` (the number of an attempt that is known to have
started), `started_at` (seconds since the epoch), `executor`, `error`, and `struck` (whether an attempt cost an
executor).
"""

# ruff: noqa: S608  # the f-strings join names of this package; values are always bound

from __future__ import annotations

from typing import Final

from offpath.engine.postgres.jobs import PARKED
from offpath.engine.postgres.schema import CHANNEL, QUEUE

BY_ORDER: Final = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off"
"""For the session that claims: the planner's figures may be those of a queue that was empty a moment ago."""
BY_KEY: Final = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_custom_plan"
"""For the session that ends jobs: a plan for batches of any size would be one for small ones."""
WAKE: Final = '{"operation": "wake"}'
_NOTIFY: Final = f"pg_notify('{CHANNEL}', '{WAKE}')"
NOTIFY: Final = f"SELECT {_NOTIFY}"

_HELD: Final = (
    # Written so that of all indexes only the primary key's serves: of those of claims most entries are dead.
    "q.id = ANY ($2::bigint[]) AND q.id = e.id AND q.queue_manager_id IS NOT DISTINCT FROM $1 AND q.attempts = e.base"
)
"""A claim that is still this worker's. `base` is what `attempts` was when it was made."""
_FREE: Final = "status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now()"

STARTED: Final = (
    f"UPDATE {QUEUE} AS q SET headers = q.headers || jsonb_build_object('begun', e.attempt, "
    "'started_at', e.started_at, 'executor', e.executor) "
    "FROM unnest($2::bigint[], $3::int[], $4::int[], $5::float8[], $6::text[]) "
    f"AS e (id, base, attempt, started_at, executor) WHERE {_HELD}"
)
BEAT: Final = (
    f"UPDATE {QUEUE} SET heartbeat = now() WHERE id = ANY ($2::bigint[]) "
    "AND queue_manager_id IS NOT DISTINCT FROM $1 RETURNING id"
)
_RESULT_COLUMNS: Final = (
    "key, run_id, session_id, hook_id, component_kind, component_id, phase, hook, kind, version, priority, queued_at, "
    "placement, traceparent, state, outcome, attempts, started_at, finished_at, error, executor, result"
)
END: Final = (
    "WITH ended AS (SELECT * FROM unnest($2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], "
    "$8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::int[], $14::float8[], $15::text[], "
    "$16::text[], $17::text[], $18::text[], $19::int[], $20::float8[], $21::float8[], $22::text[], $23::text[], "
    "$24::text[]) AS e (id, base, key, run_id, hook_id, component_kind, component_id, phase, hook, kind, version, "
    "priority, queued_at, placement, traceparent, state, outcome, attempts, started_at, finished_at, error, executor, "
    f"result)), gone AS (DELETE FROM {QUEUE} AS q USING ended AS e WHERE {_HELD} RETURNING e.*), "
    f"stored AS (INSERT INTO offpath_job_results ({_RESULT_COLUMNS}) SELECT e.key, e.run_id, "
    "(SELECT r.session_id FROM offpath_runs AS r WHERE r.run_id = e.run_id), e.hook_id, e.component_kind, "
    "e.component_id, e.phase, e.hook, e.kind, e.version, e.priority, e.queued_at, e.placement, e.traceparent, e.state, "
    "e.outcome, e.attempts, e.started_at, e.finished_at, e.error, e.executor, e.result FROM gone AS e "
    "ON CONFLICT (key) DO NOTHING) SELECT id FROM gone"
)
KNOWN_RESULTS: Final = "SELECT key FROM offpath_job_results WHERE key = ANY ($1::text[])"
RETRY: Final = (
    f"UPDATE {QUEUE} AS q SET {_FREE}, attempts = e.attempt, "
    f"entrypoint = CASE WHEN e.delay > $10 THEN '{PARKED}' ELSE '' END || q.entrypoint, "
    "execute_after = now() + e.delay * interval '1 second', "
    "headers = jsonb_strip_nulls(jsonb_build_object('run', q.headers -> 'run', 'started_at', e.started_at, "
    "'executor', e.executor, 'error', e.error, "
    "'struck', CASE WHEN e.struck OR (q.headers ->> 'struck')::bool THEN true END)) "
    "FROM unnest($2::bigint[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::text[], $8::text[], $9::bool[]) "
    f"AS e (id, base, attempt, delay, started_at, executor, error, struck) WHERE {_HELD} RETURNING q.id"
)
RELEASE: Final = (
    # The attempt that was released does not count; one before it that was lost does.
    f"WITH back AS (UPDATE {QUEUE} AS q SET {_FREE}, headers = CASE WHEN e.attempt - 1 > q.attempts "
    "THEN q.headers || jsonb_build_object('begun', e.attempt - 1) ELSE q.headers - 'begun' END "
    f"FROM unnest($2::bigint[], $3::int[], $4::int[]) AS e (id, base, attempt) WHERE {_HELD} RETURNING q.id) "
    f"SELECT {_NOTIFY} FROM (SELECT FROM back LIMIT 1) AS any_back"
)
RELEASE_ALL: Final = (
    f"WITH back AS (UPDATE {QUEUE} SET {_FREE} WHERE queue_manager_id = $1 AND status = 'picked' RETURNING id) "
    f"SELECT {_NOTIFY} FROM (SELECT FROM back LIMIT 1) AS any_back"
)

RELEASE_SILENT: Final = (
    # Jobs of silent workers that nobody claimed anew: of hooks that are paused, or that no worker has any more.
    f"WITH back AS (UPDATE {QUEUE} SET {_FREE} WHERE status = 'picked' AND heartbeat < now() - 2 * $1::interval "
    f"RETURNING id) SELECT {_NOTIFY} FROM (SELECT FROM back LIMIT 1) AS any_back"
)

# What belongs to all workers.

ADD_RATES: Final = (
    "INSERT INTO offpath_hook_tokens (hook_id, tokens, updated_at) SELECT hook_id, count, now() "
    "FROM unnest($1::text[], $2::float8[]) AS e (hook_id, count) ON CONFLICT (hook_id) DO NOTHING"
)
_AVAILABLE: Final = (
    # A sum of fractions falls short of the whole by rounding.
    "least(w.count, r.tokens + greatest(0, extract(epoch FROM clock_timestamp() - r.updated_at)) * w.per_second) + 1e-9"
)
_TAKEN: Final = f"least(w.wanted, floor({_AVAILABLE}))::int"
TAKE_TOKENS: Final = (
    # Of the hooks that have work: as many tokens as there are, and as can be used. By the database's clock alone.
    "WITH asked AS (SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::float8[], $5::float8[]) "
    "AS a (hook_id, entrypoint, room, count, per_second)), wanted AS (SELECT a.*, least(a.room, "
    f"(SELECT count(*) FROM (SELECT FROM {QUEUE} AS q WHERE q.entrypoint = a.entrypoint AND q.status = 'queued' "
    "AND q.execute_after < now() LIMIT a.room) AS waiting) + "
    f"(SELECT count(*) FROM (SELECT FROM {QUEUE} AS q WHERE q.entrypoint = a.entrypoint AND q.status = 'picked' "
    "AND q.heartbeat < now() - $6::interval LIMIT a.room) AS stale)) AS wanted FROM asked AS a) "
    f"UPDATE offpath_hook_tokens AS r SET taken = {_TAKEN}, tokens = {_AVAILABLE} - {_TAKEN}, "
    "updated_at = clock_timestamp() FROM wanted AS w "
    "WHERE r.hook_id = w.hook_id AND w.wanted > 0 RETURNING r.hook_id, r.taken, w.wanted, r.tokens"
)
GIVE_TOKENS: Final = "UPDATE offpath_hook_tokens SET tokens = tokens + $2 WHERE hook_id = $1"

SEEN: Final = (
    "INSERT INTO offpath_hook_workers (worker, hooks, beat_at) VALUES ($1, $2, now()) "
    "ON CONFLICT (worker) DO UPDATE SET hooks = excluded.hooks, beat_at = excluded.beat_at"
)
GONE: Final = "DELETE FROM offpath_hook_workers WHERE worker = $1 OR beat_at < now() - interval '1 day'"
SERVED: Final = "SELECT DISTINCT unnest(hooks) FROM offpath_hook_workers WHERE beat_at > now() - $1::interval"
WORKERS: Final = "SELECT count(*) FROM offpath_hook_workers WHERE beat_at > now() - $1::interval"
LEAD: Final = "SELECT pg_try_advisory_lock(hashtextextended('offpath:maintenance:' || current_schema(), 0))"
UPTIME: Final = "SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float8"

SPECIAL: Final = (
    # The entrypoints of jobs that are placed or parked.
    # Jumps from one entrypoint to the next through the index, however many jobs each has.
    f"WITH RECURSIVE present (name) AS ((SELECT entrypoint FROM {QUEUE} WHERE status = 'queued' "
    "ORDER BY entrypoint LIMIT 1) UNION ALL "
    f"SELECT (SELECT entrypoint FROM {QUEUE} WHERE status = 'queued' AND entrypoint > present.name "
    "ORDER BY entrypoint LIMIT 1) FROM present WHERE present.name IS NOT NULL) "
    f"SELECT name FROM present WHERE name ^@ '@' OR name ^@ '{PARKED}' UNION "
    f"SELECT entrypoint FROM {QUEUE} WHERE status = 'picked' AND entrypoint ^@ '@' AND heartbeat < now() - $1::interval"
)
ADOPT: Final = (
    f"UPDATE {QUEUE} SET {_FREE}, entrypoint = $2 WHERE entrypoint = $1 "
    "AND (status = 'queued' OR status = 'picked' AND heartbeat < now() - $3::interval)"
)

# Deleted runs. Values: ids of runs.

_OF_RUNS: Final = (
    "q.dedupe_key ~>=~ (r.run_id || ':') AND q.dedupe_key ~<~ (r.run_id || ';') AND (q.headers ->> 'run') = r.run_id"
)
TAKE_JOBS: Final = (
    f"DELETE FROM {QUEUE} AS q USING unnest($1::text[]) AS r (run_id) WHERE {_OF_RUNS} "
    "AND q.status IN ('queued', 'picked') RETURNING q.payload, q.attempts, q.headers"
)
RUNS_WITH_JOBS: Final = (
    f"SELECT r.run_id FROM unnest($1::text[]) AS r (run_id) WHERE EXISTS (SELECT FROM {QUEUE} AS q WHERE {_OF_RUNS} "
    "AND q.status IN ('queued', 'picked'))"
)
_RESULTS_OF_RUNS: Final = "j.key >= (r.run_id || ':') AND j.key < (r.run_id || ';') AND j.run_id = r.run_id"
CLEAR_RESULTS: Final = (
    "UPDATE offpath_job_results AS j SET error = NULL, result = NULL, traceparent = '', session_id = NULL, "
    "state = CASE j.state WHEN 'dead' THEN 'cancelled' ELSE j.state END "
    f"FROM unnest($1::text[]) AS r (run_id) WHERE {_RESULTS_OF_RUNS}"
)
FORGET_RESULTS: Final = (
    f"DELETE FROM offpath_job_results AS j USING unnest($1::text[]) AS r (run_id) WHERE {_RESULTS_OF_RUNS}"
)
CANCELLED: Final = (
    f"INSERT INTO offpath_job_results ({_RESULT_COLUMNS}) SELECT e.key, e.run_id, NULL, e.hook_id, e.component_kind, "
    "e.component_id, e.phase, e.hook, e.kind, e.version, e.priority, e.queued_at, e.placement, '', 'cancelled', "
    "'cancelled', e.attempts, e.started_at, extract(epoch FROM now()), NULL, NULL, NULL "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], "
    "$9::text[], $10::int[], $11::float8[], $12::text[], $13::int[], $14::float8[]) AS e (key, run_id, hook_id, "
    "component_kind, component_id, phase, hook, kind, version, priority, queued_at, placement, attempts, started_at) "
    "ON CONFLICT (key) DO NOTHING"
)

UNPARK: Final = (
    f"UPDATE {QUEUE} SET entrypoint = substr(entrypoint, 2) WHERE entrypoint = $1 AND status = 'queued' "
    "AND execute_after < now() + $2::interval"
)

# What people ask.

_QUEUED: Final = (
    f"SELECT id, payload, attempts, headers, status::text AS status, execute_after > now() AS later, "
    f"extract(epoch FROM execute_after)::float8 AS due_at FROM {QUEUE}"
)
QUEUED_OF_RUN: Final = f"{_QUEUED} WHERE dedupe_key ~>=~ $1 AND dedupe_key ~<~ $2 AND status IN ('queued', 'picked')"
_HOOK: Final = (
    # Its jobs, those that are placed, and those that are parked.
    f"($1::text IS NULL OR entrypoint IN ($1, '{PARKED}' || $1) OR (entrypoint ^@ '@' OR entrypoint ^@ '{PARKED}@') "
    "AND right(entrypoint, length($1) + 1) = ' ' || $1)"
)
QUEUED: Final = f"{_QUEUED} WHERE status IN ('queued', 'picked') AND {_HOOK} ORDER BY id LIMIT $2"
READY: Final = f"{_QUEUED} WHERE status = 'queued' AND execute_after <= now() AND {_HOOK} ORDER BY id LIMIT $2"
SCHEDULED: Final = f"{_QUEUED} WHERE status = 'queued' AND execute_after > now() AND {_HOOK} ORDER BY id LIMIT $2"
RUNNING: Final = f"{_QUEUED} WHERE status = 'picked' AND {_HOOK} ORDER BY id LIMIT $2"
_ENDED: Final = (
    "SELECT key, run_id, component_kind, component_id, phase, hook, kind, version, state, attempts, queued_at, "
    "started_at, finished_at, outcome, error, executor FROM offpath_job_results"
)
ENDED_OF_RUN: Final = f"{_ENDED} WHERE key >= $1 AND key < $2"
ENDED: Final = f"{_ENDED} WHERE state = $3 AND ($1::text IS NULL OR hook_id = $1) ORDER BY finished_at DESC LIMIT $2"
DEAD: Final = f"{_ENDED} WHERE state = 'dead' AND ($1::text IS NULL OR hook_id = $1) ORDER BY finished_at DESC LIMIT $2"
UNENDED_OF: Final = (
    # One hook after the other, so that the index of claims serves.
    f"SELECT count(*) FROM (SELECT FROM unnest($1::text[]) AS e (name) CROSS JOIN LATERAL (SELECT FROM {QUEUE} AS q "
    "WHERE q.entrypoint = e.name AND (q.status = 'picked' OR q.status = 'queued' AND q.execute_after <= now()) "
    "LIMIT $2) AS found LIMIT $2) AS unended"
)
UNENDED: Final = f"SELECT count(*) FROM (SELECT FROM {QUEUE} WHERE status IN ('queued', 'picked') LIMIT $1) AS unended"
BACKLOG: Final = (
    "SELECT entrypoint, CASE WHEN status = 'picked' THEN 'running' WHEN execute_after > now() THEN 'scheduled' "
    f"ELSE 'ready' END AS state, count(*) AS jobs, min(id) AS oldest FROM {QUEUE} "
    "WHERE status IN ('queued', 'picked') GROUP BY 1, 2"
)
PAYLOADS: Final = f"SELECT id, payload FROM {QUEUE} WHERE id = ANY($1::bigint[])"
DEAD_COUNTS: Final = "SELECT hook_id, count(*) AS jobs FROM offpath_job_results WHERE state = 'dead' GROUP BY hook_id"
TAKE_DEAD: Final = (
    "DELETE FROM offpath_job_results WHERE key = $1 AND state = 'dead' RETURNING key, run_id, component_kind, "
    "component_id, phase, hook, kind, version, priority, queued_at, placement, traceparent"
)

PAUSES: Final = (
    "SELECT hook_id, strikes, isolated, paused_at, reason, version FROM offpath_hook_pauses ORDER BY hook_id"
)
PAUSE: Final = (
    "INSERT INTO offpath_hook_pauses (hook_id, strikes, isolated, paused_at, reason, version) "
    "VALUES ($1, 0, false, extract(epoch FROM now()), $2, $3) "
    "ON CONFLICT (hook_id) DO UPDATE SET paused_at = excluded.paused_at, reason = excluded.reason, "
    "version = excluded.version"
)
STRIKE: Final = (
    "INSERT INTO offpath_hook_pauses (hook_id, strikes, isolated, paused_at, reason, version) "
    "VALUES ($1, 1, true, NULL, $2, $3) ON CONFLICT (hook_id) DO UPDATE SET strikes = offpath_hook_pauses.strikes + 1, "
    "isolated = true, reason = excluded.reason, version = excluded.version RETURNING strikes"
)
ISOLATE: Final = (
    "INSERT INTO offpath_hook_pauses (hook_id, strikes, isolated, paused_at, reason, version) "
    "VALUES ($1, 0, true, NULL, $2, $3) ON CONFLICT (hook_id) DO UPDATE SET isolated = true, "
    "reason = coalesce(excluded.reason, offpath_hook_pauses.reason), "
    "version = coalesce(excluded.version, offpath_hook_pauses.version)"
)
RESUME: Final = (
    f"WITH gone AS (DELETE FROM offpath_hook_pauses WHERE hook_id = $1 RETURNING 1) SELECT {_NOTIFY} FROM gone"
)
