"""Hooks that take long, compute, raise, or never return: what the others notice of it."""

from __future__ import annotations

import time

from benchmarks.peers_rows import BURN, BURNING, CONNECTIONS, FAILING, FIVE, HANGING, RATE, Ground
from benchmarks.peers_serving import Arm, request_to, serving, time_limit
from benchmarks.targets.peer_hooks import FAULTS, GROUPS, PLAIN
from offpath.proof.estimates import quantile
from offpath.proof.load import closed_loop, open_loop, poisson_arrivals
from offpath.proof.turns import draw_pairs

LEAD_IN = 0.5
PAIR_SECONDS = 4.0


def measure(ground: Ground) -> None:
    """Each peer by itself; the hook that never returns comes last, since it stays."""
    rows = {FIVE: _five, BURN: _burn, FAILING: _failing, HANGING: _hanging}
    for peer in ground.peers:
        if not peer.hooks:
            continue
        with (
            ground.board.guarded(tuple(rows), peer),
            serving(peer, FAULTS, ground.directory, ground.model_url) as arm,
            ground.board.listening(),
        ):
            for row, found in rows.items():
                with ground.board.guarded((row,), peer), time_limit(90):
                    found(arm, ground)


def _five(arm: Arm, ground: Ground) -> None:
    seconds: list[float] = []
    for _ in range(ground.plan.repetitions + 1):
        before = arm.marks.count()
        closed_loop(arm.service.address, [request_to("five")], connections=1, count=1).check()
        answered = time.time()
        ended = arm.marks.wait(before + 5, quiet=8.0, within=30.0)
        if ended < before + 5:
            raise RuntimeError(f"only {ended - before} of 5 hooks ended")
        seconds.append(max(mark.at for mark in arm.marks.since(before)) - answered)
    measured = seconds[1:]  # the first has started executors
    ground.board.add(FIVE, arm.peer, quantile(measured, 0.5), measured)


def _burn(arm: Arm, ground: Ground) -> None:
    """Blocks with hooks that compute and without, in turns."""
    seconds = min(PAIR_SECONDS, ground.plan.latency_seconds)
    found: dict[str, list[list[float]]] = {"a": [], "b": []}
    for number, order in enumerate(draw_pairs(ground.plan.repetitions)):
        for side in order:
            found[side].append(_burning(arm, seconds, number, ground, hooks=side == "b"))
    quiet = quantile([value for block in found["a"] for value in block], 0.5)
    p50 = quantile([value for block in found["b"] for value in block], 0.5)
    each = [quantile(block, 0.5) * 1e3 for block in found["b"]]
    ground.board.add(BURN, arm.peer, p50 * 1e3, each, note=f"{quiet * 1e3:,.2f} ms without such hooks")


def _burning(arm: Arm, seconds: float, number: int, ground: Ground, *, hooks: bool) -> list[float]:
    requests = [request_to("burn" if hooks else PLAIN), *[request_to(PLAIN)] * (BURNING - 1)]
    arrivals = poisson_arrivals(RATE, LEAD_IN + seconds, seed=number)
    before = arm.marks.count()
    result = open_loop(arm.service.address, requests, arrivals, connections=CONNECTIONS, lead_in=LEAD_IN).check()
    if hooks:
        due = -(-len(arrivals) // BURNING)
        arm.marks.wait(before + due, quiet=ground.plan.quiet_seconds / 4, within=60.0)
    return result.latencies


def _failing(arm: Arm, ground: Ground) -> None:
    _others(arm, ground, FAILING)


def _hanging(arm: Arm, ground: Ground) -> None:
    _others(arm, ground, HANGING)


def _others(arm: Arm, ground: Ground, agent: str) -> None:
    """How many of the other hooks ran."""
    runs, before = ground.plan.runs_broken, arm.marks.count()
    due = runs * (len(GROUPS[FAULTS][agent]) - 1)
    for _ in range(runs):
        closed_loop(arm.service.address, [request_to(agent)], connections=1, count=1).check()
    arm.marks.wait(before + due, quiet=ground.plan.quiet_seconds / 4, within=60.0)
    ran = {(mark.hook, mark.run_id) for mark in arm.marks.since(before)}
    ground.board.add(agent, arm.peer, len(ran), of=due)
