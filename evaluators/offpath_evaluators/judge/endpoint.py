"""The judge's endpoint: one shared client for each event loop, how many requests at once, and what its errors mean."""

from __future__ import annotations

import asyncio
import re
import sys
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from offpath_evaluators.judge.rate import Bucket, Rate
from offpath_evaluators.judge.retry_after import seconds_to_wait

if TYPE_CHECKING:
    import openai

NO_KEY: Final = "not-needed"
"""The client insists on a key; servers that want none ignore it."""
_BEFORE_SENDING: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""Errors of the client's transport, which may be httpx or httpx2."""
_LONGEST_CONNECT: Final = 10.0
_LONGEST_ERROR: Final = 10_000
_LONGEST_COOLING: Final = 300.0
"""Seconds: whatever an endpoint asks for, it is tried again after these."""
_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,60}")
_TOO_LONG: Final = re.compile(
    r"context[ _](?:length|window|size)|max_(?:seq|model)_len|token count|too many (?:input )?tokens|reduce the length"
    r"|maximum (?:context|input|prompt|number of tokens)|(?:prompt|input|request) (?:is )?too (?:long|large)",
    re.IGNORECASE,
)
_ANSWER_TOO_LONG: Final = re.compile(
    r"max_(?:completion_)?tokens\W{1,3}(?:is )?(?:too (?:large|big|high)|must be|exceeds|cannot)", re.IGNORECASE
)
"""Not the judged text is too long, but the answer that was allowed for."""
ADAPTABLE: Final = (
    "top_logprobs",
    "logprobs",
    "seed",
    "temperature",
    "max_completion_tokens",
    "max_tokens",
    "response_format",
    "n",
)
"""Parameters that an endpoint may refuse without the judge being lost; those that begin with others first."""
_NAMED: Final = re.compile(rf"\b(?:{'|'.join(ADAPTABLE[:-1])}|json_schema)\b|[`'\"]n[`'\"]")


@dataclass(eq=False)
class EndpointError(Exception):
    """A request that got no answer. Never leaves this package."""

    reason: str
    explanation: str
    passing: bool = False
    """Whether the same request may succeed later."""
    retry_after: float | None = None
    refused: str | None = None
    """The parameter of `ADAPTABLE` that the endpoint does not take."""
    free: bool = False
    """Whether it surely cost nothing: the request was not sent, or was refused before a model saw it."""

    def __str__(self) -> str:
        return self.explanation


class _LoopState:
    """What belongs to one event loop."""

    def __init__(self, endpoint: Endpoint, client: openai.AsyncOpenAI, now: float) -> None:
        self.client = client
        self.slots = asyncio.Semaphore(endpoint.concurrency)
        self.bucket = None if endpoint.rate is None else Bucket(endpoint.rate, now)
        self.cool_until = 0.0
        """Loop time before which nothing is sent: the endpoint said that it is too much."""
        self.guard: AsyncGenerator[None, None] | None = None


