"""Kill -9 of a service's processes at random moments under load, and what has to be true afterwards.

Used by test_kill.py with few rounds, and by benchmarks/kill_rounds.py with several hundred. `postgres_killing` does the
same to many machines, with the clients and the examination of this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeVar, get_args

import httpx
import psutil

from acceptance.serving import Service
from acceptance.streams import events

V = TypeVar("V")
AGENT: Final = "victim"
HOOKS: Final = ("pre:noted", "post:counted", "post:filed")
"""Of each run that ended; the one for interrupted runs is apart."""
CUT_OFF: Final = "post:cut_off"
Victim = Literal["service", "worker", "zygote", "executor", "everything"]
VICTIMS: Final[tuple[Victim, ...]] = get_args(Victim)
CLIENTS: Final = 6
STREAMS: Final = 0.35
"""Share of the requests that stream."""
DRAIN_SECONDS: Final = 60.0
_REAPPEAR_SECONDS: Final = 15.0
ENVIRONMENT: Final = {
    # Killing is what is tested here: it must not end in pauses and dead letters, or in long waits.
    "OFFPATH_HOOK_RETRIES": "50",
    "OFFPATH_HOOK_STRIKES": "100000",
    "OFFPATH_HOOK_BACKOFF": "0.2",
    "OFFPATH_HOOK_BACKOFF_MAX": "1",
    "OFFPATH_LOG_LEVEL": "warning",
}


@dataclass
class Load:
    """What the clients saw."""

    answered: dict[str, bool] = field(default_factory=dict)
    """Runs whose answer arrived in full, and whether it was a stream."""
    refused: Counter[int] = field(default_factory=Counter)
    """Other statuses than 200."""
    cut_off: int = 0
    """Requests whose connection broke or was refused."""


@dataclass
class Findings:
    """What the database and the hooks' own files say afterwards. All lists are empty if nothing was lost."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    load: Load = field(default_factory=Load)
    runs: int = 0
    interrupted: int = 0
    jobs: int = 0
    repeated: int = 0
    """Hook calls beyond the first of their job: at least once means that there may be some."""
    drain_seconds: float = 0.0
    integrity: str = ""
    lost_runs: list[str] = field(default_factory=list)
    """Answered and not stored as completed."""
    lost_hooks: list[str] = field(default_factory=list)
    """Jobs of answered runs, or of cut-off ones, without success."""
    without_effect: list[str] = field(default_factory=list)
    """Jobs that are stored as succeeded, and whose hook never ran."""
    phantoms: list[str] = field(default_factory=list)
    """Jobs and hook calls of runs that are not stored."""
    stuck: list[str] = field(default_factory=list)
    """Jobs that never ended, and runs that still count as running."""

    def wrong(self) -> dict[str, list[str]]:
        """What must not be, by name; empty if all is well."""
        found = {
            "lost runs": self.lost_runs,
            "lost hooks": self.lost_hooks,
            "hooks stored as done that never ran": self.without_effect,
            "hooks of runs that are not stored": self.phantoms,
            "stuck": self.stuck,
            "integrity": [] if self.integrity == "ok" else [self.integrity],
            "statuses": [str(status) for status in self.load.refused if status != 503],
        }
        return {name: entries for name, entries in found.items() if entries}


def kill_rounds(
    service: Service, *, seed: int, rounds: int, longest: float = 1.2, told: Callable[[str], None] = print
) -> Findings:
    """Put a service of `kill_app` under load and kill parts of it, round by round; then let it drain and look.

    Args:
        service: Not started, with `ENVIRONMENT`. It is stopped afterwards.
        seed: Of the moments, the victims and the requests.
        longest: Most seconds of load before a kill.
        told: Gets a line for each round.
    """
    return asyncio.run(_KillRounds(service, seed, longest, told).run(rounds))


