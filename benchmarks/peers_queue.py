"""Memory with many hooks pending, and after they are done."""

from __future__ import annotations

import time

import psutil

from benchmarks.peers_rows import CONNECTIONS, DONE, IDLE, PENDING, Ground
from benchmarks.peers_serving import Arm, request_to, serving, time_limit
from benchmarks.targets.peer_hooks import PLAIN, QUEUE
from offpath.proof.load import closed_loop

GATED = "gated"
MB = 2**20
LIMIT = 240.0


def measure(ground: Ground) -> None:
    """Each peer by itself."""
    for peer in ground.peers:
        if peer.hooks:
            with (
                ground.board.guarded((IDLE, PENDING, DONE), peer),
                serving(peer, QUEUE, ground.directory, ground.model_url) as arm,
                time_limit(LIMIT),
                ground.board.listening(),
            ):
                _measure(arm, ground)


def _measure(arm: Arm, ground: Ground) -> None:
    count = ground.plan.runs_pending
    arm.gate.touch()
    _send(arm, GATED, CONNECTIONS)  # starts executors
    warm = arm.marks.wait(CONNECTIONS, quiet=10.0, within=60.0)
    arm.gate.unlink()
    _send(arm, PLAIN, count)  # what traffic costs by itself is not the hooks'
    before = _settled(arm, ground.plan.settle_seconds)
    _send(arm, GATED, count)
    pending = _settled(arm, ground.plan.settle_seconds)
    arm.gate.touch()
    ended = arm.marks.wait(warm + count, quiet=15.0, within=120.0) - warm
    after = _settled(arm, ground.plan.settle_seconds)
    note = "" if ended == count else f"{count - ended} of them never ended"
    processes = len(arm.service.processes())
    ground.board.add(IDLE, arm.peer, before / MB, note=f"{processes} process{'es' if processes > 1 else ''}")
    ground.board.add(PENDING, arm.peer, (pending - before) / MB)
    ground.board.add(DONE, arm.peer, (after - before) / MB, note=note)


def _send(arm: Arm, agent: str, count: int) -> None:
    closed_loop(arm.service.address, [request_to(agent)], connections=CONNECTIONS, count=count).check()


def _settled(arm: Arm, seconds: float) -> int:
    """Bytes of all processes, a little later."""
    time.sleep(seconds)
    return sum(_size(process) for process in arm.service.processes())


def _size(process: psutil.Process) -> int:
    """Pages that several processes share are counted once in all, where the system tells; else not at all."""
    try:
        full = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(full, "pss", 0) or full.uss)
