"""Judge: the model that evaluators ask."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from offpath_evaluators.errors import InvalidOptionsError, MissingJudgeError, MissingLibraryError
from offpath_evaluators.judge.endpoint import Endpoint
from offpath_evaluators.judge.gate import TOKEN_LIMITS, SpendGate
from offpath_evaluators.judge.price import Prices, checked_prices
from offpath_evaluators.judge.rate import Rate
from offpath_evaluators.judge.record import JudgeRecord
from offpath_evaluators.judge.watch import JudgeWatch

if TYPE_CHECKING:
    import openai

__all__ = ["Judge", "JudgeRecord"]

MODES: Final = ("auto", "weighted", "reasoned")
FEWER_ALTERNATIVES: Final = 5
"""Alternatives that are asked for where an endpoint refuses 20."""

_logger: Final = logging.getLogger(__name__)


class Judge:
    """A model behind an OpenAI-compatible endpoint. May be shared by all evaluations, and by several event loops.

        async with Judge("gpt-4o-mini") as judge:
            await evaluate(context, ["groundedness"], judge=judge)

    Args:
        model: The model's id at its endpoint.
        base_url: The endpoint; if None OPENAI_BASE_URL, else OpenAI's.
        api_key: If None, OPENAI_API_KEY.
        mode: How verdicts are asked for. "weighted": the verdict alone, its value weighted by token probabilities (by
            several samples where the endpoint gives none). "reasoned": a reason, then the verdict. "auto": what each
            criterion prefers, which is weighted for scores on a scale and reasoned for classes.
        concurrency: Most requests at once, in each event loop. Others wait; the time limit stands still meanwhile.
        rate: Most requests in a time, in each event loop: "10/s", "500/m".
        max_tokens: Most tokens of an answer, those of a reasoning model's thoughts among them.
        max_input_tokens: Most tokens that are judged, estimated; more is not applicable ("too_long"), never cut.
        timeout: Seconds for one request.
        retries: Further tries after the first, for malformed verdicts, refusals and errors that pass. Answers with
            status 429 are tried again until the evaluation's time limit.
        samples: Answers that replace token probabilities.
        temperature: Of all answers but these samples, which have 1.
        seed: Passed on, plus one for each further try.
        redact: Mask personal data and secrets in all that is sent.
        prices: USD for a million input and output tokens by model, before the known prices: {"my-model": (0.1, 0.4)}.
        client: An `openai.AsyncOpenAI` of one's own, Azure's for example; whoever made it closes it.
        gate: Asked before each request, so that a budget is kept. Models of unknown price are then not asked, nor
            endpoints that do not take a limit of tokens.
        watch: Sees each request, such as a tracer.

    Raises:
        MissingJudgeError: There is neither a key nor a base URL nor a client.
        MissingLibraryError: The openai package is not installed.
        InvalidOptionsError: A value that cannot be; the message names it.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        mode: Literal["auto", "weighted", "reasoned"] = "auto",
        concurrency: int = 8,
        rate: str | None = None,
        max_tokens: int = 4096,
        max_input_tokens: int = 100_000,
        timeout: float = 30.0,
        retries: int = 3,
        samples: int = 5,
        temperature: float = 0.0,
        seed: int = 0,
        redact: bool = True,
        prices: Mapping[str, object] | None = None,
        client: openai.AsyncOpenAI | None = None,
        gate: SpendGate | None = None,
        watch: JudgeWatch | None = None,
    ) -> None:
        if find_spec("openai") is None:
            raise MissingLibraryError("a judge needs the openai package: pip install openai")
        self.model = model.strip()
        if not self.model:
            raise InvalidOptionsError('model="" names no judge; give the id of a model: "gpt-4o-mini"')
        if mode not in MODES:
            raise InvalidOptionsError(f"mode={mode!r} is not known; choose from {', '.join(MODES)}")
        self.mode = mode
        self.max_tokens = _whole("max_tokens", max_tokens, 16)
        self.max_input_tokens = _whole("max_input_tokens", max_input_tokens, 1)
        self.retries = _whole("retries", retries, 0)
        self.samples = _whole("samples", samples, 1)
        self.seed = _whole("seed", seed, 0)
        self.timeout = _number("timeout", timeout, 0.001, 3600)
        self.temperature = _number("temperature", temperature, 0, 2)
        self.redact = redact
        self.prices: Prices = checked_prices(prices)
        self.endpoint = Endpoint(
            *_address(base_url, api_key, client),
            _whole("concurrency", concurrency, 1),
            None if rate is None else Rate.parse(rate),
            client,
        )
        self.gate = gate
        self.watch = watch
        self._without: set[str] = set()
        self._overspent: set[str] = set()
        self._alternatives = 20

    @classmethod
    def from_environment(cls, *, model: str | None = None) -> Judge | None:
        """The judge that OFFPATH_JUDGE_MODEL names; None if it is not set.

        OFFPATH_JUDGE_BASE_URL, _API_KEY, _MODE, _CONCURRENCY, _RATE, _REDACT (true or false) and _PRICES (JSON:
        {"my-model": [0.1, 0.4]}) are the arguments of the same names. The same settings give the same judge, with its
        open connections.

        Args:
            model: In place of OFFPATH_JUDGE_MODEL.

        Raises:
            MissingJudgeError, InvalidOptionsError: As for a `Judge`; the message names the variable.
        """
        found = os.environ
        values = {name: found.get(f"OFFPATH_JUDGE_{name}", "").strip() for name in _VARIABLES}
        if model is not None:
            values["MODEL"] = model.strip()
        if not values["MODEL"]:
            return None
        shared = {name: found.get(name, "").strip() for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
        settings = (*values.values(), *shared.values())
        with _lock:
            if _known.get("settings") != settings:
                _known.update(settings=settings, judge=_from_values(values, shared))
            judge: Judge = _known["judge"]
            return judge

    def __repr__(self) -> str:
        return f"Judge({self.model!r}, base_url={self.endpoint.shown_url!r}, mode={self.mode!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop. They close by themselves when the loop ends."""
        await self.endpoint.close()

    def record(self) -> JudgeRecord:
        """What one evaluation asks with."""
        return JudgeRecord(self)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes results comparable, apart from the prompt."""
        return (self.model, self.endpoint.shown_url, self.mode, self.temperature, self.samples, self.redact)

    # What the endpoint does not take.

    @property
    def adaptations(self) -> tuple[str, ...]:
        """The parameters that requests go without because the endpoint refused them."""
        return tuple(sorted(self._without))

    def uses(self, parameter: str) -> bool:
        """Whether requests still have it."""
        return parameter not in self._without

    def adapt(self, parameter: str, body: Mapping[str, Any]) -> bool:
        """Go without a parameter that was refused in `body`; returns whether another try may succeed."""
        if parameter not in body and parameter in TOKEN_LIMITS:
            parameter = next((name for name in TOKEN_LIMITS if name in body), parameter)
        if parameter not in body:
            return False
        if (
            parameter in TOKEN_LIMITS
            and self.gate is not None
            and self._without.intersection(TOKEN_LIMITS) - {parameter}
        ):
            return False  # without a limit there is no bound of what an answer costs
        if "logprobs" in parameter and body.get("top_logprobs", 0) > FEWER_ALTERNATIVES:
            # "at most 5" is refused in words that name either of the two.
            self._alternatives = FEWER_ALTERNATIVES
        elif parameter == "response_format" and body[parameter]["type"] == "json_schema":
            self._give_up("json_schema")
        else:
            self._give_up("logprobs" if parameter == "top_logprobs" else parameter)
        return True

    def adapted(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A request's body without what the endpoint does not take."""
        body = {name: value for name, value in wanted.items() if name not in self._without}
        if "max_completion_tokens" in self._without and "max_tokens" not in self._without:
            body["max_tokens"] = wanted["max_completion_tokens"]
        if "json_schema" in self._without and "response_format" in body:
            body["response_format"] = {"type": "json_object"}
        if "logprobs" in self._without:
            body.pop("top_logprobs", None)
        elif "top_logprobs" in body:
            body["top_logprobs"] = min(body["top_logprobs"], self._alternatives)
        return body

    def overspent(self, model: str, usd: float, most: float) -> None:
        """An answer cost more than its request could; said once for each model."""
        if model not in self._overspent:
            self._overspent.add(model)
            _logger.warning(
                "judge %s: an answer of %s cost %.6f USD, where %.6f was the most by its prompt and max_tokens=%d: the "
                "endpoint does not keep to the limit, so the budget cannot either",
                self.model,
                model,
                usd,
                most,
                self.max_tokens,
            )

    def _give_up(self, parameter: str) -> None:
        if parameter not in self._without:
            self._without.add(parameter)
            _logger.warning("judge %s does not take %s; asked without it from now on", self.model, parameter)


_VARIABLES: Final = ("MODEL", "BASE_URL", "API_KEY", "MODE", "CONCURRENCY", "RATE", "REDACT", "PRICES")
_YES, _NO = ("", "1", "true", "yes", "on"), ("0", "false", "no", "off")
_known: dict[str, Any] = {}
"""The last judge of the environment."""
_lock: Final = threading.Lock()


def _from_values(values: Mapping[str, str], shared: Mapping[str, str]) -> Judge:
    try:
        concurrency = int(values["CONCURRENCY"] or "8")
    except ValueError:
        raise InvalidOptionsError(
            f"OFFPATH_JUDGE_CONCURRENCY={values['CONCURRENCY']!r} must be a whole number from 1 on"
        ) from None
    try:
        prices = json.loads(values["PRICES"] or "{}")
    except ValueError:
        prices = None
    if not isinstance(prices, dict):
        raise InvalidOptionsError('OFFPATH_JUDGE_PRICES must be a JSON object such as {"my-model": [0.1, 0.4]}')
    if values["REDACT"].lower() not in (*_YES, *_NO):
        raise InvalidOptionsError(f"OFFPATH_JUDGE_REDACT={values['REDACT']!r} must be true or false")
    mode: Any = values["MODE"] or "auto"
    try:
        return Judge(
            values["MODEL"],
            base_url=values["BASE_URL"] or shared["OPENAI_BASE_URL"] or None,
            api_key=values["API_KEY"] or shared["OPENAI_API_KEY"] or None,
            mode=mode,
            concurrency=concurrency,
            rate=values["RATE"] or None,
            redact=values["REDACT"].lower() in _YES,
            prices=prices,
        )
    except InvalidOptionsError as error:
        name = re.split("[=: ]", str(error), maxsplit=1)[0].upper()
        raise InvalidOptionsError(f"OFFPATH_JUDGE_{name}: {error}" if name in _VARIABLES else str(error)) from None


def _address(base_url: str | None, api_key: str | None, client: object) -> tuple[str | None, str | None]:
    if client is not None:
        given = getattr(client, "base_url", None)
        return (None if given is None else str(given).rstrip("/")), None
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or "").strip().rstrip("/")
    key = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not url and not key:
        raise MissingJudgeError(
            "the judge has no API key: set OFFPATH_JUDGE_API_KEY or OPENAI_API_KEY, or OFFPATH_JUDGE_BASE_URL for a "
            "compatible endpoint that needs none"
        )
    if url and not url.startswith(("http://", "https://")):
        raise InvalidOptionsError("base_url must begin with http:// or https://, as https://host/v1 does")
    if not all(" " < char <= "~" for char in key):
        raise InvalidOptionsError("api_key holds spaces or characters outside ASCII; check OFFPATH_JUDGE_API_KEY")
    return url or None, key or None


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOptionsError(f"{name}={value!r} must be a whole number from {least} on")
    return value


def _number(name: str, value: object, least: float, most: float) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not least <= value <= most:  # type: ignore[operator]
        raise InvalidOptionsError(f"{name}={value!r} must be a number from {least:g} to {most:g}")
    return float(value)  # type: ignore[arg-type]
