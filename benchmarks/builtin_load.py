"""A hundred runs a second with ten evaluators that compute, for half a minute, on one worker.

Over HTTP, so that service, worker, executors, the model and the load generator share the machine; in turns with a
service without evaluators under the same arrivals. Watched meanwhile: the queue, what is not booked yet, CPU.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.committing import queue_of
from benchmarks.figures import Figure, Report, about, at_most
from benchmarks.response import REQUEST
from benchmarks.served import Served, scratch, served
from benchmarks.targets.evaluators import RULES
from offpath.offline import OfflineOptions, offline_model_process
from offpath.proof.estimates import Pair, quantile_ratio, quantiles
from offpath.proof.load import open_loop, poisson_arrivals
from offpath.proof.machine import Neighbours, cpu_of_all, tree
from offpath.proof.turns import draw_pairs

RATE = 100.0
CONNECTIONS = 16
DRAIN_SECONDS = 300.0
_LOOK_SECONDS = 0.5
_COMMIT = re.compile(r'^offpath_commit_duration_seconds_bucket\{.*le="([^"]+)".*\} (\S+)$', re.MULTILINE)
Cpu = dict[str, float]


@dataclass(slots=True)
class Look:
    """What was seen while the load was on, and how long the rest took."""

    latencies: list[float] = field(default_factory=list)
    jobs: list[int] = field(default_factory=list)
    """Waiting or running, every half second."""
    unbooked: list[int] = field(default_factory=list)
    left: int = 0
    drained: float = 0.0
    """Seconds from the last answer until no job was left; and until all was booked."""
    booked: float = 0.0
    cpu: Cpu = field(default_factory=dict)
    """Share of one core, of each kind of process, while the load was on."""
    commits: dict[float, float] = field(default_factory=dict)
    """Commits up to so many seconds."""


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure both services in turns."""
    seconds, count = (10.0, 1) if report.quick else (30.0, 3)
    looks: dict[str, list[Look]] = {"a": [], "b": []}
    with scratch() as directory, offline_model_process(OfflineOptions(recorded_requests=0)) as model, ExitStack() as up:
        arms = {
            "a": up.enter_context(served("no_hooks", directory, model.base_url)),
            "b": up.enter_context(served("ten_evaluators", directory, model.base_url)),
        }
        for arm in arms.values():
            _look(arm, 2.0, 99)
        neighbours = Neighbours()
        for number, order in enumerate(draw_pairs(count)):
            for name in order:
                report.say(f"pair {number + 1} of {count}, {'with' if name == 'b' else 'without'} evaluators")
                looks[name].append(_look(arms[name], seconds, number))
        others = neighbours.share()
        report.heard(others)
        _check(arms["b"].database, sum(len(look.latencies) for look in looks["b"]))
    _add(looks, f"others used {others:.0%}", report)


def _look(service: Served, seconds: float, number: int) -> Look:
    """One block of load, and what came after it until nothing was left to do."""
    look, before = Look(), _commits(service)
    cpu = _cpu(service)
    began = time.perf_counter()
    with _watching(service.database, look):
        arrivals = poisson_arrivals(RATE, seconds, seed=number)
        look.latencies = open_loop(service.address, [REQUEST], arrivals, connections=CONNECTIONS).check().latencies
    took = time.perf_counter() - began
    look.cpu = {name: max(0.0, used - cpu.get(name, 0.0)) / took for name, used in _cpu(service).items()}
    look.commits = {bound: count - before.get(bound, 0.0) for bound, count in _commits(service).items()}
    ended = time.perf_counter()
    with queue_of(service.database) as queue:
        look.left = queue.waiting()
        queue.await_empty(DRAIN_SECONDS)
    look.drained = time.perf_counter() - ended
    with _reading(service.database) as connection:
        while _unbooked(connection):
            if time.perf_counter() - ended > DRAIN_SECONDS:
                raise TimeoutError(f"{_unbooked(connection)} bookings wait after {DRAIN_SECONDS:g} s")
            time.sleep(0.05)
    look.booked = time.perf_counter() - ended
    return look


@contextmanager
def _watching(database: Path, look: Look) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        with _reading(database) as connection:
            while not over.wait(_LOOK_SECONDS):
                look.jobs.append(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])
                look.unbooked.append(_unbooked(connection))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)) as connection:
        yield connection


