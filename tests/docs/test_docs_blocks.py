"""Every fenced block of README.md and docs/: run where it can be, else read by what would read it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlglot
import yaml

from docs.blocks import ROOT, SHELL, Block, blocks, commands, pages, parsed
from docs.page_shell import PageShell, output_pattern, parse
from docs.table import GENERATED, GIVEN, PRELUDES, RULES, rule_for
from offpath.offline import OfflineProcess

GIVEN_FILES: Final = Path(__file__).with_name("given")
_FILE: Final = re.compile(r"# (?P<name>[a-z_]+\.(?:py|toml|yaml))(?: .*)?\n")
_WAITS: Final = re.compile(
    r"(\S+=\S* )*(make (demo|stack)|uvicorn|(\S*/)?(offpath (serve|demo|worker)|phoenix serve))\b"
)
_INSTRUCTION: Final = re.compile(r"(FROM|RUN|COPY|USER|WORKDIR|ENV|ARG|ENTRYPOINT|CMD|EXPOSE|LABEL|#)\b|#")


def _dockerfile(text: str) -> None:
    for line in re.sub(r"\\\n", " ", text).splitlines():
        assert not line.strip() or _INSTRUCTION.match(line), line


def _promql(text: str) -> None:
    rules = {"groups": [{"name": "page", "rules": [{"record": "page:query", "expr": text}]}]}
    if shutil.which("promtool"):
        checked = subprocess.run(
            ["promtool", "check", "rules", "/dev/stdin"], input=json.dumps(rules), capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


READERS: Final[dict[str, Callable[[str], Any]]] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
    "sql": lambda text: sqlglot.parse(text, dialect="postgres"),
    "dockerfile": _dockerfile,
    "promql": _promql,
}


def runs(page: str) -> bool:
    """Whether anything of a page is run, and not only read."""
    return any(
        block.language == "python"
        or (
            block.language in SHELL and any(rule is None or rule.treatment != "skip" for rule in _rules_of(page, block))
        )
        for block in blocks(page)
    )


def _rules_of(page: str, block: Block) -> list[Any]:
    return [rule_for(page, command.text) for command in commands(block)]


@pytest.mark.parametrize("page", pages())
def test_every_block_is_tried_in_some_way(page: str) -> None:
    before: Block | None = None
    for block in blocks(page):
        if block.language in SHELL:
            for command in commands(block):
                assert rule_for(page, command.text), (
                    f"{command.where}: nothing says how this is tried; add a rule to tests/docs/table.py: {command.text!r}"
                )
        elif block.language == "text":
            shown = before is not None and (before.language in SHELL or before.language in ("python", "text"))
            assert shown or GENERATED.fullmatch(page), f"{block.where}: this is the output of nothing"
        else:
            assert block.language in {"python", *READERS}, (
                f"{block.where}: nothing tries blocks of the kind {block.language!r}; name one of "
                f"{', '.join(sorted({'python', 'text', *SHELL, *READERS}))}, or add it to READERS"
            )
        before = block


@pytest.mark.parametrize("page", pages())
def test_nothing_follows_a_command_that_does_not_end(page: str) -> None:
    """A block can be pasted: what waits for Ctrl+C is its last command, and the next one has a terminal of its own."""
    for block in blocks(page):
        if block.language in SHELL:
            for command in commands(block)[:-1]:
                assert not _WAITS.match(command.text) or command.text.endswith("&"), (
                    f"{command.where}: ends the block: {command.text}"
                )


@pytest.mark.parametrize("page", pages())
def test_blocks_for_other_programs_are_read(page: str) -> None:
    for block in blocks(page):
        if block.language in READERS:
            try:
                READERS[block.language](block.text)
            except Exception as error:
                raise AssertionError(f"{block.where}: {error}") from error


@pytest.mark.parametrize(
    "page", [page for page in pages() if not GENERATED.fullmatch(page) and not page.startswith("docs/decisions/")]
)
def test_code_stands_in_fences(page: str) -> None:
    """What is only indented would be tried by nobody. Decisions draw diagrams that way."""
    fenced = {number for block in blocks(page) for number in range(block.line, block.line + block.text.count("\n") + 2)}
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    in_list = False
    for number, line in enumerate(lines, 1):
        if number in fenced or not line.strip():
            continue
        if not line.startswith(" "):
            in_list = bool(re.match(r"([-*+]|\d+\.) ", line))
        assert in_list or not line.startswith("    "), f"{page}:{number}: put code into a fenced block"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [page for page in pages() if runs(page)])
def test_page_works(
    page: str, tmp_path: Path, model: OfflineProcess, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in GIVEN.get(page, ()):
        shutil.copy(GIVEN_FILES / name, tmp_path)
    shell = PageShell(page, tmp_path, model.base_url, receiver)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "offline")
    monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
    names: dict[str, Any] = {"__name__": "page"}
    with importing_from(tmp_path):
        exec(PRELUDES.get(page, ""), names)
        try:
            for block in blocks(page):
                if block.language in SHELL:
                    for command in commands(block):
                        shell.do(command)
                elif block.language == "python":
                    shell.shown += python(block, tmp_path, names)
                elif block.language == "text" and not GENERATED.fullmatch(page):
                    shell.expect(block.where, block.text)
                elif match := _FILE.match(block.text):
                    (tmp_path / match["name"]).write_text(block.text)
        finally:
            shell.close()


def python(block: Block, directory: Path, names: dict[str, Any]) -> str:
    """Run a block among the names of those before it, then the tests that it has; what it printed.

    A block that begins with `# name.py` is that file.
    """
    known = set(names)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if match := _FILE.match(block.text):
            path = directory / match["name"]
            path.write_text(block.text)
            sys.modules.pop(path.stem, None)
            importlib.invalidate_caches()
            names.update(
                {name: value for name, value in vars(importlib.import_module(path.stem)).items() if name[0] != "_"}
            )
        else:
            code = "\n" * block.line + block.text
            exec(compile(code, str(ROOT / block.page), "exec"), names)
        for name in [name for name in names if name.startswith("test_") and name not in known]:
            done = names[name]()
            if inspect.iscoroutine(done):
                asyncio.run(done)
    return printed.getvalue()


@contextlib.contextmanager
def importing_from(directory: Path) -> Iterator[None]:
    """Modules of a directory can be imported, and are forgotten afterwards."""
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(directory) + os.sep):
                del sys.modules[name]


# -- the instruments themselves ---------------------------------------------------------------------------------


def test_a_block_of_a_new_kind_is_noticed() -> None:
    [block] = parsed("page.md", "text\n\n```ruby\nputs 1\n```\n")
    assert (block.where, block.language, block.text) == ("page.md:3", "ruby", "puts 1\n")
    assert block.language not in {"python", "text", *SHELL, *READERS}


def test_commands_are_told_from_output() -> None:
    [block] = parsed("page.md", "```console\n$ echo a \\\n>   b\na b\n$ true\n```\n")
    assert [(each.where, each.text, each.output) for each in commands(block)] == [
        ("page.md:2", "echo a \\\n  b", "a b"),
        ("page.md:5", "true", ""),
    ]


def test_a_command_that_no_rule_knows() -> None:
    assert rule_for("docs/index.md", "rm -rf /") is None
    assert all(rule.reason for rule in RULES if rule.treatment in {"skip", "parse"})


def test_reasons_name_tests_that_are_there() -> None:
    for rule in RULES:
        for name in re.findall(r"tests/[\w/]+(?:\.py)?|(?<!/)test_\w+\.py", rule.reason):
            there = (ROOT / name).exists() or list((ROOT / "tests").rglob(name))
            assert there, f"{rule.pattern}: there is no {name}"


@pytest.mark.parametrize(
    "command", ["offpath serv my_agents:app", "offpath serve my_agents:app --porrt 1", "offpath hooks retry --al"]
)
def test_a_mistyped_command_is_noticed(command: str) -> None:
    with pytest.raises(AssertionError):
        parse(command)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("pii  passed=False", "pii        passed=False", True),
        ("sent in 0.31 s", "sent in 1.07 s", True),
        ('{"run_id": "4f2a91c07d3e"...}', '{"run_id": "0011aabbccdd", "status": "COMPLETED"}', True),
        ("a\n...\nz", "a\nb\nc\nz", True),
        ("sent in 0.31 s", "refused in 0.31 s", False),
        ("a\nb", "a\nc\nb", False),
    ],
)
def test_an_output_is_recognised(shown: str, printed: str, same: bool) -> None:
    assert (output_pattern(shown).search(printed) is not None) == same
