"""A hook in its place: which component it belongs to, when it runs, which arguments it takes."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from offpath.errors import ConfigurationError, HookSignatureError
from offpath.hooks.hook import HookFunction, HookOptions, is_async, name_of, options_of
from offpath.runs.job import HookKind, Phase, hook_id
from offpath.runs.status import ComponentKind

_COMMON: Final = (
    "run_input",
    "run_context",
    "session",
    "session_state",
    "dependencies",
    "user_id",
    "metadata",
    "debug_mode",
    "job",
)


def offered_arguments(kind: ComponentKind, phase: Phase) -> tuple[str, ...]:
    """The names that a hook of this kind of component may ask for."""
    output = ("run_output",) if phase == "post" else ()
    return (*output, kind, *_COMMON)


@dataclass(frozen=True, slots=True)
class BoundHook:
    """A hook of one component, with its signature checked."""

    name: str
    function: HookFunction
    component_kind: ComponentKind
    component_id: str
    phase: Phase
    background: bool
    options: HookOptions
    arguments: frozenset[str]
    """The offered names that the function takes."""
    is_async: bool

    @property
    def id(self) -> str:
        return hook_id(self.component_kind, self.component_id, self.phase, self.name)

    @property
    def kind(self) -> HookKind:
        return self.options.kind or self.phase

    @property
    def priority(self) -> int:
        """Notifications start before analytics and evaluations when slots are short; lower is sooner."""
        return {"notification": 0, "pre": 1, "post": 1, "analytics": 2, "evaluation": 3}[self.kind]

    @property
    def lane(self) -> str:
        """Hooks of one lane share executors: one lane a function, whichever components use it."""
        if self.options.lane is not None:
            return self.options.lane
        if self.options.isolation == "shared":
            return "shared"
        function = inspect.unwrap(self.function)
        qualified = getattr(function, "__qualname__", type(function).__qualname__)
        return f"{getattr(function, '__module__', '')}.{qualified}:{self.name}"

    def select(self, offered: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments for a call, from all that is offered; what is missing there (a team's `agent`) is None."""
        return {name: offered.get(name) for name in self.arguments}


@dataclass(frozen=True, slots=True)
class HookSet:
    """All hooks of one component, in the order of their lists."""

    hooks: tuple[BoundHook, ...]
    foreground_pre: tuple[BoundHook, ...]
    background_pre: tuple[BoundHook, ...]
    foreground_post: tuple[BoundHook, ...]
    background_post: tuple[BoundHook, ...]

    def __iter__(self) -> Iterator[BoundHook]:
        return iter(self.hooks)


def bind_hooks(
    kind: ComponentKind,
    component_id: str,
    pre_hooks: Iterable[HookFunction],
    post_hooks: Iterable[HookFunction],
    *,
    in_background: bool,
    allow_background: bool = True,
) -> HookSet:
    """Check and sort the hooks of one component.

    Args:
        in_background: The service's `run_hooks_in_background`.
        allow_background: False without a service: every hook then runs in the foreground.

    Raises:
        HookSignatureError: A required parameter is not offered.
        ConfigurationError: Two hooks of one list have one name, or something in a list is not callable.
    """
    bound: list[BoundHook] = []
    lists: tuple[tuple[Phase, Iterable[HookFunction]], ...] = (("pre", pre_hooks), ("post", post_hooks))
    for phase, functions in lists:
        seen: dict[str, HookFunction] = {}
        for function in functions:
            entry = _bind(function, kind, component_id, phase, in_background and allow_background, allow_background)
            if entry.name in seen:
                raise ConfigurationError(
                    f'{kind} "{component_id}" has two {phase}-hooks named "{entry.name}"; '
                    f'give one of them another name with @hook("...")'
                )
            seen[entry.name] = function
            bound.append(entry)
    return HookSet(
        hooks=tuple(bound),
        foreground_pre=tuple(h for h in bound if h.phase == "pre" and not h.background),
        background_pre=tuple(h for h in bound if h.phase == "pre" and h.background),
        foreground_post=tuple(h for h in bound if h.phase == "post" and not h.background),
        background_post=tuple(h for h in bound if h.phase == "post" and h.background),
    )


def _bind(
    function: HookFunction,
    kind: ComponentKind,
    component_id: str,
    phase: Phase,
    in_background: bool,
    allow_background: bool,
) -> BoundHook:
    if not callable(function):
        raise ConfigurationError(
            f'{phase}_hooks of {kind} "{component_id}" holds {function!r}, which is not a function'
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise HookSignatureError(
            f'hook "{name_of(function)}" of {kind} "{component_id}" is a generator, whose body nobody would run: '
            f"remove its `yield`"
        )
    options = options_of(function)
    wanted = in_background if options.run_in_background is None else options.run_in_background
    return BoundHook(
        name=name_of(function),
        function=function,
        component_kind=kind,
        component_id=component_id,
        phase=phase,
        background=wanted and allow_background and not options.guardrail,
        options=options,
        arguments=_arguments(function, kind, component_id, phase),
        is_async=is_async(function),
    )


def _arguments(function: HookFunction, kind: ComponentKind, component_id: str, phase: Phase) -> frozenset[str]:
    offered = offered_arguments(kind, phase)
    known = {"run_output", "agent", "team", "workflow", *_COMMON}
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise HookSignatureError(f"the signature of hook {function!r} cannot be read: {error}") from error
    taken: set[str] = set()
    for parameter in parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            taken.update(offered)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            continue
        elif parameter.kind is not parameter.POSITIONAL_ONLY and parameter.name in offered:
            taken.add(parameter.name)
        elif parameter.default is parameter.empty:
            raise HookSignatureError(
                _not_offered(function, parameter, kind, component_id, phase, offered, parameter.name in known)
            )
    return frozenset(taken)


def _not_offered(
    function: HookFunction,
    parameter: inspect.Parameter,
    kind: ComponentKind,
    component_id: str,
    phase: Phase,
    offered: tuple[str, ...],
    known_elsewhere: bool,
) -> str:
    near = difflib.get_close_matches(parameter.name, offered, n=1)
    advice = f'did you mean "{near[0]}"? ' if near else ""
    if known_elsewhere:
        advice = f"a {phase}-hook of {'an' if kind == 'agent' else 'a'} {kind} has none; give it a default. "
    if parameter.kind is parameter.POSITIONAL_ONLY:
        advice = "arguments are passed by name: remove the `/`. "
    return (
        f'hook "{name_of(function)}" of {kind} "{component_id}" requires "{parameter.name}", which is not offered: '
        f"{advice}Offered: {', '.join(offered)}"
    )
