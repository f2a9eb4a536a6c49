"""One option as its readers see it: variable, expected values, default, description."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

PREFIX = "OFFPATH_"
FILE_SUFFIX = "_FILE"
SHOWN_LENGTH = 120
"""Characters of a value that an error shows at most."""

_URL_PASSWORD = re.compile(r"(?:(?<=://)|^(?!.*://))([^:]*):(.*)@", re.DOTALL)
_URL_PARAMETER = re.compile(r"([?&][^=&]*(?:pass|secret|token|key|pwd)[^=&]*=)[^&]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Option:
    """What is to be known about one field of `Settings`."""

    name: str
    group: str
    description: str
    expected: str
    """The values that it takes, as the end of a sentence that begins with "expected"."""
    default: Any
    secret: bool
    required: bool
    """An empty value is an error. For the other options it counts as not set."""

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def file_variable(self) -> str:
        return self.variable + FILE_SUFFIX

    def shown(self, value: object) -> str | None:
        """The value as a person may see it; None when nothing of it may be shown."""
        if self.secret or isinstance(value, SecretStr):
            return None
        if isinstance(value, tuple):
            return ",".join(str(item) for item in value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return without_password(str(value))


def options(settings: type[BaseModel]) -> dict[str, Option]:
    """The options of a settings class by their names, in its order; not those that many variables make."""
    return {name: _option(name, field) for name, field in settings.model_fields.items() if prefix_of(field) is None}


def prefix_of(field: FieldInfo) -> str | None:
    """What the variables of a field begin with that holds many: `OFFPATH_EVALUATOR__`. None for any other field."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return None if "prefix" not in extra else str(extra["prefix"])


def without_password(url: str) -> str:
    """The URL with `***` for its password and for parameters named like one."""
    return _URL_PARAMETER.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", url))


def _option(name: str, field: FieldInfo) -> Option:
    kind, nullable = _without_none(field.annotation)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return Option(
        name=name,
        group=str(extra.get("group", "")),
        description=" ".join((field.description or "").split()),
        expected=_expected(kind, field),
        default=field.default,
        secret=kind is SecretStr,
        required=not nullable and get_origin(kind) is not tuple,
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, UnionType):
        return annotation, False
    (part,) = (part for part in get_args(annotation) if part is not NoneType)
    return _without_none(part)[0], True


def _expected(kind: Any, field: FieldInfo) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return "a list, separated by commas or in JSON"
    words = {int: "a whole number", float: "a number", bool: "true or false", Path: "the path of a file"}
    return words.get(kind, "text") + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    limits = {key: getattr(item, key) for item in field.metadata for key in ("ge", "gt", "le") if hasattr(item, key)}
    low, above, high = limits.get("ge"), limits.get("gt"), limits.get("le")
    if low is not None:
        return f" from {low} to {high}" if high is not None else f" of at least {low}"
    if above is not None:
        return f" above {above}" + (f" and up to {high}" if high is not None else "")
    return f" of at most {high}" if high is not None else ""
