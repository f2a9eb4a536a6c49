"""What a benchmark found: figures, each with what was predicted, as a table and as JSON."""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from offpath.proof.findings import Estimate
from offpath.proof.machine import describe_machine

RESULTS = Path(__file__).with_name("results")
PACKAGES = ("offpath", "agno", "aiohttp", "fastapi", "httptools", "msgspec", "openai", "starlette", "uvicorn", "uvloop")
POLLUTED = 0.10
"""Share of the machine that other programs may use before figures are called polluted."""
_FORMATS = (
    ("us", "{:,.0f}"),
    ("ms", "{:,.2f}"),
    ("s", "{:,.2f}"),
    ("x", "{:.3f}"),
    ("share", "{:.3f}"),
    ("MB", "{:,.1f}"),
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was expected before measuring, from ANCHORS or the goal of the issue."""

    value: float
    kind: Literal["at most", "at least", "about"]

    def met_by(self, figure: Figure) -> bool | None:
        """Whether a figure keeps a bound, by the far end of its interval if it has one; None for "about"."""
        if self.kind == "about":
            return None
        if self.kind == "at most":
            return (figure.value if figure.high is None else figure.high) <= self.value
        return (figure.value if figure.low is None else figure.low) >= self.value


def at_most(value: float) -> Prediction:
    return Prediction(value, "at most")


def at_least(value: float) -> Prediction:
    return Prediction(value, "at least")


def about(value: float) -> Prediction:
    return Prediction(value, "about")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str
    """us, ms, s, MB, /s, x (a ratio), share (of 1), or nothing for a count."""
    low: float | None = None
    """Bounds of the 95 % interval of a ratio or difference; else the least and the most of several blocks."""
    high: float | None = None
    predicted: Prediction | None = None
    note: str = ""

    @classmethod
    def of(
        cls, name: str, estimate: Estimate, unit: str, predicted: Prediction | None = None, note: str = ""
    ) -> Figure:
        return cls(name, estimate.value, unit, estimate.low, estimate.high, predicted, note)

    def shown(self, value: float) -> str:
        """A value in this figure's unit."""
        form = dict(_FORMATS).get(self.unit)
        if form is None:
            form = "{:,.0f}" if abs(value) >= 100 or value == int(value) else "{:,.1f}"
        if self.unit == "share":
            return form.format(value)
        return f"{form.format(value)}{' ' if self.unit[:1].isalpha() and self.unit != 'x' else ''}{self.unit}"

    @property
    def verdict(self) -> str:
        met = None if self.predicted is None else self.predicted.met_by(self)
        return "" if met is None else "kept" if met else "MISSED"


@dataclass(slots=True)
class Report:
    """One benchmark's figures, under the circumstances in which they were taken."""

    name: str
    quick: bool
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: float = 0.0
    """Largest share of the machine, from 0 to 1, that other programs used while something was measured."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def say(self, text: str) -> None:
        """Tell whoever watches what is being measured now."""
        seconds = (datetime.now(UTC) - self.began).total_seconds()
        print(f"{seconds:6.0f} s  {self.name}: {text}", file=sys.stderr, flush=True)

    def add(self, *figures: Figure) -> None:
        self.figures += figures

    def heard(self, others: float) -> None:
        """Note the share of the machine that other programs used during a part: see `machine.Neighbours`."""
        self.others = max(self.others, others)

    @property
    def polluted(self) -> bool:
        return self.others > POLLUTED

    def print(self, console: Console) -> None:
        table = Table(title=f"{self.name}{' (quick)' if self.quick else ''}", title_justify="left")
        for heading, justify in _COLUMNS:
            table.add_column(heading, justify=justify)
        for figure in self.figures:
            table.add_row(*_row(figure))
        console.print(table)
        remark = ": POLLUTED, measure again when it is quiet" if self.polluted else ""
        for note in (*self.notes, f"other programs used up to {self.others:.0%} of the machine meanwhile{remark}"):
            console.print(f"  {note}", markup=False, highlight=False)

    def save(self, directory: Path = RESULTS) -> Path:
        """Write `<date>-<name>.json`; a second one of a day replaces the first."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.began:%Y-%m-%d}-{self.name}.json"
        found = {
            "name": self.name,
            "date": self.began.isoformat(timespec="seconds"),
            "quick": self.quick,
            **circumstances(),
            "others_cpu_share": round(self.others, 3),
            "notes": self.notes,
            "figures": [_plain(figure) for figure in self.figures],
        }
        path.write_text(json.dumps(found, indent=1) + "\n")
        return path


_COLUMNS: Sequence[tuple[str, Literal["left", "right"]]] = (
    ("figure", "left"),
    ("predicted", "right"),
    ("measured", "right"),
    ("from - to", "right"),
    ("", "left"),
    ("note", "left"),
)


def _row(figure: Figure) -> Iterable[str]:
    predicted = figure.predicted
    return (
        figure.name,
        "" if predicted is None else f"{predicted.kind} {figure.shown(predicted.value)}",
        figure.shown(figure.value),
        ""
        if figure.low is None or figure.high is None
        else f"{figure.shown(figure.low)} - {figure.shown(figure.high)}",
        figure.verdict,
        figure.note,
    )


def _plain(figure: Figure) -> dict[str, Any]:
    return {name: value for name, value in asdict(figure).items() if value not in (None, "")}


def circumstances() -> dict[str, Any]:
    """Versions and machine, as they are stored with each result. Holds no host or user name."""
    return {
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))}
        | {"sqlite": sqlite3.sqlite_version},
        "machine": describe_machine(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
