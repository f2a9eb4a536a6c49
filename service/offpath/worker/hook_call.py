"""One call of a background hook: its own copy of the run, its arguments, its result."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from offpath.errors import ConfigurationError
from offpath.hooks.arguments import JobView, hook_arguments
from offpath.hooks.bound import BoundHook
from offpath.hooks.registry import HookRegistry
from offpath.runs.output import encode_unknown
from offpath.runs.record import RunRecord, decode_record
from offpath.worker.messages import Call, Ended

LARGEST_RESULT: Final = 65_536
"""Bytes of a hook's result that are kept with its job."""

_encode = msgspec.json.Encoder(enc_hook=encode_unknown).encode


def bound_hook(registry: HookRegistry, hook_id: str) -> BoundHook:
    """The hook of that id.

    Raises:
        ConfigurationError: This process has none; it then imported other code than the one that said it has.
    """
    hook = registry.hooks.get(hook_id)
    if hook is None:
        raise ConfigurationError(f'no hook "{hook_id}" was found when the target was imported here')
    return hook


def arguments_for(registry: HookRegistry, hook: BoundHook, call: Call, encoding: bytes) -> dict[str, Any]:
    """The arguments of one call, from a decoding that no other call sees."""
    return prepared(registry, hook, call, encoding)[0]


def prepared(registry: HookRegistry, hook: BoundHook, call: Call, encoding: bytes) -> tuple[dict[str, Any], str]:
    """The same, and the id of the run's session. Without a record there are the job and the component alone."""
    component = registry.component(hook.component_kind, hook.component_id)
    job = JobView(key=call.key, attempt=call.attempt, deadline=time.time() + call.limit)
    if not encoding:
        return hook.select({hook.component_kind: component, "job": job}), ""
    record = decode_record(encoding)
    _restore(record, component)
    return hook.select(hook_arguments(record, component, job)), record.session.session_id


def _restore(record: RunRecord, component: Any) -> None:
    """Bring back what has no JSON form: structured output, and what the component itself depends on."""
    own = getattr(component, "dependencies", None)
    if own:
        record.context.dependencies = {**own, **record.context.dependencies}
    schema = getattr(component, "output_schema", None)
    content = record.output.content
    validate = getattr(schema, "model_validate", None)
    if callable(validate) and isinstance(content, (dict, list)):
        try:
            record.output.content = validate(content)
        except ValidationError:
            # Written by another version of the model: the hook gets the JSON values as they are.
            return


def succeeded(number: int, value: Any, started_at: float, finished_at: float) -> Ended:
    """The end of an attempt whose hook returned; what it returned is kept if it is JSON and not too large."""
    result: bytes | None = None
    if value is not None:
        try:
            result = _encode(value)
        except Exception:  # noqa: BLE001  # an odd return value is no failure of the hook
            result = None
        if result is not None and len(result) > LARGEST_RESULT:
            result = None
    return Ended(number=number, outcome="success", started_at=started_at, finished_at=finished_at, result=result)