@dataclass(eq=False)
class Endpoint:
    """Where a judge is asked. Limits hold for each event loop."""

    base_url: str | None = field(repr=False)
    api_key: str | None = field(repr=False)
    concurrency: int = 8
    rate: Rate | None = None
    given_client: Any = field(default=None, repr=False)
    """A client of the caller's own, who closes it."""
    _states: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopState] = field(
        default_factory=weakref.WeakKeyDictionary, repr=False
    )

    @property
    def shown_url(self) -> str:
        """Without the user, the password and the query that it may hold."""
        scheme, separator, rest = (self.base_url or "https://api.openai.com/v1").rpartition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for one of the places and for the rate; a call holds it while it is under way, not while it waits."""
        state = await self._state()
        async with state.slots:
            if state.bucket is not None:
                await asyncio.sleep(state.bucket.take(asyncio.get_running_loop().time()))
            yield

    async def cooling(self) -> float:
        """Seconds for which nothing is to be sent."""
        return max(0.0, (await self._state()).cool_until - asyncio.get_running_loop().time())

    async def send(self, body: Mapping[str, Any], seconds: float) -> bytes:
        """The body of the answer to one request.

        Raises:
            EndpointError: There is none within `seconds`, or the endpoint refuses.
        """
        import openai

        state = await self._state()
        try:
            async with asyncio.timeout(seconds):
                answer = await state.client.chat.completions.with_raw_response.create(**body, timeout=seconds)
                content: bytes = answer.http_response.content
                return content
        except (TimeoutError, openai.APITimeoutError) as late:
            said = f"{self.shown_url} did not answer within {seconds:.3g} s"
            error = EndpointError("timeout", said, passing=True, free=_not_sent(late))
        except openai.APIStatusError as refusal:
            error = _refused(refusal, self.shown_url)
            error.free = _not_begun(refusal.status_code, error.retry_after)
            if error.reason == "rate_limited" and error.retry_after is not None:
                until = asyncio.get_running_loop().time() + min(error.retry_after, _LONGEST_COOLING)
                state.cool_until = max(state.cool_until, until)
        except openai.APIConnectionError as lost:
            said = f"{self.shown_url} cannot be reached"
            error = EndpointError("judge_unavailable", said, passing=True, free=_not_sent(lost))
        except openai.OpenAIError as problem:
            error = EndpointError("judge_unavailable", f"the openai client raised {type(problem).__name__}")
        # Outside of `except`: the cause would hold the request, whose headers hold the key.
        raise error

    async def close(self) -> None:
        """Close the client of the running event loop; the next request opens another."""
        state = self._states.pop(asyncio.get_running_loop(), None)
        if state is not None and state.guard is not None:
            await state.guard.aclose()

    async def _state(self) -> _LoopState:
        loop = asyncio.get_running_loop()
        state = self._states.get(loop)
        if state is not None:
            return state
        if not _imported():
            await asyncio.to_thread(_import)
        state = self._states.get(loop)
        if state is not None:  # another call was first
            return state
        for ended in [each for each in self._states if each.is_closed()]:
            del self._states[ended]
        if self.given_client is not None:
            # Tries are made here, out of one number.
            state = _LoopState(self, self.given_client.with_options(max_retries=0), loop.time())
            self._states[loop] = state
            return state
        state = self._states[loop] = _LoopState(self, self._new_client(), loop.time())
        state.guard = self._guard(state)
        await anext(state.guard)  # ends at its first step, without giving way
        return state

    async def _guard(self, state: _LoopState) -> AsyncGenerator[None, None]:
        """Closes the client when its event loop ends: a loop that shuts down closes its suspended generators."""
        try:
            yield
        finally:
            await state.client.close()
            self._states.pop(asyncio.get_running_loop(), None)

    def _new_client(self) -> openai.AsyncOpenAI:
        import openai

        return openai.AsyncOpenAI(
            api_key=self.api_key or NO_KEY,
            base_url=self.base_url or "https://api.openai.com/v1",
            max_retries=0,
            timeout=openai.Timeout(60.0, connect=_LONGEST_CONNECT),
        )


def preload() -> None:
    """Import all that asking a judge takes: for a process that others are forked from, which then need not."""
    _import()
    import openai

    # Some of it is imported only by the first client, and by its first call. This one is never connected.
    client = openai.AsyncOpenAI(api_key=NO_KEY, base_url="http://127.0.0.1/v1")
    client.chat.completions.with_raw_response  # noqa: B018  # a property, which imports


def _imported() -> bool:
    return "openai" in sys.modules and "genai_prices" in sys.modules


def _import() -> None:
    """What the first assessment takes: a second of imports, which is not to be spent on an event loop."""
    import_module("openai")
    with suppress(ImportError):
        import_module("genai_prices")


def _not_sent(error: BaseException) -> bool:
    """Whether a request failed before there was a connection to send it on."""
    return any(each.__name__ in _BEFORE_SENDING for each in type(error.__cause__).__mro__)


def _not_begun(status: int, retry_after: float | None) -> bool:
    """Whether an endpoint that answers so has not let a model begin.

    What is wrong with the request (4xx) is seen before. 408, 409, 425 and 499 say that something went wrong on the way.
    A server that is overloaded and says when to come back has declined; any other 5xx may come from a gateway that gave
    up on a model at work.
    """
    if 400 <= status < 500:
        return status not in {408, 409, 425, 499}
    return status in {503, 529} and retry_after is not None


def _refused(error: openai.APIStatusError, where: str) -> EndpointError:
    """What a status of 400 and above means. The endpoint's own text is not passed on: it may quote key and data."""
    status, wait = error.status_code, seconds_to_wait(error.response.headers)
    code, param = _word(error.code), _word(error.param)
    said = f"{where} answered with status {status}" + (f" ({code})" if code else "")
    text = str(error.body)[:_LONGEST_ERROR]  # all of it: endpoints put the reason into fields of their own
    if code in {"content_filter", "content_policy_violation"}:
        return EndpointError("judge_refused", f"{said}: a filter of the endpoint")
    refused = _parameter(param, text) if status in {400, 403, 422} else None
    if refused is not None and (_ANSWER_TOO_LONG.search(text) or (status == 403 and "logprobs" in refused)):
        return EndpointError("judge_rejected", said, refused=refused)
    if status == 413 or code == "context_length_exceeded" or (status in {400, 422} and _TOO_LONG.search(text)):
        return EndpointError("too_long", f"{said}: the judged text is longer than the judge takes")
    if status == 429:
        if code == "insufficient_quota":
            return EndpointError("quota_exhausted", f"{said}: the account's quota is used up")
        return EndpointError("rate_limited", said, passing=True, retry_after=wait)
    if status == 408:
        return EndpointError("timeout", said, passing=True, retry_after=wait)
    if status >= 500 or status in {409, 425}:
        return EndpointError("judge_unavailable", said, passing=True, retry_after=wait)
    if status in {400, 422}:
        return EndpointError("judge_rejected", f"{said}; check the judge's model and mode", refused=refused)
    remedy = {
        401: "; check OFFPATH_JUDGE_API_KEY",
        403: "; the key may not use this model",
        404: "; check OFFPATH_JUDGE_MODEL, and OFFPATH_JUDGE_BASE_URL, which usually ends in /v1",
    }
    return EndpointError("judge_rejected", said + remedy.get(status, ""))


def _parameter(param: str | None, text: str) -> str | None:
    if param is not None:
        name = param.partition(".")[0].partition("[")[0]
        if name in ADAPTABLE:
            return name
    named = _NAMED.search(text)
    if named is None:
        return None
    name = named.group().strip("`'\"")
    return "response_format" if name == "json_schema" else name


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None
