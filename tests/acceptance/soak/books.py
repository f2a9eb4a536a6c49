"""Books: everything that a site has stored, read once it is quiet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import msgspec

from acceptance.ledger_look import Look
from acceptance.soak.site import Site
from offpath.runs.record import decode_record

OWN: Final = frozenset({"pre", "post"})
"""Kinds of hooks that are not built in."""
_RESULTS: Final = "SELECT key, run_id, hook_id, component_id, phase, hook, kind, state, outcome, coalesce(error, '') FROM {}job_results"
_RUNS: Final = "SELECT run_id, component_id, status, parent_run_id IS NOT NULL, record FROM {}runs"


@dataclass(frozen=True, slots=True)
class StoredRun:
    component: str
    status: str
    nested: bool
    input_tokens: int
    output_tokens: int


class Result(msgspec.Struct, frozen=True, array_like=True):
    """How a job ended."""

    key: str
    run_id: str
    hook_id: str
    component: str
    phase: str
    hook: str
    kind: str
    state: str
    outcome: str
    error: str


@dataclass(frozen=True)
class Books:
    """What is stored, and what hooks wrote."""

    look: Look
    runs: dict[str, StoredRun]
    results: dict[str, Result]
    queued: list[str]
    written: Counter[tuple[str, str]]
    """Ends of hooks by the hook's and the job's names: what they did, however often."""
    feedback: Counter[str]
    failed_evaluations: Counter[str]
    """By component."""
    windows: dict[str, int]
    """Nano-USD that judges took, by window."""
    notices: int
    """Those that wait."""
    deliveries: dict[str, str]
    """Keys of the jobs of messages, by the message's id."""


def read_books(site: Site) -> Books:
    query = site.query
    runs = {}
    for run_id, component, status, nested, record in query(_RUNS):
        usage = decode_record(record).output.metrics.usage
        runs[run_id] = StoredRun(component, status, bool(nested), usage.input_tokens, usage.output_tokens)
    written: Counter[tuple[str, str]] = Counter()
    for path in site.lines.iterdir():
        written.update((path.name, line.split()[0]) for line in path.read_text().splitlines())
    failed = query("SELECT run_id FROM {}evaluations WHERE state = 'failed'")
    waiting = query("SELECT count(*) FROM {}notices WHERE taken_at IS NULL")
    return Books(
        look=site.look(),
        runs=runs,
        results={row[0]: Result(*row) for row in query(_RESULTS)},
        queued=site.queued(),
        written=written,
        feedback=Counter(run_id for (run_id,) in query("SELECT run_id FROM {}feedback")),
        failed_evaluations=Counter(runs[run_id].component for (run_id,) in failed if run_id in runs),
        windows={window: int(spent) for window, spent in query('SELECT "window", spent FROM {}budgets')},
        notices=int(waiting[0][0]),
        deliveries=dict(query("SELECT id, job_key FROM {}deliveries")),
    )
