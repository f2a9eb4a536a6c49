"""Two API processes and three workers on one PostgreSQL: kill -9 of one of them, or a restart of the server, round by
round under load; and what has to be true afterwards.

Used by test_postgres_kill.py with few rounds, and by benchmarks/postgres_kill_rounds.py with a hundred.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import psutil

from acceptance.killing import ENVIRONMENT, Findings, examine, in_turns, under_load
from acceptance.serving import Service, console_script
from postgres_server import PostgresServer, fresh_database, run

Victim = Literal["service", "worker", "zygote", "executor", "restart", "crash"]
VICTIMS: Final[tuple[Victim, ...]] = get_args(Victim)
SERVICES: Final = 2
WORKERS: Final = 3
_EARLY: Final = 0.2
LEASE: Final = 3.0
"""Seconds after which the test's service processes count as dead; the default of 15 would only make it longer."""
STUCK_SECONDS: Final = 30.0
"""When the killing is over, everything has to be over so soon."""


class Cluster:
    """The processes, and the server that they share."""

    def __init__(self, directory: Path, model_url: str, server: PostgresServer) -> None:
        self.server = server
        self.url = fresh_database(server=server)
        self.lines = directory / "lines"
        self.lines.mkdir()
        shared: Mapping[str, str] = {
            **ENVIRONMENT,
            "OFFPATH_DATABASE_URL": self.url,
            "OFFPATH_WORKER": "external",
            "OFFPATH_INSTANCE_LEASE": f"{LEASE:g}",
            "OFFPATH_STORAGE_TIMEOUT": "3",
            "OFFPATH_EXECUTORS": "2",
            "LINES_DIRECTORY": str(self.lines),
        }
        self.services = [
            Service(directory / f"api{number}", "kill_app", model_url, environment=shared) for number in range(SERVICES)
        ]
        command = [console_script("offpath"), "worker", "kill_app:app"]
        self.workers = [
            Service(directory / f"worker{number}", "kill_app", model_url, command=command, environment=shared)
            for number in range(WORKERS)
        ]

    def start(self) -> None:
        for service in (*self.services, *self.workers):
            service.start(ready=False)
        for service in self.services:
            service.wait_ready()

    def discard(self) -> None:
        for service in (*self.services, *self.workers):
            service.discard()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        async def fetch(connection: Any) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(sql)]

        return run(self.url, fetch)

    def logs(self) -> str:
        return "\n".join(f"--- {each.directory.name}\n{each.log_end()}" for each in (*self.services, *self.workers))


def kill_rounds(
    cluster: Cluster, *, seed: int, rounds: int, longest: float = 1.2, told: Callable[[str], None] = print
) -> ClusterFindings:
    """Put a cluster under load and kill parts of it, round by round; then let it drain and look."""
    return asyncio.run(_KillRounds(cluster, seed, longest, told).run(rounds))


@dataclass
class ClusterFindings(Findings):
    """What the database and the hooks' own files say afterwards."""

    ended: Counter[str] = field(default_factory=Counter)
    """Processes that ended by themselves and were started again."""


class _KillRounds:
    def __init__(self, cluster: Cluster, seed: int, longest: float, told: Callable[[str], None]) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)
        self.longest = longest
        self.told = told
        self.findings = ClusterFindings(seed)
        self.load = self.findings.load

    async def run(self, rounds: int) -> ClusterFindings:
        await asyncio.to_thread(self.cluster.start)
        urls = [service.url for service in self.cluster.services]
        async with under_load(self.load, urls, self.findings.seed):
            for number, victim in enumerate(in_turns(VICTIMS, rounds, self.random), 1):
                await self._round(number, victim)
        await asyncio.to_thread(self._start_ended)
        began = time.monotonic()
        while self._unfinished() and time.monotonic() - began < STUCK_SECONDS:
            await asyncio.sleep(0.2)
        self.findings.drain_seconds = time.monotonic() - began
        for service in self.cluster.services:
            service.signal()
        for service in self.cluster.services:
            assert service.wait() == 0, service.log_end()
        for worker in self.cluster.workers:
            worker.signal()
        for worker in self.cluster.workers:
            worker.wait()  # with whatever code: one that was just starting cannot heed the signal yet
        self._examine()
        return self.findings

    async def _round(self, number: int, victim: Victim) -> None:
        before = len(self.load.answered)
        moment = self.random.uniform(0.0, self.longest)
        await asyncio.sleep(moment)
        await asyncio.to_thread(self._strike, victim)
        self.findings.kills[victim] += 1
        answered, cut_off = len(self.load.answered) - before, self.load.cut_off
        self.told(f"round {number}: {victim} after {moment:.2f} s; {answered} answered, {cut_off} cut off so far")

    def _strike(self, victim: Victim) -> None:
        self._start_ended()
        if victim in ("restart", "crash"):
            (self.cluster.server.stop if victim == "restart" else self.cluster.server.kill)()
            time.sleep(self.random.uniform(0.0, 0.5))
            self.cluster.server.start()
        elif victim in ("service", "worker"):
            struck = self.random.choice(self.cluster.services if victim == "service" else self.cluster.workers)
            assert struck.process is not None
            struck.process.kill()
            struck.process.wait()
            struck.start(ready=False)
            # Now and then it is still starting when the next round strikes.
            if victim == "service" and self.random.random() > _EARLY:
                struck.wait_ready(worker=False)
        else:
            found = [member for worker in self.cluster.workers for member in worker.members(victim)]
            if found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    self.random.choice(found).kill()

    def _start_ended(self) -> None:
        """As whatever runs the processes does: one ends when it starts while the server is away, or by a kill."""
        for each in (*self.cluster.services, *self.cluster.workers):
            assert each.process is not None
            if (code := each.process.poll()) is not None:
                self.findings.ended[f"{each.directory.name[:-1]} with code {code}"] += 1
                each.start(ready=False)

    def _unfinished(self) -> int:
        rows = self.cluster.query(
            "SELECT count(*) FROM offpath_hook_queue UNION ALL SELECT count(*) FROM offpath_runs WHERE status = 'running'"
        )
        return sum(count for (count,) in rows)

    def _examine(self) -> None:
        query = self.cluster.query
        self.findings.integrity = "ok"
        examine(
            self.findings,
            self.cluster.lines,
            runs=dict(query("SELECT run_id, status FROM offpath_runs")),
            queued=[key for (key,) in query("SELECT dedupe_key FROM offpath_hook_queue")],
            results=dict(query("SELECT key, state FROM offpath_job_results")),
        )
