"""Answers: JSON that is encoded once, and errors in one shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from offpath.api.link import hooks_url
from offpath.errors import AccessDeniedError, OffpathError
from offpath.runs.output import RunFailure, encode_unknown

_encoder: Final = msgspec.json.Encoder(enc_hook=encode_unknown)
_MOST_DETAIL: Final = 2_000


def encode_json(value: Any) -> bytes:
    """JSON, compact, in UTF-8."""
    return _encoder.encode(value)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response, from a value or from bytes that are JSON already."""
    body = value if isinstance(value, bytes) else encode_json(value)
    return Response(body, status, headers, media_type="application/json")


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one part of a request."""

    type: str
    loc: tuple[str | int, ...]
    msg: str


def error_answer(
    error: OffpathError, *, run_id: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The response that an error of ours is answered with."""
    problem: FieldProblem | None = getattr(error, "problem", None)
    body: dict[str, Any] = {
        "detail": [problem] if problem is not None else _shortened(str(error)),
        "reason": error.reason,
        **error.details(),
    }
    if run_id is not None:
        body["run_id"] = run_id
    sent = {**_retry_header(getattr(error, "retry_after", None)), **(headers or {})}
    if isinstance(error, AccessDeniedError) and error.status == 401:
        sent["www-authenticate"] = "Bearer"
    if error.status == 503:
        sent.setdefault("retry-after", "1")
    return json_answer(body, error.status, sent)


def failure_answer(
    failure: RunFailure, run_id: str, session_id: str, root: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The response to a run that was stored as failed or refused.

    Args:
        root: What comes before the links in it; see `link`.
    """
    body = {
        "detail": _shortened(failure.message),
        "reason": failure.reason,
        **failure.details,
        "run_id": run_id,
        "session_id": session_id,
        "hooks_url": hooks_url(root, run_id),
    }
    status = failure.status_code if 400 <= failure.status_code <= 599 else 500
    return json_answer(body, status, {**_retry_header(failure.details.get("retry_after")), **(headers or {})})


def _retry_header(seconds: Any) -> dict[str, str]:
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        return {}
    return {"retry-after": str(math.ceil(seconds))}


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_DETAIL else f"{text[:_MOST_DETAIL]}..."
