"""Where panels are in Grafana's grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from offpath.dashboards.dashboard import Row
from offpath.errors import ConfigurationError

COLUMNS: Final = 24
"""Of the grid."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel is in the grid."""

    x: int
    y: int
    width: int
    height: int


def places(row: Row, top: int) -> tuple[list[Place], int]:
    """Where the panels of a row are, from the line `top` on, and the first line below them.

    Raises:
        ConfigurationError: A line of the grid is not full, or panels beside each other differ in height.
    """
    found: list[Place] = []
    x, y, height = 0, top, 0
    for panel in row.panels:
        if x == COLUMNS:
            x, y, height = 0, y + height, 0
        if x + panel.width > COLUMNS or (x and panel.height != height):
            raise ConfigurationError(f"{row.title}: {panel.title} does not fit into its line of the grid")
        found.append(Place(x, y, panel.width, panel.height))
        x, height = x + panel.width, panel.height
    if x != COLUMNS:
        raise ConfigurationError(f"{row.title}: the last line of the grid is not full")
    return found, y + height
