"""The figures that README and documentation quote are those of the committed result."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.peers_result import newest_result, read_result
from benchmarks.peers_rows import ROWS
from benchmarks.peers_table import COMMAND, rendered

from offpath.proof.findings import QuantileComparison, read_findings

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


def medians(model: str) -> list[QuantileComparison]:
    """Hooks on against off at the median, of all cases of the newest measurement with that model."""
    newest = max((ROOT / "benchmarks" / "results").glob(f"*-prove-{model}.json"))
    comparisons = [each for case in read_findings(newest).cases for each in case.comparisons]
    return [each.quantiles[0] for each in comparisons if (each.a, each.b) == ("off", "on")]


def test_what_the_readme_says_of_hooks_is_what_prove_found() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    slow = medians("200ms")
    more = [100 * (found.ratio.value - 1) for found in slow]
    assert len(slow) == 8
    assert f"between {min(more):.1f} and {max(more):.1f} % longer" in text
    assert f"every 95 % interval ended below {100 * (max(found.ratio.high for found in slow) - 1) + 0.05:.1f} %" in text
    fast = medians("0ms")
    added = [found.difference_us.value / 1000 for found in fast]
    assert (
        f"{min(added):.1f} to {max(added):.1f} ms more, on {max(found.a_seconds for found in fast) * 1000:.0f} ms"
        in text
    )
