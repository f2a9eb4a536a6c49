"""One look at everything that the built-in hooks know, and what must be true of it at every moment."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from acceptance.metrics_page import Page
from offpath.ledger.evaluation_sums import entry_sums
from offpath.ledger.plan import PlanEntry, decode_entries
from offpath.ledger.rollup import Sums, add, bucket, decode_sums
from postgres_server import run

Shown = Mapping[tuple[str, str], int]
"""Results by evaluation, and what is missing by evaluation and reason."""
SHOWN_REASONS: Final = ("sampled_out", "filtered", "budget", "overload", "not_applicable", "abstained")
SumKey = tuple[int, str, str, str]
"""Start, component's kind and id, evaluation."""
WITH_ROW: Final = ("scored", "abstained", "failed", "not_applicable")
"""States that a stored result stands behind."""
_TABLES: Final = {
    "runs": "SELECT run_id, status, parent_run_id IS NOT NULL FROM {}runs",
    "plans": "SELECT run_id, nested, component_kind, component_id, created_at, counted, plan FROM {}run_plans",
    "sums": "SELECT grain, start, component_kind, component_id, value, data FROM {}rollups WHERE measure = 'evaluation'",
    "bookings": "SELECT run_id, key, error FROM {}bookings",
    "evaluations": "SELECT name, state, count(*) FROM {}evaluations GROUP BY name, state",
    "spent": "SELECT coalesce(max(spent), 0) FROM {}budgets",
}
_QUEUED_SQLITE: Final = "SELECT key FROM jobs"
_QUEUED_POSTGRES: Final = "SELECT dedupe_key FROM offpath_hook_queue"


@dataclass(frozen=True, slots=True)
class Planned:
    """A row of `run_plans`."""

    nested: bool
    kind: str
    component: str
    created_at: float
    counted: bool
    entries: dict[str, PlanEntry]


@dataclass(frozen=True, slots=True)
class Look:
    """What one read transaction saw."""

    ended: dict[str, bool]
    """Runs that are over, and whether another run started them."""
    plans: dict[str, Planned]
    hours: dict[SumKey, Sums]
    days: dict[SumKey, Sums]
    uncounted: Counter[str]
    """Bookings of runs' ends that wait, by run."""
    waiting: set[str]
    """Keys of jobs that are queued, and of those that ended and are not booked yet."""
    set_aside: list[str]
    evaluations: dict[tuple[str, str], int]
    """Stored results by name and state."""
    spent: int
    """Nano-USD in the window in which most was spent."""

    @classmethod
    def of(cls, tables: Mapping[str, Iterable[Any]]) -> Look:
        plans = {
            row[0]: Planned(bool(row[1]), row[2], row[3], row[4], bool(row[5]), decode_entries(row[6]))
            for row in tables["plans"]
        }
        sums: dict[str, dict[SumKey, Sums]] = {"hour": {}, "day": {}}
        for grain, start, kind, component, value, data in tables["sums"]:
            sums[grain][start, kind, component, value] = decode_sums(data)
        bookings = [tuple(row) for row in tables["bookings"]]
        return cls(
            ended={row[0]: bool(row[2]) for row in tables["runs"] if row[1] != "running"},
            plans=plans,
            hours=sums["hour"],
            days=sums["day"],
            uncounted=Counter(run_id for run_id, key, _ in bookings if key is None),
            waiting={row[0] for row in tables["queued"]} | {key for _, key, _ in bookings if key is not None},
            set_aside=[f"{run_id} {key}: {error}" for run_id, key, error in bookings if error is not None],
            evaluations={(row[0], row[1]): row[2] for row in tables["evaluations"]},
            spent=int(next(iter(tables["spent"]))[0]),
        )

    def states(self) -> dict[str, Counter[str]]:
        """How many runs are in each state, by evaluation."""
        found: dict[str, Counter[str]] = {}
        for plan in self.plans.values():
            for name, entry in plan.entries.items():
                found.setdefault(name, Counter())[entry.state] += 1
        return found

    @property
    def settled(self) -> bool:
        """Whether nothing is under way any more."""
        return not self.waiting and not self.uncounted and not self.set_aside