def _unbooked(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM bookings WHERE error IS NULL").fetchone()[0])


def _check(database: Path, runs: int) -> None:
    with _reading(database) as connection:
        found = connection.execute("SELECT count(*) FROM evaluations WHERE state = 'scored'").fetchone()[0]
        if found < runs * len(RULES) * 0.9:
            raise RuntimeError(f"{found} scores of {runs} runs with {len(RULES)} evaluators each")


def _cpu(service: Served) -> Cpu:
    """Seconds of the service, the worker's parent, and all that the parent started."""
    processes = tree(service.pid)
    children = [each for each in processes[1:] if each.ppid() == service.pid]
    parents = [each for each in children if "offpath.worker" in " ".join(each.cmdline())]
    below = [each for each in processes[1:] if each not in children]
    return {"service": cpu_of_all(processes[:1]), "parent": _own(parents), "executors": cpu_of_all(below)}


def _own(processes: Sequence[object]) -> float:
    total = 0.0
    for process in processes:
        times = process.cpu_times()  # type: ignore[attr-defined]
        total += times.user + times.system
    return total


def _commits(service: Served) -> dict[float, float]:
    host, port = service.address
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[float, float] = {}
    for bound, count in _COMMIT.findall(text):
        found[float(bound)] = found.get(float(bound), 0.0) + float(count)
    return found


def _commit_quantile(buckets: Mapping[float, float], q: float) -> float:
    """Linear within the bucket, as Prometheus has it."""
    total = buckets[float("inf")]
    below = low = 0.0
    for bound, count in sorted(buckets.items()):
        if count >= q * total:
            return low + (bound - low) * (q * total - below) / max(1e-9, count - below) if bound < 1e9 else low
        below, low = count, bound
    return low


def _add(looks: Mapping[str, Sequence[Look]], note: str, report: Report) -> None:
    off, on = looks["a"], looks["b"]
    pairs: list[Pair] = [(a.latencies, b.latencies) for a, b in zip(off, on, strict=True)]
    most = max(max(look.jobs, default=0) for look in on)
    halves = [(_mean(look.jobs[: len(look.jobs) // 2]), _mean(look.jobs[len(look.jobs) // 2 :])) for look in on]
    grown = max(second - first for first, second in halves)
    booking = [value for look in on for value in look.unbooked]
    waited = max(look.drained for look in on)
    p50, p99 = quantiles([value for look in on for value in look.latencies], 0.5, 0.99)
    where = f"{RATE:g} runs/s, {len(RULES)} evaluators"
    report.add(
        Figure(f"{where}: most jobs waiting", most, "", predicted=at_most(RATE), note=f"{len(on)} times; {note}"),
        Figure(f"{where}: jobs, second half less first", grown, "", predicted=at_most(RATE / 2)),
        Figure(f"{where}: jobs left at the end", max(look.left for look in on), "", predicted=at_most(RATE)),
        Figure(f"{where}: until they had ended", waited, "s", predicted=at_most(1)),
        Figure(f"{where}: until all was booked", max(look.booked for look in on), "s", predicted=at_most(3)),
        Figure(f"{where}: bookings waiting, p50", quantiles(booking, 0.5)[0], "", predicted=about(RATE / 2)),
        Figure(f"{where}: bookings waiting, most", max(booking), "", predicted=at_most(5 * RATE)),
    )
    for name in ("service", "parent", "executors"):
        used = [look.cpu.get(name, 0.0) for look in on]
        without = _mean([look.cpu.get(name, 0.0) for look in off])
        text = f"of one core; without evaluators {without:.3f}"
        predicted = {"service": about(0.12), "parent": at_most(0.2), "executors": at_most(0.6)}[name]
        report.add(Figure(f"{where}: CPU of {name}", _mean(used), "share", min(used), max(used), predicted, text))
    report.add(
        Figure.of(f"{where}: p50 on/off", quantile_ratio(pairs, 0.5), "x", at_most(1.05), f"on {p50 * 1e3:.2f} ms"),
        Figure.of(f"{where}: p99 on/off", quantile_ratio(pairs, 0.99), "x", at_most(1.5), f"on {p99 * 1e3:.2f} ms"),
    )
    for q in (0.5, 0.99):
        taken = {name: _mean([_commit_quantile(look.commits, q) for look in looks[name]]) * 1e3 for name in looks}
        text = f"without evaluators {taken['a']:.2f} ms; from the buckets of offpath.commit.duration"
        report.add(Figure(f"{where}: commit p{q * 100:g}", taken["b"], "ms", note=text))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
