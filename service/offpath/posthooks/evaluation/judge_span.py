"""The span and the metrics of one request to a judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from offpath.telemetry.tracing import chat_span, purpose
from offpath_evaluators.judge.completion import CompletionError, read_completion

_OPENAI = "https://api.openai.com/v1"


@contextmanager
def judge_span(model: str, base_url: str | None) -> Iterator[Callable[[bytes], None]]:
    """Implements `offpath_evaluators.judge.JudgeWatch`: a call to a model like any other, told apart by its purpose."""
    place = urlsplit(base_url or _OPENAI)
    with purpose("judge"), chat_span(model, "openai", place.hostname, place.port) as span:

        def told(body: bytes) -> None:
            try:
                answer = read_completion(body)
            except CompletionError:
                return  # whoever asked says so
            span.answered(
                model=answer.model,
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                cached_tokens=answer.cached_tokens,
            )

        yield told