@dataclass(frozen=True, slots=True)
class Promise:
    """What was enabled."""

    evaluators: frozenset[str]
    nested: frozenset[str]
    """Those that nested runs have, too."""
    budget: float
    """USD."""

    def broken(self, look: Look, *, exactly: bool = False) -> list[str]:
        """What does not add up; empty if everything does.

        Args:
            exactly: Compare all sums (weights, values, histograms), not only the states.
        """
        return [
            *self._plans(look),
            *self._sums(look, exactly),
            *self._results(look),
            *([] if look.spent <= round(self.budget * 1e9) else [f"spent {look.spent} of {self.budget} USD"]),
            *(f"set aside: {each}" for each in look.set_aside),
        ]

    def _plans(self, look: Look) -> Iterable[str]:
        for run_id in look.ended.keys() ^ look.plans.keys():
            yield f"run {run_id}: it is over, or it has a plan, but not both"
        for run_id, plan in look.plans.items():
            wanted = self.nested if plan.nested else self.evaluators
            if plan.entries.keys() != wanted:
                yield f"run {run_id}: states for {sorted(plan.entries)} instead of {sorted(wanted)}"
            if look.uncounted[run_id] != (0 if plan.counted else 1):
                yield f"run {run_id}: counted={plan.counted} with {look.uncounted[run_id]} bookings of its end"
            for name, entry in plan.entries.items():
                if entry.state == "pending" and f"{run_id}:post:{entry.hook}" not in look.waiting:
                    yield f"run {run_id}: {name} is pending, and no job of {entry.hook} will ever change that"

    def _sums(self, look: Look, exactly: bool) -> Iterable[str]:
        """Sums of hours are what the plans that are counted say; sums of days are those of their hours."""
        found: dict[SumKey, Sums] = {}
        for plan in look.plans.values():
            if plan.counted:
                hour = bucket(plan.created_at, "hour")
                for name, entry in plan.entries.items():
                    sums = entry_sums(entry) if exactly else {"states": {entry.state: 1}}
                    add(found.setdefault((hour, plan.kind, plan.component, name), {}), sums)
        for key in found.keys() | look.hours.keys():
            stored = look.hours.get(key, {})
            told = _without_zeros(stored if exactly else {"states": stored.get("states", {})})
            if told != _without_zeros(found.get(key, {})):
                yield f"sums of {key}: {told} stored, {found.get(key)} by the plans"
        days: dict[SumKey, Sums] = {}
        for (start, *rest), sums in look.hours.items():
            add(days.setdefault((bucket(start, "day"), *rest), {}), sums)  # type: ignore[arg-type]
        if {key: _without_zeros(sums) for key, sums in days.items()} != {
            key: _without_zeros(sums) for key, sums in look.days.items()
        }:
            yield "the sums of days are not those of their hours"

    def _results(self, look: Look) -> Iterable[str]:
        """A state and its stored result are written together."""
        for name, states in look.states().items():
            for state in WITH_ROW:
                if states[state] != look.evaluations.get((name, state), 0):
                    yield f"{name}: {states[state]} {state}, {look.evaluations.get((name, state), 0)} stored results"
            if look.evaluations.get((name, "budget"), 0) > states["budget"]:
                yield f"{name}: {look.evaluations[name, 'budget']} jobs met an empty budget, {states['budget']} runs did"


def _without_zeros(sums: Mapping[str, Any]) -> Sums:
    """What was added and taken away again leaves a 0, or not; both mean the same. The time of the latest result is no
    sum, and stays."""
    found: Sums = {}
    for name, value in sums.items():
        if name == "latest":
            continue
        kept = _without_zeros(value) if isinstance(value, Mapping) else value
        if kept:
            found[name] = kept
    return found


def look_at_sqlite(database: Path) -> Look:
    """One look, by a connection of its own that changes nothing."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        tables = {name: connection.execute(sql.format("")).fetchall() for name, sql in _TABLES.items()}
        tables["queued"] = connection.execute(_QUEUED_SQLITE).fetchall()
        connection.execute("ROLLBACK")
    return Look.of(tables)


def look_at_postgres(url: str) -> Look:
    """One look, in one transaction that sees one moment."""

    async def read(connection: asyncpg.Connection[Any]) -> dict[str, Any]:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables: dict[str, Any] = {
                name: await connection.fetch(sql.format("offpath_")) for name, sql in _TABLES.items()
            }
            tables["queued"] = await connection.fetch(_QUEUED_POSTGRES)
            return tables

    return Look.of(run(url, read))


def shown(page: Page) -> dict[tuple[str, str], int]:
    """What /metrics counts: results by evaluation, and what is missing by evaluation and reason."""
    found: Counter[tuple[str, str]] = Counter()
    for sample in page.found("offpath_evaluation_results_total"):
        found[sample.labels["gen_ai_evaluation_name"], "result"] += int(sample.value)
    for sample in page.found("offpath_evaluation_skipped_total"):
        found[sample.labels["gen_ai_evaluation_name"], sample.labels["offpath_reason"]] += int(sample.value)
    return dict(found)


def stored(look: Look) -> dict[tuple[str, str], int]:
    """The same by the tables."""
    found: Counter[tuple[str, str]] = Counter()
    for name, states in look.states().items():
        found[name, "result"] += states["scored"] + states["failed"]
        for reason in SHOWN_REASONS:
            found[name, reason] += states[reason]
    return dict(found)


def more(after: Shown, before: Shown) -> dict[tuple[str, str], int]:
    """What was added, without zeros."""
    return {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}


@dataclass
class Observer:
    """Looks again and again, on a thread of its own, while a block runs; what it saw is kept."""

    look: Callable[[], Look]
    promise: Promise
    every: float = 0.25
    """Seconds between two looks."""
    looks: int = 0
    under_way: int = 0
    """Looks at which something was pending or not counted yet: the others show little."""
    found: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Observer:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _watch(self) -> None:
        pause = self.every
        while not self._stop.wait(pause) and len(self.found) < 20:
            began = time.monotonic()
            try:
                seen = self.look()
            except (TimeoutError, sqlite3.OperationalError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                continue  # not there yet
            except Exception as error:  # what could not be read is a finding, too
                self.found.append(repr(error))
                return
            self.looks += 1
            self.under_way += not seen.settled
            # Everything of every sixteenth: it takes some time, in which the processes under test get less.
            broken = self.promise.broken(seen, exactly=self.looks % 16 == 0)
            self.found += [f"look {self.looks}: {each}" for each in broken]
            # Of very many runs a look takes longer, and the processes under test wait for the machine meanwhile.
            pause = max(self.every, 3 * (time.monotonic() - began))
