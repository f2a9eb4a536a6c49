"""Figures of the comparison: kept with their predictions, and failures kept as such."""

from __future__ import annotations

import io
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks import peers_serving
from benchmarks.peers import PeersReport, table_of
from benchmarks.peers_result import Load, newest_result, read_result
from benchmarks.peers_rows import BURN, FAILING, LOST, P50, PREDICTED, ROWS, TAIL, THROUGHPUT, Board
from benchmarks.peers_serving import PEERS, Mark, Marks, TimeLimitError, time_limit
from rich.console import Console

from unit.benchmarks.peers_findings import result

OURS, AGENTOS = PEERS[0], PEERS[1]


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-20-peers.json"
    path.write_bytes(result().encode())
    assert read_result(path) == result()


def test_the_newest_result_counts(tmp_path: Path) -> None:
    for date in ("2026-11-20", "2026-12-01", "2026-11-30"):
        (tmp_path / f"{date}-peers.json").touch()
    (tmp_path / "2026-12-02-capacity.json").touch()
    assert newest_result(tmp_path).name == "2026-12-01-peers.json"


def test_without_a_result_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m benchmarks peers --save"):
        newest_result(tmp_path)


def test_a_peer_that_fails_loses_its_own_cells_only(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    board.add(LOST, AGENTOS, 100, of=100)
    for peer in (OURS, AGENTOS):
        with board.guarded((THROUGHPUT, LOST), peer):
            if peer is AGENTOS:
                raise RuntimeError("the service ended with code 1:\nFile /a/path")
            board.add(THROUGHPUT, peer, 500.0, [480.0, 520.0])
    cells = {row.key: row.cells for row in board.rows()}
    assert cells[THROUGHPUT]["offpath"].value == 500.0
    assert (cells[THROUGHPUT]["offpath"].low, cells[THROUGHPUT]["offpath"].high) == (480.0, 520.0)
    assert cells[THROUGHPUT]["agentos"].value is None
    assert cells[THROUGHPUT]["agentos"].failed == "the service ended with code 1"
    assert cells[LOST]["agentos"].value == 100
    assert "/a/path" in capsys.readouterr().err


def test_each_figure_has_its_prediction_beside_it() -> None:
    board = Board(pending=2_000, load=Load(40.0, requests=1_000))
    for row in ROWS:
        board.add(row.key, AGENTOS, 1.0)
    for row in board.rows():
        assert row.cells["agentos"].predicted == PREDICTED.get((row.key, "agentos"))
    assert {key for key, _ in PREDICTED} <= {row.key for row in ROWS}


@pytest.mark.parametrize(("requests", "tail"), [(999, "p95"), (1_000, "p99")])
def test_a_p99_needs_a_thousand_requests_and_was_predicted_as_such(requests: int, tail: str) -> None:
    board = Board(load=Load(12.0, requests=requests, slowest=30.0))
    board.add(TAIL, AGENTOS, 40.0)
    (row,) = board.rows()
    assert row.title == f"Response {tail} at 12/s, {requests:,} requests"
    assert (row.cells["agentos"].predicted is not None) == (tail == "p99")


def test_rows_name_the_load_under_which_they_were_measured() -> None:
    board = Board(load=Load(12.0, requests=576, computing=180, slowest=30.0))
    board.add(P50, AGENTOS, 9.0)
    board.add(BURN, AGENTOS, 200.0, without=30.0)
    p50, burn = board.rows()
    assert p50.title == "Response p50 at 12/s, 576 requests"
    assert "40% of what the slowest service here serves" in p50.how
    assert burn.title == "Response p95 while hooks compute at 12/s, 180 requests"
    assert "one in 8 with an async hook that computes for 200 ms, 30% of one core" in burn.how
    assert burn.shown_without("agentos") == "30.00 ms without"


def test_the_table_says_what_was_predicted_what_was_kept_and_what_failed() -> None:
    text = io.StringIO()
    Console(file=text, width=160).print(table_of(result()))
    for part in (
        "1,030/s",
        "predicted at least 477/s kept",
        "834/s to 1,192/s",
        "offpath 6.50x (6.10 to 6.90)",
        "a note",
        "0 of 100",
        "failed: not done after 150 s",
        "1.01 s",
    ):
        assert part in text.getvalue()


def test_a_report_without_any_figure_can_be_printed_and_saved(tmp_path: Path) -> None:
    """As when it is ended before the first part is over."""
    report = PeersReport("peers", quick=True)
    report.heard(0.5)
    text = io.StringIO()
    report.print(Console(file=text, width=160))
    assert "POLLUTED" in text.getvalue()
    saved = read_result(report.save(tmp_path))
    assert saved.rows == []
    assert saved.versions["pydantic-evals"]
    assert [peer.key for peer in saved.peers] == [peer.key for peer in PEERS]


def test_marks_are_counted_as_they_come(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks")
    assert marks.count() == 0
    marks.path.write_text("notify run-1 12.5\n")
    assert marks.count() == 1
    with marks.path.open("a") as file:
        file.write("assess run-1 13.0\n")
    assert marks.count() == 2
    assert marks.since(1) == [Mark("assess", "run-1", 13.0)]


def test_waiting_for_marks_ends_when_no_more_come(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks")
    marks.path.write_text("notify run-1 12.5\n")
    assert marks.wait(2, quiet=0.1, within=60) == 1


def test_waiting_goes_on_while_marks_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One every three seconds of a clock that only sleeping moves."""
    marks, clock = Marks(tmp_path / "marks"), [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        marks.path.write_text("notify run-1 12.5\n" * int(clock[0] // 3))

    monkeypatch.setattr(peers_serving, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    assert marks.wait(4, quiet=4, within=60) == 4
    with pytest.raises(TimeLimitError, match="of 100 hooks had ended after 20 s"):
        marks.wait(100, quiet=4, within=20)


def test_a_time_limit_ends_whatever_waits_and_leaves_the_outer_one() -> None:
    with time_limit(60):
        with pytest.raises(TimeLimitError, match=r"0\.05 s"), time_limit(0.05):
            time.sleep(30)
        with pytest.raises(TimeLimitError), time_limit(0.05), time_limit(60):
            time.sleep(30)


def test_every_row_says_how_it_is_measured() -> None:
    assert all(row.how.endswith(".") for row in ROWS)
    assert FAILING in {row.key for row in ROWS}