class _KillRounds:
    def __init__(self, service: Service, seed: int, longest: float, told: Callable[[str], None]) -> None:
        self.service = service
        self.random = random.Random(seed)
        self.longest = longest
        self.told = told
        self.findings = Findings(seed)
        self.load = self.findings.load

    async def run(self, rounds: int) -> Findings:
        await asyncio.to_thread(self.service.start)
        async with under_load(self.load, [self.service.url], self.findings.seed):
            for number, victim in enumerate(in_turns(VICTIMS, rounds, self.random), 1):
                await self._round(number, victim)
        await asyncio.to_thread(self.service.wait_ready)
        began = time.monotonic()
        while self._unfinished() and time.monotonic() - began < DRAIN_SECONDS:
            await asyncio.sleep(0.1)
        self.findings.drain_seconds = time.monotonic() - began
        code = await asyncio.to_thread(self.service.stop)
        assert code == 0, f"after the kills the service ended with code {code}:\n{self.service.log_end()}"
        _examine_file(self.service.database, self.service.lines, self.findings)
        return self.findings

    async def _round(self, number: int, victim: Victim) -> None:
        before = len(self.load.answered)
        moment = self.random.uniform(0.0, self.longest)
        await asyncio.sleep(moment)
        killed = await asyncio.to_thread(self._kill, victim)
        self.findings.kills[victim] += 1
        if victim in ("service", "everything"):
            # Now and then it is still starting when the next round strikes.
            early = self.random.random() < 0.2
            await asyncio.to_thread(self.service.start, ready=not early)
        answered = len(self.load.answered) - before
        self.told(f"round {number}: {victim} killed after {moment:.2f} s ({killed} processes); {answered} answered")

    def _kill(self, victim: Victim) -> int:
        family = self.service.family()
        if victim == "everything":
            killed = self.random.sample(family, len(family))
        elif victim == "service":
            killed = self.service.members("service")
        else:
            # The one before may have taken it along; an executor is there only when there is work.
            deadline = time.monotonic() + _REAPPEAR_SECONDS
            while not (found := self.service.members(victim)) and time.monotonic() < deadline:
                time.sleep(0.02)
            killed = found and [self.random.choice(found)]
        for each in killed:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process = self.service.process
        if victim in ("service", "everything") and process is not None:
            process.kill()
            process.wait()
        return len(killed)

    def _unfinished(self) -> int:
        (jobs,), (running,) = self.service.query(
            "SELECT count(*) FROM jobs UNION ALL SELECT count(*) FROM runs WHERE status = 'running'"
        )
        return int(jobs) + int(running)


@asynccontextmanager
async def under_load(load: Load, urls: Sequence[str], seed: int) -> AsyncIterator[None]:
    """Have clients ask the victim for runs while the block runs; what they are told goes to `load`."""
    stopping = asyncio.Event()
    clients = [
        asyncio.create_task(_client(load, urls, random.Random(f"{seed}.{number}"), stopping))
        for number in range(CLIENTS)
    ]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*clients)


def in_turns(victims: Sequence[V], rounds: int, dice: random.Random) -> Iterator[V]:
    """So many victims: each in turn, in random order."""
    while rounds > 0:
        yield from dice.sample(victims, min(rounds, len(victims)))
        rounds -= len(victims)


async def _client(load: Load, urls: Sequence[str], dice: random.Random, stopping: asyncio.Event) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        while not stopping.is_set():
            try:
                await _request(load, client, dice.choice(urls), streamed=dice.random() < STREAMS)
            except httpx.TransportError:
                load.cut_off += 1
                await asyncio.sleep(0.1)


async def _request(load: Load, client: httpx.AsyncClient, url: str, *, streamed: bool) -> None:
    body = {"message": "survive", "stream": streamed}
    async with client.stream("POST", f"{url}/agents/{AGENT}/runs", json=body) as response:
        text = (await response.aread()).decode()
    if response.status_code != 200:
        load.refused[response.status_code] += 1
        return
    completed = dict(events(text)).get("RunCompleted") if streamed else json.loads(text)
    if completed is not None:
        load.answered[completed["run_id"]] = streamed


def _examine_file(database: Path, lines: Path, findings: Findings) -> None:
    with closing(sqlite3.connect(database)) as connection:
        findings.integrity = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        examine(
            findings,
            lines,
            runs=dict(connection.execute("SELECT run_id, status FROM runs")),
            queued=[key for (key,) in connection.execute("SELECT key FROM jobs")],
            results=dict(connection.execute("SELECT key, state FROM job_results")),
        )


def examine(
    findings: Findings, lines: Path, *, runs: Mapping[str, str], queued: Sequence[str], results: Mapping[str, str]
) -> None:
    """Compare what the clients were told with what is stored, and with what the hooks wrote.

    Args:
        runs: Statuses of the stored runs.
        queued: Keys of jobs that have not ended.
        results: States of those that have, by their keys.
    """
    calls: Counter[str] = Counter()
    for path in lines.iterdir():
        calls.update(line.split()[0] for line in path.read_text().splitlines())
    interrupted = [run_id for run_id, status in runs.items() if status == "interrupted"]
    wanted = [f"{run_id}:{hook}" for run_id in findings.load.answered for hook in HOOKS]
    wanted += [f"{run_id}:{CUT_OFF}" for run_id in interrupted]
    findings.runs, findings.jobs, findings.interrupted = len(runs), len(results), len(interrupted)
    findings.repeated = calls.total() - len(calls)
    findings.lost_runs = [run_id for run_id in findings.load.answered if runs.get(run_id) != "completed"]
    findings.lost_hooks = [f"{key}: {state}" for key in wanted if (state := results.get(key, "no job")) != "succeeded"]
    findings.without_effect = [key for key, state in results.items() if state == "succeeded" and not calls[key]]
    findings.phantoms = [key for key in (*queued, *results, *calls) if key.split(":")[0] not in runs]
    findings.stuck = [*queued, *(run_id for run_id, status in runs.items() if status == "running")]
