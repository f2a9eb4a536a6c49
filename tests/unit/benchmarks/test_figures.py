"""Figures beside their predictions, printed and saved."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from benchmarks.figures import Figure, Prediction, Report, about, at_least, at_most
from rich.console import Console

from offpath.proof.estimates import Estimate


@pytest.mark.parametrize(
    ("predicted", "verdict"),
    [
        (at_most(1.01), "MISSED"),  # the far end of the interval counts
        (at_most(1.02), "kept"),
        (at_least(0.99), "kept"),
        (at_least(1.0), "MISSED"),
        (about(1.0), ""),
        (None, ""),
    ],
)
def test_a_bound_is_kept_with_the_whole_interval(predicted: Prediction | None, verdict: str) -> None:
    assert Figure.of("p50 on/off", Estimate(1.0, 0.99, 1.02), "x", predicted).verdict == verdict


def test_without_an_interval_the_value_counts() -> None:
    assert Figure("jobs", 4_999, "/s", predicted=at_least(5_000)).verdict == "MISSED"
    assert Figure("jobs", 5_000, "/s", predicted=at_least(5_000)).verdict == "kept"


def test_the_table_shows_the_prediction_beside_the_figure() -> None:
    report = Report("worker", quick=True)
    report.add(Figure("no-op jobs", 22_265.4, "/s", predicted=at_least(5_000), note="a note"))
    report.notes.append("others used 2 %")
    text = io.StringIO()
    report.print(Console(file=text, width=140))
    for part in ("worker (quick)", "no-op jobs", "at least 5,000/s", "22,265/s", "kept", "a note", "others used 2 %"):
        assert part in text.getvalue()


def test_a_saved_result_says_under_what_circumstances(tmp_path: Path) -> None:
    report = Report("capacity", quick=False)
    report.add(Figure.of("runs", Estimate(500.0, 480.0, 520.0), "/s", at_least(477)))
    path = report.save(tmp_path)
    saved = json.loads(path.read_text())
    assert path.name == f"{saved['date'][:10]}-capacity.json"
    assert saved["figures"] == [
        {
            "name": "runs",
            "value": 500.0,
            "unit": "/s",
            "low": 480.0,
            "high": 520.0,
            "predicted": {"value": 477, "kind": "at least"},
        }
    ]
    assert {"python", "versions", "machine", "quick"} <= set(saved)
    assert saved["versions"]["uvicorn"]
    assert saved["machine"]["cores"] >= 1
