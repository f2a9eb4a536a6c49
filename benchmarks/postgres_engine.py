"""Workers on PostgreSQL: jobs a second with one and two, commit to start, 500 hooks of a second, backlogs, idleness.

The server is real, on a disk, and syncs each commit. `OFFPATH_TEST_POSTGRES_URL` names another.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.committing import Committer
from benchmarks.figures import Figure, Report, about, at_least, at_most
from benchmarks.served import REPOSITORY, ServedError, console_script, environment, log_end, scratch, started
from benchmarks.targets.worker_hooks import NOTHING, PROBE, SECOND_ASYNC, SECOND_SYNC
from offpath.engine.adapters import job_rows, open_engine
from offpath.proof.estimates import quantiles
from offpath.proof.machine import Neighbours, cpu_of_all, tree
from offpath.storage.postgres.database import PostgresDb
from offpath.worker.target import load_target

TARGET = "benchmarks.targets.worker_hooks:app"
SECONDS = 500
"""Hooks of a second that run at once."""
IDLE_SECONDS = 20.0


@dataclass
class Rig:
    """A database, workers on it, a writer of jobs, and a look at the queue."""

    url: str
    directory: Path
    commits: Committer
    connection: Any
    """A connection that only reads."""
    stack: ExitStack
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def start(self, count: int) -> None:
        """Start workers, and return when they work."""
        logs = [self.directory / f"worker{len(self.workers) + number}.log" for number in range(count)]
        for log in logs:
            arguments = [console_script("offpath"), "worker", TARGET, "--database-url", self.url]
            variables = environment(self.directory / "none.db", "http://127.0.0.1:9/v1")
            self.workers.append(self.stack.enter_context(started(arguments, variables, log)))
        give_up = time.monotonic() + 60.0
        while not all("hooks of" in log.read_text() for log in logs):
            if time.monotonic() > give_up:
                raise ServedError(f"a worker did not start:\n{log_end(logs[0])}")
            await asyncio.sleep(0.02)

    async def one(self, question: str, *values: Any) -> float:
        found = await self.connection.fetchval(question, *values)
        return 0.0 if found is None else float(found)

    async def ended(self, agent_id: str) -> int:
        return int(await self.one("SELECT count(*) FROM offpath_job_results WHERE component_id = $1", agent_id))

    async def await_ended(self, agent_id: str, count: int, timeout: float) -> None:
        """Return when so many jobs of an agent have ended.

        Raises:
            TimeoutError: They have not.
        """
        give_up = time.monotonic() + timeout
        while (ended := await self.ended(agent_id)) < count:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{ended} of {count} jobs of {agent_id!r} have ended after {timeout:g} s")
            await asyncio.sleep(0.02)


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure everything, or the parts whose names hold one of the words of `only`."""
    parts = {"seconds": _seconds, "start": _starts, "drain": _drains, "idle": _idle}
    for name, part in parts.items():
        if not only or any(word in name for word in only):
            report.say(name)
            asyncio.run(part(report))


@contextmanager
def _database() -> Iterator[str]:
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from postgres_server import SERVER_VARIABLE, PostgresServer, drop_database, fresh_database

    disk = Path(tempfile.gettempdir())
    server = None if SERVER_VARIABLE in os.environ else PostgresServer(disk, fsync="on", full_page_writes="on")
    url = fresh_database(server=server)
    try:
        yield url
    finally:
        drop_database(url)
        if server is not None:
            server.remove()


@asynccontextmanager
async def _rig() -> AsyncIterator[Rig]:
    with scratch() as directory, _database() as url:
        database = PostgresDb(db_url=url)
        await database.prepare_schema()
        engine = open_engine(database)
        made: list[Committer] = []
        store = database.open_store(enqueue=engine.enqueue, wake=lambda: made[0].note_commit(), jobs=job_rows(engine))
        made.append(Committer(store, engine, load_target(TARGET)))
        await store.open()
        connection = await database.connect()
        with ExitStack() as stack:
            yield Rig(url, directory, made[0], connection, stack)
        await connection.close()
        await store.close()
        await engine.close()


async def _warm(rig: Rig, count: int, agents: Sequence[str]) -> None:
    await rig.start(count)
    for agent_id in agents:  # their executors start
        await rig.commits.commit(agent_id)
        await rig.await_ended(agent_id, 1, 60.0)


async def _seconds(report: Report) -> None:
    for agent_id, kind in ((SECOND_ASYNC, "async"), (SECOND_SYNC, "sync")):
        taken: list[float] = []
        async with _rig() as rig:
            await _warm(rig, 1, [agent_id])
            neighbours = Neighbours()
            for turn in range(1, 2 if report.quick else 6):
                last_commit = await rig.commits.commit_many(agent_id, SECONDS)
                await rig.await_ended(agent_id, 1 + SECONDS * turn, 60.0)
                last = await rig.one(
                    "SELECT max(finished_at) FROM offpath_job_results WHERE component_id = $1", agent_id
                )
                taken.append(last - last_commit)
                await asyncio.sleep(0.5)
            report.heard(neighbours.share())
        note = f"{len(taken)} times, least - most; from the last commit"
        middle = quantiles(taken, 0.5)[0]
        report.add(Figure(f"{SECONDS} {kind} hooks of 1 s", middle, "s", min(taken), max(taken), at_most(1.2), note))


