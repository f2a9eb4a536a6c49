"""The declaration of a hook: a plain function, and what `@hook` says about it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, cast, get_args, overload

from offpath.errors import ConfigurationError
from offpath.runs.job import HookKind
from offpath.runs.status import DEFAULT_RUN_ON, RunStatus

HookFunction = Callable[..., Any]
F = TypeVar("F", bound=HookFunction)
Isolation = Literal["hook", "shared"]

OPTIONS_ATTRIBUTE: Final = "__offpath_hook__"
PRELOAD_ATTRIBUTE: Final = "__offpath_preload__"
"""A function that imports what a built-in hook needs, called once before executors are forked."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_RATE: Final = re.compile(r"(?P<count>\d+)\s*/\s*(?P<unit>s|m|h|second|minute|hour)")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: a burst of `count` starts at most, and then `count` starts in `seconds`, evenly."""

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read "10/s", "100/m" or "1000/h".

        Raises:
            ConfigurationError: If the text is none of these.
        """
        match = _RATE.fullmatch(text.strip().lower())
        if match is None or int(match["count"]) < 1:
            raise ConfigurationError(f'rate={text!r} is not understood; write a count and a unit, like "10/s", "100/m"')
        return cls(int(match["count"]), _SECONDS[match["unit"][0]])


@dataclass(frozen=True, slots=True)
class HookOptions:
    """What `@hook` says about a function; None leaves it to the service's settings."""

    name: str | None = None
    run_in_background: bool | None = None
    """None follows the service's `run_hooks_in_background`; True and False beat it."""
    timeout: float | None = None
    """Seconds that one attempt may take."""
    retries: int | None = None
    """Further attempts after the first."""
    concurrency: int | None = None
    """At most this many attempts at a time."""
    rate: Rate | None = None
    run_on: tuple[RunStatus, ...] = DEFAULT_RUN_ON
    """Post-hooks: the ends of a run after which it runs."""
    isolation: Isolation = "hook"
    """"hook": its executor runs no other hook. "shared": it shares one with all hooks that say so."""
    lane: str | None = None
    """Set by the built-in hooks: those of one lane share executors, and with them connections and limits."""
    version: str = "1"
    """Recorded with each job; raise it when results are no longer comparable."""
    kind: HookKind | None = None
    """Set by the built-in hooks; None means pre or post, after its list."""
    guardrail: bool = False
    """A guardrail always runs in the foreground and fails closed."""


@overload
def hook(function: F, /) -> F: ...
@overload
def hook(
    name: str | None = None,
    /,
    *,
    run_in_background: bool | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    concurrency: int | None = None,
    rate: str | None = None,
    run_on: Iterable[str] = DEFAULT_RUN_ON,
    isolation: Isolation = "hook",
    version: str | int = "1",
) -> Callable[[F], F]: ...
def hook(
    function_or_name: Any = None,
    /,
    *,
    run_in_background: bool | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    concurrency: int | None = None,
    rate: str | None = None,
    run_on: Iterable[str] = DEFAULT_RUN_ON,
    isolation: Isolation = "hook",
    version: str | int = "1",
) -> Any:
    """Say how a hook runs. The function itself is returned unchanged, to be called or tested as before.

    Args:
        function_or_name: The hook's registered name; by default the function's.
        run_in_background: True takes it off the response path; False keeps it there even when the service runs
            all hooks in the background; None follows the service.
        timeout: Seconds that one attempt may take; default `OFFPATH_HOOK_TIMEOUT`.
        retries: Further attempts after a failed one; default `OFFPATH_HOOK_RETRIES`.
        concurrency: At most this many attempts at a time.
        rate: Starts a time: "10/s", "100/m", "1000/h". A token bucket: after a pause as many as the count may start
            at once, and from then on the count in each unit, evenly; so in one unit at most twice the count.
        run_on: The ends of a run that a post-hook wants: completed, error, cancelled, interrupted, blocked.
        isolation: "hook" gives it an executor of its own; "shared" suits small, well-behaved hooks.
        version: Recorded with each job.

    Raises:
        ConfigurationError: If an option's value is impossible.
    """
    if callable(function_or_name):
        return hook()(function_or_name)
    options = HookOptions(
        name=_checked_name(function_or_name),
        run_in_background=run_in_background,
        timeout=_positive("timeout", timeout),
        retries=retries if retries is None else int(_at_least("retries", retries, 0)),
        concurrency=concurrency if concurrency is None else int(_at_least("concurrency", concurrency, 1)),
        rate=None if rate is None else Rate.parse(rate),
        run_on=_statuses(run_on),
        isolation=_isolation(isolation),
        version=str(version),
    )

    def mark(function: F) -> F:
        if not callable(function):
            raise ConfigurationError(f"@hook marks a function, not {function!r}")
        try:
            setattr(function, OPTIONS_ATTRIBUTE, options)
        except AttributeError:
            raise ConfigurationError(
                f"@hook cannot mark {function!r}; mark the function in its class, above its `def`"
            ) from None
        return function

    return mark


def options_of(function: HookFunction) -> HookOptions:
    """What `@hook` said about the function, or the defaults."""
    options = getattr(function, OPTIONS_ATTRIBUTE, None)
    return options if isinstance(options, HookOptions) else HookOptions()


def name_of(function: HookFunction) -> str:
    """The registered name: the one given to `@hook`, else the function's own, else its class's."""
    given = options_of(function).name
    return given or getattr(function, "__name__", None) or type(function).__name__


def is_async(function: HookFunction) -> bool:
    """Whether calling the hook gives an awaitable."""
    call = function if inspect.isroutine(function) else type(function).__call__
    return inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(call)


def _checked_name(name: Any) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"a hook's name is 1 to 100 letters, digits and . _ - and does not begin with a digit, not {name!r}"
        )
    return name


def _positive(option: str, value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise ConfigurationError(f"{option}={value!r} must be above 0 seconds; leave it out for the service's default")
    return value


def _at_least(option: str, value: float, least: int) -> float:
    if value < least or value != int(value):
        raise ConfigurationError(f"{option}={value!r} must be a whole number, {least} or more")
    return value


def _statuses(names: Iterable[str]) -> tuple[RunStatus, ...]:
    known = [status.value for status in RunStatus if status is not RunStatus.RUNNING]
    listed = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in listed if name not in known]
    if unknown or not listed:
        raise ConfigurationError(f"run_on={listed!r} must name some of: {', '.join(known)}")
    return tuple(RunStatus(name) for name in listed)


def _isolation(value: str) -> Isolation:
    if value not in get_args(Isolation):
        raise ConfigurationError(f'isolation={value!r} must be "hook" or "shared"')
    return cast("Isolation", value)
