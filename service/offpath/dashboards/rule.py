"""Rules of Prometheus, and the file that holds them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["critical", "warning", "info"]
"""Users notice, look now; look today; look some time."""

RUNBOOKS: Final = "docs/runbooks"


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that Prometheus works out from others."""

    record: str
    """Its name: what it holds, a colon before and after as is usual: `offpath:runs:increase10m`."""
    expression: str
    note: str
    """What it is, for who reads the file."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A condition, and what to tell a person when it holds. Several rules of one alert share name and page."""

    alert: str
    expression: str
    severity: Severity
    summary: str
    """One line; may name labels, as may the description."""
    description: str
    """With the value, the label that matters, and what follows."""
    lasting: str = "0m"
    """How long it must hold."""
    labels: tuple[tuple[str, str], ...] = ()
    """Besides the severity."""


Rule = RecordingRule | AlertRule


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other: a recorded series comes before what reads it."""

    name: str
    rules: tuple[Rule, ...]
    interval: str = ""
    """Between two evaluations; empty: as the server is configured."""


def rules_yaml(groups: Iterable[RuleGroup], *, head: Sequence[str] = (), runbooks: str = RUNBOOKS) -> str:
    """The text of a rules file.

    Args:
        groups: In order.
        head: Lines of comment before them.
        runbooks: Where the pages of alerts are, as for `runbook`.
    """
    lines = [f"# {line}".rstrip() for line in head]
    lines.append("groups:")
    for group in groups:
        lines.append(f"  - name: {group.name}")
        if group.interval:
            lines.append(f"    interval: {group.interval}")
        lines.append("    rules:")
        for rule in group.rules:
            lines += _recording(rule) if isinstance(rule, RecordingRule) else _alert(rule, runbooks)
    return "\n".join(lines) + "\n"


def runbook(alert: str, runbooks: str = RUNBOOKS) -> str:
    """The address of an alert's page.

    Args:
        alert: Its name.
        runbooks: A directory or its URL, to which `ALERT.md` is added, or the URL of a page with `{alert}` in it.
    """
    if "{alert}" in runbooks:
        return runbooks.replace("{alert}", alert)
    return f"{runbooks.rstrip('/')}/{alert}.md"


def _recording(rule: RecordingRule) -> list[str]:
    return [
        f"      # {rule.note}",
        f"      - record: {rule.record}",
        *_block("expr", rule.expression),
    ]


def _alert(rule: AlertRule, runbooks: str) -> list[str]:
    labels = {**dict(rule.labels), "severity": rule.severity}
    texts = {
        "summary": rule.summary,
        "description": rule.description,
        "runbook_url": runbook(rule.alert, runbooks),
    }
    return [
        f"      - alert: {rule.alert}",
        *_block("expr", rule.expression),
        f"        for: {rule.lasting}",
        "        labels:",
        *(f"          {name}: {_quoted(text)}" for name, text in sorted(labels.items())),
        "        annotations:",
        *(f"          {name}: {_quoted(text)}" for name, text in texts.items()),
    ]


def _block(key: str, text: str) -> list[str]:
    return [f"        {key}: |-", *(f"          {line}" for line in text.splitlines())]


def _quoted(text: str) -> str:
    # Every JSON string is a double-quoted scalar of YAML.
    return json.dumps(text, ensure_ascii=False)
