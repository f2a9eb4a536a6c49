"""The peers: what they are, serving one of them, and reading the marks that its hooks leave."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from benchmarks.peers_result import OURS, PeerText
from benchmarks.served import Served, served
from benchmarks.targets.peer_hooks import AGENT, GATE_VARIABLE, GROUP_VARIABLE, GROUPS, MARKS_VARIABLE, TRAFFIC
from offpath.proof.load import form_request
from offpath.proof.machine import tree

AGENTOS, TASKS, BARE = "agentos", "background_tasks", "bare"


class TimeLimitError(TimeoutError):
    """A measurement took longer than it may."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One of those that are compared."""

    text: PeerText
    target: str
    """A module of benchmarks.targets."""
    command: str
    """How it is served: "offpath" or "uvicorn"."""
    hooks: bool = True
    """Whether it has hooks at all."""

    @property
    def key(self) -> str:
        return self.text.key


PEERS = (
    Peer(
        PeerText(
            OURS,
            "offpath",
            "`offpath serve` with its defaults: hooks in the background, metrics on, SQLite.",
            "run and hooks",
            "The run and its hook jobs are committed in one transaction and synced to disk before the response "
            "(SQLite, WAL, synchronous=FULL). A killed process loses neither.",
        ),
        "peer_offpath",
        "offpath",
    ),
    Peer(
        PeerText(
            AGENTOS,
            "AgentOS",
            "Agno's AgentOS with SQLite, each hook marked `@hook(run_in_background=True)`, tracing off (its default).",
            "run",
            "The run is committed to SQLite (WAL, synchronous=FULL) before the response. Hooks are background tasks in "
            "the memory of the service and are lost with it.",
        ),
        "peer_agentos",
        "uvicorn",
    ),
    Peer(
        PeerText(
            TASKS,
            "BackgroundTasks + pydantic-evals",
            "FastAPI and the `openai` client; the evaluator by pydantic-evals' online evaluation, other hooks as "
            "BackgroundTasks; no telemetry.",
            "nothing",
            "Nothing is stored. Hooks and evaluations are tasks in the memory of the service and are lost with it.",
        ),
        "peer_background_tasks",
        "uvicorn",
    ),
    Peer(
        PeerText(
            BARE,
            "FastAPI + openai alone",
            "The least that a web service around a model does: a form, one call with the `openai` client, the answer. "
            "No hooks, no telemetry.",
            "nothing",
            "Nothing is stored, and there are no hooks.",
        ),
        "bare",
        "uvicorn",
        hooks=False,
    ),
)


def request_to(agent: str) -> bytes:
    """The request that all peers get."""
    return form_request(f"/agents/{agent}/runs", {"message": "Hello, how are you?", "stream": "false"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A hook that has ended."""

    hook: str
    run_id: str
    at: float
    """Seconds since the epoch."""


@dataclass(slots=True)
class Marks:
    """The file to which hooks append."""

    path: Path
    _counted: int = field(default=0, init=False)
    _offset: int = field(default=0, init=False)

    def count(self) -> int:
        """How many there are. Reads only what is new."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            self._offset += len(data)
            self._counted += data.count(b"\n")
        return self._counted

    def since(self, count: int) -> list[Mark]:
        """All but the first `count`."""
        lines = self.path.read_text().splitlines()[count:] if self.path.exists() else []
        fields = (line.split() for line in lines)
        return [Mark(hook, run_id, float(at)) for hook, run_id, at in fields]

    def wait(self, count: int, *, quiet: float, within: float) -> int:
        """Wait until there are so many, or no new one came for `quiet` seconds; how many there are.

        Raises:
            TimeLimitError: They are still coming after `within` seconds.
        """
        deadline = time.monotonic() + within
        found, changed = self.count(), time.monotonic()
        while found < count and time.monotonic() - changed < quiet:
            if time.monotonic() > deadline:
                raise TimeLimitError(f"{found} of {count} hooks had ended after {within:g} s")
            time.sleep(0.05)
            if (now := self.count()) != found:
                found, changed = now, time.monotonic()
        return found


@dataclass(frozen=True, slots=True)
class Arm:
    """A peer that is being served."""

    peer: Peer
    service: Served
    marks: Marks
    gate: Path

    def hooks_of(self, agent: str = AGENT, group: str = TRAFFIC) -> int:
        """How many hooks each run of an agent has."""
        return len(GROUPS[group][agent]) if self.peer.hooks else 0

    def kill(self) -> None:
        """SIGKILL to the service and to all that it started, as when a container is killed."""
        kill_tree(self.service.pid)


@contextmanager
def serving(peer: Peer, group: str, directory: Path, model_url: str, *, killed: bool = True) -> Iterator[Arm]:
    """Serve a peer with the hooks of a group while the block runs; a second time it finds what is there.

    Args:
        killed: Kill it at the end: a SIGTERM would wait for hooks that never end.

    Raises:
        ServedError: It did not start.
    """
    name = f"{group}-{peer.key}"
    marks, gate = directory / f"{name}.marks", directory / f"{name}.gate"
    variables = {
        GROUP_VARIABLE: group,
        MARKS_VARIABLE: str(marks),
        GATE_VARIABLE: str(gate),
        "OFFPATH_HOOK_TIMEOUT": "600",  # the gated hook waits for as long as the measurement takes
    }
    with served(peer.target, directory, model_url, name=name, command=peer.command, variables=variables) as service:
        arm = Arm(peer, service, Marks(marks), gate)
        try:
            yield arm
        finally:
            if killed:
                arm.kill()


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and to all below it, the lower ones not spared by the upper one's death."""
    doomed = tree(pid)
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()  # so that none starts another meanwhile
    for process in {*doomed, *tree(pid)}:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 5.0
    while any(_runs(process) for process in doomed) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended; one that nobody awaits has."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End the block with an error after so many seconds, whatever it waits for. Does nothing outside the main thread.

    Raises:
        TimeLimitError: They passed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    left, _ = signal.getitimer(signal.ITIMER_REAL)
    limit = min(seconds, left) if left else seconds  # an outer limit may be the nearer one

    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeLimitError(f"not done after {limit:g} s")

    began = time.monotonic()
    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:  # an outer limit goes on
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)))
