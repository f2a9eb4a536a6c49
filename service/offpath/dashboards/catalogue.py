"""Every dashboard."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.dashboard import Dashboard
from offpath.dashboards.evaluations import EVALUATIONS
from offpath.dashboards.hooks import HOOKS
from offpath.dashboards.models import MODELS
from offpath.dashboards.overview import overview
from offpath.dashboards.recording_service import LatencyObjective


def dashboards(objective: LatencyObjective) -> tuple[Dashboard, ...]:
    """All of them, with this objective for answers."""
    return (overview(objective), HOOKS, EVALUATIONS, MODELS)


DASHBOARDS: Final = dashboards(LatencyObjective())
