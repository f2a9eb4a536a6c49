"""Which evaluators there are: the built-in ones, those that installed packages offer, and one's own."""

from __future__ import annotations

import difflib
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from offpath_evaluators.declaration import Evaluator
from offpath_evaluators.errors import EvaluatorError, InvalidEvaluatorError, UnknownEvaluatorError

ENTRY_POINTS: Final = "offpath.evaluators"
"""The entry-point group under which a package offers evaluators; each point is called as its evaluator is."""

_RULES: Final = {
    "answers": ("not_empty", "response_length"),
    "bleu": ("bleu",),
    "citations": ("citation_check",),
    "grounding": ("groundedness_overlap",),
    "injection": ("prompt_injection", "jailbreak"),
    "json_output": ("valid_json", "json_schema"),
    "language": ("language",),
    "levenshtein": ("levenshtein",),
    "matching": ("contains", "contains_any", "contains_all", "regex_match", "exact_match", "starts_with"),
    "numeric": ("numeric_diff",),
    "pii": ("pii",),
    "refusal": ("refusal",),
    "repetition": ("repetition",),
    "rouge": ("rouge",),
    "run_measures": ("latency", "cost", "tokens", "error"),
    "secrets": ("secrets",),
    "similarity": ("similarity",),
    "sql": ("valid_sql",),
    "tool_arguments": ("tool_args_valid",),
    "tool_call_match": ("tool_call_match",),
    "tool_use": ("tool_error_rate", "max_tool_calls", "tool_sequence", "agent_loop"),
    "toxicity": ("toxicity",),
}
_JUDGED: Final = {
    "answer_relevance": ("answer_relevance",),
    "completeness": ("completeness",),
    "correctness": ("correctness",),
    "geval": ("geval",),
    "groundedness": ("groundedness",),
    "guidelines": ("guidelines",),
    "helpfulness": ("helpfulness",),
    "instruction_following": ("instruction_following",),
    "task_completion": ("task_completion",),
    "toxicity": ("judged_toxicity",),
    "user_frustration": ("user_frustration",),
}
BUILT_IN: Final[dict[str, str]] = {
    name: f"offpath_evaluators.{package}.{module}:{name}"
    for package, modules in (("rules", _RULES), ("judged", _JUDGED))
    for module, found in modules.items()
    for name in found
}
"""Where each built-in evaluator is; a module is imported when one of its evaluators is asked for."""


def names() -> list[str]:
    """The names of all evaluators, built-in ones first, then those of installed packages."""
    offered = [name for name in _offered() if name not in BUILT_IN]
    return [*sorted(BUILT_IN), *sorted(offered)]


def find(name: str) -> Evaluator[Any, Any]:
    """The evaluator of a name, or of "module:attribute".

    Raises:
        UnknownEvaluatorError: There is none; the message lists the near names.
        InvalidEvaluatorError: "module:attribute" is there and is no evaluator.
        MissingLibraryError: It needs a library that is not installed.
    """
    if ":" in name:
        return _load(name, name)
    if name in BUILT_IN:
        return _load(BUILT_IN[name], name)
    point = _offered().get(name)
    if point is not None:
        return _load(point.value, name)
    raise UnknownEvaluatorError(f"there is no evaluator {name!r}{near(name, names())}")


def default_set() -> list[str]:
    """The names of the evaluators that are run when nobody chooses."""
    return [name for name in sorted(BUILT_IN) if find(name).default]


def near(name: str, known: list[str]) -> str:
    """The end of a message about an unknown name: what may have been meant, or all there is."""
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    return f"; there are {', '.join(known)}" if known else ""


@lru_cache(maxsize=1)
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _load(target: str, name: str) -> Evaluator[Any, Any]:
    module_name, _, attribute = target.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise UnknownEvaluatorError(f"evaluator {name!r}: there is no module {error.name!r} to import") from error
    except EvaluatorError:
        raise
    except Exception as error:
        if module_name.startswith("offpath_evaluators."):
            raise
        raise InvalidEvaluatorError(
            f"evaluator {name!r}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, attribute, None)
    if isinstance(found, Evaluator):
        return found
    if found is None:
        offered = [key for key, value in vars(module).items() if isinstance(value, Evaluator)]
        raise UnknownEvaluatorError(
            f"evaluator {name!r}: module {module_name} has no {attribute!r}{near(attribute, offered)}"
        )
    raise InvalidEvaluatorError(
        f"evaluator {name!r} is a {type(found).__name__}, not an evaluator; put "
        f'@evaluator("{attribute.lower()}") on its function'
    )
