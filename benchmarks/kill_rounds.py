"""Several hundred kill -9s of a service's processes under load: how many hooks are lost, how many invented.

    python -m benchmarks.kill_rounds --rounds 300 --seed 1

The test of the same name runs twenty of these rounds; its machinery in tests/acceptance is used here.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Figure, Report, about, at_most
from benchmarks.served import scratch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from acceptance.killing import ENVIRONMENT, Findings, kill_rounds
from acceptance.serving import RULES, Service
from offpath.offline import offline_model_process

REPEATED_SHARE = 0.05
"""Predicted share of hook calls that are repetitions: what was under way when its executor or worker died."""


def main() -> int:
    arguments = _arguments()
    seed = arguments.seed or random.SystemRandom().randrange(1, 1_000_000)
    report, console = Report("kill", quick=arguments.rounds < 200), Console()
    with scratch() as directory, offline_model_process() as model:
        model.set_options(chunk_latency=0.01)
        model.script(rules=RULES)
        service = Service(directory, "kill_app", model.base_url, environment=ENVIRONMENT)
        try:
            findings = kill_rounds(service, seed=seed, rounds=arguments.rounds)
        finally:
            service.discard()
    report.add(*figures(findings))
    report.notes += [
        f"seed {seed}; killed: {', '.join(f'{count} x {victim}' for victim, count in sorted(findings.kills.items()))}",
        f"{findings.load.cut_off} requests were cut off or found nobody listening; other statuses than 200: "
        f"{dict(findings.load.refused) or 'none'}",
    ]
    report.print(console)
    for name, entries in findings.wrong().items():
        console.print(f"WRONG: {len(entries)} {name}: {entries[:20]}", markup=False)
    console.print(f"saved as {report.save()}")
    return 1 if findings.wrong() else 0


def figures(findings: Findings, *, drained: float = 10.0) -> list[Figure]:
    """What was found, each with what was predicted.

    Args:
        drained: Predicted seconds, at most, until everything is done after the last round.
    """
    streams = sum(findings.load.answered.values())
    return [
        Figure("rounds", sum(findings.kills.values()), ""),
        Figure("runs answered", len(findings.load.answered), "", note=f"{streams} of them as streams"),
        Figure("hook jobs done", findings.jobs, "", note="one result each: its key is the table's"),
        Figure("answered runs that are not stored", len(findings.lost_runs), "", predicted=at_most(0)),
        Figure("hooks lost", len(findings.lost_hooks), "", predicted=at_most(0)),
        Figure("hooks stored as done that never ran", len(findings.without_effect), "", predicted=at_most(0)),
        Figure("hooks of runs that are not stored", len(findings.phantoms), "", predicted=at_most(0)),
        Figure("jobs and runs that never ended", len(findings.stuck), "", predicted=at_most(0)),
        Figure("runs cut off, marked, and their hook told", findings.interrupted, ""),
        Figure(
            "hook calls beyond the first of their job",
            findings.repeated,
            "",
            predicted=about(round(REPEATED_SHARE * findings.jobs)),
            note="at least once: what was under way is done again",
        ),
        Figure("drained after the last round", findings.drain_seconds, "s", predicted=at_most(drained)),
        Figure("database damaged", int(findings.integrity != "ok"), "", predicted=at_most(0), note=findings.integrity),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, help="repeats an earlier run's moments and victims")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
