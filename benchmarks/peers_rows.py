"""The figures of the comparison, what is predicted for each, and where cells are collected."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.figures import Prediction, about, at_least, at_most
from benchmarks.peers_load import LEAST_RATE, computing_one_in
from benchmarks.peers_result import OURS, Cell, Load, Ratio, Row
from benchmarks.peers_serving import AGENTOS, BARE, TASKS, Peer
from benchmarks.targets.peer_hooks import BURN_SECONDS
from offpath.proof.machine import Neighbours

CONNECTIONS = 16

THROUGHPUT, CPU_TREE, CPU_SERVICE, P50, TAIL = "throughput", "cpu", "cpu_service", "p50", "tail"
LOST, IDLE, PENDING, DONE = "lost", "memory_idle", "memory_pending", "memory_done"
FIVE, BURN, FAILING, HANGING = "five", "burn", "failing", "hanging"
MORE_IS_BETTER = frozenset({THROUGHPUT, FAILING, HANGING})


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
        "Response p50 at {rate:g}/s, {requests:,} requests",
        "ms",
        "Open loop, {rate:g} Poisson arrivals a second{share}, the same ones for all, latency from the intended "
        "arrival.",
    ),
    RowText(
        TAIL,
        "Response {tail} at {rate:g}/s, {requests:,} requests",
        "ms",
        "As p50. The p99 where at least 1,000 requests to each service count, else the p95.",
    ),
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
        "Response p95 while hooks compute at {rate:g}/s, {computing:,} requests",
        "ms",
        "Open loop at {rate:g} requests a second, one in {one_in} with an async hook that computes for {burn:g} ms, "
        "{computing_share:.0%} of one core; blocks in turns with the same arrivals without such hooks.",
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
# was first run. For BackgroundTasks with pydantic-evals there was nothing to go by but its source. Those while hooks
# compute were made anew, before measuring, when the load became one that every peer can bear.
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
    (TAIL, OURS): about(10),
    (TAIL, AGENTOS): about(50),
    (TAIL, TASKS): about(15),
    (TAIL, BARE): about(10),
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
    (BURN, OURS): about(10),
    (BURN, AGENTOS): about(250),
    (BURN, TASKS): about(190),
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
    latency_requests: int
    """In an open loop to each peer, over all blocks."""
    latency_seconds: float
    """No block of them is longer, at a low rate."""
    computing_requests: int
    computing_seconds: float
    """The same for blocks with hooks that compute."""
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


FULL = Plan(
    rounds=6,
    block_seconds=3.0,
    latency_requests=1_200,
    latency_seconds=8.0,
    computing_requests=480,
    computing_seconds=5.0,
    runs_pending=2_000,
    repetitions=3,
)
QUICK = Plan(
    rounds=2,
    block_seconds=1.0,
    latency_requests=100,
    latency_seconds=2.5,
    computing_requests=50,
    computing_seconds=2.5,
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
    load: Load = field(default_factory=lambda: Load(LEAST_RATE))
    """Of the open loops. Until throughput has been measured, a rate that everything bears."""

    def add(
        self,
        row: str,
        peer: Peer,
        value: float,
        among: Sequence[float] = (),
        *,
        of: int | None = None,
        without: float | None = None,
        note: str = "",
    ) -> None:
        """Note a value; `among` are those of the single blocks, for their range."""
        low, high = (min(among), max(among)) if len(among) > 1 else (None, None)
        cell = Cell(value, low, high, self._predicted(row, peer), of, without=without, note=note)
        self.cells.setdefault(row, {})[peer.key] = cell

    def compare(self, row: str, peer: Peer, ratio: Ratio) -> None:
        """Note offpath's figure over that of a peer who has one."""
        self.cells[row][peer.key] = msgspec.structs.replace(self.cells[row][peer.key], ratio=ratio)

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
        """What was predicted, unless it was for another number of pending hooks, or another quantile."""
        if row in (PENDING, DONE) and self.pending != FULL.runs_pending:
            return None
        if row == TAIL and self.load.tail[0] != "p99":
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
        facts = self._facts()
        return [
            Row(text.key, text.title.format(**facts), text.unit, text.how.format(**facts), self.cells[text.key])
            for text in ROWS
            if text.key in self.cells
        ]

    def _facts(self) -> dict[str, int | float | str]:
        """What titles and descriptions name."""
        load = self.load
        one_in = computing_one_in(load.rate)
        slowest = f", {load.rate / load.slowest:.0%} of what the slowest service here serves" if load.slowest else ""
        return {
            "pending": self.pending,
            "rate": load.rate,
            "requests": load.requests,
            "tail": load.tail[0],
            "share": slowest,
            "computing": load.computing,
            "one_in": one_in,
            "burn": BURN_SECONDS * 1e3,
            "computing_share": load.rate / one_in * BURN_SECONDS,
        }


@dataclass(frozen=True, slots=True)
class Ground:
    """What every measurement needs."""

    peers: Sequence[Peer]
    directory: Path
    model_url: str
    plan: Plan
    board: Board
