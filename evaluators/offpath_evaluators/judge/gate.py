"""SpendGate: what has to let each of a judge's requests through, so that a budget is never exceeded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from offpath_evaluators.judge.price import Prices, cost_of

TOKENS_OF_TEMPLATE: Final = 256
"""Tokens that an endpoint puts around messages and schema by itself, at most."""
TOKENS_OF_MESSAGE: Final = 16
"""The same for each message."""
TOKEN_LIMITS: Final = ("max_completion_tokens", "max_tokens")
"""Two names of one parameter: an endpoint knows the one or the other, and names either in its errors."""
_READ: Final = ("messages", "response_format")
"""What the model is given to read."""


class SpendGate(Protocol):
    """Keeps a budget. Asked before and told after each request, repeated ones too, by many at a time."""

    async def reserve(self, usd: float) -> Any | None:
        """Set aside the most that a request can cost.

        Returns:
            A token for `settle`; None if the budget has too little left. The request is then not sent.

        Raises:
            Exception: That cannot be said now; the assessment fails, and may be tried again.
        """

    async def settle(self, token: Any, usd: float) -> None:
        """What the request did cost, which may be more. Called at most once for each token.

        Not called when that is not known: the answer has no usage, or none came. The reservation counts as spent then.
        """

    def keep(self, token: Any) -> None:
        """The request is over, and what it did cost is not known: the reservation stays spent."""


class BudgetUsedUp(Exception):  # noqa: N818  # what happened, not a mistake
    """The gate did not let a request through. Raised out of `JudgeRecord.ask`; the evaluation then fails with the
    reason "budget"."""


def most_tokens(body: Mapping[str, Any]) -> tuple[int, int]:
    """The most input and output tokens that a request can take.

    No token of a vocabulary that covers all bytes, as those of today's models do, stands for less than a byte of the
    text; so as many tokens as bytes is never too few. Each of `n` answers ends at the limit of tokens, which must be
    there.
    """
    text = json.dumps([body[name] for name in _READ if name in body], ensure_ascii=False)
    given = len(text.encode("utf-8", "surrogatepass"))
    limit = next(body[name] for name in TOKEN_LIMITS if name in body)
    around = TOKENS_OF_TEMPLATE + TOKENS_OF_MESSAGE * len(body["messages"])
    return given + around, limit * body.get("n", 1)


def most_usd(prices: Prices, model: str, base_url: str | None, body: Mapping[str, Any]) -> float | None:
    """The most that a request can cost, at list price: without discount for what an endpoint has cached.

    Args:
        prices: Own ones, before the known ones.
        base_url: The endpoint; None for OpenAI's.

    Returns:
        USD; None if the model's price is not known.
    """
    given, written = most_tokens(body)
    return cost_of(prices, (model,), base_url, input_tokens=given, cached_tokens=0, output_tokens=written)
