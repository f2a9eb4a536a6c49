"""What the pages of alerts name is there: commands, settings, panels, metrics, recorded labels."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml  # type: ignore[import-untyped]  # its stubs are not among the tools

from offpath.cli import app
from offpath.dashboards.promql import DEPLOYMENT, metrics_in
from offpath.dashboards.rules import alerts
from offpath.settings import Settings
from offpath.telemetry.names import attributes
from offpath.telemetry.prometheus_names import label_text

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
OWN_HEADINGS = {"Change them", "Have them grouped"}

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


def test_alerts_that_silence_others_are_such_as_there_are_and_have_the_labels() -> None:
    """In the configuration for Alertmanager that README.md gives: a name or label with a mistake silences nothing."""
    text = (ROOT / "docs" / "runbooks" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (given,) = [read for block in blocks if "inhibit_rules" in (read := yaml.safe_load(block))]
    assert given["route"]["group_by"] == ["alertname", *DEPLOYMENT]
    for rule in given["inhibit_rules"]:
        assert set(rule["equal"]) >= set(DEPLOYMENT)
        for matchers in (rule["source_matchers"], rule["target_matchers"]):
            wanted = {name: value for each in matchers for name, value in re.findall(r'^(\w+)=~?"([^"]*)"$', each)}
            assert len(wanted) == len(matchers)
            names = wanted.pop("alertname", ".*").split("|")
            found = [
                alert
                for alert in alerts()
                if any(re.fullmatch(name, alert.alert) for name in names)
                and all(
                    dict(alert.labels, severity=alert.severity).get(key, "") in value.split("|")
                    for key, value in wanted.items()
                )
            ]
            assert {each.alert for each in found} >= set(names) - {".*"}
            assert found, rule
            for alert in found:
                own = {name for by in re.findall(r"by \(([^)]*)\)", alert.expression) for name in by.split(", ")}
                assert set(rule["equal"]) - {"alertname"} <= own | set(DEPLOYMENT), alert.alert


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
