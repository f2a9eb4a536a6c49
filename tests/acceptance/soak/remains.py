"""Remains: what a soak's processes hold on to, and what they leave behind."""

from __future__ import annotations

import time
from collections import defaultdict

from acceptance.soak.account import Line, line
from acceptance.soak.site import Site
from acceptance.soak.watch import ROLES, Watch, grown

MEGABYTE = 2**20
ENOUGH_RUNS = 2_000
"""Fewer runs say nothing of memory: pools, caches and the allocator are still filling."""
GROWTH = 1.5
"""Megabytes of resident memory by which a process may grow in 1,000 runs."""
SLACK = 24.0
"""Megabytes by which it may grow whatever happens: a worker's read-ahead and the allocator's pools fill slowly."""
DESCRIPTORS, THREADS = 12, 8
"""By how many more a process may have at the end of the steady part than at its beginning."""
EXECUTOR_THREADS = 256 + 16
"""An executor has a thread for each synchronous call that is under way, and keeps them: OFFPATH_EXECUTOR_THREADS."""
LARGEST_WAL = 64 * MEGABYTE
"""SQLite's log is cut at 8,000 pages; what a locked database lets pile up is more."""
_FOLLOW_SECONDS = 10.0
MOST = {"service": 6, "worker": 4, "zygote": 4, "executor": 40}
"""Most processes of a role at once, those that a kill left for a moment included."""


def memory_bounded(watch: Watch, since: float) -> Line:
    """Resident memory of every process that lived through the steady part, per 1,000 runs."""
    found: dict[str, list[str]] = defaultdict(list)
    wrong = []
    for (role, pid), uses in watch.since(since).items():
        runs = uses[-1].runs - uses[0].runs
        growth = grown(uses, lambda use: use.rss) / MEGABYTE
        found[role].append(f"{uses[-1].rss / MEGABYTE:.0f} MB ({growth:+.1f})")
        if runs >= ENOUGH_RUNS and growth > SLACK + GROWTH * runs / 1_000:
            wrong.append(
                f"{role} {pid}: {growth:.1f} MB more after {runs:,} runs, {uses[-1].rss / MEGABYTE:.0f} in all"
            )
    runs = max((uses[-1].runs - uses[0].runs for uses in watch.since(since).values()), default=0)
    enough = "" if runs >= ENOUGH_RUNS else f"; too few runs to judge, {ENOUGH_RUNS:,} are needed"
    shown = "; ".join(f"{role} {', '.join(each[:4])}" for role, each in sorted(found.items()))
    return line("memory is bounded", f"{runs:,} runs{enough}: {shown}", wrong, judged=not enough)


def descriptors_bounded(watch: Watch, since: float) -> Line:
    wrong, most = [], 0
    for (role, pid), uses in watch.since(since).items():
        enough = uses[-1].runs - uses[0].runs >= ENOUGH_RUNS
        for what, bound, values in (
            ("descriptors", DESCRIPTORS, [use.descriptors for use in uses]),
            ("threads", THREADS, [use.threads for use in uses]),
        ):
            # Load comes and goes; what leaks only rises, so that even the least of the end is more.
            growth = _least_of_end(values) - max(values[: max(1, len(values) // 3)])
            if role == "executor" and what == "threads":
                if max(values) > EXECUTOR_THREADS:
                    wrong.append(f"{role} {pid}: {max(values)} threads")
            elif growth > bound and enough:
                wrong.append(f"{role} {pid}: {growth} {what} more than at the beginning")
        most = max(most, *(use.descriptors for use in uses))
    return line("descriptors and threads are bounded", f"at most {most} descriptors in a process", wrong)


def processes_bounded(watch: Watch) -> Line:
    wrong = [f"{watch.most[role]} of {role} at once" for role in ROLES if watch.most[role] > MOST[role]]
    return line("processes are bounded", ", ".join(f"{watch.most[role]} {role}" for role in ROLES), wrong)


def nothing_left(site: Site) -> Line:
    """To be called when all have ended that were started by name; what Python started beside them follows at once."""
    deadline = time.monotonic() + _FOLLOW_SECONDS
    while (left := [each for part in site.parts for each in part.family()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    wrong = [f"{process.pid} {' '.join(process.cmdline()[:4])}" for process in left]
    files = [str(path.relative_to(site.directory)) for path in site.temporary.rglob("*") if not path.is_dir()]
    return line("no process and no temporary file is left", "0", [*wrong, *files])


def files_in_bounds(site: Site) -> Line:
    """The database's own files: a log that is cut, no record of a run that is gone, a file that is not damaged."""
    if site.kind == "postgres":
        return line("the database's files are in bounds", "PostgreSQL looks after its own")
    wrong = [f"integrity: {each}" for (each,) in site.query("PRAGMA integrity_check") if each != "ok"]
    wal = site.database.with_name(site.database.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > LARGEST_WAL:
        wrong.append(f"the log has {size / MEGABYTE:.0f} MB")
    beside = sorted(path.name.removeprefix(site.database.name) for path in site.directory.glob("soak.db*"))
    return line("the database's files are in bounds", f"{' '.join(beside)}; log of {size / MEGABYTE:.1f} MB", wrong)


def _least_of_end(values: list[int]) -> int:
    return min(values[-max(1, len(values) // 3) :])
