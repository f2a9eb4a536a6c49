"""The services that are compared: each answers the same request, and runs the same hooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.peers_serving import PEERS, Peer, request_to, serving
from benchmarks.targets.peer_hooks import AGENT, GROUPS, TRAFFIC

from offpath.offline import OfflineProcess, offline_model_process
from offpath.proof.load import closed_loop


@pytest.fixture(scope="module")
def model() -> Iterator[OfflineProcess]:
    with offline_model_process() as process:
        yield process


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.hooks], ids=lambda peer: peer.key)
def test_it_answers_and_its_hooks_run(peer: Peer, tmp_path: Path, model: OfflineProcess) -> None:
    with serving(peer, TRAFFIC, tmp_path, model.base_url) as arm:
        closed_loop(arm.service.address, [request_to(AGENT)], connections=1, count=1).check()
        arm.marks.wait(arm.hooks_of(), quiet=30, within=60)
        hooks = {mark.hook for mark in arm.marks.since(0)}
    assert hooks == {hook.__name__ for hook in GROUPS[TRAFFIC][AGENT]}
