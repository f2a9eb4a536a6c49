"""What a user would pick instead of offpath, measured in one run: `make bench-peers`, or with --quick to try it.

Every peer gets the same request, the same model server and the very same hook functions. A peer that fails, or takes
longer than it may, makes its own cells say so; the others are measured all the same.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import peers_faults, peers_killed, peers_queue, peers_traffic
from benchmarks.figures import RESULTS, Report, circumstances
from benchmarks.peers_result import Machine, PeersResult
from benchmarks.peers_rows import FULL, QUICK, Board, Ground, Plan
from benchmarks.peers_serving import PEERS
from benchmarks.served import scratch
from offpath.offline import OfflineOptions, offline_model_process

MEASUREMENTS = {
    "traffic": peers_traffic.measure,
    "killed": peers_killed.measure,
    "queue": peers_queue.measure,
    "faults": peers_faults.measure,
}
PACKAGES = ("pydantic-evals", "sqlalchemy")
LIMIT_SECONDS = {True: 360.0, False: 600.0}
"""No further part is begun after so long, quick and full; every part has limits of its own."""


class PeersReport(Report):
    """A report whose figures are a table of peers."""

    __slots__ = ("board", "ended")

    def __init__(self, name: str, quick: bool) -> None:
        super().__init__(name, quick)
        self.board = Board(pending=_plan(quick).runs_pending)
        self.ended: datetime | None = None

    def result(self) -> PeersResult:
        """What was found so far."""
        found = circumstances()
        versions = found["versions"] | {package: version(package) for package in PACKAGES}
        return PeersResult(
            name="peers",
            date=self.began.isoformat(timespec="seconds"),
            quick=self.quick,
            seconds=round(((self.ended or datetime.now(UTC)) - self.began).total_seconds(), 1),
            python=found["python"],
            versions=versions,
            machine=msgspec.convert(found["machine"], Machine),
            others_cpu_share=round(self.others, 3),
            notes=list(self.notes),
            peers=[peer.text for peer in PEERS],
            rows=self.board.rows(),
            load=self.board.load if self.board.load.requests or self.board.load.computing else None,
        )

    def print(self, console: Console) -> None:
        result = self.result()
        console.print(table_of(result))
        for peer in result.peers:
            console.print(f"  {peer.title}: {peer.what} {peer.durability}", markup=False, highlight=False)
        remark = ": POLLUTED, measure again when it is quiet" if self.polluted else ""
        others = f"other programs used up to {self.others:.0%} of the machine meanwhile{remark}"
        for note in (*self.notes, others, f"took {result.seconds:.0f} s"):
            console.print(f"  {note}", markup=False, highlight=False)

    def save(self, directory: Path = RESULTS) -> Path:
        """Write `<date>-peers.json`; a second one of a day replaces the first."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.began:%Y-%m-%d}-peers.json"
        path.write_bytes(self.result().encode())
        return path


def new_report(name: str, quick: bool) -> Report:
    """What `python -m benchmarks` has filled in, printed and saved."""
    return PeersReport(name, quick)


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure all, or the parts (traffic, killed, queue, faults) whose names hold one of the words of `only`."""
    assert isinstance(report, PeersReport)
    plan = _plan(report.quick)
    with scratch() as directory, offline_model_process(OfflineOptions(recorded_requests=0)) as model:
        ground = Ground(PEERS, directory, model.base_url, plan, report.board)
        for name, measure in MEASUREMENTS.items():
            if only and not any(word in name for word in only):
                continue
            if (datetime.now(UTC) - report.began).total_seconds() > LIMIT_SECONDS[report.quick]:
                report.notes.append(f"{name} was not measured: the time was up")
                continue
            report.say(name)
            try:
                measure(ground)
            except Exception as error:  # what the other parts found is worth keeping
                traceback.print_exc()
                report.notes.append(f"{name} was cut off: {type(error).__name__}")
            report.heard(report.board.others)
    report.ended = datetime.now(UTC)


def _plan(quick: bool) -> Plan:
    return QUICK if quick else FULL


def table_of(result: PeersResult) -> Table:
    """Figures with their predictions beneath, for a terminal."""
    table = Table(title=f"peers{' (quick)' if result.quick else ''}", title_justify="left", show_lines=True)
    table.add_column("")
    for peer in result.peers:
        table.add_column(peer.title, justify="right")
    for row in result.rows:
        table.add_row(row.title, *("\n".join(_lines(result, row.key, peer.key)) for peer in result.peers))
    return table


def _lines(result: PeersResult, key: str, peer: str) -> list[str]:
    row = result.row(key)
    assert row is not None
    cell = row.cells.get(peer)
    lines = [row.shown(peer)]
    if cell is None:
        return lines
    verdict = row.figure(cell).verdict if cell.value is not None else ""
    if cell.predicted:
        lines.append(f"[dim]predicted {row.shown_prediction(peer)}[/dim]{f' {verdict}' if verdict else ''}")
    if without := row.shown_without(peer):
        lines.append(f"[dim]{without}[/dim]")
    if found := row.shown_range(peer):
        lines.append(f"[dim]{found}[/dim]")
    if cell.ratio:
        ratio = cell.ratio
        lines.append(f"[dim]offpath {ratio.value:.2f}x ({ratio.low:.2f} to {ratio.high:.2f})[/dim]")
    if cell.note:
        lines.append(f"[dim]{cell.note}[/dim]")
    return lines
