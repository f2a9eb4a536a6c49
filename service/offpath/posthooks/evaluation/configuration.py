"""Which evaluators are on: those of the code and those of the environment, merged.

1. `AgentService(evaluators=[...])` comes first, in its order.
2. Each entry of OFFPATH_EVALUATORS adds one. A name that the code has is replaced, with its rates and options.
   `default` adds those of the default set that are not there yet.
3. `-name` takes one away, `none` takes away all that the code has.
4. `OFFPATH_EVALUATOR__NAME__OPTION` then changes single options of the one with that name, whoever enabled it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from offpath.errors import ConfigurationError
from offpath.posthooks.evaluation.enabled import SHOWN, EnabledEvaluator, checked, is_secret
from offpath.posthooks.evaluation.filters import is_pattern, matches
from offpath.posthooks.evaluation.judge_settings import JudgeSettings
from offpath.posthooks.evaluation.terms import TERMS
from offpath.runs.status import ComponentKind
from offpath.settings import Settings
from offpath_evaluators.errors import EvaluatorError
from offpath_evaluators.instance import Choice, Instance, chosen_evaluator
from offpath_evaluators.registry import default_set, near
from offpath_evaluators.text_options import configure_texts

VARIABLE: Final = "OFFPATH_EVALUATORS"
PREFIX: Final = "OFFPATH_EVALUATOR__"
CODE: Final = "evaluators=[...]"
MOST_RULES: Final = 100
"""Deterministic evaluators: the results of a run's all go into one row of the database."""
_LARGEST_FILE: Final = 1_048_576
_FILE: Final = "_file"
_OPTION: Final = re.compile(r"option '(\w+)'")

EvaluatorChoice = Choice | EnabledEvaluator


@dataclass
class _Wanted:
    """An evaluator that is wanted, before its options are read."""

    choice: Choice
    where: str
    terms: dict[str, Any] = field(default_factory=dict)


def enabled_evaluators(settings: Settings, evaluators: Iterable[EvaluatorChoice] = ()) -> tuple[EnabledEvaluator, ...]:
    """The evaluators of a service, with the judge's model where they ask one.

    Args:
        settings: With OFFPATH_EVALUATORS, the options, and the judge.
        evaluators: Those of the code.

    Raises:
        ConfigurationError: An evaluator, option or value that cannot be; no judge for one that asks; a budget that
            could not be kept. The text names variable, value, and what may have been meant.
    """
    wanted = _of_code(evaluators)
    gone = _with_environment(wanted, settings.evaluators)
    _check_names(settings.evaluator_options, wanted, gone)
    enabled = [_configured(name, each, settings.evaluator_options.get(name, {})) for name, each in wanted.items()]
    rules = [each for each in enabled if not each.judged]
    if len(rules) > MOST_RULES:
        raise ConfigurationError(f"{len(rules)} evaluators without a judge are enabled; at most {MOST_RULES} can be")
    return _with_judge(enabled, settings)


def check_filters(enabled: Iterable[EnabledEvaluator], components: Collection[tuple[ComponentKind, str]]) -> None:
    """Find evaluators whose filters name agents, teams or workflows that there are not: nothing would ever fit.

    Args:
        components: Kind and id of each, nested ones, too.

    Raises:
        ConfigurationError: It names the filter and the near ids.
    """
    for each in enabled:
        kinds: tuple[tuple[ComponentKind, tuple[str, ...]], ...] = (
            ("agent", each.agents),
            ("team", each.teams),
            ("workflow", each.workflows),
        )
        for kind, patterns in kinds:
            known = sorted(component_id for found, component_id in components if found == kind)
            for pattern in patterns:
                if any(matches(component_id, (pattern,)) for component_id in known):
                    continue
                what = "fits no" if is_pattern(pattern) else "is no"
                there = near(pattern, known) or f"; the service has no {kind}s"
                raise ConfigurationError(
                    f"evaluator {each.name!r}: {kind}s={pattern!r} {what} {kind} of this service{there} "
                    f"({_variable(each.name, f'{kind}s')} or enable(..., {kind}s=[...]))"
                )


