"""The terms on which an evaluator is enabled, as texts or as values: rates, filters, when and on what it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from offpath.posthooks.evaluation.plan_rule import Scope
from offpath.runs.status import ENDED, RunStatus
from offpath.settings.value import text_list
from offpath_evaluators.registry import near

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)?")
_UNITS: Final = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_YES: Final = frozenset({"true", "1", "yes", "on"})
_NO: Final = frozenset({"false", "0", "no", "off"})
_LONGEST: Final = 86_400.0 * 30


class TermError(ValueError):
    """A term has a value that it cannot have; the text says what to write instead."""


def rate(value: Any) -> float:
    """A share above 0."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0.0 < found <= 1.0:
        raise TermError("must be a share above 0 and up to 1, such as 0.1 for a tenth; to switch it off, leave it out")
    return found


def seconds(value: Any) -> float:
    """A time: a number of seconds, or a text such as "90", "90s", "10m", "2h"."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip().lower())
        found = math.nan if match is None else float(match[1]) * _UNITS[match[2]]
    else:
        found = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0.0 < found <= _LONGEST:
        raise TermError("must be a time above 0 and up to 30 days, such as 90s, 10m or 2h; a number alone is seconds")
    return found


def texts(value: Any) -> tuple[str, ...]:
    """Ids or patterns: a list, or a text with commas."""
    found = text_list(value)
    if not isinstance(found, Iterable) or isinstance(found, Mapping):
        raise TermError("must be a list of ids or patterns: support,sales-*")
    listed = tuple(found)
    if not listed or not all(isinstance(each, str) and each.strip() for each in listed):
        raise TermError("must name at least one id or pattern: support,sales-*; leave it out for all")
    return listed


def statuses(value: Any) -> tuple[RunStatus, ...]:
    """Ends of a run."""
    known = sorted(status.value for status in ENDED)
    found: list[RunStatus] = []
    for each in texts(value):
        text = each.strip().lower()
        if text not in known:
            raise TermError(f"{each!r} is no end of a run{near(text, known)}")
        found.append(RunStatus(text))
    return tuple(dict.fromkeys(found))


def flag(value: Any) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _YES | _NO:
        raise TermError("must be true or false")
    return text in _YES


def word(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise TermError("must be a text of 1 to 200 characters")
    return value.strip()


def scope(value: Any) -> Scope:
    """What is evaluated at a time."""
    text = value.strip().lower() if isinstance(value, str) else value
    if text == "run":
        return "run"
    if text == "session":
        return "session"
    raise TermError("must be run or session")


TERMS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "sample_rate": rate,
    "sample_group": word,
    "agents": texts,
    "teams": texts,
    "workflows": texts,
    "users": texts,
    "run_on": statuses,
    "nested": flag,
    "judge_model": word,
    "scope": scope,
    "quiet": seconds,
    "timeout": seconds,
}
"""How each term is read; the names are those of `enable`'s arguments and, in capitals, of variables."""