async def _starts(report: Report) -> None:
    """Commit to start of single jobs, 20 a second."""
    for workers in (1, 2):
        async with _rig() as rig:
            await _warm(rig, workers, [PROBE])
            neighbours = Neighbours()
            committed: dict[str, float] = {}
            count = 40 if report.quick else 300
            for _ in range(count):
                before = len(rig.commits.committed_at)
                run_id = await rig.commits.commit(PROBE)
                while len(rig.commits.committed_at) == before:
                    await asyncio.sleep(0.001)
                committed[run_id] = rig.commits.committed_at[-1]
                await asyncio.sleep(0.05)
            await rig.await_ended(PROBE, 1 + count, 60.0)
            rows = await rig.connection.fetch(
                "SELECT run_id, result FROM offpath_job_results WHERE component_id = $1", PROBE
            )
            report.heard(neighbours.share())
        found = {row["run_id"]: float(row["result"]) for row in rows}
        starts = [found[run_id] - at for run_id, at in committed.items()]
        p50, p99 = quantiles(starts, 0.5, 0.99)
        name = f"commit to start, {workers} worker{'s' if workers > 1 else ''}"
        report.add(
            Figure(f"{name}: p50", p50 * 1e3, "ms", predicted=at_most(10), note=f"{count} jobs"),
            Figure(f"{name}: p99", p99 * 1e3, "ms", predicted=about(20), note=f"most {max(starts) * 1e3:.1f} ms"),
        )


async def _drains(report: Report) -> None:
    """A backlog of hooks that do nothing, committed while nobody works."""
    rates: dict[tuple[int, int], float] = {}
    cases = (
        [(1, 1_000), (1, 20_000), (2, 20_000)] if report.quick else [(1, 1_000), (1, 10_000), (2, 10_000), (1, 100_000)]
    )
    for workers, backlog in cases:
        async with _rig() as rig:
            # The first jobs of a worker start its executors, so that they are not counted.
            await rig.commits.commit_many(NOTHING, backlog + 500)
            await rig.start(workers)
            neighbours = Neighbours()
            await rig.await_ended(NOTHING, 500, 60.0)
            cpu, server = _cpu(rig), time.perf_counter()
            done = await rig.ended(NOTHING)
            while (ended := await rig.ended(NOTHING)) < min(backlog, done + 20_000):
                await asyncio.sleep(0.05)
            seconds = time.perf_counter() - server
            report.heard(neighbours.share())
            spent = (_cpu(rig) - cpu) / max(1, ended - done) * 1e6
            first, last = [
                await rig.one(f"SELECT {which} FROM offpath_job_results WHERE component_id = $1", NOTHING)
                for which in ("min(started_at)", "max(finished_at)")
            ]
        # A short backlog is gone before it can be looked at twice.
        rate = backlog / (last - first) if backlog <= 10_000 else (ended - done) / seconds
        rates[workers, backlog] = rate
        name = f"no-op jobs, backlog {backlog:,}, {workers} worker{'s' if workers > 1 else ''}"
        report.add(
            Figure(name, rate, "/s", predicted=at_least(3_000), note=f"CPU of a job {spent:.0f} us in the workers")
        )
    most = max(backlog for workers, backlog in rates if workers == 1)
    report.add(
        Figure(f"drain rate at {most:,} against 1,000", rates[1, most] / rates[1, 1_000], "x", predicted=at_least(0.7))
    )


async def _idle(report: Report) -> None:
    async with _rig() as rig:
        await _warm(rig, 1, [NOTHING])
        await asyncio.sleep(2.0)
        question = (
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE userid IS NOT NULL"
            if await rig.one("SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'")
            else "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )
        cpu, queries = _cpu(rig), await rig.one(question)
        await asyncio.sleep(IDLE_SECONDS)
        cpu = _cpu(rig) - cpu
        # What is asked outside of a transaction counts as one each; our own question is one of them.
        asked = await rig.one(question) - queries - 1
    report.add(
        Figure("idle worker, CPU", cpu / IDLE_SECONDS, "share", predicted=at_most(0.01), note="parent and executors"),
        Figure("idle worker, queries", asked / IDLE_SECONDS, "/s", predicted=at_most(5), note="the store's lease too"),
    )


def _cpu(rig: Rig) -> float:
    return sum(cpu_of_all(tree(worker.pid)) for worker in rig.workers)
