"""How a run stands."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

ComponentKind = Literal["agent", "team", "workflow"]


class RunStatus(StrEnum):
    """How a run stands or ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"
    """It failed: a model, tool loop, step or foreground hook raised."""
    CANCELLED = "cancelled"
    """Somebody cancelled it, or the client of a stream went away; what was produced is kept."""
    INTERRUPTED = "interrupted"
    """The process that ran it died, or its end could not be stored; found and marked later."""
    BLOCKED = "blocked"
    """A guardrail refused it."""


ENDED: Final = frozenset(RunStatus) - {RunStatus.RUNNING}
DEFAULT_RUN_ON: Final = (RunStatus.COMPLETED, RunStatus.CANCELLED)
"""The ends after which a post-hook runs unless its `run_on` says otherwise."""
