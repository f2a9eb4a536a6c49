"""The row about notifications, on the dashboard "Hooks"."""

from __future__ import annotations

from typing import Final

from offpath.dashboards import no_data
from offpath.dashboards.dashboard import Row
from offpath.dashboards.panel import Panel, Target, legend
from offpath.dashboards.promql import Series, some
from offpath.telemetry.names import CHANNEL, OUTCOME

_SENT: Final = Series.of("offpath.notifications.sent")
_SENDING: Final = Series.of("offpath.notification.duration")

NOTIFICATIONS: Final = Row(
    "Notifications",
    (
        Panel(
            "Notifications, by channel and outcome",
            "Do messages arrive? Sent, or failed for good, shortly before each point.",
            (Target(some(_SENT.grown(CHANNEL, OUTCOME)), legend(CHANNEL, OUTCOME)),),
            "short",
            no_data.NOTIFICATIONS,
            width=12,
            stacked=True,
            bars=True,
            colors=(("/success$/", "green"), ("/(error|timeout|cancelled|killed)$/", "red")),
        ),
        Panel(
            "Time to send, p95, by channel",
            "Which channel is slow? Every attempt counts.",
            (Target(_SENDING.quantile(0.95, CHANNEL), legend(CHANNEL), True),),
            "s",
            no_data.NOTIFICATIONS,
            width=12,
        ),
    ),
)
