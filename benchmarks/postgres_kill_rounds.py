"""Two API processes and three workers on one PostgreSQL, killed in turns and the server restarted, under load.

    python -m benchmarks.postgres_kill_rounds --rounds 100 --seed 1

The test of the same name runs twenty of these rounds; its machinery in tests/acceptance is used here.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Report
from benchmarks.kill_rounds import figures
from benchmarks.served import scratch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from acceptance.postgres_killing import STUCK_SECONDS, Cluster, kill_rounds
from acceptance.serving import RULES
from offpath.offline import offline_model_process
from postgres_server import PostgresServer


def main() -> int:
    arguments = _arguments()
    seed = arguments.seed or random.SystemRandom().randrange(1, 1_000_000)
    report, console = Report("postgres_kill", quick=arguments.rounds < 100), Console()
    server = PostgresServer()
    with scratch() as directory, offline_model_process() as model:
        model.set_options(chunk_latency=0.01)
        model.script(rules=RULES)
        cluster = Cluster(directory, model.base_url, server)
        try:
            findings = kill_rounds(cluster, seed=seed, rounds=arguments.rounds, told=report.say)
        finally:
            cluster.discard()
            server.remove()
    report.add(*figures(findings, drained=STUCK_SECONDS))
    report.notes += [
        f"seed {seed}; struck: {', '.join(f'{count} x {victim}' for victim, count in sorted(findings.kills.items()))}",
        f"{findings.load.cut_off} requests were cut off or found nobody listening; other statuses than 200: "
        f"{dict(findings.load.refused) or 'none'}",
        f"ended by themselves and were started again: {dict(findings.ended) or 'none'}",
    ]
    report.print(console)
    for name, entries in findings.wrong().items():
        console.print(f"WRONG: {len(entries)} {name}: {entries[:20]}", markup=False)
    if arguments.save:
        console.print(f"saved as {report.save()}")
    return 1 if findings.wrong() else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, help="repeats an earlier run's moments and victims")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>-postgres_kill.json")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
