"""What a worker is told: its limits, and the defaults for hooks that say nothing themselves."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from offpath.ledger.budget import Window

LANE_WINDOW: Final = 512
"""Most jobs of one lane in flight; what waits beyond it stays in the database, so memory is bounded."""
WORKER_WINDOW: Final = 2048
"""Most jobs of one worker in flight, but for each lane's reserve."""
LANE_RESERVE: Final = 16
"""In-flight jobs that a lane may have even if others fill the worker's window."""


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of one worker; the names and defaults are those of the `OFFPATH_*` settings. Times in seconds."""

    hook_timeout: float = 300.0
    hook_retries: int = 3
    hook_backoff: float = 2.0
    """Longest first wait (a random share of it is taken); it doubles with each attempt up to `hook_backoff_max`."""
    hook_backoff_max: float = 3600.0
    hook_strikes: int = 3
    """Jobs of a hook that may force the kill of an executor before the hook is paused."""
    unknown_hook_grace: float = 86400.0
    """How long a job of a hook that this version does not have waits before it is dead."""
    executors: int = 8
    executor_memory_mb: int = 1024
    executor_threads: int = 256
    executor_idle: float = 60.0
    drain_timeout: float = 25.0
    judge_budget_usd: float | None = None
    """Most USD that judges may take in a window; None: no limit."""
    judge_budget_window: Window = "day"
    timezone: str = "UTC"
    """Where the budget's windows begin."""
    max_backlog: int = 10_000
    """Waiting jobs above which runs are not evaluated."""
    retention_days: float | None = None
    log_level: str = "info"
    hook_traces: Literal["link", "child"] = "link"
    """Whether an attempt of a hook has a trace of its own, or is part of the run's."""
    worker_host: str = "127.0.0.1"
    worker_port: int | None = None
    """Where the worker serves /metrics, /health and /ready; None: nowhere."""
    metrics_dir: str | None = None
    """Where the processes of the service leave what /metrics shows; set by whoever knows the database."""
    metrics_token: str | None = None
    """What /metrics asks for as a bearer token."""

    @classmethod
    def from_settings(cls, settings: Any) -> WorkerOptions:
        """Take the options of these names from a `Settings`."""
        names = (field.name for field in msgspec.structs.fields(cls))
        found = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
        # msgspec knows nothing of secrets; the order of a supervised worker travels in its environment, which only
        # this user can read.
        return cls(**{name: _plain(value) for name, value in found.items()})


def _plain(value: Any) -> Any:
    reveal = getattr(value, "get_secret_value", None)
    return reveal() if callable(reveal) else value
