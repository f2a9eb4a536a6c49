"""The figures that README and documentation quote are those of the committed result."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.peers_result import newest_result, read_result
from benchmarks.peers_rows import ROWS
from benchmarks.peers_table import COMMAND, rendered

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["README.md", "docs/comparison.md"])
def test_the_tables_are_those_of_the_newest_result(name: str) -> None:
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    source = newest_result()
    assert rendered(text, read_result(source), page) == text, f"{name} differs from {source.name}; run `{COMMAND}`"


def test_the_result_has_every_figure() -> None:
    result = read_result(newest_result())
    assert [row.key for row in result.rows] == [row.key for row in ROWS]
