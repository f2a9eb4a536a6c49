"""Throughput, CPU of a run, and latency: all peers are up at once, and take turns in an order drawn by chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TypeVar

import msgspec

from benchmarks import peers_load
from benchmarks.peers_load import LEAD_IN
from benchmarks.peers_result import OURS, Ratio
from benchmarks.peers_rows import (
    CONNECTIONS,
    CPU_SERVICE,
    CPU_TREE,
    P50,
    TAIL,
    THROUGHPUT,
    Board,
    Ground,
    Plan,
)
from benchmarks.peers_serving import Arm, request_to, serving, time_limit
from benchmarks.spent import Spent
from benchmarks.targets.peer_hooks import AGENT, TRAFFIC
from offpath.proof.estimates import mean_ratio, quantile, quantile_ratio
from offpath.proof.load import closed_loop, open_loop
from offpath.proof.turns import rounds

T = TypeVar("T")
REQUEST = request_to(AGENT)
DRAIN_SECONDS = 30.0
SETTLE_SECONDS = 0.3
"""For what is written after a hook has ended."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block at full speed."""

    rate: float
    """Runs a second."""
    tree: float
    """CPU of all processes, microseconds a run."""
    service: float
    """CPU of the serving process."""
    due: int
    """Hooks that were to run."""
    done: int


def measure(ground: Ground) -> None:
    """Throughput and CPU, then latency."""
    with ExitStack() as up:
        arms: list[Arm] = []
        for peer in ground.peers:
            with ground.board.guarded((THROUGHPUT, CPU_TREE, CPU_SERVICE, P50, TAIL), peer):
                service = serving(peer, TRAFFIC, ground.directory, ground.model_url, killed=False)
                arms.append(up.enter_context(service))
        for arm in arms:
            with ground.board.guarded((THROUGHPUT, CPU_TREE, CPU_SERVICE, P50, TAIL), arm.peer):
                _block(arm, 1.0)  # starts executors, fills caches
        with ground.board.listening():
            served = _throughput(arms, ground.plan, ground.board)
            _choose_load(served, ground.plan, ground.board)
            _latency(arms, ground.plan, ground.board)


def _throughput(arms: Sequence[Arm], plan: Plan, board: Board) -> list[float]:
    """What each served a second, of those that did."""
    rows = (THROUGHPUT, CPU_TREE, CPU_SERVICE)
    found = _in_turns(arms, plan.rounds, board, rows, lambda arm: partial(_block, arm, plan.block_seconds))
    for arm, blocks in found:
        rates = [block.rate for block in blocks]
        due, done = sum(block.due for block in blocks), sum(block.done for block in blocks)
        note = "" if done == due else f"{due - done} of {due} hooks did not run"
        board.add(THROUGHPUT, arm.peer, _mean(rates), rates, note=note)
        for row, values in (
            (CPU_TREE, [block.tree for block in blocks]),
            (CPU_SERVICE, [block.service for block in blocks]),
        ):
            board.add(row, arm.peer, _mean(values), values)
    ours = next((blocks for arm, blocks in found if arm.peer.key == OURS), [])
    for arm, blocks in found:
        if ours and arm.peer.key != OURS:
            for row, name in ((THROUGHPUT, "rate"), (CPU_TREE, "tree"), (CPU_SERVICE, "service")):
                pairs = [([getattr(a, name)], [getattr(b, name)]) for a, b in zip(blocks, ours, strict=True)]
                estimate = mean_ratio(pairs)
                board.compare(row, arm.peer, Ratio(estimate.value, estimate.low, estimate.high))
    return [_mean([block.rate for block in blocks]) for _, blocks in found]


def _choose_load(served: Sequence[float], plan: Plan, board: Board) -> None:
    """A rate that every peer can bear, as busy as the machine is now."""
    load = peers_load.chosen(served)
    seconds = peers_load.block_seconds(load.rate, plan.rounds, plan.latency_requests, plan.latency_seconds)
    requests = peers_load.counted(load.rate, plan.rounds, seconds)
    board.load = msgspec.structs.replace(load, requests=requests)


def _block(arm: Arm, seconds: float) -> Block:
    """Requests as fast as they are answered, and the time until their hooks have ended."""
    with time_limit(seconds + DRAIN_SECONDS + 60):
        spent, before = Spent(arm.service), arm.marks.count()
        result = closed_loop(arm.service.address, [REQUEST], connections=CONNECTIONS, seconds=seconds).check()
        runs = len(result.latencies)
        due = runs * arm.hooks_of()
        done = arm.marks.wait(before + due, quiet=5.0, within=DRAIN_SECONDS) - before
        time.sleep(SETTLE_SECONDS)
        own, below = spent.own(), spent.below()
    return Block(result.rate, (own + below) / runs * 1e6, own / runs * 1e6, due, done)


def _latency(arms: Sequence[Arm], plan: Plan, board: Board) -> None:
    rate, (_, tail) = board.load.rate, board.load.tail
    seconds = peers_load.block_seconds(rate, plan.rounds, plan.latency_requests, plan.latency_seconds)

    def block(arm: Arm) -> Callable[[], list[float]]:
        number = count()
        return lambda: _paced(arm, rate, seconds, next(number))

    found = _in_turns(arms, plan.rounds, board, (P50, TAIL), block)
    ours = next((blocks for arm, blocks in found if arm.peer.key == OURS), [])
    for arm, blocks in found:
        pooled = [value * 1e3 for values in blocks for value in values]
        for row, q in ((P50, 0.5), (TAIL, tail)):
            each = [quantile(values, q) * 1e3 for values in blocks]
            board.add(row, arm.peer, quantile(pooled, q), each)
            if ours and arm.peer.key != OURS:
                estimate = quantile_ratio(list(zip(blocks, ours, strict=True)), q)
                board.compare(row, arm.peer, Ratio(estimate.value, estimate.low, estimate.high))


def _paced(arm: Arm, rate: float, seconds: float, number: int) -> list[float]:
    """Latencies of one block; the same arrivals for the same number."""
    arrivals = peers_load.arrivals(rate, seconds, number)
    with time_limit(seconds + 90):
        before = arm.marks.count()
        result = open_loop(arm.service.address, [REQUEST], arrivals, connections=CONNECTIONS, lead_in=LEAD_IN).check()
        arm.marks.wait(before + len(arrivals) * arm.hooks_of(), quiet=3.0, within=DRAIN_SECONDS)
    return result.latencies


def _in_turns(
    arms: Sequence[Arm],
    count: int,
    board: Board,
    rows: Sequence[str],
    block_of: Callable[[Arm], Callable[[], T]],
) -> list[tuple[Arm, list[T]]]:
    """Blocks of all arms in rounds; without those that failed, whose cells say so."""
    broken: set[str] = set()

    def guarded(arm: Arm, block: Callable[[], T]) -> T | None:
        if arm.peer.key in broken:
            return None
        with board.guarded(rows, arm.peer):
            return block()
        broken.add(arm.peer.key)
        return None

    found = rounds(count, {arm.peer.key: partial(guarded, arm, block_of(arm)) for arm in arms})
    return [
        (arm, [block for block in found[arm.peer.key] if block is not None])
        for arm in arms
        if arm.peer.key not in broken
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
