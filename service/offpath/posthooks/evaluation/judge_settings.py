"""JudgeSettings: whom judged evaluators ask, and what must be right about that before anything starts."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from offpath.errors import ConfigurationError
from offpath.models.stand_in import OFFLINE_KEY
from offpath.posthooks.evaluation.judge_span import judge_span
from offpath.posthooks.evaluation.outage import Outage
from offpath.settings import Settings
from offpath_evaluators.errors import EvaluatorError, InvalidOptionsError
from offpath_evaluators.judge.price import cost_of

if TYPE_CHECKING:
    from offpath_evaluators.judge.judge import Judge

STAND_IN: Final = "stand-in"
"""The judge's model where the offline model answers and nobody named one."""
STAND_IN_PREFIX: Final = "offline:"
"""How the offline model calls itself in its answers, whatever it was asked for."""
_NOT_YET: Final = "http://127.0.0.1/v1"
"""Instead of the offline model's address, which is known once it runs."""
_PLAIN: Final = ("model", "base_url", "api_key", "mode", "concurrency", "rate", "redact", "prices")


@dataclass(frozen=True)
class JudgeSettings:
    """The `OFFPATH_JUDGE_*` settings. Nothing is connected before `make`."""

    model: str | None
    """None: there is no judge but those that evaluators name themselves."""
    base_url: str | None = None
    """None: OPENAI_BASE_URL, else OpenAI's."""
    api_key: str | None = field(default=None, repr=False)
    """None: OPENAI_API_KEY."""
    mode: str = "auto"
    concurrency: int = 8
    rate: str | None = None
    redact: bool = True
    prices: Mapping[str, object] = field(default_factory=dict)
    offline: bool = False
    """Whether the offline model answers where no address is given."""
    budget: float | None = None
    """USD for a window; None: no limit."""

    @classmethod
    def of(cls, settings: Settings) -> JudgeSettings:
        """The judge of a service.

        Raises:
            ConfigurationError: OFFPATH_JUDGE_PRICES is no JSON object.
        """
        offline = settings.offline or _under_offline_model()
        key = settings.judge_api_key
        return cls(
            model=settings.judge_model or (STAND_IN if offline else None),
            base_url=settings.judge_base_url,
            api_key=None if key is None else key.get_secret_value(),
            mode=settings.judge_mode,
            concurrency=settings.judge_concurrency,
            rate=settings.judge_rate,
            redact=settings.judge_redact,
            prices=_prices(settings.judge_prices),
            offline=offline,
            budget=settings.judge_budget_usd,
        )

    def check(self, model: str, asked_by: str) -> None:
        """Find out now what would go wrong with every run.

        Args:
            asked_by: The evaluation that asks it, for the error.

        Raises:
            ConfigurationError: The judge cannot be asked; or there is a budget, and its price is not known.
        """
        judge = self._made(model, None, (self.base_url or _NOT_YET) if self.offline else self.base_url)
        if self.budget is None:
            return
        priced = cost_of(
            judge.prices,
            (model,),
            judge.endpoint.base_url,
            input_tokens=1_000,
            cached_tokens=0,
            output_tokens=1_000,
        )
        if priced is None:
            where = f" at {judge.endpoint.shown_url}" if judge.endpoint.base_url else ""
            raise ConfigurationError(
                f"OFFPATH_JUDGE_BUDGET_USD={self.budget:g}: the price of the judge {model!r}{where}, which "
                f"{asked_by!r} asks, is not known, so its budget could not be kept; give it in USD for a million input "
                f"and output tokens: OFFPATH_JUDGE_PRICES={json.dumps({model: [0.1, 0.4]})!r}, or remove the budget"
            )
        self._check_room(judge, model, asked_by)

    def _check_room(self, judge: Judge, model: str, asked_by: str) -> None:
        """A budget of 0 asks nobody on purpose; one that no question ever fits into does so by mistake.

        Raises:
            ConfigurationError: Not even the longest answer to an empty question, which is what is set aside, fits.
        """
        most = cost_of(
            judge.prices,
            (model,),
            judge.endpoint.base_url,
            input_tokens=0,
            cached_tokens=0,
            output_tokens=judge.max_tokens,
        )
        if self.budget and most is not None and most > self.budget:
            raise ConfigurationError(
                f"OFFPATH_JUDGE_BUDGET_USD={self.budget:g}: an answer of the judge {model!r}, which {asked_by!r} asks, "
                f"may cost {most:.6f} USD ({judge.max_tokens} tokens), so that no question would ever be asked; give "
                "more, or 0 to ask none"
            )

    def make(self, model: str, gate: Any = None) -> Judge:
        """The judge.

        Args:
            gate: Asked before each request whether the budget has room; see `offpath_evaluators.judge`.

        Raises:
            ConfigurationError: As `check`, which should have found it.
        """
        return self._made(model, gate, self.base_url)

    def _prices_of(self, model: str, base_url: str | None) -> Mapping[str, object]:
        """The offline stand-in costs nothing, so that a budget can be tried with it."""
        own = base_url in (None, _NOT_YET, os.environ.get("OPENAI_BASE_URL"))
        return {model: (0.0, 0.0), **self.prices} if self.offline and own else self.prices

    def _made(self, model: str, gate: Any, base_url: str | None) -> Judge:
        from offpath_evaluators.judge.judge import Judge

        # Without a gate not even the word, so that a judge needs to know nothing of gates.
        gated = {} if gate is None else {"gate": gate}
        make: Callable[..., Judge] = Judge
        try:
            return make(
                model,
                base_url=base_url,
                api_key=self.api_key,
                mode=self.mode,
                concurrency=self.concurrency,
                rate=self.rate,
                redact=self.redact,
                prices=self._prices_of(model, base_url),
                watch=judge_span,
                **gated,
            )
        except InvalidOptionsError as error:
            name = re.split(r"[=: ]", str(error), maxsplit=1)[0]
            variable = f"OFFPATH_JUDGE_{name.upper()}: " if name in _PLAIN else ""
            raise ConfigurationError(f"{variable}{error}") from None
        except EvaluatorError as error:
            raise ConfigurationError(str(error)) from None


class Judges:
    """The judges of one process, each made when it is first asked: their connections belong to the loop that asks.

    Args:
        gate: See `JudgeSettings.make`; used only if there is a budget.
    """

    def __init__(self, settings: JudgeSettings, gate: Any = None) -> None:
        self._settings = settings
        self._gate = None if settings.budget is None else gate
        self._made: dict[str, Judge] = {}
        self._outages: dict[str, Outage] = {}

    def outage(self, model: str) -> Outage:
        """What is known of whether the judge with that model answers."""
        return self._outages.setdefault(model, Outage(model))

    def judge(self, model: str) -> Judge:
        """The judge with that model. Raises as `JudgeSettings.make` does."""
        found = self._made.get(model)
        if found is None:
            found = self._made[model] = self._settings.make(model, self._gate)
        return found


def is_stand_in(model: str | None) -> bool:
    """Whether the offline model answered, which knows nothing: `model` is what the answer said."""
    return model is not None and model.startswith(STAND_IN_PREFIX)


def _under_offline_model() -> bool:
    """Whether a parent process runs the offline model, and has led this one there: `offpath demo` does."""
    if os.environ.get("OPENAI_API_KEY") != OFFLINE_KEY:
        return False
    try:
        host = urlsplit(os.environ.get("OPENAI_BASE_URL", "")).hostname or ""
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _prices(text: str | None) -> Mapping[str, object]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError('OFFPATH_JUDGE_PRICES must be a JSON object such as {"my-model": [0.1, 0.4]}')
    return found
