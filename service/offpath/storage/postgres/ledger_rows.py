"""Between rows of the ledger on PostgreSQL and what it speaks of; see `offpath.storage.postgres.rows` for plans."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from offpath.ledger.booking import Booking, EndedJob
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Delivery, Notice
from offpath.ledger.rollup import RollupKey, Sums, decode_sums
from offpath.runs.job import JobInfo, JobState
from offpath.storage.ledger_rows import document
from offpath.storage.postgres.rows import Values
from offpath.storage.postgres.text import restored, restored_or_none, stored, stored_or_none


def booking_of(row: Sequence[Any]) -> Booking:
    """The booking of a row of `ledger_statements.TAKE_BOOKINGS`."""
    job = None if row[5] is None else _ended_job(row[5:])
    return Booking(id=row[0], run_id=restored(row[1]), key=restored_or_none(row[2]), job=job)


def _ended_job(row: Sequence[Any]) -> EndedJob:
    started, finished = row[11], row[12]
    info = JobInfo(
        key=restored(row[0]),
        run_id=restored(row[1]),
        component_kind=row[2],
        component_id=restored(row[3]),
        phase=row[4],
        hook=restored(row[5]),
        kind=row[6],
        version=restored(row[7]),
        state=JobState(row[8]),
        attempts=row[9],
        queued_at=row[10],
        started_at=started,
        finished_at=finished,
        duration=None if started is None or finished is None else max(0.0, finished - started),
        outcome=row[13],
        error=row[14],
        worker=row[15],
    )
    return EndedJob(info=info, result=None if row[16] is None else row[16].encode(), traceparent=restored(row[17]))


def evaluation_columns(rows: Iterable[EvaluationRow]) -> list[Values]:
    """A row for each result, the last one of those with the same key: a statement may touch a row once only."""
    last = {(row.run_id, row.name, row.fingerprint): row for row in rows}
    return [
        (
            *(stored(part) for part in key),
            last[key].state,
            last[key].passed,
            last[key].evaluated_at,
            document(last[key]),
        )
        for key in sorted(last)
    ]


def feedback_columns(feedback: Feedback) -> Values:
    return (
        stored(feedback.id),
        stored(feedback.run_id),
        feedback.created_at,
        stored_or_none(feedback.author),
        stored(feedback.name),
        feedback.score,
        stored_or_none(feedback.label),
        stored_or_none(feedback.comment),
    )


def feedback_of(row: Sequence[Any]) -> Feedback:
    return Feedback(
        id=restored(row[0]),
        run_id=restored(row[1]),
        created_at=row[2],
        author=restored_or_none(row[3]),
        name=restored(row[4]),
        score=row[5],
        label=restored_or_none(row[6]),
        comment=restored_or_none(row[7]),
    )


def notice_columns(notices: Iterable[Notice]) -> list[Values]:
    """A row for each notice, in an order for all who write; the first of those with the same key."""
    first: dict[str, Notice] = {}
    for notice in notices:
        first.setdefault(notice.key, notice)
    return [
        (stored(key), stored(first[key].run_id), first[key].created_at, document(first[key])) for key in sorted(first)
    ]


def delivery_columns(delivery: Delivery) -> Values:
    return (
        stored(delivery.id),
        stored(delivery.run_id),
        stored(delivery.channel),
        stored(delivery.group),
        delivery.created_at,
        delivery.message,
        stored(delivery.job_key),
    )


def delivery_of(row: Sequence[Any]) -> Delivery:
    return Delivery(
        id=restored(row[0]),
        run_id=restored(row[1]),
        channel=restored(row[2]),
        group=restored(row[3]),
        created_at=row[4],
        message=row[5],
        job_key=restored(row[6]),
    )


def sums_key(key: RollupKey) -> Values:
    """The columns of a key in the order of the table's own; keys in this order are what everybody locks in."""
    return (
        key.measure,
        key.grain,
        stored(key.facet),
        key.start,
        stored(key.component_kind),
        stored(key.component_id),
        stored(key.value),
    )


def sums_of(row: Sequence[Any]) -> tuple[RollupKey, Sums]:
    """The sums of a row of `ledger_statements.SUMS`."""
    key = RollupKey(
        measure=row[0],
        grain=row[1],
        start=row[2],
        facet=restored(row[3]),
        component_kind=restored(row[4]),
        component_id=restored(row[5]),
        value=restored(row[6]),
    )
    return key, decode_sums(row[7])


def check_sums(key: RollupKey, delta: Mapping[str, Any]) -> None:
    """
    Raises:
        ValueError: A sum would not be a finite number; it could never be added to again.
    """
    for value in delta.values():
        if isinstance(value, Mapping):
            check_sums(key, value)
        elif not math.isfinite(value):
            raise ValueError(f"the sums of {key} would hold something that is no finite number: {dict(delta)}")
