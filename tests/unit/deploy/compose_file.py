"""compose.yaml with its variables replaced, as Compose does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REQUIRED = {"OFFPATH_API_KEY": "k" * 64, "POSTGRES_PASSWORD": "p" * 64}
"""What deploy/prepare.sh writes to .env."""

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:?[-?])(?P<text>[^}]*))?\}")


class MissingVariableError(Exception):
    """Compose would refuse: a variable with `:?` is not set. Its text is the file's message."""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """A value of compose.yaml with its variables replaced, as Compose does it.

    Raises:
        MissingVariableError: As Compose, for `${NAME:?message}`.
    """
    if isinstance(value, dict):
        return {key: interpolated(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, variables) for each in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        name, operator, text = match["name"], match["operator"] or "", match["text"] or ""
        found = variables.get(name)
        if found is None or (operator.startswith(":") and not found):
            if operator.endswith("?"):
                raise MissingVariableError(f"{name} {text}")
            return text if operator.endswith("-") else ""
        return found

    return _VARIABLE.sub(replaced, value)


def variables_of(value: Any) -> set[str]:
    """The names of all variables in a value of compose.yaml."""
    if isinstance(value, dict):
        return {name for each in value.values() for name in variables_of(each)}
    if isinstance(value, list):
        return {name for each in value for name in variables_of(each)}
    return {match["name"] for match in _VARIABLE.finditer(value)} if isinstance(value, str) else set()
