"""What the comparison with others found: one cell for each figure and peer, as JSON and back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.figures import RESULTS, Figure, Prediction

OURS = "offpath"
ENOUGH_FOR_P99 = 1_000
"""Requests of which ten are above the p99; of fewer it is a matter of chance."""


class Load(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the open loop sends to each peer."""

    rate: float
    """Requests a second."""
    requests: int = 0
    """Whose latency counts."""
    computing: int = 0
    """The same of the blocks in which hooks compute; and as many in those without."""
    slowest: float | None = None
    """Runs a second of the slowest peer in a closed loop, by which the rate was chosen."""

    @property
    def tail(self) -> tuple[str, float]:
        """The highest quantile that the requests bear."""
        return ("p99", 0.99) if self.requests >= ENOUGH_FOR_P99 else ("p95", 0.95)


class Ratio(msgspec.Struct, frozen=True, omit_defaults=True):
    """offpath's figure over another's, with its 95 % interval."""

    value: float
    low: float
    high: float


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    """One figure of one peer."""

    value: float | None = None
    """None when it could not be measured; `failed` says why."""
    low: float | None = None
    """Least and most of several blocks or repetitions."""
    high: float | None = None
    predicted: Prediction | None = None
    """What was written down before measuring."""
    of: int | None = None
    """For a count: of how many."""
    ratio: Ratio | None = None
    without: float | None = None
    """The same under the same load without what the row is about."""
    note: str = ""
    failed: str = ""


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One figure of all peers."""

    key: str
    title: str
    unit: str
    """As a Figure has it."""
    how: str
    """How it was measured, in a sentence."""
    cells: dict[str, Cell]
    """By the peer's key. A peer to whom the figure does not apply has none."""

    def shown(self, peer: str) -> str:
        """A cell's value with its unit."""
        cell = self.cells.get(peer)
        if cell is None:
            return "-"
        if cell.value is None:
            return f"failed: {cell.failed}"
        value = self.figure(cell).shown(cell.value)
        return value if cell.of is None else f"{value} of {cell.of}"

    def shown_prediction(self, peer: str) -> str:
        """What was predicted for a cell, or nothing."""
        cell = self.cells.get(peer)
        if cell is None or cell.predicted is None:
            return ""
        return f"{cell.predicted.kind} {self.figure(cell).shown(cell.predicted.value)}"

    def shown_range(self, peer: str) -> str:
        """From the least to the most, or nothing."""
        cell = self.cells.get(peer)
        if cell is None or cell.low is None or cell.high is None:
            return ""
        figure = self.figure(cell)
        return f"{figure.shown(cell.low)} to {figure.shown(cell.high)}"

    def shown_without(self, peer: str) -> str:
        """What the figure is under the same load otherwise, or nothing."""
        cell = self.cells.get(peer)
        if cell is None or cell.without is None:
            return ""
        return f"{self.figure(cell).shown(cell.without)} without"

    def figure(self, cell: Cell) -> Figure:
        """A cell as a figure, which knows units and verdicts.

        A bound is judged by the value, since the range is of single blocks and no interval.
        """
        return Figure(self.title, cell.value or 0.0, self.unit, predicted=cell.predicted)


class PeerText(msgspec.Struct, frozen=True):
    """What was compared."""

    key: str
    title: str
    what: str
    durable: str
    """What is stored when the response is sent, in two words."""
    durability: str
    """What is stored before the response, and what a killed process loses."""


class Machine(msgspec.Struct, frozen=True):
    """What it was measured on."""

    system: str
    processor: str
    cores: int
    memory_gb: float


class PeersResult(msgspec.Struct, frozen=True):
    """A result file."""

    name: Literal["peers"]
    date: str
    quick: bool
    seconds: float
    """How long it took."""
    python: str
    versions: dict[str, str]
    machine: Machine
    others_cpu_share: float
    """Largest share of the machine that other programs used during a measurement."""
    notes: list[str]
    peers: list[PeerText]
    rows: list[Row]
    load: Load | None = None
    """None if no latency was measured."""

    def row(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.key == key), None)

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def read_result(path: Path) -> PeersResult:
    """A saved result.

    Raises:
        msgspec.ValidationError: The file is of another form; measure again with `make bench-peers`.
    """
    return msgspec.json.decode(path.read_bytes(), type=PeersResult)


def newest_result(directory: Path = RESULTS) -> Path:
    """The file of the last saved comparison.

    Raises:
        FileNotFoundError: There is none.
    """
    paths: Iterable[Path] = sorted(directory.glob("*-peers.json"))
    for path in reversed(list(paths)):
        return path
    raise FileNotFoundError(f"{directory} holds no *-peers.json; run `python -m benchmarks peers --save`")
