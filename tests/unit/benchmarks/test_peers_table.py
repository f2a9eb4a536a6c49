"""The comparison's tables in Markdown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from benchmarks import peers_table
from benchmarks.peers_result import Cell, Load, PeersResult, PeerText, Row
from benchmarks.peers_rows import FAILING, THROUGHPUT
from benchmarks.peers_table import TableError, rendered

from unit.benchmarks.peers_findings import result

PAGE = Path(__file__)
PLACE = "before\n<!-- peers: begin -->\noutdated\n<!-- peers: end -->\nafter\n"


def test_the_table_stands_between_its_comments_and_nothing_else_changes() -> None:
    text = rendered(PLACE, result(), PAGE)
    assert text.startswith("before\n<!-- peers: begin -->\n| | offpath | AgentOS 3.1.10 |\n|---|---|---|\n")
    assert text.endswith("\n<!-- peers: end -->\nafter\n")
    assert "| Stored before the response | run and hooks | run |" in text
    assert "| Runs a second | **1,030/s** | 158/s |" in text
    assert "| Hooks lost | 0 of 100 | failed: not done after 150 s |" in text
    assert "| Five hooks | 1.01 s | - |" in text
    assert "outdated" not in text
    assert rendered(text, result(), PAGE) == text


def test_in_full_each_cell_has_range_prediction_and_ratio() -> None:
    text = rendered("<!-- peers in full: begin -->\n<!-- peers in full: end -->\n", result(), PAGE)
    assert "| **1,030/s**<br>834/s to 1,192/s<br>predicted at least 477/s |" in text
    assert "158/s<br>150/s to 160/s<br>offpath / this: 6.50 [6.10, 6.90]<br>a note" in text


def test_how_says_what_is_durable_and_how_each_figure_is_measured() -> None:
    text = rendered("<!-- peers how: begin -->\n<!-- peers how: end -->\n", result(), PAGE)
    assert "- **AgentOS 3.1.10**: Theirs. Hooks are lost." in text
    assert "- **Runs a second**: Closed loop." in text


def of_rows(*rows: Row, load: Load | None = None) -> PeersResult:
    """Three peers with these rows."""
    peers = [*result().peers, PeerText("bare", "FastAPI", "The least.", "nothing", "Nothing is stored.")]
    return msgspec.structs.replace(result(), peers=peers, rows=list(rows), load=load)


@pytest.mark.parametrize(
    ("key", "values", "cells"),
    [
        (THROUGHPUT, (1_030, 158, 500), "**1,030** | 158 | 500"),
        (FAILING, (10, 0, 20), "10 | 0 | **20**"),
        ("memory_idle", (191, 127, 88), "191 | 127 | **88**"),
        ("memory_idle", (88, 127, 88), "**88** | 127 | **88**"),
        ("lost", (0, 0, 0), "0 | 0 | 0"),
        ("lost", (0, None, None), "0 | failed: late | failed: late"),
        ("lost", (None, None, None), "failed: late | failed: late | failed: late"),
    ],
)
def test_the_best_of_a_row_is_bold_whosever_it_is(key: str, values: tuple[float | None, ...], cells: str) -> None:
    peers = ("offpath", "agentos", "bare")
    row = Row(
        key,
        "A row",
        "",
        "So.",
        {
            peer: Cell(value, failed="" if value is not None else "late")
            for peer, value in zip(peers, values, strict=True)
        },
    )
    assert f"| A row | {cells} |" in rendered(PLACE, of_rows(row), PAGE)


def test_rate_and_count_are_named_and_what_the_same_load_does_otherwise() -> None:
    row = Row(
        "burn",
        "p95 while hooks compute",
        "ms",
        "So.",
        {"offpath": Cell(9.5, without=8.0), "agentos": Cell(210.0, without=40.0)},
    )
    text = rendered(PLACE, of_rows(row, load=Load(20.0, requests=1_234, computing=480, slowest=50.0)), PAGE)
    assert "| p95 while hooks compute | **9.50 ms** (8.00 ms without) | 210.00 ms (40.00 ms without) | - |" in text
    assert (
        "1,234 requests to each service at 20/s (40% of what the slowest serves); while hooks compute, of 480" in text
    )


@pytest.mark.parametrize(("bare", "said"), [(500.0, True), (2_000.0, False)])
def test_more_runs_than_a_service_that_does_less_are_explained(bare: float, said: bool) -> None:
    row = Row(THROUGHPUT, "Runs a second", "/s", "So.", {"offpath": Cell(1_030.0), "bare": Cell(bare)})
    text = rendered(PLACE, of_rows(row), peers_table.REPOSITORY / "docs" / "comparison.md")
    assert ("([decision 7](decisions/0007-model-calls.md))" in text) is said
    assert peers_table.MODEL_CALLS.is_file()


@pytest.mark.parametrize(
    ("quick", "others", "said"),
    [(True, 0.02, "It was a short run"), (False, 0.4, "up to 40% of the machine")],
)
def test_rough_and_polluted_figures_are_called_so(quick: bool, others: float, said: str) -> None:
    assert said in rendered(PLACE, result(quick=quick, others=others), PAGE)
    assert said not in rendered(PLACE, result(), PAGE)


@pytest.mark.parametrize("text", ["no place", "<!-- peers sideways: begin -->\n<!-- peers sideways: end -->\n"])
def test_a_file_without_a_known_place_is_an_error(text: str) -> None:
    with pytest.raises(TableError):
        rendered(text, result(), PAGE)


def test_check_fails_until_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "2026-11-20-peers.json"
    source.write_bytes(result().encode())
    monkeypatch.setattr(peers_table, "newest_result", lambda: source)
    page = tmp_path / "page.md"
    page.write_text(PLACE)
    assert peers_table.main([str(page), "--check"]) == 1
    assert (
        "page.md differs from 2026-11-20-peers.json; run `python -m benchmarks.peers_table" in capsys.readouterr().out
    )
    assert page.read_text() == PLACE
    assert peers_table.main([str(page), "--write"]) == 0
    assert peers_table.main([str(page), "--check"]) == 0
