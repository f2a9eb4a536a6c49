"""What is known of the pages beside their text: what their examples stand on, and what is not run, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Treatment = Literal["run", "serve", "check", "parse", "skip"]


@dataclass(frozen=True)
class Rule:
    """What is done with the commands that a pattern matches, at their beginning.

    "run": wait for its end, which has to be good. "serve": start it and go on when it is ready. "check": `offpath check`
    in its place, with the same settings. "parse": let offpath's command line read it, and no more. "skip": the shell understands it, and that is all that is looked at.
    """

    pattern: str
    treatment: Treatment
    reason: str
    pages: str = ""
    """Only on pages that this matches; "" for all."""

    def holds(self, page: str, text: str) -> bool:
        return re.search(self.pages, page) is not None and re.match(self.pattern, text) is not None


_ASSIGNED: Final = r"(?:[A-Z_]+=(?:'[^']*'|\"[^\"]*\"|\S*)\s+)*"

RULES: Final = (
    # -- not run, with the reason --
    Rule(r"make (test|install)\b", "skip", "it is what runs this"),
    Rule(r"make stack\b", "skip", "tests/acceptance/test_stack.py runs it"),
    Rule(r"make (bench\w*|bench-peers|soak|docs-site)\b", "skip", "minutes; what they start has tests of its own"),
    Rule(r"make check\b", "skip", "CI runs it beside this"),
    Rule(r"(git clone|cd) ", "skip", "the clone is there, and the tests have directories of their own"),
    Rule(r"\. \.venv/bin/activate|python3? -m venv |(\S*/)?pip install ", "skip", "the environment is the tests' own"),
    Rule(r"\. \./\.env", "skip", "deploy/prepare.sh has a test, tests/unit/deploy"),
    Rule(r"sh deploy/prepare\.sh", "skip", "tests/unit/deploy runs it"),
    Rule(r"docker ", "skip", "there is no Docker here; tests/unit/deploy reads the files that it is given"),
    Rule(r"kubectl ", "skip", "there is no cluster here"),
    Rule(r"(apt-get|systemctl) ", "skip", "changes the machine"),
    Rule(r"for file in overview", "skip", "there is no Grafana here"),
    Rule(r"(PHOENIX_HOST=\S+ )?phoenix/bin/phoenix |OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:6006",
         "skip", "Phoenix is not installed; tests/optional tries it"),
    Rule(r"curl .*Authorization: Bearer \$OFFPATH_API_KEY", "skip", "asks the stack in containers",
         r"quickstart-grafana"),
    Rule(r"curl |sed ", "skip", "asks the cluster, of which there is none", r"kubernetes"),
    Rule(r"promtool check config /etc|offpath dashboards export /etc", "skip",
         "writes to /etc; tests/unit/dashboards exports and checks the same"),
    Rule(r"sed -i .* rules\.yml", "skip", "tests/unit/dashboards does it"),
    Rule(r"psql |pg_dump |pg_restore |pg_basebackup |crontab ", "skip", "there is no server at that address"),
    Rule(_ASSIGNED + r"offpath (serve|worker) ", "parse", "there is no PostgreSQL here; tests/acceptance has one",
         r"many-machines"),
    Rule(r"make demo\b|curl \S*/agents/assistant/", "skip", "docs/first-ten-minutes.md runs the same",
         r"README|index"),
    Rule(r"curl .*/analytics", "skip", "tests/unit/posthooks/analytics/test_analytics_page.py asks the same",
         r"how-to/analytics"),
    # -- checked, or read by the command line, and no more --
    Rule(_ASSIGNED + r"offpath (serve|worker) ", "check", "tests/acceptance/test_external_worker.py runs them",
         r"how-to/telemetry"),
    Rule(_ASSIGNED + r"offpath serve ", "check", "tests/acceptance/test_notifications.py runs it",
         r"how-to/notifications"),
    Rule(_ASSIGNED + r"offpath serve ", "check", "tests/acceptance/test_builtin_demo.py has analytics on",
         r"how-to/analytics"),
    Rule(r"offpath export ", "parse", "nothing was served; test_analytics_page.py exports", r"how-to/analytics"),
    Rule(r"offpath hooks dead", "parse", "nothing was served; tests/unit/cli tries it", r"how-to/notifications"),
    Rule(r"offpath hooks (retry|resume) ", "parse", "there is no such job; tests/unit/cli tries it"),
    Rule(r"offpath db upgrade --database-url postgresql:", "parse", "there is no server at that address"),
    Rule(_ASSIGNED + r"(\.venv/bin/)?offpath prove\b", "parse", "minutes; tests/acceptance/test_prove.py runs it"),
    # -- run --
    Rule(_ASSIGNED + r"offpath (serve|demo)\b", "serve", ""),
    Rule(r"make demo\b", "serve", ""),
    Rule(_ASSIGNED + r"offpath worker\b", "serve", ""),
    Rule(_ASSIGNED + r"(offpath|curl|python|pytest|promtool|sqlite3|cat|echo|ls|cp|mv|printf|if) ", "run", ""),
    Rule(r"offpath$|offpath evaluators\b", "run", ""),
    Rule(r"(export )?[A-Z_]+=", "run", ""),
    Rule(r"(export|unset) ", "run", ""),
)  # fmt: skip
"""The first one that matches a command counts. A command that none matches is an error."""


def rule_for(page: str, text: str) -> Rule | None:
    """What is to be done with a command."""
    return next((rule for rule in RULES if rule.holds(page, text)), None)


GENERATED: Final = re.compile(r"docs/reference/(settings|cli|http|python|evaluators|telemetry)\.md")
"""Pages whose `text` blocks come out of the code: `make check` compares them with it."""

GIVEN: Final[Mapping[str, tuple[str, ...]]] = {
    "docs/how-to/own-evaluator.md": ("rows.jsonl", "shop.py"),
    "docs/how-to/production.md": ("shop.py",),
    "docs/how-to/testing.md": ("answers.jsonl",),
    "docs/how-to/analytics.md": ("shop.py",),
    "docs/how-to/evaluations.md": ("shop.py",),
    "docs/how-to/notifications.md": ("shop.py",),
    "docs/how-to/telemetry.md": ("shop.py",),
    "docs/how-to/live-evaluation.md": ("shop.py",),
}
"""Files of given/ that a page takes for granted: the reader's own agents and answers."""

PRELUDES: Final[Mapping[str, str]] = {
    "docs/how-to/live-evaluation.md": "from shop import politeness, support",
}
"""Names that a page's Python takes for granted."""

REPLACED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "docs/how-to/notifications.md": (
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts", "{receiver}"),
        ("oncall (slack)", "oncall (json)"),
    ),
}
"""What stands on a page for something that tests have elsewhere; in commands, and in the output that is expected."""

MOUNTED: Final[Mapping[str, str]] = {"docs/how-to/existing-app.md": "/ai"}
"""Below which path of the app a page's service is."""
