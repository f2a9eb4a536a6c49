"""What runs claimed jobs: processes as a rule, a thread where there can be none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from offpath.engine.protocol import ClaimedJob, Outcome
from offpath.hooks.info import HookInfo
from offpath.hooks.parent import Parent
from offpath.worker.messages import Ended


@dataclass(slots=True, eq=False)
class Ticket:
    """A claimed job on its way through a pool."""

    number: int
    """Unique in the worker's life, and never 0."""
    claimed: ClaimedJob
    hook: HookInfo
    is_async: bool
    record: bytes
    limit: float
    """Seconds that the attempt may take."""
    alone: bool = False
    """Run it in an executor that runs nothing else: it is suspected of having ended one."""
    suspected: bool = False
    """An executor was lost under it, and under many others: it may have been any of them."""
    executor: str = ""
    """Who runs it; "" until it is handed over."""
    sent_at: float = 0.0
    """When it was handed over or began, in seconds since the epoch; 0 before."""
    deadline: float = math.inf
    """The same with its limit, in seconds on the monotonic clock."""

    def begin(self) -> None:
        """It begins, as far as is known: its time runs."""
        self.sent_at = time.time()
        self.deadline = time.monotonic() + self.limit

    def hold(self) -> None:
        """It has to wait after all: its time does not run."""
        self.sent_at, self.deadline = 0.0, math.inf

    def give_back(self) -> None:
        """Its executor is gone, or never began it."""
        self.executor = ""
        self.hold()


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended."""

    outcome: Outcome
    started_at: float
    finished_at: float
    error: str | None = None
    result: bytes | None = None
    retry_after: float | None = None
    final: bool = False
    strike: bool = False
    """An executor had to be killed for it, or died of it."""
    error_type: str | None = None
    """The class of what the hook raised."""

    @classmethod
    def of(cls, ended: Ended) -> Ending:
        return cls(
            ended.outcome,
            ended.started_at,
            ended.finished_at,
            ended.error,
            ended.result,
            ended.retry_after,
            ended.final,
            error_type=ended.error_type,
        )


@dataclass(frozen=True, slots=True)
class PoolHooks:
    """The hooks that a pool can run."""

    infos: tuple[HookInfo, ...]
    async_hooks: frozenset[str]
    plan: bytes = b""
    """What the built-in hooks tell the worker; see `HookRegistry.plan`."""


TicketEnded = Callable[[Ticket, Ending], None]
TicketsReturned = Callable[[Sequence[Ticket]], None]


class ExecutorPool(Protocol):
    """Runs tickets. All methods belong to the worker's event loop."""

    def answer_with(self, parent: Parent) -> None:
        """Let this answer what hooks ask; before `open`."""

    async def open(self, ended: TicketEnded, returned: TicketsReturned) -> PoolHooks:
        """Import the target where hooks run.

        Args:
            ended: Called once for each ticket that was dispatched, except those returned, withdrawn, or under way at
                `close`.
            returned: Called with tickets whose executor was lost through no fault of theirs, to be dispatched again.

        Raises:
            ConfigurationError: If it cannot be imported; the text says why.
        """

    def dispatch(self, tickets: Sequence[Ticket]) -> None:
        """Run tickets as soon as there is room. Never blocks."""

    def isolate(self, hook_id: str) -> None:
        """Give the hook executors that it shares with no other, from now on."""

    def withdraw(self, hook_id: str) -> list[Ticket]:
        """Take back the tickets of a hook that wait for an executor."""

    async def close(self) -> None:
        """Stop everything at once; what was under way gets no ending."""
