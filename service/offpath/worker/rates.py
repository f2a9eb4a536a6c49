"""Rates: how many of the last day's runs pass, as gauges."""

from __future__ import annotations

import time
from collections.abc import Mapping

from offpath.ledger.estimate import rate_points
from offpath.ledger.evaluation_sums import FACET
from offpath.ledger.rollup import DAY, HOUR, bucket
from offpath.storage.ledger import Ledger
from offpath.telemetry.instruments import instruments


async def show_rates(ledger: Ledger, names: Mapping[str, str]) -> None:
    """Show the weighted pass rate of the last 24 hours, with its interval and coverage.

    Args:
        names: Of agents, teams and workflows, by their ids.

    Raises:
        StorageError: The sums cannot be read now.
    """
    now = time.time()
    start, end = bucket(now - DAY, "hour"), bucket(now, "hour") + HOUR
    rows = await ledger.rollups("evaluation", "hour", FACET, start, end)
    instruments().evaluation_rate.replace(
        [
            (value, {"evaluation_name": name, "agent_name": names.get(agent, agent), "bound": bound})
            for name, agent, bound, value in rate_points(rows)
        ]
    )