# Who is wanted.


def _of_code(evaluators: Iterable[EvaluatorChoice]) -> dict[str, _Wanted]:
    listed = [evaluators] if isinstance(evaluators, str | EnabledEvaluator) else list(evaluators)
    wanted: dict[str, _Wanted] = {}
    for each in listed:
        if isinstance(each, EnabledEvaluator):
            found = {term: getattr(each, term) for term in TERMS if term != "timeout"}
            name, one = each.name, _Wanted(each.instance, CODE, found)
        elif each == "default":
            for default in default_set():
                wanted.setdefault(default, _Wanted(default, CODE))
            continue
        else:
            name, one = _chosen(each, CODE), _Wanted(each, CODE)
        if name in wanted:
            raise ConfigurationError(_twice(CODE, name))
        wanted[name] = one
    return wanted


def _with_environment(wanted: dict[str, _Wanted], entries: Sequence[str]) -> set[str]:
    """Add and take away what OFFPATH_EVALUATORS says. Gives the names that it took away."""
    before = set(wanted)
    if "none" in entries:
        wanted.clear()
    listed: set[str] = set()
    for entry in entries:
        if entry in {"none", "default"} or entry.startswith("-"):
            continue
        name = _chosen(entry, VARIABLE)
        if name in listed:
            raise ConfigurationError(_twice(VARIABLE, name))
        listed.add(name)
        wanted[name] = _Wanted(entry, VARIABLE)
    if "default" in entries:
        for name in default_set():
            wanted.setdefault(name, _Wanted(name, VARIABLE))
    for entry in entries:
        if not entry.startswith("-"):
            continue
        name = entry[1:].strip()
        if wanted.pop(name, None) is None and name not in before:
            raise ConfigurationError(
                f"{VARIABLE}: {entry!r} takes an evaluator away that is not enabled{near(name, sorted(wanted))}"
            )
        listed.discard(name)
    return before - set(wanted)


def _chosen(choice: Choice, where: str) -> str:
    try:
        return chosen_evaluator(choice)[0]
    except EvaluatorError as error:
        raise ConfigurationError(f"{where}: {error}") from error


def _twice(where: str, name: str) -> str:
    return f"{where}: two evaluators are called {name!r}; give one of them a name of its own: my_{name}=..."


def _check_names(options: Mapping[str, Mapping[str, str]], wanted: Collection[str], gone: Collection[str]) -> None:
    for name, given in options.items():
        # One that was taken away on purpose may keep its options for when it is back.
        if name in wanted or name in gone or not given:
            continue
        variable = _variable(name, next(iter(given)))
        known = near(name, sorted(wanted)) or f"; none is, so set {VARIABLE}={name}"
        raise ConfigurationError(f"{variable}: no evaluator is enabled under the name {name!r}{known}")


# Options.


def _configured(name: str, wanted: _Wanted, texts: Mapping[str, str]) -> EnabledEvaluator:
    evaluator = _evaluator(wanted)
    known = set(evaluator.options.model_fields)
    given, variables = _with_files(name, texts, known)
    own: dict[str, str] = {}
    terms = dict(wanted.terms)
    for option, text in given.items():
        variable = variables[option]
        if option in TERMS:
            if option in known and option != "timeout":
                raise ConfigurationError(
                    f"{variable}: evaluator {name!r} has an option of that name, which cannot be set so, since "
                    f"{option.upper()} says which runs it is for; rename the evaluator's option"
                )
            try:
                terms[option] = TERMS[option](text)
            except ValueError as error:
                raise ConfigurationError(f"{variable}={_shown(option, text)}: {error}") from None
        elif option in known:
            own[option] = text
        else:
            raise ConfigurationError(
                f"{variable}: evaluator {name!r} has no option {option.upper()}"
                f"{_upper(near(option, sorted(known | set(TERMS))))}"
            )
    if "timeout" in terms:
        own["timeout"] = repr(terms.pop("timeout"))
    return _made(name, wanted, own, terms, variables)


