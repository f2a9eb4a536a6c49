"""What surrounds all runs of a process: its store, its hooks, and the runs under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from offpath.hooks.registry import HookRegistry
from offpath.ledger.plan import RunPlan
from offpath.runs.content import ContentKept
from offpath.runs.job import HookJob
from offpath.runs.output import RunOutput
from offpath.storage.store import Store

InlineJobs = Callable[[bytes, Sequence[HookJob]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Planned:
    """What the built-in hooks make of a run."""

    plan: RunPlan
    hooks: frozenset[str]
    """Names of the built-in hooks that get a job."""
    shed: tuple[str, ...] = ()
    """Names of those that get none because too many jobs wait."""


class Planner(Protocol):
    """Decides what the built-in hooks do with runs that end; see `offpath.posthooks.planner`."""

    def plan(self, output: RunOutput, *, blocked_by: str = "") -> Planned | None:
        """The plan, without the run's trace; None if no built-in hook is on.

        Args:
            output: With its final status.
            blocked_by: The guardrail that refused the run.
        """


@dataclass(eq=False)
class Environment:
    """What the runner works with. One for each service process; one for each agent that runs without a service."""

    registry: HookRegistry
    store: Store | None = None
    """None keeps nothing: a run without a service and without a database."""
    instance: str = ""
    """The id of this process, under which its unfinished runs are found if it dies."""
    local_hooks: frozenset[str] = frozenset()
    """Ids of hooks that no other process can import; their jobs are placed in this process."""
    buffer_checked_streams: bool = True
    """Hold a stream back until foreground post-hooks have passed it."""
    planner: Planner | None = None
    """None if no built-in hook is on."""
    keeps: ContentKept = "full"
    """What is stored of what was said; anything but "full" leaves sessions without names, too."""
    inline_jobs: InlineJobs | None = None
    """Runs jobs before the response (`OFFPATH_WORKER=inline`)."""
    active: dict[str, asyncio.Task[RunOutput]] = field(default_factory=dict)
    """Outermost runs under way, by run id."""
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that nobody waits for, and hold on to it until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self, run_id: str) -> bool:
        """Cancel a run of this process; what it produced is stored. False if it is not under way here."""
        task = self.active.get(run_id)
        if task is None:
            return False
        # Once is enough: a second one would hit the commit of what was produced.
        return task.cancelling() > 0 or task.cancel()

    async def settle(self, timeout: float) -> int:
        """Wait for runs under way and their commits; cancel what is left after `timeout` seconds.

        Returns:
            How many were cancelled.
        """
        waiting = {*self.active.values(), *self._tasks}
        if not waiting:
            return 0
        _, left = await asyncio.wait(waiting, timeout=timeout)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=2.0)
        return len(left)
