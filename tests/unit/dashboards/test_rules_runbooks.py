"""What the pages of alerts name is there: commands, settings, panels, metrics, recorded labels."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from offpath.cli import app
from offpath.dashboards.promql import metrics_in
from offpath.settings import Settings
from offpath.telemetry.names import attributes
from offpath.telemetry.prometheus_names import label_text

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
OWN_HEADINGS = {"Change them"}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pages
def test_commands_are_such_as_there_are(page: Path) -> None:
    for line in [*_code(page), *re.findall(r"^\$ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)]:
        if line.startswith("offpath "):
            _resolve(line)


@pages
def test_settings_are_such_as_there_are(page: Path) -> None:
    known = {option.variable for option in Settings.options().values()}
    for name in re.findall(r"OFFPATH_[A-Z_]+", page.read_text(encoding="utf-8")):
        assert name in known or name.startswith(("OFFPATH_EVALUATOR__", "OFFPATH_NOTIFY__")), name


@pages
def test_panels_are_such_as_there_are(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for title in re.findall(r'"([^"]+)"', text):
        assert " ".join(title.split()) in _panels() | OWN_HEADINGS, title


@pages
def test_metrics_and_labels_are_such_as_there_are(page: Path) -> None:
    labels = {label_text({each.key: "-"}).partition("=")[0] for each in attributes()}
    for code in _code(page):
        for word in re.findall(r"\b(?:offpath|gen_ai)_[a-z_]+", code):
            assert word in labels or metrics_in(word), word


def test_a_command_that_is_not_there_is_seen() -> None:
    with pytest.raises(AssertionError):
        _resolve("offpath hooks revive KEY")
    with pytest.raises(AssertionError):
        _resolve("offpath hooks retry --everything")


def _resolve(line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = line.split()[1:]
    while hasattr(command, "commands"):
        assert words, line
        name = words.pop(0)
        assert name in command.commands, line
        command = command.commands[name]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        assert not word.startswith("--") or word in options, f"{line}: {word}"


def _code(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def _panels() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "dashboards").glob("*.json"):
        found |= {panel["title"] for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]}
    return found
