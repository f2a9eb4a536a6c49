"""The SQL of the ledger on PostgreSQL, as constant strings so that each is prepared once for each connection.

Everybody locks in this order: the run, bookings, plans, what is stored of runs, sums by their keys.
"""

# ruff: noqa: S608  # the f-strings join names of this package; values are always bound

from __future__ import annotations

from typing import Final

from offpath.storage.postgres.statements import (
    PLAN_COLUMNS,
    PLANS,
    QUEUE,
    RESULTS,
    ROLLUPS,
    RUN_COLUMNS,
    RUNS,
    SESSIONS,
)

BOOKINGS: Final = "offpath_bookings"
EVALUATIONS: Final = "offpath_evaluations"
FEEDBACK: Final = "offpath_feedback"
BUDGETS: Final = "offpath_budgets"
NOTICES: Final = "offpath_notices"
DELIVERIES: Final = "offpath_deliveries"
TOLD: Final = "offpath_told"
SESSION_MARKS: Final = "offpath_session_marks"

# Booking.

BOOK_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('offpath:booking:' || current_schema(), 0))"
"""Two workers may both think that they lead: the end of a run is to be counted before the ends of its jobs."""
BOOKINGS_WAIT: Final = f"SELECT EXISTS (SELECT FROM {BOOKINGS} WHERE error IS NULL)"
UNBOOKED: Final = f"SELECT count(*) FROM (SELECT FROM {BOOKINGS} WHERE error IS NULL LIMIT $1) AS waiting"
_JOB_COLUMNS: Final = (
    "j.key, j.run_id, j.component_kind, j.component_id, j.phase, j.hook, j.kind, j.version, j.state, j.attempts, "
    "j.queued_at, j.started_at, j.finished_at, j.outcome, j.error, j.executor, j.result, j.traceparent"
)
TAKE_BOOKINGS: Final = (
    # A job that was requeued ends again, with a booking of its own: each one goes with the end that it stands for.
    f"WITH taken AS (DELETE FROM {BOOKINGS} WHERE id = ANY (ARRAY(SELECT id FROM {BOOKINGS} WHERE error IS NULL "
    "ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING id, run_id, key, ended_at) "
    "SELECT t.id, t.run_id, t.key, t.ended_at, EXISTS (SELECT "
    f"FROM {BOOKINGS} AS a WHERE a.run_id = t.run_id AND a.error IS NOT NULL), {_JOB_COLUMNS} FROM taken AS t "
    f"LEFT JOIN {RESULTS} AS j ON j.key = t.key AND j.finished_at = t.ended_at ORDER BY t.id"
)
GIVE_BOOKINGS_BACK: Final = (
    f"INSERT INTO {BOOKINGS} (id, run_id, key, ended_at, error) "
    "SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::float8[], $5::text[])"
)
SET_ASIDE: Final = f"UPDATE {BOOKINGS} SET error = $2 WHERE id = $1 AND error IS NULL RETURNING run_id"
BRING_BACK: Final = f"UPDATE {BOOKINGS} SET error = NULL WHERE error IS NOT NULL"
UNCOUNTED: Final = f"SELECT EXISTS (SELECT FROM {BOOKINGS} WHERE run_id = $1 AND key IS NULL)"

