"""The queries of a dashboard as Prometheus gets them, without a Grafana."""

from __future__ import annotations

import re
from typing import Final

from offpath.dashboards.dashboard import Dashboard, Variable, variables
from offpath.errors import ConfigurationError

_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")


def queries(dashboard: Dashboard, *, rate_interval: str = "1m") -> list[tuple[str, str]]:
    """Title of the panel and expression, for each query, in the order of the dashboard.

    Args:
        rate_interval: What `$__rate_interval` stands for; the other variables stand for everything.

    Raises:
        ConfigurationError: A query has a variable that the dashboard does not.
    """
    known = {each.name: each.all_values for each in variables(dashboard)} | {"__rate_interval": rate_interval}
    return [
        (panel.title, _substituted(target.expression, known, panel.title))
        for panel in dashboard.panels
        for target in panel.targets
    ]


def variable_queries(dashboard: Dashboard) -> list[tuple[Variable, str]]:
    """The variables, and what selects the series whose label has their values.

    Raises:
        ConfigurationError: One of them depends on a variable that comes after it, or is not there.
    """
    known: dict[str, str] = {}
    found: list[tuple[Variable, str]] = []
    for variable in variables(dashboard):
        found.append((variable, _substituted(variable.series, known, f"the variable {variable.name}")))
        known[variable.name] = variable.all_values
    return found


def _substituted(expression: str, known: dict[str, str], where: str) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in known:
            raise ConfigurationError(f"{where} asks for ${name}, which its dashboard does not have: {expression}")
        return known[name]

    return _VARIABLE.sub(value, expression)
