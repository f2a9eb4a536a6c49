"""The fenced blocks of README.md and docs/, and the commands of those that are for a shell."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SHELL: Final = ("sh", "bash", "console")
_FENCE: Final = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})\s*(?P<language>[^\s`]*)")


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is the line of its opening fence, from 1."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """What is typed at once: a line, or several that only make sense together. `output` is what is shown below it."""

    where: str
    text: str
    output: str = ""


def pages() -> list[str]:
    """README.md and every page of docs/, relative to the repository."""
    found = [path for path in (ROOT / "docs").rglob("*.md") if "overrides" not in path.parts]
    return ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in found)]


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """The blocks of a page, in its order.

    Raises:
        AssertionError: A fence is not closed.
    """
    return tuple(parsed(page, (ROOT / page).read_text(encoding="utf-8")))


def parsed(page: str, text: str) -> Iterator[Block]:
    """The blocks of a text."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if opening is None:
            number += 1
            continue
        start, indent, ticks = number, opening["indent"], opening["ticks"]
        inside: list[str] = []
        number += 1
        while number < len(lines) and not re.match(rf"^\s*{ticks}\s*$", lines[number]):
            inside.append(lines[number].removeprefix(indent))
            number += 1
        assert number < len(lines), f"{page}:{start + 1}: the block is not closed"
        yield Block(page, start + 1, opening["language"], "\n".join(inside) + "\n")
        number += 1


def commands(block: Block) -> list[Command]:
    """The commands of a shell's block.

    Raises:
        AssertionError: The shell does not understand it.
    """
    found: list[Command] = []
    if block.language == "console":
        lines = block.text.splitlines()
        number = 0
        while number < len(lines):
            assert lines[number].startswith("$ "), f"{block.where}: {lines[number]!r} is the output of no command"
            where = f"{block.page}:{block.line + 1 + number}"
            text, number = _complete([line.removeprefix("> ").removeprefix("$ ") for line in lines], number, where)
            end = number
            while end < len(lines) and not lines[end].startswith("$ "):
                end += 1
            found.append(Command(where, text, "\n".join(lines[number:end])))
            number = end
        return found
    lines = block.text.splitlines()
    number = 0
    while number < len(lines):
        where = f"{block.page}:{block.line + 1 + number}"
        if not lines[number].strip() or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        text, number = _complete(lines, number, where)
        found.append(Command(where, text))
    return found


def _complete(lines: list[str], start: int, where: str) -> tuple[str, int]:
    """The command that begins at a line, and the number of the line after it."""
    for end in range(start + 1, len(lines) + 1):
        text = "\n".join(lines[start:end])
        if not text.endswith("\\") and _understood(text):
            return text, end
    rest = "\n".join(lines[start:])
    raise AssertionError(f"{where}: the shell does not understand this:\n{rest}")


@cache
def _understood(text: str) -> bool:
    # An unclosed here-document is a warning, no error.
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=10)
    return checked.returncode == 0 and not checked.stderr
