"""A small comparison, as if it had been measured."""

from __future__ import annotations

from benchmarks.figures import at_least
from benchmarks.peers_result import Cell, Machine, PeersResult, PeerText, Ratio, Row


def result(*, quick: bool = False, others: float = 0.02, notes: list[str] | None = None) -> PeersResult:
    """Two peers, one figure that both have, one that failed for the second, and one that only the first has."""
    return PeersResult(
        name="peers",
        date="2026-11-20T20:25:00+00:00",
        quick=quick,
        seconds=600.0,
        python="3.11.7",
        versions={"agno": "3.1.10"},
        machine=Machine("Linux", "AMD EPYC", 2, 23.5),
        others_cpu_share=others,
        notes=notes or [],
        peers=[
            PeerText("offpath", "offpath", "Ours.", "run and hooks", "Nothing is lost."),
            PeerText("agentos", "AgentOS", "Theirs.", "run", "Hooks are lost."),
        ],
        rows=[
            Row(
                "throughput",
                "Runs a second",
                "/s",
                "Closed loop.",
                {
                    "offpath": Cell(1030.2, 833.5, 1191.6, at_least(477)),
                    "agentos": Cell(158.4, 150.0, 160.0, ratio=Ratio(6.5, 6.1, 6.9), note="a note"),
                },
            ),
            Row(
                "lost",
                "Hooks lost",
                "",
                "Killed.",
                {"offpath": Cell(0, of=100), "agentos": Cell(failed="not done after 150 s")},
            ),
            Row("five", "Five hooks", "s", "Five.", {"offpath": Cell(1.012)}),
        ],
    )
