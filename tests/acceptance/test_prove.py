"""`offpath prove` from end to end on the demo: a planted slowdown is caught.

The model takes 100 ms, beside which the noise of a busy machine is small: what is looked at is whether the experiment
tells a slowdown from none, and not how fast the machine is.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from acceptance.serving import console_script
from offpath.proof.findings import Findings, read_findings

OPTIONS = ("--profile", "none", "--quick", "--model-latency", "0.1", "--rate", "40", "--no-storage-arm")


def prove(directory: Path, *options: str) -> tuple[int, str, Findings]:
    """Run it; the exit code, all output, and what it found."""
    found = directory / "found.json"
    command = [console_script("offpath"), "prove", *OPTIONS, "--json", str(found), *options]
    marked = {**os.environ, "ACCEPTANCE_FAMILY": str(directory)}
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=220, env=marked)
    output = ended.stdout + ended.stderr
    assert found.exists(), output
    assert _left(str(directory)) == []
    return ended.returncode, output, read_findings(found)


def _left(family: str) -> list[str]:
    """Processes that were started for a directory and still live."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ACCEPTANCE_FAMILY") == family and process.status() != psutil.STATUS_ZOMBIE:
                left.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return left


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_planted_slowdown_is_caught_and_none_is_seen_where_there_is_none(tmp_path: Path) -> None:
    code, output, findings = prove(
        tmp_path, "--assert-p50", "1.15", "--plant", "0.5", "--html", str(tmp_path / "found.html")
    )
    assert code == 1, output
    assert "MISSED: none, model 100 ms, p50 at most 1.15" in output
    (case,) = findings.cases
    answer, check = case.comparison("off", "on"), case.comparison("off", "off again")
    assert answer is not None
    assert check is not None
    assert answer.pairs == 6
    assert answer.requests == check.requests > 20
    slower, same = answer.quantile(0.5), check.quantile(0.5)
    assert slower is not None
    assert same is not None
    assert 0.1 < slower.a_seconds < 10
    assert slower.difference_us.value > 25_000  # 50 ms, but for noise
    assert slower.ratio.value > same.ratio.value
    assert case.hooks_failed == 0
    assert [run.hooks[0].state for run in case.waterfall] == ["succeeded"] * 3
    assert findings.command.startswith("offpath prove --profile none --quick")
    assert str(tmp_path) not in findings.command
    assert "none, model 100 ms" in (tmp_path / "found.html").read_text()
