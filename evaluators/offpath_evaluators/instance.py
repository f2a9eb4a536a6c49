"""Instance: an evaluator as it is used, with a name and options of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from offpath_evaluators.declaration import NAME, Evaluator
from offpath_evaluators.errors import InvalidEvaluatorError, InvalidOptionsError
from offpath_evaluators.registry import find, near

if TYPE_CHECKING:
    from offpath_evaluators.options import Options


@dataclass(frozen=True)
class Instance:
    """One use of an evaluator; several of one evaluator differ in name and options. Made by `configure`."""

    name: str
    evaluator: Evaluator[Any, Any]
    options: Options
    timeout: float
    """Seconds that one assessment may take."""

    @cached_property
    def settings_hash(self) -> str:
        """Of the evaluator, its version and its options."""
        module = self.evaluator.__module__
        options = self.options.model_dump(mode="json")
        text = json.dumps([module, self.evaluator.name, self.evaluator.version, options], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


Choice = str | Evaluator[Any, Any] | Instance
"""How an evaluator is chosen: "refusal", "tone=guidelines", "polite=my_package.evals:politeness", or the thing."""


def configure(choice: Choice, /, *, name: str | None = None, timeout: float | None = None, **options: Any) -> Instance:
    """An evaluator with options.

    Args:
        choice: See `Choice`. A "module:attribute" needs a name before it: "polite=my_package.evals:politeness".
        name: What its results are called, if not as the choice says.
        timeout: Seconds that one assessment may take.
        **options: The evaluator's own; texts are read as its options' types.

    Raises:
        UnknownEvaluatorError, InvalidEvaluatorError, MissingLibraryError: See `find`.
        InvalidOptionsError: An unknown option or an impossible value; the message names it.
    """
    if isinstance(choice, Instance):
        if name is None and timeout is None and not options:
            return choice
        given = choice.options.model_dump(exclude_unset=True) | options
        return _instance(name or choice.name, choice.evaluator, choice.timeout if timeout is None else timeout, given)
    own, found = chosen_evaluator(choice)
    return _instance(name or own, found, timeout, options)


def chosen_evaluator(choice: Choice, /) -> tuple[str, Evaluator[Any, Any]]:
    """The name and the evaluator of a choice, without its options. Raises as `configure` does."""
    if isinstance(choice, Instance):
        return choice.name, choice.evaluator
    if isinstance(choice, Evaluator):
        return choice.name, choice
    if not isinstance(choice, str):
        raise InvalidEvaluatorError(f"{choice!r} chooses no evaluator; give a name, or a function with @evaluator")
    name, target = _named(choice)
    return name, find(target)


def _named(choice: str) -> tuple[str, str]:
    """Name and target of "name=target"; both are the same in "target"."""
    name, separator, target = (part.strip() for part in choice.partition("="))
    if separator:
        return name, target
    if ":" in name:
        raise InvalidEvaluatorError(f"{choice!r} needs a name for its results: polite={choice}")
    return name, name


def configure_all(choices: Iterable[Choice], options: Mapping[str, Mapping[str, Any]] | None = None) -> list[Instance]:
    """`configure` for each choice, with the options that stand under its name.

    Raises:
        InvalidEvaluatorError: Two have one name.
        InvalidOptionsError: Options stand under a name that was not chosen.
    """
    given = dict(options or {})
    instances: list[Instance] = []
    for choice in [choices] if isinstance(choices, str | Evaluator | Instance) else choices:
        # All at once: an option that must be given stands there, too.
        name = chosen_evaluator(choice)[0] if given else ""
        instances.append(configure(choice, **given.pop(name, {})))
    seen: set[str] = set()
    for instance in instances:
        if instance.name in seen:
            raise InvalidEvaluatorError(
                f"two evaluators are called {instance.name!r}; give one a name of its own: "
                f"my_{instance.name}={instance.evaluator.name}"
            )
        seen.add(instance.name)
    if given:
        stranger = next(iter(given))
        raise InvalidOptionsError(
            f"options are given for {stranger!r}, which is not among the evaluators{near(stranger, sorted(seen))}"
        )
    return instances


def _instance(name: str, evaluator: Evaluator[Any, Any], timeout: float | None, options: Mapping[str, Any]) -> Instance:
    if not NAME.fullmatch(name):
        raise InvalidEvaluatorError(
            f"{name!r} cannot be an evaluator's name; use small letters, digits and underscores: reply_tone"
        )
    known = evaluator.options.model_fields
    for option in options:
        if option not in known:
            raise InvalidOptionsError(f"evaluator {name!r} has no option {option!r}{near(option, list(known))}")
    try:
        checked = evaluator.options.model_validate(dict(options))
    except ValidationError as error:
        raise InvalidOptionsError(f"evaluator {name!r}: {_said(error)}") from None
    seconds = evaluator.timeout if timeout is None else float(timeout)
    if not 0 < seconds < float("inf"):
        raise InvalidOptionsError(f"evaluator {name!r}: timeout={timeout!r} must be a number of seconds above 0")
    return Instance(name, evaluator, checked, seconds)


def _said(error: ValidationError) -> str:
    parts = []
    for each in error.errors(include_url=False):
        where = ".".join(str(part) for part in each["loc"])
        if not where:
            # About several options at once, whose values are not shown: one may be secret.
            parts.append(each["msg"].removeprefix("Value error, "))
        elif each["type"] == "missing":
            parts.append(f"option {where!r} must be given")
        else:
            parts.append(f"option {where!r}={each.get('input')!r}: {each['msg']}")
    return "; ".join(parts)
