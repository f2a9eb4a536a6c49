"""The comparison's tables in Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import peers_table
from benchmarks.peers_table import TableError, rendered

from unit.benchmarks.peers_findings import result

PLACE = "before\n<!-- peers: begin -->\nold\n<!-- peers: end -->\nafter\n"


def test_the_table_stands_between_its_comments_and_nothing_else_changes() -> None:
    text = rendered(PLACE, result())
    assert text.startswith("before\n<!-- peers: begin -->\n| | offpath | AgentOS 3.1.10 |\n|---|---|---|\n")
    assert text.endswith("\n<!-- peers: end -->\nafter\n")
    assert "| Stored before the response | run and hooks | run |" in text
    assert "| Runs a second | **1,030/s** | 158/s |" in text
    assert "| Hooks lost | **0 of 100** | failed: not done after 150 s |" in text
    assert "| Five hooks | **1.01 s** | - |" in text
    assert "old" not in text
    assert rendered(text, result()) == text


def test_in_full_each_cell_has_range_prediction_and_ratio() -> None:
    text = rendered("<!-- peers in full: begin -->\n<!-- peers in full: end -->\n", result())
    assert "| **1,030/s**<br>834/s to 1,192/s<br>predicted at least 477/s |" in text
    assert "158/s<br>150/s to 160/s<br>offpath / this: 6.50 [6.10, 6.90]<br>a note" in text


def test_how_says_what_is_durable_and_how_each_figure_is_measured() -> None:
    text = rendered("<!-- peers how: begin -->\n<!-- peers how: end -->\n", result())
    assert "- **AgentOS 3.1.10**: Theirs. Hooks are lost." in text
    assert "- **Runs a second**: Closed loop." in text


@pytest.mark.parametrize(
    ("quick", "others", "said"),
    [(True, 0.02, "It was a short run"), (False, 0.4, "up to 40% of the machine")],
)
def test_rough_and_polluted_figures_are_called_so(quick: bool, others: float, said: str) -> None:
    assert said in rendered(PLACE, result(quick=quick, others=others))
    assert said not in rendered(PLACE, result())


@pytest.mark.parametrize("text", ["no place", "<!-- peers sideways: begin -->\n<!-- peers sideways: end -->\n"])
def test_a_file_without_a_known_place_is_an_error(text: str) -> None:
    with pytest.raises(TableError):
        rendered(text, result())


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
