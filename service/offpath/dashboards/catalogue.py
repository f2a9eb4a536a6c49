"""Every dashboard."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.dashboard import Dashboard
from offpath.dashboards.evaluations import EVALUATIONS
from offpath.dashboards.hooks import HOOKS
from offpath.dashboards.models import MODELS
from offpath.dashboards.overview import OVERVIEW

DASHBOARDS: Final[tuple[Dashboard, ...]] = (OVERVIEW, HOOKS, EVALUATIONS, MODELS)
