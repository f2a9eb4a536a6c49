"""`GET /analytics` and `GET /evaluations/summary` over the sums that a million runs leave, on both databases.

A month of six components with ten evaluators, four models, ten tools and twenty thousand users. A sample of runs is
counted as the service counts them; each run of it stands for many. Sums by user are drawn by themselves, since with the
sample alone there would be too few of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import Figure, Report, at_most
from benchmarks.served import REPOSITORY, Served, scratch, served
from benchmarks.targets.evaluators import RULES
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.evaluation_sums import evaluation_deltas
from offpath.ledger.histogram import histogram
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import DAY, WEEK, Grain, RollupKey, Sums, add, bucket, encode_sums
from offpath.ledger.run_facts import RunFacts, ToolFacts
from offpath.ledger.usage import hook_deltas, run_deltas, usage_deltas
from offpath.proof.estimates import quantiles
from offpath.proof.machine import Neighbours
from offpath.runs.job import JobInfo, JobState, job_key
from offpath.storage.database import PostgresDb, SqliteDb
from offpath.storage.ledger_rows import evaluation_values, plan_values

RUNS = 1_000_000
DAYS = 30
USERS = 20_000
FAILED = 2_000
"""Runs that failed all evaluators: examples are looked for among them."""
COMPONENTS = tuple(f"agent-{number}" for number in range(6))
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet", "mistral-large")
TOOLS = tuple(f"tool-{number}" for number in range(10))
REQUESTS = (
    "/analytics",
    "/analytics?window=30d",
    "/analytics?window=30d&group_by=component,day",
    "/analytics?window=7d&group_by=hour",
    "/analytics?window=30d&group_by=model",
    "/analytics?window=30d&group_by=component,tool,day",
    "/analytics?window=24h&group_by=user",
    "/analytics?window=30d&group_by=user",
    "/evaluations/summary",
    "/evaluations/summary?window=30d",
    "/evaluations/summary?window=30d&group_by=agent",
    "/evaluations/summary?window=30d&group_by=agent,day",
    "/evaluations/summary?window=24h&group_by=agent,hour",
)
GOAL = at_most(100)
Row = tuple[Any, ...]


class Stored(NamedTuple):
    """What the runs left."""

    sums: dict[RollupKey, Sums]
    plans: list[RunPlan]
    evaluations: list[EvaluationRow]


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Fill a database and ask for each answer, one after the other."""
    report.say("counting")
    stored = _stored(1_000 if report.quick else 20_000)
    with scratch() as directory:
        if not only or "sqlite" in only:
            report.say("sqlite")
            _fill_sqlite(stored, directory / "sqlite.db")
            with served("ten_evaluators", directory, "http://127.0.0.1:9/v1", name="sqlite", worker="external") as on:
                _measure("SQLite", on, report)
        if not only or "postgres" in only:
            report.say("postgres")
            with _postgres() as url:
                asyncio.run(_fill_postgres(stored, url))
                variables = {"OFFPATH_DATABASE_URL": url}
                with served(
                    "ten_evaluators",
                    directory,
                    "http://127.0.0.1:9/v1",
                    name="postgres",
                    worker="external",
                    variables=variables,
                ) as on:
                    _measure("PostgreSQL", on, report)
    report.notes.append(f"{len(stored.sums):,} rows of sums; medians of the answers")


def _measure(database: str, service: Served, report: Report) -> None:
    connection = http.client.HTTPConnection(*service.address, timeout=60)
    neighbours = Neighbours()
    for request in REQUESTS:
        taken: list[float] = []
        length = 0
        for _ in range(6 if report.quick else 31):
            began = time.perf_counter()
            connection.request("GET", request)
            answer = connection.getresponse()
            length = len(answer.read())
            taken.append((time.perf_counter() - began) * 1e3)
            if answer.status != 200:
                raise RuntimeError(f"{request}: {answer.status}")
        warm = taken[1:]
        middle = quantiles(warm, 0.5)[0]
        note = f"{min(warm):.1f} to {max(warm):.1f} ms, the first {taken[0]:.0f} ms; {length / 1024:.0f} KB"
        report.add(Figure(f"{database}, {request}", middle, "ms", predicted=GOAL, note=note))
    report.heard(neighbours.share())
    connection.close()


# What a million runs leave.


