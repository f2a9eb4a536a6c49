"""What the run store on PostgreSQL costs: a run with three hook jobs, committed, beside a bare transaction.

The bare one is what nobody can do without: the same bytes into two plain tables by the same driver, BEGIN to COMMIT.
The server is real, on a disk, and syncs each commit. `OFFPATH_TEST_POSTGRES_URL` names another.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Report, about, at_least, at_most
from benchmarks.served import REPOSITORY
from offpath.engine.adapters import job_rows, open_engine
from offpath.proof.estimates import quantile_difference, quantiles
from offpath.proof.machine import Neighbours
from offpath.proof.turns import draw_pairs
from offpath.runs.context import RunContext, Session
from offpath.runs.input import RunInput
from offpath.runs.job import HookJob, job_key
from offpath.runs.output import RunOutput
from offpath.runs.record import RunRecord, encode_record
from offpath.runs.status import RunStatus
from offpath.storage.database import PostgresDb
from offpath.storage.postgres.store import PostgresStore
from offpath.storage.store import RunRow

HOOKS = ("notify", "evaluate", "analyse")
ANSWER = "x" * 1_500
BARE_TABLES = (
    "CREATE TABLE bare_runs (run_id text PRIMARY KEY, record bytea NOT NULL); "
    "CREATE TABLE bare_jobs (key text PRIMARY KEY, hook text NOT NULL)"
)


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure one run at a time beside the bare transaction, then throughput."""
    with _database() as url:
        runner = _runner()
        runner(_one_at_a_time(url, report))
        runner(_throughput(url, report))


def _runner() -> Callable[[Any], Any]:
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run
    return uvloop.run


@contextmanager
def _database() -> Iterator[str]:
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from postgres_server import SERVER_VARIABLE, PostgresServer, drop_database, fresh_database

    disk = Path(tempfile.gettempdir())
    server = None if SERVER_VARIABLE in os.environ else PostgresServer(disk, fsync="on", full_page_writes="on")
    url = fresh_database(server=server)
    try:
        PostgresDb(db_url=url).prepare()
        yield url
    finally:
        drop_database(url)
        if server is not None:
            server.remove()


@asynccontextmanager
async def _store(url: str) -> AsyncIterator[PostgresStore]:
    database = PostgresDb(db_url=url)
    engine = open_engine(database)
    store = database.open_store(enqueue=engine.enqueue, wake=engine.wake, jobs=job_rows(engine))
    await store.open()
    try:
        yield store
    finally:
        await store.close()
        await engine.close()


def _row(owner: str) -> tuple[RunRow, Session, list[HookJob]]:
    run_id, now = uuid.uuid4().hex, time.time()
    session = Session(run_id, "agent", "support", state={"turns": 3}, created_at=now, updated_at=now)
    output = RunOutput(run_id, "agent", "support", "Support", run_id, status=RunStatus.COMPLETED, created_at=now)
    output.content = ANSWER
    record = encode_record(RunRecord(RunInput("a question"), output, RunContext(run_id, run_id), session))
    row = RunRow(run_id, run_id, "agent", "support", "Support", None, None, output.status, now, now, owner, record)
    jobs = [
        HookJob(job_key(run_id, "post", hook), run_id, "agent", "support", "post", hook, "post", "1", 1, now)
        for hook in HOOKS
    ]
    return row, session, jobs


async def _timed(commit: Callable[[], Awaitable[None]], count: int) -> list[float]:
    found = []
    for _ in range(count):
        began = time.perf_counter()
        await commit()
        found.append(time.perf_counter() - began)
    return found


async def _one_at_a_time(url: str, report: Report) -> None:
    report.say("one run at a time, beside a bare transaction")
    import asyncpg

    neighbours = Neighbours()
    bare = await asyncpg.connect(url)
    await bare.execute(BARE_TABLES)

    async def bare_commit() -> None:
        row, _, jobs = _row("me")
        async with bare.transaction():
            await bare.execute("INSERT INTO bare_runs VALUES ($1, $2)", row.run_id, row.record)
            keys, hooks = [job.key for job in jobs], [job.hook for job in jobs]
            await bare.execute("INSERT INTO bare_jobs SELECT * FROM unnest($1::text[], $2::text[])", keys, hooks)

    async with _store(url) as store:

        async def with_jobs() -> None:
            await store.finish(*_row(store.instance))

        async def without_jobs() -> None:
            row, session, _ = _row(store.instance)
            await store.finish(row, session, [])

        count, size = (6, 50) if report.quick else (30, 100)
        for arm in (bare_commit, with_jobs, without_jobs):
            await _timed(arm, 50)
        pairs: dict[str, list[tuple[list[float], list[float]]]] = {"with": [], "without": []}
        for name, arm in (("with", with_jobs), ("without", without_jobs)):
            for order in draw_pairs(count):
                found = {}
                for which in order:
                    found[which] = await _timed(bare_commit if which == "a" else arm, size)
                pairs[name].append((found["a"], found["b"]))
    await bare.close()
    report.heard(neighbours.share())
    everything = {
        "bare transaction": [value for pair in pairs["with"] for value in pair[0]],
        "run and 3 jobs": [value for pair in pairs["with"] for value in pair[1]],
        "run without jobs": [value for pair in pairs["without"] for value in pair[1]],
    }
    for name, values in everything.items():
        p50, p99 = quantiles(values, 0.5, 0.99)
        predicted = about(0.5) if name.startswith("bare") else None
        report.add(
            Figure(f"{name}: p50", p50 * 1e3, "ms", predicted=predicted, note=f"{len(values)} commits"),
            Figure(f"{name}: p99", p99 * 1e3, "ms"),
        )
    for name, bound in (("with", at_most(0.6)), ("without", None)):
        in_ms = [([value * 1e3 for value in a], [value * 1e3 for value in b]) for a, b in pairs[name]]
        estimate = quantile_difference(in_ms, 0.5)
        report.add(Figure.of(f"added to the bare one, {name} jobs: p50", estimate, "ms", bound))


async def _throughput(url: str, report: Report) -> None:
    seconds = 2.0 if report.quick else 8.0
    async with _store(url) as store:
        for concurrent in (8, 32, 64):
            report.say(f"{concurrent} runs at a time")
            neighbours = Neighbours()
            latencies: list[float] = []
            began = time.perf_counter()
            cpu = time.process_time()

            async def client(end: float, latencies: list[float]) -> None:
                while time.perf_counter() < end:
                    latencies += await _timed(lambda: store.finish(*_row(store.instance)), 1)

            await asyncio.gather(*(client(began + seconds, latencies) for _ in range(concurrent)))
            took = time.perf_counter() - began
            cpu = time.process_time() - cpu
            report.heard(neighbours.share())
            p50, p99 = quantiles(latencies, 0.5, 0.99)
            bound = at_least(2_000) if concurrent == 32 else None
            report.add(
                Figure(f"{concurrent} at a time: runs with 3 jobs", len(latencies) / took, "/s", predicted=bound),
                Figure(f"{concurrent} at a time: p50", p50 * 1e3, "ms"),
                Figure(f"{concurrent} at a time: p99", p99 * 1e3, "ms"),
                Figure(f"{concurrent} at a time: CPU of the service", cpu / len(latencies) * 1e6, "us", note="a run"),
            )
