"""How hooks beside a faulty one are counted."""

from __future__ import annotations

from benchmarks.peers_faults import ran
from benchmarks.peers_rows import FAILING
from benchmarks.peers_serving import Mark


def test_a_hook_counts_once_for_its_run_and_a_late_one_of_another_agent_never() -> None:
    marks = [Mark("burn", "run-0", 1.0), Mark("notify", "run-1", 2.0), Mark("notify", "run-1", 3.0)]
    marks += [Mark("assess", "run-1", 3.0), Mark("notify", "run-2", 4.0)]
    assert ran(FAILING, marks) == 3
