"""Markdown for the generated pages, as GitHub and the site both read it."""

from __future__ import annotations

import html
import re

_CODE = re.compile(r"`([^`]*)`")


def cell(text: str) -> str:
    """A text in one cell of a table, which may hold code in backticks."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(code(part) if index % 2 else _plain(part) for index, part in enumerate(parts))


def code(text: str) -> str:
    """Code in a cell. With a bar in it, GitHub wants it escaped and the site would show the escape, so it is HTML."""
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def escaped(text: str) -> str:
    """Text in which `<` stands for itself outside of code, in backticks or indented."""
    parts = re.split(r"(`[^`]*`|^    .*$)", text, flags=re.MULTILINE)
    return "".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|")
