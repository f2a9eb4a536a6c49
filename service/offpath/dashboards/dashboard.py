"""A dashboard: rows of panels, and the variables that their queries have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from offpath.dashboards.panel import Panel
from offpath.dashboards.promql import DASHBOARD_SCOPE, ON_EVERY_PAGE, TARGET, Series, label, selectors
from offpath.errors import ConfigurationError
from offpath.telemetry.names import Attribute

TAG: Final = "offpath"
"""Of all dashboards; their links to each other go by it."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, from left to right and top to bottom."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a dashboard: the values of a label."""

    name: str
    title: str
    series: str
    """Where the values are taken from."""
    label: str
    all_values: str = ".*"
    """What "All" stands for: `.*` holds for series without the label too."""

    @classmethod
    def of(cls, name: str, title: str, series: str, attribute: Attribute) -> Self:
        """The values of an attribute."""
        return cls(name, title, series, label(attribute))

    @property
    def query(self) -> str:
        """As Grafana asks Prometheus for them."""
        return f"label_values({self.series}, {self.label})"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels on one page."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    """Besides the data source and what tells pages apart, which every dashboard has."""

    @property
    def file(self) -> str:
        """Its name under `dashboards/`."""
        return f"{self.uid.removeprefix('offpath-')}.json"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)


def _of_page(place: int) -> Variable:
    name = TARGET[place]
    series = Series.of(ON_EVERY_PAGE, scope=DASHBOARD_SCOPE[:place]).selector("_total")
    # Every page has a job and an instance; cluster and namespace are there where a server adds them.
    return Variable(name, name.title(), series, name, ".+" if name in ("job", "instance") else ".*")


PAGES: Final = tuple(_of_page(place) for place in range(len(TARGET)))
"""What every dashboard has: whose pages it shows."""


def variables(dashboard: Dashboard) -> tuple[Variable, ...]:
    """All variables whose values Prometheus knows, in the order in which they depend on each other."""
    return (*PAGES, *dashboard.variables)


def not_narrowed(dashboard: Dashboard, panel: Panel) -> tuple[Variable, ...]:
    """The variables that a panel shows the same for, whatever is chosen.

    Raises:
        ConfigurationError: Some of its queries follow a variable and others do not: they would not be comparable.
    """
    found: list[Variable] = []
    asked = [each for target in panel.targets for each in selectors(target.expression)]
    # A counter is compared with its page, which has none of the counter's own labels.
    shown = [matchers for metric, matchers in asked if metric.name != ON_EVERY_PAGE] or [text for _, text in asked]
    for variable in variables(dashboard):
        follow = [re.search(rf"\${variable.name}\b", matchers) is not None for matchers in shown]
        if not any(follow):
            found.append(variable)
        elif not all(follow):
            raise ConfigurationError(f"{panel.title}: some of its queries follow ${variable.name}, others do not")
    return tuple(found)
