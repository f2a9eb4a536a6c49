"""What single values must look like; each raises ValueError with a text that says what to write instead."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

_SCHEME = re.compile(r"[a-z][a-z0-9+]*://")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@\"']+")
_HOST = re.compile(r"[^/\s?#@\"'\[\],]+")
_JSON_LIST = re.compile(r'\[\s*("|\])')


def text_list(value: Any) -> Any:
    """Splits `a, b`, lines, or `["a", "b"]`. Empty items are left out."""
    if not isinstance(value, str):
        return value
    if not _JSON_LIST.match(value):
        return tuple(item for part in re.split(r"[,\n]", value) if (item := part.strip()))
    try:
        items = json.loads(value)
    except ValueError as error:
        raise ValueError(f'not a JSON list ({error}); write ["a", "b"] or a, b') from None
    except RecursionError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError('the JSON list has items that are not texts; write ["a", "b"] or a, b')
    return tuple(item.strip() for item in items if item.strip())


def lower(value: Any) -> Any:
    """`INFO` means `info`."""
    return value.lower() if isinstance(value, str) else value


def origin(value: Any) -> Any:
    """`scheme://host[:port]` without a path, in lower case, or `*`."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower().removesuffix("/")
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError("each origin is written as https://host or https://host:port, without a path, or as *")
    return text


def host_name(value: Any) -> Any:
    """A name or an address without scheme, brackets or path, in lower case."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if not _HOST.fullmatch(text):
        raise ValueError("a host is a name or an address alone, such as agents.example.com, 0.0.0.0 or ::1")
    return text


def database_url(value: Any) -> Any:
    """Only that it is a URL; the database says which ones it takes."""
    if isinstance(value, str) and not _SCHEME.match(value):
        raise ValueError("expected a URL such as sqlite:///offpath.db")
    return value


def time_zone(value: Any) -> Any:
    """A name that the system or the tzdata package knows."""
    if not isinstance(value, str):
        return value
    try:
        ZoneInfo(value.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("there is no such time zone; write a name such as UTC or Europe/Berlin") from None
    return value.strip()


def key(value: Any) -> Any:
    """A key that fits an Authorization header."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and (not text or not is_key(text)):
        raise ValueError("a key is printable ASCII without spaces, since callers send it in a header")
    return value


def is_key(text: str) -> bool:
    """Whether a caller can send the text as a bearer key."""
    return bool(text) and all("!" <= character <= "~" for character in text)


def path(value: Any) -> Any:
    """`~` is the home directory."""
    if not isinstance(value, (str, Path)):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("there is no home directory for ~; write the whole path") from None
