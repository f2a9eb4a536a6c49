"""A chat completion's body, read without trust: an endpoint may answer anything with status 200."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from offpath_evaluators.judge.weighting import TokenProbability


class CompletionError(ValueError):
    """The body is no chat completion; the message says what is wrong, without quoting it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of the judge."""

    text: str = field(repr=False)
    refusal: bool
    """The model declined, or a filter of the endpoint took its answer away."""
    cut_off: bool
    """The answer ended at the limit of tokens."""
    tokens: tuple[TokenProbability, ...] | None = field(repr=False)
    """None if the endpoint gives no log probabilities."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint answered."""

    model: str | None
    choices: tuple[Choice, ...]
    input_tokens: int
    cached_tokens: int
    """Of the input tokens."""
    output_tokens: int
    counted: bool
    """Whether the endpoint said how many tokens it took."""


def read_completion(body: bytes) -> Completion:
    """Read the body of a chat completion.

    Raises:
        CompletionError: It is none, or it has no choices.
    """
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        raise CompletionError("the judge's endpoint answered with what is no JSON") from None
    if not isinstance(decoded, Mapping):
        raise CompletionError("the judge's endpoint answered with JSON that is no chat completion")
    choices = decoded.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(each, Mapping) for each in choices):
        raise CompletionError("the judge's endpoint answered without any choice")
    usage = _mapping(decoded.get("usage"))
    model = decoded.get("model")
    return Completion(
        model if isinstance(model, str) and model else None,
        tuple(_choice(each) for each in choices),
        _count(usage.get("prompt_tokens")),
        _count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        _count(usage.get("completion_tokens")),
        _is_count(usage.get("prompt_tokens")) and _is_count(usage.get("completion_tokens")),
    )


def _choice(choice: Mapping[str, Any]) -> Choice:
    message = _mapping(choice.get("message"))
    finish = choice.get("finish_reason")
    return Choice(
        _text(message.get("content")),
        refusal=bool(message.get("refusal")) or finish == "content_filter",
        cut_off=finish == "length",
        tokens=_tokens(_mapping(choice.get("logprobs")).get("content")),
    )


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # some servers answer in parts
        parts = [_mapping(part).get("text") for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _tokens(entries: object) -> tuple[TokenProbability, ...] | None:
    if not isinstance(entries, list) or not entries:
        return None
    found = []
    for entry in map(_mapping, entries):
        pair = _pair(entry)
        if pair is None:
            return None
        top = entry.get("top_logprobs")
        pairs = [_pair(_mapping(each)) for each in top] if isinstance(top, list) else []
        found.append(TokenProbability(*pair, tuple(each for each in pairs if each is not None)))
    return tuple(found)


def _pair(entry: Mapping[str, Any]) -> tuple[str, float] | None:
    token, logprob = entry.get("token"), entry.get("logprob")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return None if math.isnan(logprob) else (token, float(logprob))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_count(value: object) -> TypeGuard[int]:
    # There is no prompt and no answer without a token: 0 says that nobody counted.
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _count(value: object) -> int:
    return value if _is_count(value) else 0
