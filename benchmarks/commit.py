"""How long commits take while the worker drains, with everything on one core that a busy process fills.

Whoever holds SQLite's write lock and gets no CPU stalls everybody's commits; so the worker's parent, which writes,
runs at normal priority, and writes little at a time. Two databases in turns: one whose jobs a worker drains meanwhile,
computing hooks among them, and one without jobs or worker. The arrivals are the same.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.committing import Committer, committer, queue_of
from benchmarks.figures import Figure, Report, about, at_most
from benchmarks.served import scratch, worker_of
from benchmarks.targets.worker_hooks import COMPUTE, NOTHING
from offpath.proof.estimates import quantile_ratio, quantiles
from offpath.proof.load import poisson_arrivals
from offpath.proof.machine import Neighbours
from offpath.proof.turns import draw_pairs

RATE = 200.0
COMPUTING = 40
"""Every so many commits bring a hook that computes for 50 ms instead of one that does nothing: a quarter of a core."""


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure on a quiet machine, then on one core that is full."""
    for busy in (False, True):
        asyncio.run(_measure(busy, report))


async def _measure(busy: bool, report: Report) -> None:
    report.say("on one full core" if busy else "on a machine at rest")
    neighbours = Neighbours()
    seconds, count = (2.0, 3) if report.quick else (5.0, 10)
    with scratch() as directory, _one_core(busy):
        database = directory / "drained.db"
        async with (
            committer("worker_hooks", directory / "alone.db") as alone,
            committer("worker_hooks", database) as drained,
        ):
            with worker_of("worker_hooks", database, directory), queue_of(database) as queue:
                await drained.commit_many(NOTHING, 100)
                queue.await_empty(60.0)
                arms = {"a": alone, "b": drained}
                pairs: list[tuple[list[float], list[float]]] = []
                for number, order in enumerate(draw_pairs(count)):
                    found = {}
                    for arm in order:
                        found[arm] = await _block(arms[arm], seconds, number, jobs=arm == "b")
                        queue.await_empty(120.0)
                    pairs.append((found["a"], found["b"]))
                report.heard(neighbours.share())
    where = "full core" if busy else "two cores"
    alone_ms = [value * 1e3 for a, _ in pairs for value in a]
    drained_ms = [value * 1e3 for _, b in pairs for value in b]
    for name, values in (("no worker", alone_ms), ("worker drains", drained_ms)):
        p50, p99 = quantiles(values, 0.5, 0.99)
        predicted = None if busy else about(0.36)
        report.add(
            Figure(f"{where}, {name}: commit p50", p50, "ms", predicted=predicted, note=f"{len(values)} commits"),
            Figure(f"{where}, {name}: commit p99", p99, "ms"),
            Figure(f"{where}, {name}: commit max", max(values), "ms"),
        )
    report.add(Figure.of(f"{where}: p99 with / without", quantile_ratio(pairs, 0.99), "x", at_most(1.5)))


async def _block(into: Committer, seconds: float, number: int, *, jobs: bool) -> list[float]:
    """Latencies of commits from their intended times, at `RATE` a second."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    start = loop.time() + 0.05
    tasks: list[asyncio.Task[None]] = []

    async def one(agent_id: str) -> None:
        began = time.perf_counter()
        await into.commit(agent_id, jobs=jobs)
        latencies.append(time.perf_counter() - began)

    for count, arrival in enumerate(poisson_arrivals(RATE, seconds, seed=number)):
        await asyncio.sleep(max(0.0, start + arrival - loop.time()))
        tasks.append(loop.create_task(one(COMPUTE if count % COMPUTING == 0 else NOTHING)))
    await asyncio.gather(*tasks)
    return latencies


@contextmanager
def _one_core(busy: bool) -> Iterator[None]:
    """If asked to: keep this process and all it starts on one core, beside a process that never rests."""
    if not busy or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    # It ends by itself, whatever becomes of this process.
    spin = "import time\nend = time.monotonic() + 300\nwhile time.monotonic() < end: pass"
    spinning = subprocess.Popen([sys.executable, "-c", spin])
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()
        os.sched_setaffinity(0, before)
