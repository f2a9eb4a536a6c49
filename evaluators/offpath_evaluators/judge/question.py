"""Question: one criterion put to a judge about one run, with all tries, up to a verdict or the reason for none."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from offpath_evaluators.judge.completion import Choice, Completion, CompletionError, read_completion
from offpath_evaluators.judge.criterion import UNKNOWN, Criterion, Mode
from offpath_evaluators.judge.endpoint import EndpointError
from offpath_evaluators.judge.gate import TOKEN_LIMITS, BudgetUsedUp, most_usd
from offpath_evaluators.judge.prompt import (
    SCHEMA_NAME,
    allowed_verdicts,
    answer_schema,
    system_message,
    user_message,
)
from offpath_evaluators.judge.verdict import Verdict, read_verdict
from offpath_evaluators.judge.weighting import mean, weigh
from offpath_evaluators.score import Abstained, Failed, NotApplicable

if TYPE_CHECKING:
    from offpath_evaluators.judge.record import JudgeRecord

_logger: Final = logging.getLogger(__name__)

Outcome = Verdict | Abstained | Failed | NotApplicable

SAMPLING_TEMPERATURE: Final = 1.0
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 8.0  # seconds
_MARGIN: Final = 0.05
"""Seconds before the limit at which a call gives up, so that it can say why."""
_LATER: Final = 30.0
"""Seconds after which an endpoint that was down may be asked again, if it does not say."""


class _NoVerdictError(Exception):
    """There will be none; `result` says why."""

    def __init__(self, result: Failed | NotApplicable) -> None:
        super().__init__(result.reason)
        self.result = result


@dataclass(frozen=True, slots=True)
class _Reservation:
    """What a budget has set aside for one request."""

    token: Any
    usd: float


class Question:
    """One criterion, one run.

    Args:
        record: Counts what it takes.
        criterion: What is asked.
        data: The fields, cleaned and masked.
        rules: What whoever configured the evaluator adds to the criterion, cleaned and masked.
        mode: Weighted or reasoned.
    """

    def __init__(
        self,
        record: JudgeRecord,
        criterion: Criterion,
        data: Mapping[str, Any],
        rules: Mapping[str, Any] | None,
        mode: Mode,
    ) -> None:
        self._record = record
        self._judge = record.judge
        self._criterion = criterion
        self._data = data
        self._rules = rules
        self._mode: Mode = mode
        self._allowed = allowed_verdicts(criterion, mode)
        self._failures = 0
        self._limited = 0
        self._samples = 0
        """Answers that were taken as samples so far."""
        self._last: Failed | None = None
        """Why the try before was one."""
        self._cut_short = False
        """Whether the evaluation's limit leaves a request less than the judge's own."""

    async def decide(self) -> Outcome:
        """The verdict, or why there is none.

        Raises:
            BudgetUsedUp: A request was not let through.
        """
        try:
            if self._mode == "reasoned":
                return await self._reasoned()
            return (await self._weighted() if self._judge.uses("logprobs") else None) or await self._sampled()
        except _NoVerdictError as none:
            return none.result

    # The modes.

    async def _reasoned(self) -> Outcome:
        while True:
            completion = await self._complete(self._judge.temperature)
            read = self._read(completion.choices[0])
            if isinstance(read, Failed):
                await self._failed(read, None)
                continue
            label, reason = read
            if label == UNKNOWN:
                return _abstained(reason)
            return self._verdict("reasoned", label, {label: 1.0}, reason)

    async def _weighted(self) -> Outcome | None:
        """None if the endpoint gives no probabilities, or none for this verdict."""
        while True:
            completion = await self._complete(self._judge.temperature, logprobs=True)
            choice = completion.choices[0]
            if not self._judge.uses("logprobs") or choice.tokens is None:
                self._judge.adapt("logprobs", {"logprobs": True})
                return None
            read = self._read(choice)
            if isinstance(read, Failed):
                await self._failed(read, None)
                continue
            label, reason = read
            if label == UNKNOWN:
                return _abstained(reason)
            codes = {code: known for code, known in self._criterion.codes.items() if self._value(known) is not None}
            if self._value(label) is None:
                return self._verdict("weighted", label, {label: 1.0}, reason)
            chosen = next(code for code, known in codes.items() if known == label)
            weighed = weigh(choice.tokens, chosen, codes)
            if weighed is None:
                return None
            shares = {codes[code]: share for code, share in weighed.items()}
            likeliest = max(shares, key=lambda each: (shares[each], each == label))
            return self._verdict("weighted", likeliest, shares, reason)

    async def _sampled(self) -> Outcome:
        """The share of each verdict among several answers instead of its probability."""
        wanted = self._judge.samples
        said: Counter[str] = Counter()
        while (missing := wanted - said.total()) > 0:
            completion = await self._complete(SAMPLING_TEMPERATURE, samples=missing)
            failed: Failed | None = None
            for choice in completion.choices[:missing]:
                read = self._read(choice)
                if isinstance(read, Failed):
                    failed = read
                else:
                    said[read[0]] += 1
            self._samples = said.total()
            if failed is not None and said.total() < wanted:
                await self._failed(failed, None)
        return self._of_samples(said)

    def _of_samples(self, said: Counter[str]) -> Outcome:
        total = said.total()
        if said[UNKNOWN] * 2 >= total:
            return _abstained(None)
        del said[UNKNOWN]
        label = max(said, key=lambda each: (said[each], -list(self._criterion.verdicts).index(each)))
        if self._value(label) is None:
            return self._verdict("sampled", label, {label: 1.0}, None)
        counted = {each: count for each, count in said.items() if self._value(each) is not None}
        shares = {each: count / sum(counted.values()) for each, count in counted.items()}
        return self._verdict("sampled", label, shares, None)

    def _value(self, label: str) -> float | None:
        return self._criterion.verdicts[label]

    def _verdict(self, mode: Any, label: str, shares: Mapping[str, float], reason: str | None) -> Outcome:
        if self._value(label) is None:
            return NotApplicable(label, reason)
        values = {each: value for each, value in self._criterion.verdicts.items() if value is not None}
        value = mean(shares, {each: values[each] for each in shares})
        raw = None
        if self._criterion.scale is not None:
            low, high = self._criterion.scale
            raw = low + value * (high - low)
        return Verdict(
            label,
            value,
            value >= self._criterion.passing - 1e-9,
            reason,
            mode,
            dict(shares),
            raw,
            self._record.preparation.removed,
        )

    def _read(self, choice: Choice) -> tuple[str, str | None] | Failed:
        """The label and the reason."""
        if choice.refusal:
            return Failed("judge_refused", "the judge declined to answer")
        read = read_verdict(choice.text, self._allowed)
        if read is None:
            why = "its answer was cut off at max_tokens" if choice.cut_off else "it gave none of the verdicts"
            return Failed("malformed_verdict", f"the judge was asked for a verdict and {why}")
        return self._allowed[read[0]], read[1]

    # Requests.

    async def _complete(self, temperature: float, *, logprobs: bool = False, samples: int = 1) -> Completion:
        while True:
            body = self._body(temperature, logprobs, samples)
            try:
                answer, reservation = await self._send(body)
            except EndpointError as error:
                await self._after(error, body)
                continue
            try:
                completion = read_completion(answer)
            except CompletionError as error:
                self._keep(reservation)
                await self._failed(Failed("malformed_verdict", str(error)), None, pause=True)
                continue
            self._record.count(completion, body)
            if reservation is not None:
                await self._settle(reservation, completion)
            return completion

    def _body(self, temperature: float, logprobs: bool, samples: int) -> dict[str, Any]:
        # A new mark each time: nobody who saw one request can prepare a text for the next.
        user = user_message(self._criterion, self._data, self._rules, secrets.token_hex(8))
        schema = answer_schema(self._criterion, self._mode)
        wanted: dict[str, Any] = {
            "model": self._judge.model,
            "messages": [
                {"role": "system", "content": system_message(self._criterion, self._mode)},
                {"role": "user", "content": user},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": SCHEMA_NAME, "strict": True, "schema": schema},
            },
            "temperature": temperature,
            # The same question with the same seed would fail, or be answered, in the same way.
            "seed": self._judge.seed + self._failures + self._samples,
            "max_completion_tokens": self._judge.max_tokens,
        }
        if logprobs:
            wanted |= {"logprobs": True, "top_logprobs": 20}
        if samples > 1:
            wanted["n"] = samples
        return self._judge.adapted(wanted)

    async def _send(self, body: Mapping[str, Any]) -> tuple[bytes, _Reservation | None]:
        """The answer, and what was set aside for it."""
        clock, endpoint = self._record.clock, self._judge.endpoint
        async with AsyncExitStack() as stack:
            with clock.waiting():
                await stack.enter_async_context(endpoint.slot())
                cooling = await endpoint.cooling()
                if 0 < cooling < clock.left():
                    await asyncio.sleep(cooling)
            if cooling >= clock.left():
                raise _NoVerdictError(Failed("rate_limited", "the judge's endpoint asked for a pause", cooling))
            reservation = await self._reserve(body)
            left = clock.left() - _MARGIN
            if left <= 0:
                await self._book(reservation, 0.0)
                raise _NoVerdictError(self._last or Failed("timeout", "the time limit left none for the judge", _LATER))
            self._cut_short = left < self._judge.timeout
            self._record.calls += 1
            try:
                with self._watched() as told:
                    content = await endpoint.send(body, min(self._judge.timeout, left))
                    if told is not None:
                        told(content)
                return content, reservation
            except EndpointError as error:
                if error.free:
                    await self._book(reservation, 0.0)
                else:
                    self._keep(reservation)
                raise
            except BaseException:
                self._keep(reservation)
                raise

    def _watched(self) -> AbstractContextManager[Callable[[bytes], None] | None]:
        judge = self._judge
        return nullcontext() if judge.watch is None else judge.watch(judge.model, judge.endpoint.base_url)

    # The budget.

    async def _reserve(self, body: Mapping[str, Any]) -> _Reservation | None:
        """Set aside what the request can cost; None without a budget."""
        judge = self._judge
        if judge.gate is None:
            return None
        usd = most_usd(judge.prices, judge.model, judge.endpoint.base_url, body)
        if usd is None:
            raise _NoVerdictError(Failed("unpriced", f"the price of {judge.model} is not known, and there is a budget"))
        if self._record.budget_used_up:
            raise BudgetUsedUp
        try:
            with self._record.clock.waiting():
                token = await judge.gate.reserve(usd)
        except Exception as error:  # the gate is somebody else's, and may ask over a network
            _logger.debug("the judge's budget cannot be asked for", exc_info=error)
            why = f"the judge's budget cannot be asked for now: {type(error).__name__}"
            raise _NoVerdictError(Failed("budget_unavailable", why, _LATER)) from error
        if token is None:
            self._record.budget_used_up = True
            raise BudgetUsedUp
        return _Reservation(token, usd)

    async def _settle(self, reservation: _Reservation, completion: Completion) -> None:
        """Book what the answer cost, if that can be told."""
        usd = self._record.cost_of(completion) if completion.counted else None
        if usd is None:
            self._keep(reservation)
            return
        if usd > reservation.usd:
            self._judge.overspent(completion.model or self._judge.model, usd, reservation.usd)
        await self._book(reservation, usd)

    def _keep(self, reservation: _Reservation | None) -> None:
        if reservation is not None and self._judge.gate is not None:
            self._judge.gate.keep(reservation.token)

    async def _book(self, reservation: _Reservation | None, usd: float) -> None:
        if reservation is None or self._judge.gate is None:
            return
        try:
            with self._record.clock.waiting():
                await self._judge.gate.settle(reservation.token, usd)
        except Exception as error:  # noqa: BLE001  # as above; the answer is there, and what was set aside stays so
            _logger.warning(
                "the judge's budget cannot be settled (%s), so %.6f USD count as spent instead of %.6f",
                type(error).__name__,
                reservation.usd,
                usd,
            )

    async def _after(self, error: EndpointError, body: Mapping[str, Any]) -> None:
        """Returns if the request is to be sent again."""
        if error.reason == "too_long":
            raise _NoVerdictError(NotApplicable("too_long", error.explanation))
        if error.refused is not None and self._judge.adapt(error.refused, body):
            return
        failed = Failed(error.reason, error.explanation)
        if error.refused in TOKEN_LIMITS and self._judge.gate is not None:
            why = "a budget needs a limit of the answer's tokens, and the endpoint takes none"
            failed = Failed("no_token_limit", f"{why} (max_tokens={self._judge.max_tokens}): {error.explanation}")
        if not error.passing:
            raise _NoVerdictError(failed)
        await self._failed(failed, error)

    async def _failed(self, failed: Failed, error: EndpointError | None, *, pause: bool = False) -> None:
        """Wait before the next try; raises if there is none.

        Args:
            failed: What the evaluation is if there is none.
            error: What the endpoint said, if it gave no answer.
            pause: Whether to wait after an answer, too: what sits before the model may have given it.
        """
        if failed.reason == "timeout" and self._cut_short and self._last is not None:
            raise _NoVerdictError(self._last)  # which took the time that this request would have needed
        limited = failed.reason == "rate_limited"
        if limited:
            # How often the endpoint says "not now" is no reason to give up; the time limit is.
            self._limited += 1
        else:
            self._failures += 1
        asked_for = None if error is None else error.retry_after
        doublings = min(self._limited if limited else self._failures, 10) - 1
        delay = min(_FIRST_DELAY * 2.0**doublings, _LONGEST_DELAY)
        wait = delay * (1 - 0.25 * random.random()) if asked_for is None else asked_for  # noqa: S311  # jitter
        if error is None and not pause:
            wait = 0.0
        later = None if error is None else (_LATER if asked_for is None else asked_for)
        self._last = Failed(failed.reason, failed.explanation, later)
        if self._failures > self._judge.retries or wait + _MARGIN >= self._record.clock.left():
            raise _NoVerdictError(self._last)
        await asyncio.sleep(wait)


def _abstained(reason: str | None) -> Abstained:
    return Abstained(UNKNOWN, reason or "the judge could not tell")
