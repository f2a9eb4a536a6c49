"""The files that are made here: dashboards for Grafana, and rules for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from offpath.dashboards.catalogue import DASHBOARDS, dashboards
from offpath.dashboards.grafana import text
from offpath.dashboards.rules import DEFAULT, RULES_FILE, RuleOptions, rules_text

FILES: Final[dict[str, Callable[[], str]]] = {
    **{dashboard.file: partial(text, dashboard) for dashboard in DASHBOARDS},
    RULES_FILE: rules_text,
}
"""By its path under `dashboards/`, with slashes: what makes the text of each file."""


def files(options: RuleOptions = DEFAULT) -> dict[str, str]:
    """The text of each file, by its path under `dashboards/`.

    Raises:
        ConfigurationError: A dashboard or a rule cannot be made.
    """
    made = {dashboard.file: text(dashboard) for dashboard in dashboards(options.objective)}
    return made | {RULES_FILE: rules_text(options)}
