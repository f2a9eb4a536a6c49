"""The worker by itself: 500 hooks of a second, jobs a second, commit to start, and all that with long backlogs."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.committing import Committer, Queue, committer, queue_of
from benchmarks.figures import Figure, Report, about, at_least, at_most
from benchmarks.served import ServedError, log_end, scratch, worker_of
from benchmarks.targets.worker_hooks import NOTHING, PARKED, PROBE, SECOND_ASYNC, SECOND_SYNC
from offpath.proof.estimates import quantiles
from offpath.proof.machine import Neighbours, cpu_of_all, tree

SECONDS = 500
"""Hooks of a second that run at once."""


@dataclass(frozen=True, slots=True)
class Rig:
    """A running worker, a writer of jobs, and a look at the queue."""

    commits: Committer
    queue: Queue
    process: subprocess.Popen[bytes]
    log: Path

    async def await_ended(self, agent_id: str, count: int, timeout: float) -> None:
        """Return when so many jobs of an agent have ended, looked at every 10 ms.

        Raises:
            TimeoutError: They have not.
            ServedError: The worker is gone.
        """
        give_up = time.monotonic() + timeout
        while (ended := self.queue.ended(agent_id)) < count:
            if self.process.poll() is not None:
                raise ServedError(f"the worker ended with code {self.process.returncode}:\n{log_end(self.log)}")
            if time.monotonic() > give_up:
                raise TimeoutError(f"{ended} of {count} jobs of {agent_id!r} have ended after {timeout:g} s")
            await asyncio.sleep(0.01)


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure everything, or the parts whose names hold one of the words of `only`."""
    parts = {"seconds": _seconds, "start": _starts, "drain": _drains}
    for name, part in parts.items():
        if not only or any(word in name for word in only):
            report.say(name)
            asyncio.run(part(report))


@asynccontextmanager
async def _rig(report: Report) -> AsyncIterator[Rig]:
    with scratch() as directory:
        database = directory / "worker.db"
        async with committer("worker_hooks", database) as commits:
            with worker_of("worker_hooks", database, directory) as process, queue_of(database) as queue:
                rig = Rig(commits, queue, process, directory / "worker.log")
                for agent_id in (SECOND_ASYNC, SECOND_SYNC, NOTHING, PROBE):  # their executors start
                    await commits.commit(agent_id)
                    await rig.await_ended(agent_id, 1, 60.0)
                neighbours = Neighbours()
                yield rig
                report.heard(neighbours.share())


async def _seconds(report: Report) -> None:
    for agent_id, kind in ((SECOND_ASYNC, "async"), (SECOND_SYNC, "sync")):
        taken: list[float] = []
        async with _rig(report) as rig:
            for turn in range(1, 2 if report.quick else 6):
                last_commit = await rig.commits.commit_many(agent_id, SECONDS)
                await rig.await_ended(agent_id, 1 + SECONDS * turn, 60.0)
                taken.append(rig.queue.last_end(agent_id) - last_commit)
                await asyncio.sleep(0.5)
        middle = quantiles(taken, 0.5)[0]
        note = f"{len(taken)} times, least - most; from the last commit"
        name = f"{SECONDS} {kind} hooks of 1 s"
        report.add(Figure(name, middle, "s", min(taken), max(taken), at_most(1.2), note))


async def _starts(report: Report) -> None:
    """Commit to start of single jobs, 20 a second, behind a backlog of jobs that may not start yet."""
    for backlog in (0, 1_000, 10_000 if report.quick else 100_000):
        async with _rig(report) as rig:
            if backlog:
                await rig.commits.commit_many(PARKED, backlog)
                await asyncio.sleep(2.0)
            starts = await _probe(rig, 40 if report.quick else 300)
        p50, p99 = quantiles(starts, 0.5, 0.99)
        name = f"commit to start, backlog {backlog:,}"
        report.add(
            Figure(f"{name}: p50", p50 * 1e3, "ms", predicted=at_most(10), note=f"{len(starts)} jobs"),
            Figure(f"{name}: p99", p99 * 1e3, "ms", predicted=about(7), note=f"most {max(starts) * 1e3:.1f} ms"),
        )


async def _probe(rig: Rig, count: int) -> list[float]:
    committed: dict[str, float] = {}
    for _ in range(count):
        before = len(rig.commits.committed_at)
        run_id = await rig.commits.commit(PROBE)
        while len(rig.commits.committed_at) == before:  # told just after the commit's waiters
            await asyncio.sleep(0.001)
        committed[run_id] = rig.commits.committed_at[-1]
        await asyncio.sleep(0.05)
    await rig.await_ended(PROBE, 1 + count, 60.0)
    results = rig.queue.results(PROBE)
    return [float(results[run_id]) - at for run_id, at in committed.items()]


async def _drains(report: Report) -> None:
    """A backlog of hooks that do nothing, committed while nobody works."""
    for backlog in (1_000, 20_000) if report.quick else (1_000, 10_000, 100_000):
        with scratch() as directory:
            database = directory / "worker.db"
            async with committer("worker_hooks", database) as commits:
                await commits.commit_many(NOTHING, backlog)
                with worker_of("worker_hooks", database, directory) as process, queue_of(database) as queue:
                    rig = Rig(commits, queue, process, directory / "worker.log")
                    await rig.await_ended(NOTHING, 1, 60.0)
                    neighbours = Neighbours()
                    cpu, done = cpu_of_all(tree(process.pid)), queue.ended(NOTHING)
                    await rig.await_ended(NOTHING, backlog, 300.0)
                    cpu = cpu_of_all(tree(process.pid)) - cpu
                    report.heard(neighbours.share())
                    rate = backlog / (queue.last_end(NOTHING) - queue.first_start(NOTHING))
        spent = cpu / (backlog - done) * 1e6 if done < backlog / 2 else 0.0
        note = f"CPU of a job {spent:.0f} us in parent and executors" if spent else ""
        report.add(Figure(f"no-op jobs, backlog {backlog:,}", rate, "/s", predicted=at_least(5_000), note=note))
