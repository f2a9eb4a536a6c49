"""A run without what was said in it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from offpath.runs.input import File, RunInput
from offpath.runs.output import RunFailure, RunOutput, ToolExecution
from offpath.runs.record import RunRecord, decode_record, encode_record

ContentKept = Literal["full", "until_hooks_done", "none"]
"""See OFFPATH_STORE_CONTENT."""


def without_content(record: RunRecord) -> RunRecord:
    """A copy without messages, answers, tools' arguments and results, retrieved passages, files and session state.

    What is left says that there was a run: ids, status, times, tokens, model, names of tools and of passages' sources,
    kinds of errors, and the metadata that the caller gave.
    """
    replace = msgspec.structs.replace
    return RunRecord(
        input=RunInput(files=[_file(each) for each in record.input.files]),
        output=_output(record.output),
        context=replace(
            record.context,
            session_state={},
            dependencies={},
            context=[replace(each, content="") for each in record.context.context],
        ),
        session=replace(record.session, state={}, name=None),
    )


def stripped(encoding: bytes) -> bytes:
    """The same for an encoded record."""
    return encode_record(without_content(decode_record(encoding)))


def has_content(record: RunRecord) -> bool:
    """Whether anything is left of what was said."""
    output = record.output
    return bool(output.messages or record.input.input_content) or output.content is not None


def _output(output: RunOutput) -> RunOutput:
    return msgspec.structs.replace(
        output,
        content=None,
        reasoning_content=None,
        messages=[],
        tools=[_tool(each) for each in output.tools],
        context=[msgspec.structs.replace(each, content="") for each in output.context],
        error=None if output.error is None else _failure(output.error),
        step_results=[_step(each) for each in output.step_results],
    )


def _tool(call: ToolExecution) -> ToolExecution:
    return ToolExecution(
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        error=None if call.error is None else "",
        duration=call.duration,
        retrieval=call.retrieval,
    )


def _failure(failure: RunFailure) -> RunFailure:
    """Messages of errors may quote what was said."""
    return RunFailure(type=failure.type, reason=failure.reason, message="", status_code=failure.status_code)


def _file(file: File) -> File:
    return File(name="", mime_type=file.mime_type)


def _step(step: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in step.items() if key in ("name", "kind", "run_id", "success", "stop")}
    nested = step.get("steps")
    return kept | ({"steps": [_step(each) for each in nested]} if nested else {})
