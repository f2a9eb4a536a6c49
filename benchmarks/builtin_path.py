"""What the built-in hooks add to a run's response path, in one process without HTTP.

All arms have a store, a plan and jobs as the service has them, metrics on, and a model that answers at once; nobody
runs the jobs, and the queue is emptied between the blocks. On a disk its syncs are in the times, and hide the rest
while others write; on a file system in memory what is left is work.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.builtin_rig import ARMS, Rig, rig, telemetry
from benchmarks.figures import Figure, Prediction, Report, about, at_most
from offpath.proof.estimates import Pair, bootstrap, quantile_difference, quantiles
from offpath.proof.machine import Neighbours
from offpath.runs.output import RunOutput
from offpath.runs.status import RunStatus

OFF, SAME, SEED, FIFTEEN, PLAN, BOTH = ARMS
MEMORY = Path("/dev/shm")
RUNS = 25
"""Of a block."""
GOAL = at_most(100)
PREDICTED: dict[str, Prediction] = {SAME: about(0), SEED: about(60), FIFTEEN: GOAL, PLAN: about(50), BOTH: about(150)}


@dataclass(frozen=True, slots=True)
class Block:
    """Microseconds of each run of a block, and CPU of one."""

    response: list[float]
    commit: list[float]
    cpu: float


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure on the disk, without a disk, and the planning alone."""
    places = {"disk": Path(tempfile.gettempdir())} | ({"memory": MEMORY} if MEMORY.is_dir() else {})
    for name, place in places.items():
        if not only or name in only:
            with _scratch(place) as directory:
                _runner()(_measure(name, directory, report))
    if not only or "plan" in only:
        with _scratch(Path(tempfile.gettempdir())) as directory:
            asyncio.run(_plans(directory, report))


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="offpath-benchmark-", dir=place) as name:
        yield Path(name)


def _runner() -> Callable[..., object]:
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run
    return uvloop.run


async def _measure(place: str, directory: Path, report: Report) -> None:
    report.say(f"{len(ARMS)} arms in turns, {place}")
    blocks: dict[str, list[Block]] = {arm: [] for arm in ARMS}
    async with AsyncExitStack() as up:
        await up.enter_async_context(telemetry(directory))
        rigs = {arm: await up.enter_async_context(rig(arm, directory)) for arm in ARMS}
        for each in rigs.values():
            await _block(each)
        gc.collect()
        gc.freeze()
        neighbours, draw = Neighbours(), random.Random(1)
        for _ in range(15 if report.quick else 200):
            for arm in draw.sample(ARMS, len(ARMS)):
                blocks[arm].append(await _block(rigs[arm]))
        report.heard(neighbours.share())
        gc.unfreeze()
    others = neighbours.share()
    _add(place, blocks, f"others used {others:.0%}", report)


async def _block(of: Rig) -> Block:
    cpu = time.process_time()
    for _ in range(RUNS):
        await of.run()
    cpu = time.process_time() - cpu
    times = of.take()
    of.forget()
    return Block([each * 1e6 for each in times.response], [each * 1e6 for each in times.commit], cpu / RUNS * 1e6)


def _add(place: str, blocks: dict[str, list[Block]], note: str, report: Report) -> None:
    off = blocks[OFF]
    p50, p99 = quantiles([value for block in off for value in block.response], 0.5, 0.99)
    commit = quantiles([value for block in off for value in block.commit], 0.5)[0]
    runs = len(off) * RUNS
    report.notes.append(
        f"{place}: without hooks a run takes {p50:.0f} us (p99 {p99:.0f}), of which its commit {commit:.0f}; "
        f"{runs} runs an arm, blocks of {RUNS} in turns, {note}"
    )
    for arm in ARMS[1:]:
        pairs = [(a.response, b.response) for a, b in zip(off, blocks[arm], strict=True)]
        cpu: list[Pair] = [([a.cpu], [b.cpu]) for a, b in zip(off, blocks[arm], strict=True)]
        predicted = PREDICTED[arm]
        report.add(
            Figure.of(f"{place}, {arm}: p50 more than off", quantile_difference(pairs, 0.5), "us", predicted),
            Figure.of(f"{place}, {arm}: p99 more than off", quantile_difference(pairs, 0.99), "us"),
            Figure.of(f"{place}, {arm}: CPU more than off", bootstrap(cpu, _more), "us", predicted),
        )
    pairs = [(a.response, b.response) for a, b in zip(blocks[SEED], blocks[FIFTEEN], strict=True)]
    name = f"{place}, {FIFTEEN}: p50 more than {SEED}"
    report.add(Figure.of(name, quantile_difference(pairs, 0.5), "us", GOAL))


def _more(pairs: Sequence[Pair]) -> float:
    return statistics.median(on[0] - off[0] for off, on in pairs)


async def _plans(directory: Path, report: Report) -> None:
    """The decision alone, all drawn, and with rates and users to look at."""
    report.say("plans")
    async with rig(FIFTEEN, directory) as found:
        planner = found.planner
        output = RunOutput("0" * 32, "agent", "agent", "BenchmarkAgent", "0" * 32, status=RunStatus.COMPLETED)
        output.created_at, output.metrics.duration = time.time(), 0.5
        taken = []
        for _ in range(5 if report.quick else 50):
            began = time.perf_counter()
            for _ in range(200):
                planner.plan(output)
            taken.append((time.perf_counter() - began) / 200 * 1e6)
    middle = statistics.median(taken)
    report.add(Figure("plan of 15 evaluators", middle, "us", min(taken), max(taken), at_most(10)))