def _evaluator(wanted: _Wanted) -> Any:
    try:
        return chosen_evaluator(wanted.choice)[1]
    except EvaluatorError as error:
        raise ConfigurationError(f"{wanted.where}: {error}") from error


def _made(
    name: str, wanted: _Wanted, own: Mapping[str, str], terms: Mapping[str, Any], variables: Mapping[str, str]
) -> EnabledEvaluator:
    try:
        (instance,) = configure_texts([wanted.choice], {name: own} if own else {})
    except EvaluatorError as error:
        said = str(error)
        for option, text in own.items():
            if text and (is_secret(option) or len(text) > SHOWN):
                said = said.replace(repr(text), _shown(option, text))
        mentioned = _OPTION.search(said)
        option = mentioned[1] if mentioned else ""
        if option in own:
            where = variables[option]
        elif "must be given" in said and option:
            said += f"; set {_variable(name, option)}"
            where = wanted.where
        else:
            where = ", ".join(variables.values()) if own else wanted.where
            said += f"; options are set by {_variable(name, 'OPTION')}"
        raise ConfigurationError(f"{where}: {' '.join(said.split())}") from None
    return checked(EnabledEvaluator(_named(instance, name), **terms))


def _named(instance: Instance, name: str) -> Instance:
    return instance if instance.name == name else replace(instance, name=name)


def _with_files(name: str, texts: Mapping[str, str], known: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The options with what stands in files, and the variable that each came from."""
    given: dict[str, str] = {}
    variables: dict[str, str] = {}
    for option, text in texts.items():
        variable, target = _variable(name, option), option
        base = option.removesuffix(_FILE)
        if option.endswith(_FILE) and option not in known and (base in known or base in TERMS):
            if base in texts:
                raise ConfigurationError(f"{variable}: {_variable(name, base)} is set too; keep one of the two")
            text, target = _text_of_file(variable, text), base
        given[target], variables[target] = text, variable
    return given, variables


def _text_of_file(variable: str, path: str) -> str:
    try:
        with Path(path).expanduser().open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            what = f"has more than {_LARGEST_FILE} bytes; name the file that holds the value alone"
        elif text := content.decode("utf-8-sig").strip():
            return text
        else:
            what = "is empty; write the value into it"
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 at byte {error.start}; save it as UTF-8"
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: no home directory; ValueError: a NUL
        reason = getattr(error, "strerror", None) or "not a usable path"
        what = f"cannot be read: {reason}; give the path of a readable file"
    raise ConfigurationError(f"{variable}={path[:SHOWN]!r}: the file {what}")


def _variable(name: str, option: str) -> str:
    return f"{PREFIX}{name.upper()}__{option.upper()}"


def _shown(option: str, text: str) -> str:
    if is_secret(option):
        return "***"
    return repr(text[:SHOWN]) + ("..." if len(text) > SHOWN else "")


def _upper(ending: str) -> str:
    """The end of a message about an option, with names as they are in variables."""
    return re.sub(r"'(\w+)'", lambda match: match[1].upper(), ending)


# The judge.


def _with_judge(enabled: Iterable[EnabledEvaluator], settings: Settings) -> tuple[EnabledEvaluator, ...]:
    found: list[EnabledEvaluator] = []
    judge: JudgeSettings | None = None
    asked: dict[str, str] = {}
    for each in enabled:
        if not each.judged:
            found.append(each)
            continue
        judge = judge or JudgeSettings.of(settings)
        model = each.judge_model or judge.model
        if model is None:
            raise ConfigurationError(
                f"evaluator {each.name!r} asks a judge, and there is none: set OFFPATH_JUDGE_MODEL (and "
                f"OFFPATH_JUDGE_API_KEY or OFFPATH_JUDGE_BASE_URL), or take it away: {VARIABLE}=-{each.name}"
            )
        asked.setdefault(model, each.name)
        found.append(replace(each, judge_model=model))
    if judge is not None:
        for model, name in asked.items():
            judge.check(model, name)
    return tuple(found)
