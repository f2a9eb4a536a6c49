"""Faults: what is done to a site at random moments, by a seed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from acceptance.serving import Role, Service
from acceptance.soak.receiver import Mood, Receiver
from acceptance.soak.site import Site

LONGEST: Final = 4.0
"""Seconds that something is away."""
FARTHEST: Final = 4 * 3600
"""Seconds that the clock is away from the machine's: less than a day, after which results are no news."""
JUDGE: Final[Mapping[str, Mapping[str, Any]]] = {
    "judge drops connections": {"drop_rate": 1.0},
    "judge overloaded": {"error_rate": 1.0, "error_statuses": (503,)},
    "judge limits its rate": {"error_rate": 1.0, "error_statuses": (429,)},
    "judge fails": {"error_rate": 0.7, "error_statuses": (500, 502)},
    "judge talks nonsense": {"malformed_rate": 0.7},
    "judge slow": {"latency": 2.0},
    "judge silent": {"hang_rate": 0.5, "hang_seconds": 3.0},
}
_WELL: Final = {
    "drop_rate": 0.0,
    "error_rate": 0.0,
    "malformed_rate": 0.0,
    "hang_rate": 0.0,
    "latency": 0.01,
    "retry_after": 0.2,
}


@dataclass(frozen=True)
class Fault:
    """One thing that can be done.

    Attributes:
        place: What it is done to: one fault at a time in each place.
        kills: Whether processes of the site, or its database, end by it.
        do: Does it, and mends it; blocks meanwhile.
    """

    name: str
    place: str
    kills: bool
    do: Callable[[], None]


