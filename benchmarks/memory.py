"""What 10,000 queued jobs add to the memory of each process: service, worker's parent, zygote, executors."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

import psutil

from benchmarks.committing import queue_of
from benchmarks.figures import Figure, Report, at_most
from benchmarks.served import Served, scratch, served
from benchmarks.targets.minute_hooks import HOOKED, PLAIN
from offpath.offline import OfflineOptions, offline_model_process
from offpath.proof.load import closed_loop, form_request
from offpath.proof.machine import Memory, memory_of

MB = 2**20
SETTLE_SECONDS = 3.0


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Send runs without hooks first, so that what traffic costs by itself is not counted, then as many with a hook."""
    count = 2_000 if report.quick else 10_000
    report.say(f"{count} runs without a hook, then {count} with one")
    with (
        scratch() as directory,
        offline_model_process(OfflineOptions(recorded_requests=0)) as model,
        served("minute_hooks", directory, model.base_url) as service,
        queue_of(service.database) as queue,
    ):
        _send(service, HOOKED, 1)
        _send(service, PLAIN, count)
        time.sleep(SETTLE_SECONDS)
        before = _by_role(service)
        _send(service, HOOKED, count)
        time.sleep(SETTLE_SECONDS)
        waiting = queue.waiting()
        after = _by_role(service)
    for role, found in after.items():
        known = before.get(role, [])
        # An executor that is new is compared with the least one that was there, else with nothing.
        least = min(known, key=lambda memory: memory.uss, default=Memory(0, 0))
        most = max(found, key=lambda memory: memory.uss)
        note = f"{len(found)} of them; USS {most.uss / MB:.1f} MB after, {least.uss / MB:.1f} before; {waiting} queued"
        report.add(
            Figure(f"{role}: USS added", (most.uss - least.uss) / MB, "MB", predicted=at_most(20), note=note),
            Figure(f"{role}: RSS added", (most.rss - least.rss) / MB, "MB", predicted=at_most(20)),
        )


def _send(service: Served, agent_id: str, count: int) -> None:
    request = form_request(f"/agents/{agent_id}/runs", {"message": "Hello, how are you?", "stream": "false"})
    closed_loop(service.address, [request], connections=16, count=count).check()


def _by_role(service: Served) -> dict[str, list[Memory]]:
    """Memory of each process under what it is: told by its place in the tree."""
    found: dict[str, list[Memory]] = defaultdict(list)
    root = psutil.Process(service.pid)
    found["service"].append(memory_of(root))
    for parent in root.children():
        found["worker's parent"].append(memory_of(parent))
        for zygote in parent.children():
            found["zygote"].append(memory_of(zygote))
            for executor in zygote.children():
                found["executor"].append(memory_of(executor))
    return found