PLANS_OF: Final = f"SELECT {PLAN_COLUMNS} FROM {PLANS} WHERE run_id = ANY ($1::text[])"
LOCK_PLANS: Final = f"{PLANS_OF} ORDER BY run_id FOR UPDATE"
LOCK_RUN: Final = f"SELECT run_id FROM {RUNS} WHERE run_id = $1 FOR NO KEY UPDATE"
NOT_BOOKED: Final = "SELECT set_config('offpath.books_plans', 'no', true)"
STORE: Final = (
    f"WITH changed AS (UPDATE {PLANS} AS p SET plan = e.plan, counted = e.counted "
    "FROM unnest($1::text[], $2::text[], $3::bool[]) AS e (run_id, plan, counted) WHERE p.run_id = e.run_id), "
    f"noticed AS (INSERT INTO {NOTICES} (key, run_id, created_at, data) "
    "SELECT * FROM unnest($4::text[], $5::text[], $6::float8[], $7::text[]) ON CONFLICT (key) DO NOTHING) "
    f"INSERT INTO {EVALUATIONS} (run_id, name, fingerprint, state, passed, evaluated_at, data) "
    "SELECT * FROM unnest($8::text[], $9::text[], $10::text[], $11::text[], $12::bool[], $13::float8[], $14::text[]) "
    "ON CONFLICT (run_id, name, fingerprint) DO UPDATE SET state = excluded.state, passed = excluded.passed, "
    "evaluated_at = excluded.evaluated_at, data = excluded.data"
)

_SUMS_KEY: Final = "measure, grain, facet, start, component_kind, component_id, value"
_SUMS_ARRAYS: Final = "$1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[]"
ADD_SUMS: Final = (
    f"INSERT INTO {ROLLUPS} ({_SUMS_KEY}, data) SELECT e.*, '{{}}' FROM unnest({_SUMS_ARRAYS}) AS e "
    "ON CONFLICT DO NOTHING"
)
LOCK_SUMS: Final = (
    # One after the other, as they are given; with the place of each.
    f"SELECT e.place, r.data FROM unnest({_SUMS_ARRAYS}) WITH ORDINALITY AS e ({_SUMS_KEY}, place), "
    f"LATERAL (SELECT data FROM {ROLLUPS} AS k WHERE "
    + " AND ".join(f"k.{name} = e.{name}" for name in _SUMS_KEY.split(", "))
    + " FOR UPDATE) AS r"
)
STORE_SUMS: Final = (
    f"INSERT INTO {ROLLUPS} ({_SUMS_KEY}, data) SELECT * FROM unnest({_SUMS_ARRAYS}, $8::text[]) "
    f"ON CONFLICT ({_SUMS_KEY}) DO UPDATE SET data = excluded.data"
)

# What is asked.

EVALUATIONS_OF: Final = (
    f"SELECT run_id, data FROM {EVALUATIONS} WHERE run_id = ANY ($1::text[]) ORDER BY evaluated_at, name, fingerprint"
)
FAILED_RUNS: Final = (
    # So many results by their index, and only then the plans of their runs.
    f"WITH found AS MATERIALIZED (SELECT run_id, evaluated_at FROM {EVALUATIONS} WHERE name = $1 AND NOT passed "
    "AND evaluated_at >= $2 AND (evaluated_at, run_id) < ($3, $4) ORDER BY evaluated_at DESC, run_id DESC LIMIT $5) "
    "SELECT f.run_id, f.evaluated_at, p.component_kind, p.component_id, p.created_at, "
    "CASE WHEN p.created_at >= $6 AND p.created_at < $7 THEN p.plan END "
    f"FROM found AS f LEFT JOIN {PLANS} AS p ON p.run_id = f.run_id ORDER BY f.evaluated_at DESC, f.run_id DESC"
)
ADD_FEEDBACK: Final = (
    # Of one that is sent again, since its answer was lost, nobody wants a second row.
    f"WITH run AS (SELECT run_id FROM {RUNS} WHERE run_id = $2 FOR KEY SHARE), added AS (INSERT INTO {FEEDBACK} "
    "(id, run_id, created_at, author, name, score, label, comment) "
    "SELECT $1, run_id, $3, $4, $5, $6, $7, $8 FROM run ON CONFLICT (id) DO NOTHING) SELECT EXISTS (SELECT FROM run)"
)
FEEDBACK_OF: Final = (
    f"SELECT id, run_id, created_at, author, name, score, label, comment FROM {FEEDBACK} "
    "WHERE run_id = ANY ($1::text[]) ORDER BY created_at, id"
)
SUMS: Final = (
    f"SELECT measure, grain, start, facet, component_kind, component_id, value, data FROM {ROLLUPS} "
    "WHERE measure = $1 AND grain = $2 AND facet = $3 AND start >= $4 AND start < $5"
)
VALUES_SUMS: Final = f"{SUMS} AND value = ANY ($6::text[])"
USERS_SUMS: Final = f"{VALUES_SUMS} AND facet = 'user'"  # as the index says
ENDED_RUNS: Final = f"SELECT {RUN_COLUMNS} FROM {RUNS} WHERE status <> 'running'"
COUNT_RUNS: Final = f"SELECT count(*) FROM {RUNS} WHERE status <> 'running'"


