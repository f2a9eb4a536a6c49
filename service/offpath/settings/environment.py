"""Values of options from the environment, from `.env`, and from the files that `<NAME>_FILE` variables name."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from offpath.settings.dotenv_file import DotenvFile
from offpath.settings.option import PREFIX, Option, options, prefix_of
from offpath.settings.problem import Problem
from offpath.settings.source import Source, SourceKind

RESERVED = (PREFIX + "TEST_", PREFIX + "INTERNAL_")
"""Names that begin so are not options, and are not refused."""
_NEARLY_MANY = PREFIX + "EVALUATOR_"
MAX_FILE_BYTES = 1_048_576
"""A value's file that is larger is surely the wrong file."""

# Kubernetes sets these in every container of a namespace for a service `offpath` or `offpath-anything`.
_SERVICE_LINK = re.compile(
    r"OFFPATH_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)"
)
_SERVICE_URL = re.compile(r"(?:tcp|udp|sctp)://\S+", re.IGNORECASE)
_PATH_SUFFIXES = {".json", ".txt", ".key", ".secret", ".conf", ".env", ".list"}


class EnvironmentSource(PydanticBaseSettingsSource):
    """Reads every option's text; what is wrong with it is collected in `problems`, not raised.

    The environment beats `.env`, whether a value stands in it or a `_FILE` variable names its file.

    Args:
        settings_cls: The class whose fields are the options.
        skip: Names of options that are not read, since an argument beats them.
    """

    def __init__(self, settings_cls: type[BaseSettings], skip: Collection[str] = ()) -> None:
        super().__init__(settings_cls)
        self.problems: list[Problem] = []
        self.sources: dict[str, Source] = {}
        self._options = options(settings_cls)
        self._prefixes = tuple(
            prefix for field in settings_cls.model_fields.values() if (prefix := prefix_of(field)) is not None
        )
        self._skip = frozenset(skip)
        self._dotenv = DotenvFile.read()
        self._environment = dict(os.environ)

    def __call__(self) -> dict[str, Any]:
        self.problems = [*self._dotenv.problems]
        self.problems += self._unknown(self._environment, {})
        self.problems += self._unknown(self._dotenv.values, self._dotenv.lines)
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The option's text, or None when it is not set or cannot be had. Not complex: the field splits its list."""
        if field_name in self._skip:
            return None, field_name, False
        if (prefix := prefix_of(field)) is not None:
            return self._read_many(prefix, field_name) or None, field_name, False
        option = self._options[field_name]
        value = self._read(option, self._environment, {})
        if field_name not in self.sources:
            value = self._read(option, self._dotenv.values, self._dotenv.lines)
        return value, field_name, False

    def _read(self, option: Option, variables: Mapping[str, str], lines: Mapping[str, int]) -> str | None:
        text = variables.get(option.variable)
        if text is not None and is_service_link(option.variable, text):
            text = None
        path = variables.get(option.file_variable, "").strip()
        if text is None and not path:
            return None
        line = lines.get(option.variable, 0)
        source = Source(SourceKind.DOTENV if lines else SourceKind.ENVIRONMENT, option.variable, line=line)
        text = text.strip() if text else ""
        if path and text:
            self.sources[option.name] = source
            what = f"{option.file_variable} is set too; keep one of the two"
            self.problems.append(Problem(option.variable, source, what))
            return None
        if path:
            return self._read_file(option, path, lines.get(option.file_variable, 0))
        if not text and not option.required:
            return None
        self.sources[option.name] = source
        if text:
            return text
        what = f"is empty; expected {option.expected}, or remove it to have the default {option.shown(option.default)}"
        self.problems.append(Problem(option.variable, source, what))
        return None

    def _read_many(self, prefix: str, field_name: str) -> dict[str, dict[str, str]]:
        """The texts of all variables `PREFIX__NAME__OPTION`, by name and option in small letters.

        An option that ends in `_file` is left as it is: only who knows the options can tell whether it is one of its
        own, or names a file that holds the text of another.
        """
        found: dict[str, dict[str, str]] = {}
        for variables, lines in ((self._dotenv.values, self._dotenv.lines), (self._environment, {})):
            for variable, text in variables.items():
                if not variable.upper().startswith(prefix) or not text.strip():
                    continue
                line = lines.get(variable, 0)
                source = Source(SourceKind.DOTENV if line else SourceKind.ENVIRONMENT, variable, line=line)
                name, _, option = variable.removeprefix(prefix).lower().partition("__")
                if variable != variable.upper() or not name or not option:
                    what = f"is not understood; write {prefix}NAME__OPTION, such as {prefix}REFUSAL__SAMPLE_RATE=0.1"
                    self.problems.append(Problem(variable, source, what))
                    continue
                self.sources[field_name] = source
                found.setdefault(name, {})[option] = text.strip()
        return found

    def _read_file(self, option: Option, path: str, line: int) -> str | None:
        self.sources[option.name] = Source(SourceKind.FILE, option.file_variable, path=path, line=line)
        where = f".env line {line}" if line else "environment"
        text, what = "", "the file is empty; write the value into it"
        try:
            with Path(path).expanduser().open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                what = f"the file has more than {MAX_FILE_BYTES} bytes; name the file that holds the value alone"
            else:
                text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            what = f"the file is not UTF-8 at byte {error.start}; save it as UTF-8"
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: no home directory; ValueError: a NUL
            reason = getattr(error, "strerror", None) or "not a usable path"
            what = f"the file cannot be read: {reason}; give the path of a readable file"
        if text:
            return text
        shown = path if not option.secret or looks_like_path(path) else None
        self.problems.append(Problem(option.file_variable, where, what, shown))
        return None

    def _unknown(self, variables: Mapping[str, str], lines: Mapping[str, int]) -> list[Problem]:
        known = {name for option in self._options.values() for name in (option.variable, option.file_variable)}
        return [
            # the value is not shown: a misspelt OFFPATH_API_KEY holds a key
            Problem(name, f".env line {lines[name]}" if lines else "environment", _remedy(name, known))
            for name, value in variables.items()
            if name.upper().startswith(PREFIX)
            and name not in known
            and not name.upper().startswith((*RESERVED, *self._prefixes))
            and not is_service_link(name, value)
        ]


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes set the variable to tell where a service is."""
    if name.startswith(PREFIX) and name.endswith("_PORT") and _SERVICE_URL.fullmatch(value):
        return True
    return _SERVICE_LINK.fullmatch(name) is not None


def looks_like_path(text: str) -> bool:
    """Whether the text can be shown as a path. A key given where its file's path belongs must not be."""
    path = Path(text)
    if text.startswith(("./", "../", "~/")) or path.suffix.lower() in _PATH_SUFFIXES:
        return True
    # base64 has slashes too, so the first directory must exist
    return path.is_absolute() and len(path.parts) > 2 and Path(*path.parts[:2]).is_dir()


def near_match(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like this one; both with or both without a prefix."""
    matches = get_close_matches(name, list(known), n=1)
    return matches[0] if matches else None


def _remedy(name: str, known: Collection[str]) -> str:
    if name.upper().startswith(_NEARLY_MANY):
        return f"there is no such option; options of evaluators are written {_NEARLY_MANY}_NAME__OPTION, in capitals"
    bare = {one.removeprefix(PREFIX) for one in known}
    match = near_match(name.upper().removeprefix(PREFIX), bare)
    if match:
        return f"there is no such option; did you mean {PREFIX}{match}?"
    return "there is no such option; remove it (docs/reference/settings.md lists the options)"
