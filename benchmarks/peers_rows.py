"""The figures of the comparison, what is predicted for each, and where cells are collected."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Prediction, about, at_least, at_most
from benchmarks.peers_result import OURS, Cell, Row
from benchmarks.peers_serving import AGENTOS, BARE, TASKS, Peer
from offpath.proof.machine import Neighbours

CONNECTIONS = 16
RATE = 40.0
"""Requests a second of the open loop: what the slowest peer serves on a busy machine, too."""
BURNING = 13
"""One request in so many has a hook that computes 200 ms: at RATE, three fifths of one core."""

THROUGHPUT, CPU_TREE, CPU_SERVICE, P50, P99 = "throughput", "cpu", "cpu_service", "p50", "p99"
LOST, IDLE, PENDING, DONE = "lost", "memory_idle", "memory_pending", "memory_done"
FIVE, BURN, FAILING, HANGING = "five", "burn", "failing", "hanging"


@dataclass(frozen=True, slots=True)
class RowText:
    """A row without its cells."""

    key: str
    title: str
    unit: str
    how: str


ROWS = (
    RowText(
        THROUGHPUT,
        "Runs a second",
        "/s",
        f"Closed loop, {CONNECTIONS} connections, a model that answers at once, two hooks a run. One service process; "
        "load, model and hooks share the same cores.",
    ),
    RowText(
        CPU_TREE,
        "CPU of a run with its hooks, all processes",
        "us",
        "User and system time of the service and all that it started, from the first request of a block until its "
        "last hook has ended. Model and load are not counted.",
    ),
    RowText(CPU_SERVICE, "CPU of a run, serving process", "us", "The same for the process that answers alone."),
    RowText(
        P50,
        "Response p50",
        "ms",
        f"Open loop, {RATE:g} Poisson arrivals a second, the same ones for all, latency from the intended arrival.",
    ),
    RowText(P99, "Response p99", "ms", "As p50."),
    RowText(
        LOST,
        "Hooks lost at kill -9",
        "",
        "50 runs with two hooks that take 4 and 5 s; a second after the last response SIGKILL to every process of the "
        "service, then a restart, and waiting until no hook ends any more.",
    ),
    RowText(
        IDLE,
        "Memory after {pending:,} runs without hooks",
        "MB",
        "Proportional set size of all processes: pages that several share are counted once.",
    ),
    RowText(
        PENDING,
        "Memory that {pending:,} pending hooks add",
        "MB",
        "What is added to that by as many runs, each with a hook that waits for a file.",
    ),
    RowText(DONE, "Memory still added when they are done", "MB", "The same, 3 s after the last hook has ended."),
    RowText(
        FIVE,
        "Five hooks of a second each: until the last has ended",
        "s",
        "From the response to the end of the last hook.",
    ),
    RowText(
        BURN,
        "Response p50 while hooks compute",
        "ms",
        f"Open loop at {RATE:g} requests a second, one in {BURNING} with an async hook that computes for 200 ms.",
    ),
    RowText(
        FAILING,
        "A hook raises: the run's other hooks that ran",
        "",
        "Three hooks a run, the first raises; the other two are an ordinary hook and an evaluator. Each run on a "
        "connection of its own, since a background task that raises has uvicorn close its connection.",
    ),
    RowText(HANGING, "A hook never returns: the run's other hooks that ran", "", "The same; the first waits for ever."),
)

# From the measurements of November 2026 that the design rests on, or reckoned from them; written before this program
# was first run. For BackgroundTasks with pydantic-evals there was nothing to go by but its source.
PREDICTED: Mapping[tuple[str, str], Prediction] = {
    (THROUGHPUT, OURS): at_least(477),
    (THROUGHPUT, AGENTOS): about(159),
    (THROUGHPUT, TASKS): about(450),
    (THROUGHPUT, BARE): about(700),
    (CPU_TREE, OURS): at_most(2_500),
    (CPU_TREE, AGENTOS): about(6_300),
    (CPU_TREE, TASKS): about(2_000),
    (CPU_TREE, BARE): about(1_430),
    (CPU_SERVICE, OURS): at_most(1_720),
    (CPU_SERVICE, AGENTOS): about(6_300),
    (CPU_SERVICE, TASKS): about(2_000),
    (CPU_SERVICE, BARE): about(1_430),
    (P50, OURS): about(3),
    (P50, AGENTOS): about(9),
    (P50, TASKS): about(3.5),
    (P50, BARE): about(3),
    (P99, OURS): about(10),
    (P99, AGENTOS): about(50),
    (P99, TASKS): about(15),
    (P99, BARE): about(10),
    (LOST, OURS): at_most(0),
    (LOST, AGENTOS): about(100),
    (LOST, TASKS): about(100),
    (PENDING, OURS): at_most(20),
    (PENDING, AGENTOS): about(130),
    (PENDING, TASKS): about(30),
    (DONE, OURS): at_most(20),
    (DONE, AGENTOS): about(130),
    (DONE, TASKS): about(30),
    (FIVE, OURS): at_most(1.2),
    (FIVE, AGENTOS): about(5),
    (FIVE, TASKS): about(5),
    (BURN, OURS): about(3),
    (BURN, AGENTOS): about(150),
    (BURN, TASKS): about(100),
    (FAILING, OURS): at_least(20),
    (FAILING, AGENTOS): about(0),
    (FAILING, TASKS): about(10),
    (HANGING, OURS): at_least(20),
    (HANGING, AGENTOS): about(0),
    (HANGING, TASKS): about(10),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    rounds: int
    block_seconds: float
    latency_seconds: float
    runs_pending: int
    """Runs with a pending hook, whose memory is measured."""
    repetitions: int
    """Of single runs and of pairs of blocks."""
    settle_seconds: float = 3.0
    """Before memory is read."""
    quiet_seconds: float = 20.0
    """How long no hook must have ended after a restart before the rest count as lost; hooks take up to 5 s of it, and a
    worker has to start. Where nothing was killed, a quarter of it."""
    runs_killed: int = 50
    runs_broken: int = 10


FULL = Plan(rounds=6, block_seconds=3.0, latency_seconds=6.0, runs_pending=2_000, repetitions=3)
QUICK = Plan(
    rounds=2,
    block_seconds=1.0,
    latency_seconds=1.0,
    runs_pending=100,
    repetitions=1,
    settle_seconds=1.0,
    quiet_seconds=12.0,
)


@dataclass(slots=True)
class Board:
    """Cells as they are found, row by row."""

    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)
    pending: int = 0
    """How many hooks are pending when their memory is measured."""
    others: float = 0.0
    """Largest share of the machine, from 0 to 1, that other programs used during a measurement."""

    def add(
        self,
        row: str,
        peer: Peer,
        value: float,
        among: Sequence[float] = (),
        *,
        of: int | None = None,
        note: str = "",
    ) -> None:
        """Note a value; `among` are those of the single blocks, for their range."""
        low, high = (min(among), max(among)) if len(among) > 1 else (None, None)
        cell = Cell(value, low, high, self._predicted(row, peer), of, note=note)
        self.cells.setdefault(row, {})[peer.key] = cell

    def fail(self, rows: Sequence[str], peer: Peer, error: BaseException) -> None:
        """Note why figures of a peer are missing; those that it has stay."""
        why = str(error) or type(error).__name__
        print(f"{peer.text.title} failed: {why}", file=sys.stderr, flush=True)
        # The rest is the end of a log, with paths of this machine.
        first = why.splitlines()[0].rstrip(":")[:200]
        for row in rows:
            failed = Cell(predicted=self._predicted(row, peer), failed=first)
            self.cells.setdefault(row, {}).setdefault(peer.key, failed)

    def _predicted(self, row: str, peer: Peer) -> Prediction | None:
        """What was predicted, unless it was for another number of pending hooks."""
        if row in (PENDING, DONE) and self.pending != FULL.runs_pending:
            return None
        return PREDICTED.get((row, peer.key))

    @contextmanager
    def guarded(self, rows: Sequence[str], peer: Peer) -> Iterator[None]:
        """A failure within the block is that of the peer's cells, and ends nothing else."""
        try:
            yield
        except Exception as error:
            self.fail(rows, peer, error)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note what other programs use meanwhile. No process that is measured may start or end within the block."""
        neighbours = Neighbours()
        yield
        self.others = max(self.others, neighbours.share())

    def rows(self) -> list[Row]:
        """What there is so far, in the order of ROWS."""
        return [
            Row(text.key, text.title.format(pending=self.pending), text.unit, text.how, self.cells[text.key])
            for text in ROWS
            if text.key in self.cells
        ]


@dataclass(frozen=True, slots=True)
class Ground:
    """What every measurement needs."""

    peers: Sequence[Peer]
    directory: Path
    model_url: str
    plan: Plan
    board: Board