def leading(stretches: int, names: int) -> str:
    """The statement that ranks values by their numbers: value, number, and how many values there are.

    $1 is the measure, $2 the facet, then the names, then grain, first and last start of each stretch, then the limit.
    """
    place = 3 + names
    number = " + ".join(f"coalesce((data::json ->> ${3 + index}::text)::float8, 0)" for index in range(names))
    parts = [
        f"SELECT value, {number} AS number FROM {ROLLUPS} WHERE measure = $1 AND facet = $2 "
        f"AND grain = ${at} AND start >= ${at + 1} AND start < ${at + 2}"
        for at in range(place, place + 3 * stretches, 3)
    ]
    return (
        f"SELECT value, sum(number), count(*) OVER () FROM ({' UNION ALL '.join(parts)}) AS r "
        f"GROUP BY value ORDER BY 2 DESC, value LIMIT ${place + 3 * stretches}"
    )


# Content that goes.

_HOOKS_ENDED: Final = (
    f"NOT EXISTS (SELECT FROM {QUEUE} AS q WHERE q.dedupe_key ~>=~ (r.run_id || ':') "
    "AND q.dedupe_key ~<~ (r.run_id || ';') AND (q.headers ->> 'run') = r.run_id AND q.status IN ('queued', 'picked'))"
)
TO_STRIP: Final = (
    f"SELECT p.run_id, r.status <> 'running' AND {_HOOKS_ENDED} FROM {PLANS} AS p JOIN {RUNS} AS r "
    "ON r.run_id = p.run_id WHERE p.strip AND p.run_id > $1 ORDER BY p.run_id LIMIT $2"
)
LOCK_RUNS: Final = f"SELECT run_id FROM {RUNS} WHERE run_id = ANY ($1::text[]) ORDER BY run_id FOR NO KEY UPDATE"
RECORDS_TO_STRIP: Final = (
    f"SELECT r.run_id, r.record FROM {RUNS} AS r JOIN {PLANS} AS p ON p.run_id = r.run_id "
    f"WHERE r.run_id = ANY ($1::text[]) AND p.strip AND r.status <> 'running' AND {_HOOKS_ENDED}"
)
STRIP: Final = (
    f"WITH stripped AS (UPDATE {PLANS} SET strip = false WHERE run_id = ANY ($1::text[])) "
    f"UPDATE {RUNS} AS r SET record = e.record FROM unnest($1::text[], $2::bytea[]) AS e (run_id, record) "
    "WHERE r.run_id = e.run_id"
)

# Sessions.

