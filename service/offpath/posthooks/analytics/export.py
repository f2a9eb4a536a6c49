"""A stored run as a line of an export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.moment import moment
from offpath.ledger.plan import RunPlan
from offpath.posthooks.evaluation.context import run_context
from offpath.runs.output import RunOutput, ToolExecution, encode_unknown
from offpath.runs.record import RunRecord
from offpath_evaluators.context import COLUMNS

_CONTENT_OF_EVALUATIONS: Final = ("explanation", "details")
_encode = msgspec.json.Encoder(enc_hook=encode_unknown).encode


def export_line(
    record: RunRecord,
    plan: RunPlan | None,
    evaluations: Sequence[EvaluationRow],
    feedback: Sequence[Feedback],
    *,
    content: bool,
) -> bytes:
    """One JSON object and a line end.

    The columns that evaluators read (id, input, output, context, messages, tool_calls, usage) stand at the top, so that
    `offpath evaluate` reads an export; `run`, `evaluations`, `evaluation_states` and `feedback` follow.

    Args:
        content: False leaves out what users, models, tools and people who gave feedback said.
    """
    output = record.output
    row: dict[str, Any] = {"id": output.run_id}
    context = run_context(record)
    columns = COLUMNS if content else ("usage",)
    for name in columns:
        value = getattr(context, name)
        if value is not None and value != () and name != "metadata":
            row[name] = value
    row["run"] = _run(record, content=content)
    row["evaluations"] = [_evaluation(each, content=content) for each in evaluations]
    if plan is not None:
        row["evaluation_states"] = {
            name: {"state": entry.state, "probability": entry.probability} for name, entry in plan.entries.items()
        }
    row["feedback"] = [_feedback(each, content=content) for each in feedback]
    return _encode(row) + b"\n"


def _run(record: RunRecord, *, content: bool) -> dict[str, Any]:
    output, metrics = record.output, record.output.metrics
    described: dict[str, Any] = {
        "session_id": output.session_id,
        "user_id": output.user_id,
        "parent_run_id": output.parent_run_id,
        "component": {"kind": output.kind, "id": output.component_id, "name": output.component_name},
        "status": output.status,
        "created_at": moment(output.created_at),
        "duration": metrics.duration,
        "time_to_first_token": metrics.time_to_first_token,
        "model": output.model,
        "provider": output.model_provider,
        "model_calls": metrics.model_calls,
        "error": _error(output, content=content),
        "tools": [_tool(each) for each in output.tools] or None,
        "children": output.children or None,
    }
    if content:
        described["metadata"] = output.metadata
        described["files"] = [
            {"name": file.name, "mime_type": file.mime_type, "bytes": len(file.content)} for file in record.input.files
        ] or None
    return {name: value for name, value in described.items() if value is not None}


def _error(output: RunOutput, *, content: bool) -> dict[str, Any] | None:
    """An error's text may quote what was said."""
    if output.error is None:
        return None
    error = {"type": output.error.type, "reason": output.error.reason}
    return error | {"message": output.error.message} if content else error


def _tool(execution: ToolExecution) -> dict[str, Any]:
    """Without what it was told and what it said: that is in `tool_calls`."""
    return {
        "name": execution.tool_name,
        "failed": execution.error is not None,
        **({} if execution.duration is None else {"duration": execution.duration}),
    }


def _evaluation(row: EvaluationRow, *, content: bool) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(row)
    del described["run_id"]
    described["evaluated_at"] = moment(row.evaluated_at)
    if not content:
        for name in _CONTENT_OF_EVALUATIONS:
            described.pop(name, None)
    return described


def _feedback(row: Feedback, *, content: bool) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(row)
    del described["run_id"]
    described["created_at"] = moment(row.created_at)
    if not content:
        described.pop("comment", None)
    return described
