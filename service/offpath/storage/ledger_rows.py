"""Between rows of the database and what the ledger speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final

import msgspec

from offpath.ledger.booking import Booking, EndedJob
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Delivery, Notice
from offpath.ledger.plan import RunPlan, decode_entries, encode_entries
from offpath.ledger.rollup import RollupKey, Sums, decode_sums, merged
from offpath.runs.job import JobInfo, JobState

_encode: Final = msgspec.json.Encoder().encode
_evaluation: Final = msgspec.json.Decoder(EvaluationRow).decode
_notice: Final = msgspec.json.Decoder(Notice).decode
_stored_sums: Final = msgspec.json.Decoder(list[tuple[int, str]]).decode


def document(value: Any) -> str:
    """JSON for a statement that reads its rows with `json_each`."""
    return _encode(value).decode()


def plan_values(plan: RunPlan) -> tuple[Any, ...]:
    """The values for `ledger_statements.PLAN_COLUMNS`."""
    return (
        plan.run_id,
        plan.session_id,
        plan.component_kind,
        plan.component_id,
        plan.component_name,
        plan.nested,
        plan.created_at,
        plan.status,
        plan.duration,
        plan.error_type,
        plan.traceparent,
        encode_entries(plan.entries),
        plan.blocked_by,
        plan.strip,
        plan.counted,
    )


def plan_of(row: Sequence[Any]) -> RunPlan:
    """The plan of a row of `ledger_statements.PLANS`.

    Raises:
        msgspec.ValidationError: A newer version wrote its entries.
    """
    return RunPlan(
        run_id=row[0],
        session_id=row[1],
        component_kind=row[2],
        component_id=row[3],
        component_name=row[4],
        nested=bool(row[5]),
        created_at=row[6],
        status=row[7],
        duration=row[8],
        error_type=row[9],
        traceparent=row[10],
        entries=decode_entries(row[11]),
        blocked_by=row[12],
        strip=bool(row[13]),
        counted=bool(row[14]),
    )


def booking_of(row: Sequence[Any]) -> Booking:
    """The booking of a row that one of the statements on `bookings` gives."""
    return Booking(id=row[0], run_id=row[1], key=row[2], job=None if row[3] is None else _ended_job(row[3:]))


def _ended_job(row: Sequence[Any]) -> EndedJob:
    started, finished = row[11], row[12]
    info = JobInfo(
        key=row[0],
        run_id=row[1],
        component_kind=row[2],
        component_id=row[3],
        phase=row[4],
        hook=row[5],
        kind=row[6],
        version=row[7],
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
    return EndedJob(info=info, result=None if row[16] is None else row[16].encode(), traceparent=row[17])


def evaluation_values(row: EvaluationRow) -> tuple[Any, ...]:
    return row.run_id, row.name, row.fingerprint, row.state, row.passed, row.evaluated_at, document(row)


def evaluation_of(data: str) -> EvaluationRow:
    return _evaluation(data)


def feedback_values(feedback: Feedback) -> tuple[Any, ...]:
    return (
        feedback.id,
        feedback.run_id,
        feedback.created_at,
        feedback.author,
        feedback.name,
        feedback.score,
        feedback.label,
        feedback.comment,
    )


def feedback_of(row: Sequence[Any]) -> Feedback:
    return Feedback(*row)


def notice_values(notice: Notice) -> tuple[Any, ...]:
    return notice.key, notice.run_id, notice.created_at, document(notice)


def notice_of(data: str) -> Notice:
    return _notice(data)


def delivery_values(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.id,
        delivery.run_id,
        delivery.channel,
        delivery.group,
        delivery.created_at,
        delivery.message,
        delivery.job_key,
    )


def delivery_of(row: Sequence[Any]) -> Delivery:
    return Delivery(
        id=row[0], run_id=row[1], channel=row[2], group=row[3], created_at=row[4], message=bytes(row[5]), job_key=row[6]
    )


def rollup_of(row: Sequence[Any]) -> tuple[RollupKey, Sums]:
    return RollupKey(*row[:7]), decode_sums(row[7])


def check_sums(key: RollupKey, sums: Mapping[str, Any]) -> None:
    """
    Raises:
        ValueError: One of them is no finite number; nothing could ever be added to it again.
    """
    for name, value in sums.items():
        if isinstance(value, Mapping):
            check_sums(key, value)
        elif not isinstance(value, (int, float)) or not isfinite(value):
            raise ValueError(f"{name}={value!r} in the sums of {key.measure} by {key.facet} must be a finite number")


def sums_values(keys: Sequence[RollupKey], deltas: Mapping[RollupKey, Sums], stored: str) -> list[tuple[Any, ...]]:
    """The rows of these sums with the deltas added.

    Args:
        stored: What `STORED_SUMS` gave for these keys: pairs of a key's position and its sums.
    """
    sums = dict(_stored_sums(stored))
    return [(*key, merged(sums.get(index), deltas[key])) for index, key in enumerate(keys)]
