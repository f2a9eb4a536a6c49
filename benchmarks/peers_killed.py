"""Hooks lost when every process of a service is killed a second after fifty responses."""

from __future__ import annotations

import time

from benchmarks.peers_rows import CONNECTIONS, LOST, Ground
from benchmarks.peers_serving import Peer, request_to, serving, time_limit
from benchmarks.targets.peer_hooks import AGENT, KILLED
from offpath.proof.load import closed_loop

REQUEST = request_to(AGENT)
WARM_UPS = 2
SECONDS_TO_KILL = 1.0
LIMIT = 150.0


def measure(ground: Ground) -> None:
    """Each peer by itself."""
    for peer in ground.peers:
        if peer.hooks:
            with ground.board.guarded((LOST,), peer):
                _measure(peer, ground)


def _measure(peer: Peer, ground: Ground) -> None:
    runs, quiet = ground.plan.runs_killed, ground.plan.quiet_seconds
    # The end of the first block is the kill.
    with serving(peer, KILLED, ground.directory, ground.model_url) as arm, time_limit(LIMIT), ground.board.listening():
        each = arm.hooks_of(AGENT, KILLED)
        closed_loop(arm.service.address, [REQUEST], connections=1, count=WARM_UPS).check()
        arm.marks.wait(WARM_UPS * each, quiet=10.0, within=60.0)
        before = arm.marks.count()
        closed_loop(arm.service.address, [REQUEST], connections=CONNECTIONS, count=runs).check()
        time.sleep(SECONDS_TO_KILL)
    early = len(arm.marks.since(before))
    due = runs * each
    with serving(peer, KILLED, ground.directory, ground.model_url) as arm, time_limit(LIMIT):
        arm.marks.wait(before + due, quiet=quiet, within=120.0)
        marks = arm.marks.since(before)
    ran = len({(mark.hook, mark.run_id) for mark in marks})
    notes = [f"{early} ended before the kill"] if early else []
    if len(marks) > ran:
        notes.append(f"{len(marks) - ran} ran twice")
    ground.board.add(LOST, peer, due - ran, of=due, note="; ".join(notes))
