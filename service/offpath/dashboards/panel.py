"""A panel: one question, and the queries that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from offpath.dashboards.promql import DEPLOYMENT, label, metrics_in
from offpath.telemetry.names import Attribute

Kind = Literal["stat", "timeseries", "table", "heatmap"]
Color = Literal[
    "green",
    "yellow",
    "orange",
    "red",
    "blue",
    "purple",
    "text",
    "light-green",
    "light-yellow",
    "light-blue",
    "light-orange",
]


DEPLOYMENT_COLUMNS: Final[tuple[tuple[str, str], ...]] = tuple((name, name.title()) for name in reversed(DEPLOYMENT))
"""Of a table about what deployments do not share."""
DEPLOYMENT_LEGEND: Final = " ".join(f"{{{{{name}}}}}" for name in DEPLOYMENT)


@dataclass(frozen=True, slots=True)
class Threshold:
    """From this value on it has this colour."""

    value: float
    color: Color


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel."""

    expression: str
    legend: str = ""
    """What a series is called: `{{offpath_hook}}`, see `legend`. In a table it is the title of the column."""
    exemplars: bool = False
    """Show single runs as points that lead to their traces; only for histograms."""
    color: Color | None = None
    """Of all its series, in shades; None: Grafana chooses."""
    dashed: bool = False
    unit: str | None = None
    """Of a table's column, if it is not the panel's."""
    thresholds: tuple[Threshold, ...] = ()
    """Of a table's column: colours its cells."""
    base: Color | None = None
    """The colour of a table's column below the first threshold; None: green."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One question, answered."""

    title: str
    description: str
    """The question, and how the answer is to be read; the names of its metrics are added to it."""
    targets: tuple[Target, ...]
    unit: str
    """One of Grafana's: `s`, `short`, `percentunit`, `currencyUSD`."""
    no_value: str
    """What it says when there is nothing to show: what that means."""
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    base: Color | None = None
    """The colour below the first threshold; None: green if there are thresholds, else Grafana's own."""
    thresholds: tuple[Threshold, ...] = ()
    stacked: bool = False
    bars: bool = False
    logarithmic: bool = False
    minimum: float | None = None
    maximum: float | None = None
    colors: tuple[tuple[str, Color], ...] = ()
    """Of series, by their names in the legend, or by a regular expression between slashes."""
    columns: tuple[tuple[Attribute | str, str], ...] = ()
    """Of a table: labels, and the titles of their columns, in order; those of its targets come after them."""
    sort: tuple[str, Literal["down", "up"]] | None = None
    """Of a table: the title of the column by which its rows are sorted, the largest or the smallest first."""
    values: bool = True
    """Whether a table shows what its targets give, besides the labels."""
    names: bool = False
    """Whether a stat names the series whose value it shows."""
    table_legend: bool = False
    """Show the legend at the right, with last and largest values."""

    def text(self, not_narrowed: Sequence[str] = ()) -> str:
        """The description with the names of what is shown: OpenTelemetry's.

        Args:
            not_narrowed: Titles of the variables that it shows the same for, whatever is chosen.
        """
        found = dict.fromkeys(each.name for target in self.targets for each in metrics_in(target.expression))
        word = "Metric" if len(found) == 1 else "Metrics"
        also = f" Not narrowed by {', '.join(not_narrowed)}." if not_narrowed else ""
        return f"{self.description}{also}\n\n{word}: {', '.join(f'`{name}`' for name in found)}"


def legend(*parts: Attribute | str) -> str:
    """What a series is called: values of labels and words, with spaces between."""
    return " ".join(part if isinstance(part, str) else f"{{{{{label(part)}}}}}" for part in parts)
