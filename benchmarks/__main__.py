"""Lists benchmarks, runs them, prints tables, saves results."""

from __future__ import annotations

import argparse
import importlib
import signal
import subprocess
import sys

from rich.console import Console

from benchmarks.figures import Report
from benchmarks.served import REPOSITORY

BENCHMARKS = {
    "response": "p50 and p99 with hooks on against off, for several kinds of hooks and loads (35 min; quick 6)",
    "capacity": "runs a second and CPU of a run, with AgentOS and a bare app beside (5 min; quick 1)",
    "commit": "how long commits take while the worker drains on a busy core (2 min; quick half)",
    "worker": "500 hooks of a second, jobs a second, commit to start, long backlogs (5 min; quick 1)",
    "postgres_storage": "commits of runs with hook jobs on PostgreSQL, beside a bare transaction (2 min; quick half)",
    "postgres_engine": "workers on PostgreSQL: the same, with one worker and two, and an idle one (4 min; quick 2)",
    "telemetry_path": "what telemetry costs a run on the response path, off against on (3 min; quick half)",
    "builtin_path": "what fifteen evaluators and analytics add to the response path, without HTTP (2 min; quick half)",
    "builtin_booking": "booking by itself: bookings a second, and how long the write lock is held (1 min; quick half)",
    "builtin_load": "a hundred runs a second with ten evaluators each: queue, booking, CPU (4 min; quick half)",
    "builtin_sums": "analytics and summaries of evaluations over the sums of a million runs (3 min; quick 2)",
    "evaluators": "how right the evaluators are on labelled rows, and how fast (2 min; quick half)",
    "peers": "what one would pick instead: AgentOS, BackgroundTasks, a bare app; all figures (11 min; quick 3)",
    "memory": "what 10,000 queued jobs add to each process (2 min; quick half)",
}
SCRIPTS = {
    "model_client": "CPU of one call to a model, for each way of making it (1 min)",
    "storage": "commits a second, how long one takes, the queue's reads (2 min)",
    "telemetry": "CPU of each span and metric (1 min)",
    "metrics_page": "CPU of the metrics page at 10,000 samples (1 min)",
    "kill_rounds": "several hundred kill -9s under load: hooks lost, hooks invented (20 min)",
    "postgres_kill_rounds": "two services, three workers, one PostgreSQL: 100 kill -9s and restarts (5 min)",
    "soak": "traffic with every kind of fault; then all that was promised is accounted for (25 min)",
}
"""Programs that print tables of their own; `python -m benchmarks.NAME` takes their options."""


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure offpath; without names: list.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}, or all")
    parser.add_argument("--quick", action="store_true", help="short and rough: whether it works at all")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>-<name>.json")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="only cases whose name holds WORD")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 170)
    if not options.names:
        for name, summary in {**BENCHMARKS, **SCRIPTS}.items():
            console.print(f"{name:22}{summary}", markup=False, highlight=False)
        return
    names = [*BENCHMARKS, *SCRIPTS] if options.names == ["all"] else options.names
    unknown = [name for name in names if name not in BENCHMARKS and name not in SCRIPTS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join([*BENCHMARKS, *SCRIPTS])}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    for name in names:
        if name in SCRIPTS:
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=REPOSITORY, check=True)
            continue
        module = importlib.import_module(f"benchmarks.{name}")
        report: Report = getattr(module, "new_report", Report)(name, options.quick)
        try:
            module.run(report, options.only)
        finally:
            report.print(console)
        if options.save:
            console.print(f"  saved as {report.save().relative_to(REPOSITORY)}", highlight=False)


if __name__ == "__main__":
    main()
