"""From evaluations to the rows that are stored, small enough to be the result of a job."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.state import State
from offpath.posthooks.evaluation.judge_settings import is_stand_in
from offpath_evaluators.evaluation import Evaluation

LARGEST: Final = 60_000
"""Bytes of all rows of a job: a little less than what is kept of a hook's result."""
CUT: Final = " ... (cut)"
_STAGES: Final = ((4_000, 16_000), (2_000, 4_000), (1_000, 1_000), (400, 300), (150, 0), (0, 0))
"""Characters of an explanation and bytes of details, ever fewer, until all fits."""

_encode = msgspec.json.Encoder(enc_hook=str).encode


def evaluation_row(
    run_id: str,
    evaluation: Evaluation,
    *,
    probability: float,
    evaluated_at: float,
    asked_model: str | None = None,
) -> EvaluationRow:
    """One result as it is stored.

    Args:
        probability: With which the run was chosen.
        evaluated_at: Seconds since the epoch.
        asked_model: The judge that it is configured with, if it has one.
    """
    provenance = evaluation.provenance
    return EvaluationRow(
        run_id=run_id,
        name=evaluation.name,
        fingerprint=provenance.fingerprint,
        state=state_of(evaluation),
        subject=evaluation.subject,
        evaluator=provenance.evaluator,
        version=provenance.version,
        evaluated_at=evaluated_at,
        duration=provenance.duration,
        value=evaluation.value,
        passed=evaluation.passed,
        label=evaluation.label,
        raw=evaluation.raw,
        unit=evaluation.unit,
        reason=evaluation.reason,
        explanation=_text(evaluation.explanation),
        details=_details(evaluation),
        contested=evaluation.contested,
        prompt_hash=provenance.prompt_hash,
        judge_model=provenance.judge_model,
        judge_calls=provenance.judge_calls,
        input_tokens=provenance.input_tokens,
        output_tokens=provenance.output_tokens,
        cost=provenance.cost,
        stand_in=is_stand_in(provenance.judge_model),
        probability=probability,
        redactions=provenance.redactions,
        temperature=provenance.temperature,
        seed=provenance.seed,
        asked_model=asked_model if provenance.judge_calls else None,
    )


def state_of(evaluation: Evaluation) -> State:
    """How the evaluation stands in the ledger."""
    if evaluation.state == "failed" and evaluation.reason == "budget":
        return "budget"
    return evaluation.state


def bounded(rows: list[EvaluationRow]) -> list[EvaluationRow]:
    """The rows with explanations and details cut, and said to be, as far as it takes to stay within `LARGEST`."""
    found = rows
    for characters, size in _STAGES:
        found = [_cut(row, characters, size) for row in rows]
        if len(_encode(found)) <= LARGEST:
            break
    return found


def _cut(row: EvaluationRow, characters: int, size: int) -> EvaluationRow:
    explanation, details = row.explanation, row.details
    if explanation is not None and len(explanation) > characters:
        explanation = explanation[:characters] + CUT
    if details is not None and (length := len(_encode(details))) > size:
        details = {"cut": f"{length} bytes of details were left out"}
    if explanation is row.explanation and details is row.details:
        return row
    return msgspec.structs.replace(row, explanation=explanation, details=details)


def _text(text: str | None) -> str | None:
    """Fit to be stored: neither half of a surrogate pair nor NUL can be."""
    return None if text is None else text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _details(evaluation: Evaluation) -> dict[str, Any] | None:
    """As plain JSON values; an evaluator may give anything."""
    if not evaluation.details:
        return None
    try:
        plain: dict[str, Any] = msgspec.json.decode(_encode(dict(evaluation.details)), type=dict[str, Any])
    except (TypeError, ValueError, RecursionError):
        return {"cut": "the details are no JSON and were left out"}
    return plain
