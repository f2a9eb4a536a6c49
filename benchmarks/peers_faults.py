"""Hooks that take long, compute, raise, or never return: what the others notice of it."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from benchmarks import peers_load
from benchmarks.peers_load import LEAD_IN
from benchmarks.peers_rows import BURN, CONNECTIONS, FAILING, FIVE, HANGING, Ground
from benchmarks.peers_serving import Arm, Mark, request_to, serving, time_limit
from benchmarks.targets.peer_hooks import FAULTS, GROUPS, PLAIN
from offpath.proof.estimates import quantile
from offpath.proof.load import closed_loop, open_loop
from offpath.proof.turns import draw_pairs

BURN_AGENT = "burn"


def measure(ground: Ground) -> None:
    """Each peer by itself; the hook that never returns comes last, since it stays."""
    requests = peers_load.counted(ground.board.load.rate, ground.plan.repetitions, _burn_seconds(ground))
    ground.board.load = msgspec.structs.replace(ground.board.load, computing=requests)
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
                with ground.board.guarded((row,), peer), time_limit(120):
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
    before = arm.marks.count()
    closed_loop(arm.service.address, [request_to(BURN_AGENT)], connections=1, count=1).check()
    arm.marks.wait(before + 1, quiet=8.0, within=30.0)  # an executor of its own has started
    found: dict[str, list[list[float]]] = {"a": [], "b": []}
    for number, order in enumerate(draw_pairs(ground.plan.repetitions)):
        for side in order:
            found[side].append(_burning(arm, number, ground, hooks=side == "b"))
    without, p95 = (quantile([value for block in found[side] for value in block], 0.95) * 1e3 for side in "ab")
    p50s = [quantile([value for block in found[side] for value in block], 0.5) * 1e3 for side in "ba"]
    each = [quantile(block, 0.95) * 1e3 for block in found["b"]]
    note = "p50 {:,.2f} ms, {:,.2f} ms without".format(*p50s)
    ground.board.add(BURN, arm.peer, p95, each, without=without, note=note)


def _burning(arm: Arm, number: int, ground: Ground, *, hooks: bool) -> list[float]:
    rate = ground.board.load.rate
    one_in = peers_load.computing_one_in(rate)
    requests = [request_to(BURN_AGENT if hooks else PLAIN), *[request_to(PLAIN)] * (one_in - 1)]
    arrivals = peers_load.arrivals(rate, _burn_seconds(ground), number)
    before = arm.marks.count()
    result = open_loop(arm.service.address, requests, arrivals, connections=CONNECTIONS, lead_in=LEAD_IN).check()
    if hooks:
        due = -(-len(arrivals) // one_in)
        # Long, since what is left over would compute during the next block.
        arm.marks.wait(before + due, quiet=ground.plan.quiet_seconds, within=60.0)
    return result.latencies


def _burn_seconds(ground: Ground) -> float:
    plan = ground.plan
    return peers_load.block_seconds(
        ground.board.load.rate, plan.repetitions, plan.computing_requests, plan.computing_seconds
    )


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
    ground.board.add(agent, arm.peer, ran(agent, arm.marks.since(before)), of=due)


def ran(agent: str, marks: Iterable[Mark]) -> int:
    """How many hooks of an agent's runs have ended, each counted once, and none of another agent's."""
    hooks = {hook.__name__ for hook in GROUPS[FAULTS][agent]}
    return len({(mark.hook, mark.run_id) for mark in marks if mark.hook in hooks})
