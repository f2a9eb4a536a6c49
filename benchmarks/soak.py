"""Hours of traffic compressed, with faults at random moments; at the end everything is accounted for.

    python -m benchmarks.soak --minutes 20
    python -m benchmarks.soak --minutes 20 --database postgres --seed 1

Real processes of a service with hooks that behave and hooks that do not, evaluators with a judge, analytics and
notifications: their processes are killed, frozen and restarted; the database is locked, full, restarted and killed; the
judge, the collector and the receiver of notifications are away, slow or talk nonsense; the clock steps. What the
clients were told is then compared with what is stored, sent, shown and left. The exit code is 1 if a line does not
hold. Ctrl-C ends the traffic, and still accounts. The test of the same name runs a short one; the machinery is in
tests/acceptance/soak.

A seed repeats the kinds and times of faults and requests, not how the processes interleave.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figures import circumstances

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from acceptance.soak.soak import Outcome, Soak


def main() -> int:
    given = _arguments()
    seed = given.seed or random.SystemRandom().randrange(1, 1_000_000)
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(f"Soak on {given.database} for {given.minutes:g} minutes, seed {seed}; Ctrl-C ends it in order.")
    outcome = asyncio.run(_soaked(given, seed))
    show(outcome, console)
    if given.json is not None:
        given.json.write_text(json.dumps(found(outcome), indent=1) + "\n")
        console.print(f"written to {given.json}")
    return 1 if outcome.wrong else 0


async def _soaked(given: argparse.Namespace, seed: int) -> Outcome:
    soak = Soak(
        given.database,
        given.minutes,
        seed,
        every=given.every,
        pause=given.pause,
        told=lambda text: print(text, file=sys.stderr, flush=True),
    )
    loop = asyncio.get_running_loop()

    def heed() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, soak.stopping.set)

    # Ctrl-C reaches the model and the judge as well, who are to answer to the end: they inherit that it is ignored.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    soak.started = heed
    return await soak.run()


def show(outcome: Outcome, console: Console) -> None:
    """Print what was done, and a line for each thing that has to be true."""
    table = Table(title=f"soak on {outcome.database}, seed {outcome.seed}", title_justify="left")
    for heading in ("has to be true", "", "found"):
        table.add_column(heading)
    for each in outcome.lines:
        table.add_row(each.name, each.verdict, each.found)
    console.print(table)
    for each in outcome.wrong:
        console.print(f"BROKEN: {each.name}", markup=False)
        for entry in each.wrong:
            console.print(f"  {entry}", markup=False)
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(outcome.faults.items()))
    console.print(f"{outcome.seconds:.0f} s of traffic; faults: {faults or 'none'}", markup=False)
    ended = ", ".join(f"{count} x {name}" for name, count in sorted(outcome.ended.items()))
    console.print(f"ended and were started again: {ended or 'none'}", markup=False)
    if outcome.wrong:
        console.print(outcome.logs, markup=False)


def found(outcome: Outcome) -> dict[str, object]:
    """The same as JSON."""
    return {
        "name": "soak",
        "database": outcome.database,
        "seed": outcome.seed,
        "seconds": round(outcome.seconds, 1),
        "drained_seconds": round(outcome.drained, 1),
        "acknowledged_runs": len(outcome.told.runs),
        "faults": dict(outcome.faults),
        "fault_log": outcome.log,
        "ended": dict(outcome.ended),
        "last_words": outcome.last_words,
        "kept": not outcome.wrong,
        "lines": [asdict(each) | {"verdict": each.verdict} for each in outcome.lines],
        **circumstances(),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="of traffic with faults (%(default)g)")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, help="repeats an earlier soak's faults and requests")
    parser.add_argument("--every", type=float, default=3.0, help="mean seconds between two faults (%(default)g)")
    parser.add_argument(
        "--pause", type=float, default=0.1, help="mean seconds between a client's requests (%(default)g)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there, too")
    given = parser.parse_args()
    if not given.minutes > 0 or not given.every > 0 or given.pause < 0:
        parser.error("--minutes and --every have to be above 0, and --pause at least 0")
    return given


if __name__ == "__main__":
    raise SystemExit(main())