def _stored(sample: int) -> Stored:
    draw, now = random.Random(1), time.time()
    sums: dict[RollupKey, Sums] = {}
    for number in range(sample):
        plan = _plan(draw, f"s{number}", now - draw.random() * DAYS * DAY)
        # Rows by user come by themselves.
        deltas = [
            run_deltas(plan),
            _without_users(usage_deltas(_facts(draw, plan), plan)),
            hook_deltas(plan, _job(plan)),
        ]
        deltas += [evaluation_deltas(plan, name, None, entry) for name, entry in plan.entries.items()]
        for each in deltas:
            for key, delta in each.items():
                add(sums.setdefault(key, {}), delta)
    for each_sums in sums.values():
        _scale(each_sums, RUNS // sample)
    sums.update(_users(draw, now))
    failed = [_plan(draw, f"f{number}", now - number * 60, passed=False) for number in range(FAILED)]
    return Stored(sums, failed, [_row(plan, name) for plan in failed for name in plan.entries])


def _plan(draw: random.Random, run_id: str, at: float, *, passed: bool | None = None) -> RunPlan:
    component = draw.choice(COMPONENTS)
    entries = {
        name: PlanEntry(
            "scored",
            hook="offpath.evaluate",
            fingerprint=f"{name}-1",
            value=(value := draw.choice((0.0, 1.0, round(draw.random(), 3)))),
            passed=value >= 0.5 if passed is None else passed,
            evaluated_at=at,
        )
        for name in RULES
    }
    failed = draw.random() < 0.02
    return RunPlan(
        run_id=run_id,
        session_id=run_id,
        component_kind="agent",
        component_id=component,
        component_name=component,
        nested=False,
        created_at=at,
        status="error" if failed else "completed",
        duration=draw.lognormvariate(0.5, 0.8),
        error_type="ModelError" if failed else "",
        traceparent="",
        entries=entries,
        counted=True,
    )


def _facts(draw: random.Random, plan: RunPlan) -> RunFacts:
    tools = {
        name: ToolFacts(1, 0, seconds := draw.lognormvariate(-2, 1), histogram([seconds]))
        for name in draw.sample(TOOLS, 2)
    }
    return RunFacts(
        component_kind=plan.component_kind,
        component_id=plan.component_id,
        component_name=plan.component_name,
        status=plan.status,
        user_id="u",
        duration=plan.duration,
        time_to_first_token=draw.lognormvariate(-1, 0.5),
        model=draw.choice(MODELS),
        model_calls=2,
        input_tokens=draw.randrange(4_000),
        output_tokens=draw.randrange(800),
        cost=draw.random() / 100,
        pricing="priced",
        tools=tools,
    )


def _job(plan: RunPlan) -> JobInfo:
    return JobInfo(
        key=job_key(plan.run_id, "post", "offpath.evaluate"),
        run_id=plan.run_id,
        component_kind=plan.component_kind,
        component_id=plan.component_id,
        phase="post",
        hook="offpath.evaluate",
        kind="evaluation",
        version="1",
        state=JobState.SUCCEEDED,
        attempts=1,
        queued_at=plan.created_at,
        duration=0.002,
        outcome="success",
    )


def _row(plan: RunPlan, name: str) -> EvaluationRow:
    return EvaluationRow(
        run_id=plan.run_id,
        name=name,
        fingerprint=plan.entries[name].fingerprint,
        state="scored",
        subject="output",
        evaluator=name,
        version=1,
        evaluated_at=plan.created_at,
        duration=0.001,
        value=0.0,
        passed=False,
    )


def _without_users(deltas: dict[RollupKey, Sums]) -> dict[RollupKey, Sums]:
    return {key: sums for key, sums in deltas.items() if key.facet != "user"}


def _users(draw: random.Random, now: float) -> dict[RollupKey, Sums]:
    """Every user is there on about half of the days."""
    found: dict[RollupKey, Sums] = {}
    for user in range(USERS):
        for day in range(DAYS):
            runs = draw.randrange(7) - 3
            if runs <= 0:
                continue
            sums = {"runs": runs, "input": 2_000 * runs, "output": 400 * runs, "seconds": 1.5 * runs, "calls": 2 * runs}
            sums["cost"] = draw.randrange(10_000_000)
            grains: tuple[Grain, ...] = ("day", "week")
            for grain in grains:
                start = bucket(now - day * DAY, grain)
                key = RollupKey("usage", grain, start, "user", "", "", f"user-{user}")
                add(found.setdefault(key, {}), sums)
    assert any(key.start % WEEK == 0 for key in found)
    return found


def _scale(sums: Sums, factor: int) -> None:
    for name, value in sums.items():
        if isinstance(value, dict):
            _scale(value, factor)
        else:
            sums[name] = value * factor


# Into the databases.


def _sums_rows(sums: dict[RollupKey, Sums]) -> Iterable[Row]:
    return ((*key, encode_sums(each)) for key, each in sums.items())


def _fill_sqlite(stored: Stored, database: Path) -> None:
    SqliteDb(database).prepare()
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        for table, rows in _tables(stored):
            _insert(connection, table, rows)
        connection.execute("DELETE FROM bookings")


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    columns = len(connection.execute(f"PRAGMA table_info({table})").fetchall())
    connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})", rows)


def _tables(stored: Stored) -> Iterator[tuple[str, Iterable[Row]]]:
    """The columns of both databases have the same order; so have the keys of sums."""
    order = ("measure", "grain", "facet", "start", "component_kind", "component_id", "value")
    places = [RollupKey._fields.index(name) for name in order]
    yield "rollups", ((*(row[place] for place in places), row[-1]) for row in _sums_rows(stored.sums))
    yield "run_plans", (plan_values(plan) for plan in stored.plans)
    yield "evaluations", (evaluation_values(row) for row in stored.evaluations)


@contextmanager
def _postgres() -> Iterator[str]:
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from postgres_server import PostgresServer, drop_database, fresh_database

    server = PostgresServer(Path(tempfile.gettempdir()), fsync="on", full_page_writes="on")
    url = fresh_database(server=server)
    try:
        PostgresDb(db_url=url).prepare()
        yield url
    finally:
        drop_database(url)
        server.remove()


async def _fill_postgres(stored: Stored, url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    for table, rows in _tables(stored):
        await connection.copy_records_to_table(f"offpath_{table}", records=list(rows))
    await connection.execute("TRUNCATE offpath_bookings")
    await connection.execute("ANALYZE")
    await connection.close()
