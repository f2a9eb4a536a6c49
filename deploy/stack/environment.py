"""The settings of the stack's service and worker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.stack.inbox import SECRET

from offpath.demo_server import JUDGE, TRAFFIC_EVALUATORS, TRAFFIC_PRICES
from offpath.demo_words import QUIET_VARIABLE

DEFAULTS: Final[Mapping[str, str]] = {
    "OFFPATH_EVALUATORS": TRAFFIC_EVALUATORS,
    # One that is asked about some runs only, so that shares, weights and coverage are not all 1.
    "OFFPATH_EVALUATOR__ANSWER_RELEVANCE__SAMPLE_RATE": "0.5",
    "OFFPATH_ANALYTICS": "true",
    "OFFPATH_PRICES": TRAFFIC_PRICES,
    "OFFPATH_JUDGE_PRICES": f'{{"{JUDGE}": [0.15, 0.6]}}',
    "OFFPATH_JUDGE_BUDGET_USD": "1",
    "OFFPATH_NOTIFY_INTERVAL": "10",
    "OFFPATH_RETENTION_DAYS": "1",
    "OFFPATH_DRAIN_TIMEOUT": "5",
    "OFFPATH_LOG_LEVEL": "warning",
}
"""What the stack shows unless the environment says otherwise."""
OURS: Final = (
    "OFFPATH_API_KEY",
    "OFFPATH_METRICS_TOKEN",
    "OFFPATH_ALLOWED_",
    "OFFPATH_DATABASE_",
    "OFFPATH_HOST",
    "OFFPATH_PORT",
    "OFFPATH_WORKER",
    "OFFPATH_OFFLINE",
    "OFFPATH_JUDGE_MODEL",
    "OFFPATH_JUDGE_BASE_URL",
    "OFFPATH_JUDGE_API_KEY",
    "OFFPATH_NOTIFY_WEBHOOK_",
    "OPENAI_",
)
"""How the variables begin that are not taken from the environment: a stack serves loopback without a key, and asks no
model but the offline one."""


@dataclass(frozen=True)
class Places:
    """Where the parts of one stack are."""

    directory: Path
    database: str
    model: str
    """Address of the offline model that judges, and that the worker has instead of any other."""
    inbox: str
    service_port: int
    worker_port: int


def service_environment(places: Places) -> dict[str, str]:
    """What the demo is started with."""
    return _environment(places, "service", OFFPATH_PORT=str(places.service_port))


def worker_environment(places: Places) -> dict[str, str]:
    """What the worker is started with."""
    return _environment(
        places,
        "worker",
        OFFPATH_WORKER_HOST="127.0.0.1",
        OFFPATH_WORKER_PORT=str(places.worker_port),
        OPENAI_BASE_URL=places.model,
        OPENAI_API_KEY="offline",
        **{QUIET_VARIABLE: "1"},
    )


def _environment(places: Places, part: str, **own: str) -> dict[str, str]:
    runtime = places.directory / part
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {
        **DEFAULTS,
        **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
        "OFFPATH_WORKER": "external",
        "OFFPATH_HOST": "127.0.0.1",
        "OFFPATH_DATABASE_URL": places.database,
        "OFFPATH_JUDGE_MODEL": JUDGE,
        "OFFPATH_JUDGE_BASE_URL": places.model,
        "OFFPATH_JUDGE_API_KEY": "offline",
        "OFFPATH_NOTIFY_WEBHOOK_URL": places.inbox,
        "OFFPATH_NOTIFY_WEBHOOK_SECRET": SECRET,
        # Processes of one machine share what /metrics shows, by this directory. Service and worker are to be two
        # instances, as they are in containers, so that dashboards are tried with what they will meet there.
        "XDG_RUNTIME_DIR": str(runtime),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        **own,
    }