@dataclass
class Faults:
    """Does faults, several at a time if their places differ.

    Args:
        every: Mean seconds between two beginnings.
    """

    site: Site
    seed: int
    every: float
    log: list[tuple[float, float, str]] = field(default_factory=list)
    """Of each fault when it began, in seconds since the first part, how long it took, and its name."""
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Faults that could not be done or mended: of the soak itself."""
    longest: float = LONGEST

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed}.faults")
        self._all = [*_calm(self), *_killing(self)]
        self._began = time.monotonic()

    async def until(self, over: asyncio.Event, *, kills: bool) -> None:
        """Do faults until it is over, and mend what is still broken then."""
        under_way: dict[str, asyncio.Task[None]] = {}
        bag: list[Fault] = []
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), min(5 * self.every, self.dice.expovariate(1 / self.every)))
            under_way = {place: task for place, task in under_way.items() if not task.done()}
            # Each of them once before any comes again: a short soak has some of everything.
            bag = bag or self.dice.sample(self._all, len(self._all))
            fault = next((each for each in bag if (kills or not each.kills) and each.place not in under_way), None)
            bag = [each for each in bag if each is not fault and (kills or not each.kills)]
            if fault is None or over.is_set():
                continue
            self.done[fault.name] += 1
            under_way[fault.place] = asyncio.create_task(self._do(fault))
        await asyncio.gather(*under_way.values())
        await asyncio.to_thread(self.site.start_ended)

    async def _do(self, fault: Fault) -> None:
        began = time.monotonic()
        try:
            await asyncio.to_thread(fault.do)
        except Exception as error:  # the soak goes on, and says so in the end
            self.failed.append(f"{fault.name}: {error!r}")
        self.log.append((round(began - self._began, 1), round(time.monotonic() - began, 1), fault.name))

    def away(self) -> float:
        """Seconds for which something is away."""
        return self.dice.uniform(0.2, self.longest)


def _calm(faults: Faults) -> list[Fault]:
    """Faults that end no process."""
    site = faults.site

    def judged(options: Mapping[str, Any]) -> Callable[[], None]:
        def do() -> None:
            site.judge.set_options(retry_after=0.2, **options)
            time.sleep(faults.away())
            site.judge.set_options(**_WELL)

        return do

    def model_fails() -> None:
        site.model.set_options(error_rate=0.5, error_statuses=(500,))
        time.sleep(faults.away())
        site.model.set_options(error_rate=0.0)

    def moody(receiver: Receiver, mood: Mood) -> Callable[[], None]:
        def do() -> None:
            receiver.mood = mood
            time.sleep(faults.away())
            receiver.mood = "well"

        return do

    def away(receiver: Receiver) -> Callable[[], None]:
        def do() -> None:
            receiver.down()
            time.sleep(faults.away())
            receiver.up()

        return do

    def step() -> None:
        size = faults.dice.choice((faults.dice.randint(1, 90), faults.dice.randint(600, 7_200)))
        seconds = faults.dice.choice((-size, size))
        if abs(site.clock.shift + seconds) > FARTHEST:
            seconds = -seconds
        site.clock.step(seconds)

    inbox, collector = site.inbox.receiver, site.collector
    found = [Fault(name, "judge", False, judged(options)) for name, options in JUDGE.items()]
    found += [
        Fault("judge frozen", "judge", False, lambda: _frozen(site.judge.pid, faults.away())),
        Fault("model fails", "model", False, model_fails),
        Fault("receiver away", "inbox", False, away(inbox)),
        *(Fault(f"receiver {mood}", "inbox", False, moody(inbox, mood)) for mood in ("refusing", "limiting", "silent")),
        Fault("collector away", "collector", False, away(collector)),
        *(Fault(f"collector {mood}", "collector", False, moody(collector, mood)) for mood in ("refusing", "silent")),
        Fault("clock stepped", "clock", False, step),
    ]
    if site.kind == "sqlite":
        found.append(Fault("database locked", "database", False, lambda: _locked(site, faults.away())))
        if sys.platform == "linux":
            found.append(Fault("disk full", "database", False, lambda: _disk_full(site, faults.away())))
    else:
        server = site.server
        assert server is not None

        def frozen_server() -> None:
            server.freeze()
            time.sleep(faults.away())
            server.thaw()

        found.append(Fault("database takes no connections", "database", False, frozen_server))
    return found


def _killing(faults: Faults) -> list[Fault]:
    """Faults by which processes end."""
    site, dice = faults.site, faults.dice

    def one_of(wanted: Role) -> Callable[[], None]:
        def do() -> None:
            with site.changing:
                members = [member for part in site.parts for member in part.members(wanted)]
                if members:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        dice.choice(members).kill()
            time.sleep(0.2)
            site.start_ended()

        return do

    def frozen() -> None:
        members = [member for part in site.parts for member in part.members("worker", "zygote", "executor")]
        if members:
            _frozen(dice.choice(members).pid, faults.away())

    def service() -> None:
        with site.changing:
            struck = dice.choice(site.services)
            if site.kind == "sqlite":
                site.resets += 1
            struck.kill()
            _start(struck, dice)

    def api_process() -> None:
        """One of several, which the others' parent starts again."""
        (part,) = site.services
        with site.changing:
            assert part.process is not None
            members = [member for member in part.members("service") if member.pid != part.process.pid]
            if members:
                with contextlib.suppress(psutil.NoSuchProcess):
                    dice.choice(members).kill()

    def restarted() -> None:
        """As a new version is rolled out."""
        with site.changing:
            struck = dice.choice(site.parts)
            if site.kind == "sqlite":
                site.resets += 1
            struck.signal()
            struck.wait()
            _start(struck, dice)

    def everything() -> None:
        with site.changing:
            site.resets += 1
            members = [member for part in site.parts for member in part.family()]
            for member in dice.sample(members, len(members)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            for part in site.parts:
                assert part.process is not None
                part.process.kill()
                part.process.wait()
                part.start(ready=False)

    found = [
        *(Fault(f"{role} killed", "processes", True, one_of(role)) for role in ("worker", "zygote", "executor")),
        Fault("worker's process frozen", "processes", True, frozen),
        Fault("service killed", "processes", True, service),
        Fault("restarted", "processes", True, restarted),
        Fault("everything killed", "processes", True, everything),
    ]
    if site.kind == "sqlite":
        found.append(Fault("API process killed", "processes", True, api_process))
    else:
        found += _server_faults(faults)
    return found


def _server_faults(faults: Faults) -> list[Fault]:
    server = faults.site.server
    assert server is not None

    def again(end: Callable[[], None]) -> Callable[[], None]:
        def do() -> None:
            end()
            time.sleep(faults.away() / 2)
            for attempt in range(20):
                try:
                    server.start()
                    break
                except RuntimeError:
                    # Those that a killed postmaster left behind still hold its memory.
                    if attempt == 19:
                        raise
                    time.sleep(0.5)
            faults.site.start_ended()

        return do

    def killed() -> None:
        os.kill(server.pid, signal.SIGKILL)
        server.stop()

    def backend_killed() -> None:
        """After which the server throws everybody out and recovers."""
        children = psutil.Process(server.pid).children()
        if children:
            with contextlib.suppress(psutil.NoSuchProcess):
                faults.dice.choice(children).kill()
        time.sleep(1.0)
        faults.site.start_ended()

    return [
        Fault("database restarted", "database", True, again(server.stop)),
        Fault("database crashed", "database", True, again(server.kill)),
        Fault("database's postmaster killed", "database", True, again(killed)),
        Fault("database's backend killed", "database", True, backend_killed),
    ]


def _start(part: Service, dice: random.Random) -> None:
    """Now and then it is still starting when the next fault comes."""
    part.start(ready=False)
    if dice.random() > 0.3:
        deadline = time.monotonic() + 20.0
        with contextlib.suppress(AssertionError):  # it has ended: whoever looks after it starts it again
            while time.monotonic() < deadline and not part.is_ready(worker=False):
                time.sleep(0.1)


def _frozen(pid: int, seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _locked(site: Site, seconds: float) -> None:
    with closing(sqlite3.connect(site.database, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")


def _disk_full(site: Site, seconds: float) -> None:
    """No file of the services and workers can grow for a while, their logs included."""
    import resource

    before: dict[int, tuple[int, int]] = {}
    for part in site.parts:
        for member in part.members("service", "worker"):
            with contextlib.suppress(OSError, psutil.Error):
                before[member.pid] = resource.prlimit(member.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(member.pid, resource.RLIMIT_FSIZE, (100, before[member.pid][1]))
    time.sleep(seconds)
    # Children that were started meanwhile have inherited the limit.
    for part in site.parts:
        for member in part.family():
            with contextlib.suppress(OSError, psutil.Error):
                hard = resource.prlimit(member.pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(member.pid, resource.RLIMIT_FSIZE, before.get(member.pid, (hard, hard)))
