"""The stored encoding of a run under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offpath.errors import RunError
from offpath.runner.active import ActiveRun
from offpath.runs.content import without_content
from offpath.runs.context import RunContext
from offpath.runs.input import RunInput
from offpath.runs.record import RunRecord, encode_record, storable


def encode_run(
    run: ActiveRun, own: Mapping[str, Any] | None, given: Mapping[str, Any] | None, *, content: bool = True
) -> bytes:
    """The run as it stands.

    Args:
        own: What the component itself depends on. It need not be JSON: hooks get it from the component again.
        given: Dependencies that came with the request.
        content: Whether what was said is part of it.

    Raises:
        RunError: Something in it cannot be stored as JSON; the message names it.
    """
    record = run.record
    if own:
        kept = {
            name: value
            for name, value in run.context.dependencies.items()
            if name not in own or name in (given or {}) or (value is not own[name] and storable(value))
        }
        record.context = _with_dependencies(run.context, kept)
    try:
        return encode_record(record if content else without_content(record))
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_storable(run, error) from error


def _with_dependencies(context: RunContext, dependencies: dict[str, Any]) -> RunContext:
    return RunContext(
        run_id=context.run_id,
        session_id=context.session_id,
        user_id=context.user_id,
        session_state=context.session_state,
        dependencies=dependencies,
        metadata=context.metadata,
        debug_mode=context.debug_mode,
        context=context.context,
    )


def _not_storable(run: ActiveRun, error: Exception) -> RunError:
    places = {
        "session_state": run.context.session_state,
        "metadata": run.context.metadata,
        "the output's content": run.output.content,
        "the input": run.input.input_content,
    }
    where = [name for name, value in places.items() if not storable(value)] or ["the run"]
    return RunError(f"{' and '.join(where)} cannot be stored as JSON ({error}); keep JSON values there")


def encode_storable_part(run: ActiveRun, *, content: bool = True) -> bytes:
    """The run without what cannot be stored, so that the failure itself can be."""
    record = run.record
    output = record.output
    if not storable(output.content):
        output.content = None
    if not storable(output.metadata):
        output.metadata = None
    context = _with_dependencies(record.context, {})
    context.session_state = _storable_items(context.session_state)
    context.metadata = _storable_items(context.metadata)
    record.session.state = _storable_items(record.session.state)
    run_input = record.input
    if not storable(run_input.input_content):
        run_input = RunInput(input_content=repr(run_input.input_content), files=run_input.files)
    stored = RunRecord(input=run_input, output=output, context=context, session=record.session)
    return encode_record(stored if content else without_content(stored))


def _storable_items(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if storable(key) and storable(value)}
