"""Booking: something that happened and is not in the sums yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.notice import Notice
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import RollupKey, Sums
from offpath.runs.job import JobInfo


class EndedJob(msgspec.Struct):
    """A row of `job_results`."""

    info: JobInfo
    result: bytes | None
    traceparent: str


class Booking(msgspec.Struct):
    """A row of `bookings`, with what it points to. A trigger adds one for each plan, and one for each job that ends of
    a run with a plan."""

    id: int
    run_id: str
    key: str | None
    """Of the job that ended; None: the run itself ended, and its plan is to be counted."""
    job: EndedJob | None
    """None if the job's row is gone."""


@dataclass(slots=True)
class Change:
    """What is to be written, all in one transaction."""

    plans: dict[str, RunPlan] = field(default_factory=dict)
    """Plans with entries that changed, by run id."""
    evaluations: list[EvaluationRow] = field(default_factory=list)
    deltas: dict[RollupKey, Sums] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.plans or self.evaluations or self.deltas or self.notices)


class Batch(msgspec.Struct):
    """Bookings of one transaction with the plans of their runs."""

    bookings: Sequence[Booking]
    plans: dict[str, RunPlan]
    """By run id; a deleted run has none, and its bookings are dropped."""
