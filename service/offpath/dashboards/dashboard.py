"""A dashboard: rows of panels, and the variables that their queries have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from offpath.dashboards.panel import Panel
from offpath.dashboards.promql import DASHBOARD_SCOPE, ON_EVERY_PAGE, Series, label
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
    """Besides data source, job and instance, which every dashboard has."""

    @property
    def file(self) -> str:
        """Its name under `dashboards/`."""
        return f"{self.uid.removeprefix('offpath-')}.json"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)


JOB: Final = Variable("job", "Job", Series.of(ON_EVERY_PAGE, scope=()).selector("_total"), "job", ".+")
INSTANCE: Final = Variable(
    "instance", "Instance", Series.of(ON_EVERY_PAGE, scope=DASHBOARD_SCOPE[:1]).selector("_total"), "instance", ".+"
)


def variables(dashboard: Dashboard) -> tuple[Variable, ...]:
    """All variables whose values Prometheus knows, in the order in which they depend on each other."""
    return (JOB, INSTANCE, *dashboard.variables)