QUIET_SESSIONS: Final = (
    f"SELECT s.session_id, l.run_id, s.updated_at FROM {SESSIONS} AS s LEFT JOIN {SESSION_MARKS} AS m "
    f"ON m.session_id = s.session_id, LATERAL (SELECT run_id FROM {RUNS} AS r WHERE r.session_id = s.session_id "
    "AND r.parent_run_id IS NULL AND r.status <> 'running' ORDER BY r.created_at DESC, r.run_id DESC LIMIT 1) AS l "
    "WHERE s.updated_at >= $1 AND s.updated_at < $2 AND (m.marked_at IS NULL OR m.marked_at < s.updated_at) "
    f"AND NOT EXISTS (SELECT FROM {RUNS} AS u WHERE u.session_id = s.session_id AND u.status = 'running') "
    "ORDER BY s.updated_at, s.session_id LIMIT $3"
)
MARK_SESSIONS: Final = (
    f"INSERT INTO {SESSION_MARKS} (session_id, marked_at) SELECT session_id, $2 FROM {SESSIONS} "
    "WHERE session_id = ANY ($1::text[]) ORDER BY session_id FOR KEY SHARE "
    f"ON CONFLICT (session_id) DO UPDATE SET marked_at = greatest({SESSION_MARKS}.marked_at, excluded.marked_at)"
)
SESSION_RECORDS: Final = (
    f"SELECT record FROM {RUNS} WHERE session_id = $1 AND parent_run_id IS NULL AND status <> 'running' "
    "ORDER BY created_at DESC, run_id DESC LIMIT $2"
)

# The judge's budget.

_WINDOW: Final = (
    # Of the same length, so that days are not compared with hours; a clock that went back finds the later one.
    f'coalesce((SELECT max("window") FROM {BUDGETS} WHERE "window" > $1 AND length("window") = length($1)), $1)'
)
RESERVE: Final = (
    f'INSERT INTO {BUDGETS} AS b ("window", spent) SELECT {_WINDOW}, $3::bigint WHERE $3 <= $2::bigint '
    'ON CONFLICT ("window") DO UPDATE SET spent = b.spent + excluded.spent WHERE b.spent + excluded.spent <= $2 '
    'RETURNING "window"'
)
GIVE_BACK: Final = (
    # To the window that it was taken from: a later one has never had it.
    f'UPDATE {BUDGETS} SET spent = greatest(0, spent - $2::bigint) WHERE "window" = $1'
)
ADD_SPENT: Final = (
    f'INSERT INTO {BUDGETS} AS b ("window", spent) VALUES ({_WINDOW}, $2::bigint) '
    'ON CONFLICT ("window") DO UPDATE SET spent = b.spent + excluded.spent'
)
SPENT: Final = f'SELECT spent FROM {BUDGETS} WHERE "window" = {_WINDOW}'

# Notices.

ADD_NOTICES: Final = (
    f"INSERT INTO {NOTICES} (key, run_id, created_at, data) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::float8[], $4::text[]) ON CONFLICT (key) DO NOTHING"
)
NOTICES_WAIT: Final = f"SELECT EXISTS (SELECT FROM {NOTICES} WHERE taken_at IS NULL)"
WAITING_NOTICES: Final = (
    # Two who fold at once both want the oldest, so that one waits for the other, and then finds who was told.
    f"SELECT data FROM {NOTICES} WHERE taken_at IS NULL ORDER BY created_at, key LIMIT $1 FOR UPDATE"
)
TAKE_NOTICES: Final = f"UPDATE {NOTICES} SET taken_at = $2, data = '' WHERE key = ANY ($1::text[]) AND taken_at IS NULL"
FORGET_NOTICES: Final = f"DELETE FROM {NOTICES} WHERE taken_at < $1"
TOLD_GROUPS: Final = f'SELECT channel, "group", told_at FROM {TOLD}'
TELL: Final = (
    f'INSERT INTO {TOLD} (channel, "group", told_at) SELECT * FROM unnest($1::text[], $2::text[], $3::float8[]) '
    'ON CONFLICT (channel, "group") DO UPDATE SET told_at = excluded.told_at'
)
FORGET_TOLD: Final = f"DELETE FROM {TOLD} WHERE told_at < $1"
ADD_DELIVERIES: Final = (
    f'INSERT INTO {DELIVERIES} (id, run_id, channel, "group", created_at, message, job_key) '
    "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::bytea[], $7::text[]) "
    "ON CONFLICT (id) DO NOTHING RETURNING id"
)
DELIVERY: Final = f'SELECT id, run_id, channel, "group", created_at, message, job_key FROM {DELIVERIES} WHERE id = $1'
