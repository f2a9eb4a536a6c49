"""How many runs a second one service process answers, and the CPU of each; AgentOS and a bare app beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from benchmarks.committing import Queue, queue_of
from benchmarks.figures import Figure, Prediction, Report, about, at_least, at_most
from benchmarks.response import DRAIN_SECONDS, REQUEST
from benchmarks.served import Served, scratch, served
from benchmarks.spent import Spent
from offpath.offline import OfflineOptions, offline_model_process
from offpath.proof.estimates import mean_ratio, quantile
from offpath.proof.load import closed_loop
from offpath.proof.machine import Neighbours
from offpath.proof.turns import rounds

AGENTOS_RATE = 159.0
"""Runs a second of AgentOS with two trivial hooks in the background at 16 connections (ANCHORS)."""

# Name, module, how it is served.
ARMS = (
    ("hooks", "trivial_hooks", "offpath"),
    ("no hooks", "no_hooks", "offpath"),
    ("bare FastAPI + openai", "bare", "uvicorn"),
    ("AgentOS, 2 hooks", "agentos", "uvicorn"),
)
PREDICTED: dict[tuple[str, int], Prediction] = {
    ("hooks", 16): at_least(3 * AGENTOS_RATE),
    ("hooks", 64): at_least(3 * AGENTOS_RATE),
    ("AgentOS, 2 hooks", 16): about(AGENTOS_RATE),
}
RATIOS = {"AgentOS, 2 hooks": at_least(3), "no hooks": about(0.95), "bare FastAPI + openai": None}
"""With hooks against the others, in runs a second. Two cores are full in each: what hooks use, requests lack."""
CPU_PREDICTED = {"hooks": at_most(1_720), "no hooks": at_most(1_720), "bare FastAPI + openai": about(1_430)}


@dataclass(frozen=True, slots=True)
class Block:
    """One block of one arm."""

    rate: float
    """Runs a second."""
    cpu: float
    """CPU of the service process, seconds a run."""
    hooks_cpu: float
    """CPU of worker and executors until the last hook had ended, seconds a run."""
    p99: float
    left: int
    """Jobs that had not ended when the last request had."""
    drained: float
    """Seconds until they had."""


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure all arms at 16 and at 64 connections."""
    with scratch() as directory, offline_model_process(OfflineOptions(recorded_requests=0)) as model, ExitStack() as up:
        arms: dict[str, Callable[[int], Block]] = {}
        for name, target, command in ARMS:
            if only and not any(word in name for word in only):
                continue
            service = up.enter_context(served(target, directory, model.base_url, command=command))
            queue = up.enter_context(queue_of(service.database)) if command == "offpath" else None
            arms[name] = partial(_block, service, queue, 1.5 if report.quick else 4.0)
        neighbours = Neighbours()
        for connections in (16, 64):
            _measure(arms, connections, report)
        report.heard(neighbours.share())


def _measure(arms: dict[str, Callable[[int], Block]], connections: int, report: Report) -> None:
    report.say(f"{connections} connections, {len(arms)} arms in turns")
    for block in arms.values():
        block(connections)
    found = rounds(2 if report.quick else 8, {name: partial(block, connections) for name, block in arms.items()})
    for name, blocks in found.items():
        count = len(blocks)
        rates = [block.rate for block in blocks]
        cpu = [block.cpu * 1e6 for block in blocks]
        hooks = sum(block.hooks_cpu for block in blocks) / count * 1e6
        left, drained = max(block.left for block in blocks), max(block.drained for block in blocks)
        behind = f"; at most {left} jobs left, done {drained:.2f} s later" if left else ""
        p99 = quantile([block.p99 for block in blocks], 0.5) * 1e3
        report.add(
            Figure(
                f"{name}, {connections} connections: runs",
                sum(rates) / count,
                "/s",
                min(rates),
                max(rates),
                PREDICTED.get((name, connections)),
                f"{count} blocks, least - most; p99 {p99:.1f} ms{behind}",
            ),
            Figure(
                f"{name}, {connections} connections: CPU of a run",
                sum(cpu) / count,
                "us",
                min(cpu),
                max(cpu),
                CPU_PREDICTED.get(name),
                f"and {hooks:,.0f} us in worker and executors" if hooks >= 1 else "",
            ),
        )
    for other, predicted in RATIOS.items():
        if "hooks" in found and other in found:
            pairs = [([a.rate], [b.rate]) for a, b in zip(found[other], found["hooks"], strict=True)]
            report.add(Figure.of(f"hooks / {other}, {connections} connections", mean_ratio(pairs), "x", predicted))


def _block(service: Served, queue: Queue | None, seconds: float, connections: int) -> Block:
    spent = Spent(service)
    result = closed_loop(service.address, [REQUEST], connections=connections, seconds=seconds).check()
    cpu = spent.own()
    left, drained = 0, 0.0
    if queue is not None:
        left = queue.waiting()
        drained = queue.await_empty(DRAIN_SECONDS)
    else:
        time.sleep(0.5)
    runs = len(result.latencies)
    return Block(result.rate, cpu / runs, spent.below() / runs, quantile(result.latencies, 0.99), left, drained)
