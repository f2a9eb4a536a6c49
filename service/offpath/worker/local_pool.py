"""Runs hooks in this process: for hooks that no other process can import, for development, and for tests.

Here nothing can be killed: a hook over its limit is reported and left alone, and one that computes slows the service.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from offpath.hooks.parent import Parent
from offpath.hooks.registry import HookRegistry
from offpath.worker.answers import reply_to
from offpath.worker.asking import Asking
from offpath.worker.job_runner import JobRunner
from offpath.worker.messages import Ask, Call, Ended, Reply
from offpath.worker.options import WorkerOptions
from offpath.worker.pool import Ending, PoolHooks, Ticket, TicketEnded, TicketsReturned

_TICK: Final = 0.1
_GRACE: Final = 1.0

_log = logging.getLogger("offpath.worker")


class _HookThread:
    """A thread with an event loop on which hooks run."""

    def __init__(self, registry: HookRegistry, pool: LocalPool, options: WorkerOptions) -> None:
        self._registry = registry
        self._pool = pool
        self._options = options
        self._home = asyncio.get_running_loop()
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._runner: JobRunner
        self._asking: Asking
        self.thread = threading.Thread(target=self._run, name="offpath-hooks", daemon=True)

    def start(self) -> None:
        self.thread.start()
        self._started.wait()

    def begin(self, records: list[bytes], calls: list[Call]) -> None:
        self._loop.call_soon_threadsafe(self._runner.begin, records, calls)

    def stop(self) -> None:
        """Cancel what runs on the loop, and let the thread end when that has ended."""
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._asking.close()
        self._runner.cancel_all()
        self._loop.call_soon(self._loop.stop)

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        loop.run_until_complete(self._open())
        self._started.set()
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    async def _open(self) -> None:
        self._asking = Asking(self._ask)
        self._runner = JobRunner(
            self._registry,
            threads=self._options.executor_threads,
            slot=None,
            deliver=self._deliver,
            held=self._held,
            begun=self._begun,
            traces=self._options.hook_traces,
            parent=self._asking,
        )

    def _deliver(self, ended: list[Ended]) -> None:
        self._at_home(self._pool.take, ended)

    def _held(self, numbers: list[int]) -> None:
        self._at_home(self._pool.hold, numbers)

    def _begun(self, number: int) -> None:
        self._at_home(self._pool.begin, number)

    def _ask(self, ask: Ask) -> bool:
        return self._at_home(self._pool.answer, ask, self._reply)

    def _reply(self, reply: Reply) -> None:
        try:
            self._loop.call_soon_threadsafe(self._asking.take, reply)
        except RuntimeError:
            return  # it is closed: whoever asked is gone

    def _at_home(self, call: Callable[..., object], *arguments: Any) -> bool:
        """Call it on the worker's event loop; False if that is gone."""
        try:
            self._home.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # it is closed
            return False
        return True


class LocalPool:
    """Runs tickets in this process.

    Args:
        own_loop: On a thread with an event loop of its own; False runs coroutines on the worker's own loop.
    """

    def __init__(self, registry: HookRegistry, options: WorkerOptions, *, own_loop: bool = True) -> None:
        self._registry = registry
        self._options = options
        self._own_loop = own_loop
        self._tickets: dict[int, Ticket] = {}
        self._thread: _HookThread | None = None
        self._runner: JobRunner | None = None
        self._asking: Asking | None = None
        self._parent: Parent | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._watching: asyncio.TimerHandle | None = None
        self._ended: TicketEnded

    def answer_with(self, parent: Parent) -> None:
        self._parent = parent

    async def open(self, ended: TicketEnded, returned: TicketsReturned) -> PoolHooks:
        self._ended = ended
        if self._own_loop:
            self._renew()
        else:
            asking = self._asking = Asking(lambda ask: self.answer(ask, asking.take))
            self._runner = JobRunner(
                self._registry,
                threads=self._options.executor_threads,
                slot=None,
                deliver=self.take,
                held=self.hold,
                begun=self.begin,
                traces=self._options.hook_traces,
                parent=asking,
            )
        hooks = self._registry.hooks.values()
        return PoolHooks(
            tuple(self._registry.infos()),
            frozenset(hook.id for hook in hooks if hook.is_async),
            self._registry.plan,
        )

    def dispatch(self, tickets: Sequence[Ticket]) -> None:
        if not tickets:
            return
        records: list[bytes] = []
        calls: list[Call] = []
        for ticket in tickets:
            ticket.executor = "service"
            ticket.begin()
            self._tickets[ticket.number] = ticket
            job, attempt = ticket.claimed.job, ticket.claimed.attempt
            calls.append(
                Call(ticket.number, ticket.hook.id, job.key, attempt, ticket.limit, len(records), job.traceparent)
            )
            records.append(ticket.record)
        if self._runner is not None:
            self._runner.begin(records, calls)
        elif self._thread is not None:
            self._thread.begin(records, calls)
        if self._watching is None:
            self._watch()

    def isolate(self, hook_id: str) -> None:
        """There is only one process."""

    def withdraw(self, hook_id: str) -> list[Ticket]:
        return []

    async def close(self) -> None:
        self._tickets.clear()
        if self._watching is not None:
            self._watching.cancel()
        if self._asking is not None:
            self._asking.close()
        if self._runner is not None:
            self._runner.cancel_all()
        for task in self._answering:
            task.cancel()
        if self._thread is not None:
            self._thread.stop()
            await asyncio.to_thread(self._thread.thread.join, 1.0)

    def take(self, ended: list[Ended]) -> None:
        """Results of the hooks' thread; those of hooks that were given up meanwhile count no more."""
        for end in ended:
            ticket = self._tickets.pop(end.number, None)
            if ticket is not None:
                self._ended(ticket, Ending.of(end))

    def hold(self, numbers: list[int]) -> None:
        """Attempts that wait for others on the hooks' thread."""
        for number in numbers:
            if (ticket := self._tickets.get(number)) is not None:
                ticket.hold()

    def begin(self, number: int) -> None:
        """One of these begins."""
        if (ticket := self._tickets.get(number)) is not None:
            ticket.begin()

    def answer(self, ask: Ask, reply: Callable[[Reply], None]) -> bool:
        """Answer a question of a hook."""

        async def answer() -> None:
            reply(await reply_to(ask, self._parent))

        task = asyncio.get_running_loop().create_task(answer())
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return True

    def _renew(self) -> None:
        self._thread = _HookThread(self._registry, self, self._options)
        self._thread.start()

    def _watch(self) -> None:
        self._watching = None
        now = time.monotonic()
        stuck = False
        for ticket in list(self._tickets.values()):
            if now < ticket.deadline + (_GRACE if ticket.is_async else 0.0):
                continue
            del self._tickets[ticket.number]
            stuck = stuck or ticket.is_async
            text = (
                f"the hook did not end within its time limit of {ticket.limit:g} s, and a hook that runs in the "
                f"service's own process cannot be stopped: it is left alone"
            )
            _log.warning("hook %s: %s", ticket.hook.id, text)
            self._ended(ticket, Ending("timeout", ticket.sent_at, time.time(), text))
        if stuck and self._thread is not None:
            # Its loop obeys no cancellation: something blocks it. The next hooks get another.
            self._renew()
        if self._tickets:
            self._watching = asyncio.get_running_loop().call_later(_TICK, self._watch)
