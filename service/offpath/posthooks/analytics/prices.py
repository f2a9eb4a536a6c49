"""What the tokens of runs cost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from offpath.errors import ConfigurationError
from offpath.ledger.run_facts import RunFacts
from offpath.models.endpoint import DEFAULT_BASE_URL
from offpath.models.endpoint import Endpoint as ModelEndpoint
from offpath.models.openai_chat import OpenAIChat
from offpath_evaluators.errors import InvalidOptionsError
from offpath_evaluators.judge.price import checked_prices


class Endpoint(msgspec.Struct, frozen=True):
    """Who is paid: an endpoint has its prices, and another one's for a model of that name say nothing there."""

    base_url: str | None = None
    """Without user, password and query. None: the model has no address of its own."""
    provider: str = ""
    """Who answers where there is no address: `anthropic`."""

    @classmethod
    def of(cls, model: Any, environ: Mapping[str, str] | None = None) -> Endpoint | None:
        """The endpoint of an agent's or team's model; None without a model."""
        if model is None:
            return None
        provider = str(getattr(model, "provider", ""))
        base_url = getattr(model, "base_url", None)
        if base_url is None and isinstance(model, OpenAIChat):
            base_url = (os.environ if environ is None else environ).get("OPENAI_BASE_URL", "").strip()
            base_url = base_url or DEFAULT_BASE_URL
        if not isinstance(base_url, str):
            return cls(None, provider)
        return cls(ModelEndpoint(base_url=base_url.strip()).shown_url, provider)


class PriceList:
    """Own prices, then those that genai-prices brings along; nothing is fetched, and nothing is guessed.

    Args:
        own: USD for a million input tokens and for a million output tokens, by the model's name as it was asked for or
            as it answered.

    Raises:
        ConfigurationError: A price that is not two numbers from 0 on.
    """

    def __init__(self, own: Mapping[str, object] | None = None) -> None:
        try:
            self._own = checked_prices(own)
        except InvalidOptionsError as error:
            raise ConfigurationError(f"OFFPATH_PRICES: {error}") from error

    @classmethod
    def parse(cls, text: str | None) -> PriceList:
        """From the setting, a JSON object.

        Raises:
            ConfigurationError: It is none, or a price is wrong.
        """
        if text is None:
            return cls()
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ConfigurationError('OFFPATH_PRICES must be a JSON object such as {"my-model": [0.1, 0.4]}')
        return cls(found)

    def own_price(self, model: str, facts: RunFacts) -> float | None:
        """USD by the own price of a model; None if it has none. Cached tokens cost as much as others."""
        price = self._own.get(model)
        if price is None:
            return None
        return (facts.input_tokens * price[0] + facts.output_tokens * price[1]) / 1e6

    def price(self, facts: RunFacts, endpoint: Endpoint | None, *, at: float) -> float | None:
        """USD; None if the price is not known.

        Some prices depend on how long a prompt is. Only the tokens of all calls of a run together are known, so each
        call is priced as one of mean length.

        Args:
            at: When the tokens were used, in seconds since the epoch: prices change.
        """
        own = self.own_price(facts.requested_model, facts)
        if own is not None or endpoint is None:
            return own
        for model in dict.fromkeys((facts.model, facts.requested_model)):
            known = _known_price(model, facts, endpoint, at) if model else None
            if known is not None:
                return known
        return None


def _known_price(model: str, facts: RunFacts, endpoint: Endpoint, at: float) -> float | None:
    # Here and not above: it takes a quarter of a second and 30 MB, in the one process that prices runs.
    from genai_prices import Usage, calc_price

    calls = max(1, facts.model_calls)

    def each(tokens: int) -> Decimal | None:
        return Decimal(tokens) / calls if tokens else None

    usage = Usage(
        input_tokens=Decimal(facts.input_tokens) / calls,
        output_tokens=Decimal(facts.output_tokens) / calls,
        cache_read_tokens=each(min(facts.cached_tokens, facts.input_tokens)),
    )
    when = datetime.fromtimestamp(at, UTC)
    try:
        if endpoint.base_url is not None:
            found = calc_price(usage, model, provider_api_url=endpoint.base_url, genai_request_timestamp=when)
        elif endpoint.provider:
            found = calc_price(usage, model, provider_id=endpoint.provider, genai_request_timestamp=when)
        else:
            return None
    except (LookupError, ValueError):
        return None
    return float(found.total_price * calls)
