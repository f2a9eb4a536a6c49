"""What is around an assessment: its span, and the event that tells of its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from offpath.telemetry import names
from offpath.telemetry.tracing import Span, current_recorder, evaluation_result, evaluation_span
from offpath_evaluators.evaluation import Evaluation
from offpath_evaluators.execution import Observe
from offpath_evaluators.instance import Instance


def observed(response_id: str | None) -> Observe | None:
    """Spans `evaluate {name}` with the score; None while telemetry is off.

    Args:
        response_id: Of the model's answer that is evaluated.
    """
    if current_recorder() is None:
        return None

    @contextmanager
    def spanned(instance: Instance) -> Iterator[Callable[[Evaluation], None]]:
        with evaluation_span(instance.name) as span:
            yield lambda evaluation: _describe(span, evaluation, response_id)

    def observe(instance: Instance) -> AbstractContextManager[Callable[[Evaluation], None]]:
        return spanned(instance)

    return observe


def tell(evaluation: Evaluation, response_id: str | None) -> None:
    """Emit the event of a result, if there is one: a score, or a failure that is final."""
    if evaluation.state not in ("scored", "failed"):
        return
    evaluation_result(
        evaluation.name,
        score=evaluation.value,
        label=evaluation.label,
        explanation=evaluation.explanation,
        response_id=response_id,
        error_type=evaluation.reason if evaluation.state == "failed" else None,
    )


def _describe(span: Span, evaluation: Evaluation, response_id: str | None) -> None:
    found = {
        names.SCORE_VALUE.key: evaluation.value,
        names.SCORE_LABEL.key: evaluation.label,
        names.RESPONSE_ID.key: response_id,
    }
    for key, value in found.items():
        if value is not None:
            span.set(key, value)
    recorder = current_recorder()
    if recorder is not None and recorder.capture and evaluation.explanation is not None:
        span.set(names.EXPLANATION.key, recorder.capture.text(evaluation.explanation))
    if evaluation.state == "failed":
        span.failed(evaluation.reason or "failed")
