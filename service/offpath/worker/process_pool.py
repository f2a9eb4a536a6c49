"""Executors as processes: starts, shares, watches and kills them."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from offpath.hooks.parent import Parent
from offpath.worker.answers import reply_to
from offpath.worker.blame import exit_text, suspects
from offpath.worker.events import NoEvents, WorkerEvents
from offpath.worker.executor_link import ALONE, ExecutorLink
from offpath.worker.lane import MOST_TROUBLED, Lane, pick_shared
from offpath.worker.messages import Ask, Ended, Prepared
from offpath.worker.options import WorkerOptions
from offpath.worker.pool import Ending, PoolHooks, Ticket, TicketEnded, TicketsReturned
from offpath.worker.slot import Slots
from offpath.worker.watch import Watch
from offpath.worker.zygote_link import ZygoteLink

_MOST_TIMES: Final = 4
"""Executors that are stalled, given up or of struck hooks come on top of the setting, up to so many times as many."""
_MOST_ALONE: Final = 4
"""Suspects that are tried at the same time, each in an executor of its own."""
_MOST_SUSPECTS: Final = 16
"""Of more than these next to all are innocent, and hundreds of executors would be started to show it: they go on
together, and only those that are among the suspects a second time are tried alone."""
_EXIT_WAIT: Final = 1.0
"""Seconds to wait for the exit code of an executor whose socket has closed."""
_START_PAUSE: Final = 1.0
"""Seconds without a new executor after one has died before it was ready."""
_SETTLED: Final = 5.0
"""Seconds without a job after which an executor makes room for another lane: forking for each job would cost more than
sharing does."""
_NOT_NICE: Final = 10

_log = logging.getLogger("offpath.worker")


class ProcessPool:
    """Runs tickets in executor processes.

    Args:
        target: What executors import, see `load_target`.
        path: Their `sys.path`; default this process's.
        failed: Called when the pool cannot go on (the zygote was killed); the worker is to end, to be started anew.
    """

    def __init__(
        self,
        target: str,
        options: WorkerOptions,
        *,
        failed: Callable[[str], None],
        path: Sequence[str] | None = None,
        events: WorkerEvents | None = None,
    ) -> None:
        self._target = target
        self._path = list(sys.path if path is None else path)
        self._options = options
        self._failed = failed
        self._events = events or NoEvents()
        self._lanes: dict[str, Lane] = {}
        self._isolated: set[str] = set()
        self._proven: set[str] = set()
        """Ids of hooks that have ended an attempt by themselves."""
        self._executors: dict[int, ExecutorLink] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._start_after = 0.0
        self._parent: Parent | None = None
        self._ended: TicketEnded
        self._returned: TicketsReturned
        self._slots: Slots
        self._zygote: ZygoteLink
        self._watch = Watch(self, options)

    @property
    def waiting(self) -> bool:
        """Whether tickets wait for an executor."""
        return any(lane.waiting for lane in self._lanes.values())

    @property
    def executors(self) -> list[ExecutorLink]:
        return list(self._executors.values())

    def answer_with(self, parent: Parent) -> None:
        self._parent = parent

    async def open(self, ended: TicketEnded, returned: TicketsReturned) -> PoolHooks:
        self._ended = ended
        self._returned = returned
        self._slots = Slots.create(_MOST_TIMES * self._options.executors, self._options.executor_threads)
        self._zygote = ZygoteLink(self._executor_started, self._executor_exited, self._zygote_lost)
        prepared: Prepared = await self._zygote.open(self._target, self._path, self._slots, self._options)
        if not prepared.forks:
            _log.info("importing %s left threads running: executors are started anew instead of forked", self._target)
        self._spawn(self._watch.run())
        return PoolHooks(tuple(prepared.hooks), frozenset(prepared.async_hooks), prepared.plan)

    def dispatch(self, tickets: Sequence[Ticket]) -> None:
        lanes: dict[str, Lane] = {}
        for ticket in tickets:
            lane = self._lane_of(ticket)
            lane.waiting.append(ticket)
            lanes[lane.key] = lane
        for lane in lanes.values():
            self.place(lane)
        self._watch.wake()

    def isolate(self, hook_id: str) -> None:
        self._isolated.add(hook_id)

    async def close(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for executor in self.executors:
            executor.kill("the worker ends")
        if hasattr(self, "_zygote"):
            await self._zygote.close()
        for executor in self.executors:
            executor.dispose()
        self._executors.clear()
        if hasattr(self, "_slots"):
            self._slots.close()

    # Placing.
    def place(self, lane: Lane) -> None:
        """Hand over what waits in a lane, with another executor if that is needed and allowed."""
        if self._closed or not lane.place() or lane.troubled >= self._most_troubled():
            return
        if self._may_start(lane):
            self._start(lane)
        elif lane.usable or lane.troubled:
            # Its own will have room again; or it is the kind that should not sit with others.
            return
        elif (shared := pick_shared(self.executors, lane, self._exclusive_lanes(), self._proven)) is not None:
            lane.executors.append(shared)
            lane.place()

    def place_all(self) -> None:
        for lane in list(self._lanes.values()):
            if lane.waiting:
                self.place(lane)

    def _lane_of(self, ticket: Ticket) -> Lane:
        if ticket.alone:
            key = f"{ALONE}{ticket.number}"
        elif ticket.hook.id in self._isolated:
            key = f"isolated:{ticket.hook.id}"
        else:
            key = ticket.hook.lane
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, exclusive=key.startswith((ALONE, "isolated:")))
        return lane

    def _most_troubled(self) -> int:
        """Stalled or given up executors of one lane: with so many it gets no other until one is gone."""
        troubled = sum(executor.stalled or executor.state == "condemned" for executor in self.executors)
        return MOST_TROUBLED if troubled < self._options.executors // 2 else 1

    def _exclusive_lanes(self) -> set[str]:
        return {lane.key for lane in self._lanes.values() if lane.exclusive}

    def _may_start(self, lane: Lane) -> bool:
        if time.monotonic() < self._start_after:
            return False
        if len(self._executors) >= self._slots.count:
            self._make_room()
            return False  # until it is really gone
        if lane.alone:
            return sum(executor.alone for executor in self.executors) < _MOST_ALONE
        healthy = sum(not executor.stalled and executor.state in ("starting", "ready") for executor in self.executors)
        if healthy < self._options.executors:
            return True
        if lane.exclusive and not lane.usable:
            return True
        newcomer = bool(lane.waiting) and lane.waiting[0].hook.id not in self._proven
        return self._make_room(0.0 if newcomer else _SETTLED)

    def _make_room(self, idle_for: float = 0.0) -> bool:
        """End an executor that has had nothing to do for so many seconds, the longest idle one first."""
        before = time.monotonic() - idle_for
        idle = [
            executor
            for executor in self.executors
            if executor.state == "ready" and not executor.tickets and executor.idle_since <= before
        ]
        if not idle:
            return False
        self.retire(min(idle, key=lambda executor: executor.idle_since))
        return True

    def _start(self, lane: Lane) -> None:
        number = next(index for index in range(self._slots.count) if index not in self._executors)
        slot = self._slots[number]
        slot.clear()
        executor = ExecutorLink(
            number,
            slot,
            lane.key,
            self._options.executor_threads,
            ready=self._executor_ready,
            ended=self._results,
            lost=self._executor_lost,
            asked=self._executor_asks,
        )
        self._executors[number] = executor
        lane.executors.append(executor)
        ours, theirs = socket.socketpair()
        with theirs:
            self._zygote.start_executor(number, theirs, executor.stacks_fd)
        self._spawn(executor.connect(ours))

    def retire(self, executor: ExecutorLink) -> None:
        """End an idle executor in an orderly way."""
        self._forget(executor)
        executor.close()
        self._events.executor_ended(str(executor.pid), executor.lane, "idle", None)

    def _forget(self, executor: ExecutorLink) -> None:
        """Let no lane use it any more."""
        for lane in list(self._lanes.values()):
            if executor in lane.executors:
                lane.executors.remove(executor)
            if not lane.executors and not lane.waiting:
                del self._lanes[lane.key]

    # What executors report.
    def _executor_started(self, slot: int, pid: int) -> None:
        executor = self._executors.get(slot)
        if executor is not None and not executor.pid:
            executor.pid = pid

    def _executor_ready(self, executor: ExecutorLink) -> None:
        self._events.executor_started(str(executor.pid), executor.lane)
        if executor.nice < _NOT_NICE:
            _log.warning(
                "executor %d runs at priority %d, not 19: hooks that compute will slow the service down; "
                "allow the process to lower its own priority",
                executor.pid,
                executor.nice,
            )
        self._place_lanes_of(executor)

    def _results(self, executor: ExecutorLink, ended: Sequence[Ended]) -> None:
        for end in ended:
            ticket = executor.remove(end.number)
            if ticket is not None:
                self._proven.add(ticket.hook.id)
                self._ended(ticket, Ending.of(end))
            else:
                # Over its limit and reported as such; its thread has come back after all.
                executor.abandoned.pop(end.number, None)
        if executor.stalled:
            executor.check_stall()
        self.settle(executor)
        self._place_lanes_of(executor)

    def _executor_asks(self, executor: ExecutorLink, ask: Ask) -> None:
        self._spawn(self._answer(executor, ask))

    async def _answer(self, executor: ExecutorLink, ask: Ask) -> None:
        executor.reply(await reply_to(ask, self._parent))

    def settle(self, executor: ExecutorLink) -> None:
        """End an executor that has no jobs left and shall get no more."""
        if executor.tickets:
            return
        if executor.state == "condemned":
            self._forget(executor)
            executor.kill("a hook in it was over its time limit", cause="timeout")
        elif executor.state == "ready" and executor.alone:
            self.retire(executor)

    def _place_lanes_of(self, executor: ExecutorLink) -> None:
        for lane in list(self._lanes.values()):
            if lane.waiting and executor in lane.executors:
                self.place(lane)

    def finish(self, ticket: Ticket, ending: Ending) -> None:
        """Report the end of a ticket that the pool itself has ended."""
        self._ended(ticket, ending)

    # Ends of executors.
    def _executor_exited(self, pid: int, code: int) -> None:
        for executor in self.executors:
            if executor.pid == pid:
                executor.exit_code = code

    def _executor_lost(self, executor: ExecutorLink) -> None:
        if not self._closed:
            executor.stalled = False
            self._spawn(self._conclude(executor))

    async def _conclude(self, executor: ExecutorLink) -> None:
        """Decide on the jobs of an executor that is gone."""
        ours = bool(executor.reason) or executor.state == "closing"
        if executor.state == "starting":
            # Whatever it was, it may come again at once.
            self._start_after = time.monotonic() + _START_PAUSE
        await self._gone(executor)
        executor.state = "lost"
        executor.check_stall()
        unread = executor.recall()
        taken = dict(executor.tickets)
        guilty = {number: verdict for number, verdict in executor.verdicts.items() if number in taken}
        text = executor.reason or exit_text(executor.exit_code)
        if not guilty and not ours and taken:
            found = suspects(executor.slot.stepping, executor.slot.busy_threads(), taken)
            if len(found) == 1:
                guilty = {found[0]: ("killed", text + _crash_site(executor))}
            _suspect([taken[number] for number in found])
        self._forget(executor)
        if taken or not ours:
            _log.warning("executor %d (%s) is gone with %d jobs: %s", executor.pid, executor.lane, len(taken), text)
            self._events.executor_ended(str(executor.pid), executor.lane, text, executor.cause)
        del self._executors[executor.number]
        again: list[Ticket] = []
        for number, ticket in taken.items():
            if number in guilty:
                outcome, why = guilty[number]
                self._ended(ticket, Ending(outcome, ticket.sent_at, time.time(), why, strike=True))
            else:
                again.append(ticket)
        executor.dispose()
        self._give_back([*again, *unread])
        self.place_all()

    async def _gone(self, executor: ExecutorLink) -> None:
        """Wait until the process has ended, for its exit code; help a little if it only closed its connection."""
        for reason in ("", "it closed its connection to the worker"):
            if reason:
                executor.kill(reason, cause="died")
            give_up = time.monotonic() + _EXIT_WAIT
            while executor.exit_code is None:
                if time.monotonic() > give_up:
                    break
                await asyncio.sleep(0.005)
            else:
                return

    def _give_back(self, tickets: list[Ticket]) -> None:
        """Let tickets run elsewhere that their executor never ended, or never began."""
        for ticket in tickets:
            ticket.give_back()
        if tickets:
            self._returned(tickets)

    def recall(self, executor: ExecutorLink) -> None:
        """Take from a stalled executor what it has not begun."""
        self._give_back(executor.recall())

    def withdraw(self, hook_id: str) -> list[Ticket]:
        withdrawn: list[Ticket] = []
        for lane in list(self._lanes.values()):
            withdrawn += lane.withdraw(hook_id)
            if not lane.executors and not lane.waiting:
                del self._lanes[lane.key]
        return withdrawn

    def _zygote_lost(self) -> None:
        if not self._closed:
            self._failed("the process that starts executors was killed")

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the worker's watch over its executors failed", exc_info=error)
            self._failed(f"an internal error, a {type(error).__name__}; its traceback is in the line before")

    def stall_noticed(self, executor: ExecutorLink, stack: str) -> None:
        self._events.executor_stalled(str(executor.pid), executor.lane, stack)


def _suspect(tickets: Sequence[Ticket]) -> None:
    """Have those tried alone that may have ended an executor."""
    for ticket in tickets:
        ticket.alone = ticket.alone or ticket.suspected or len(tickets) <= _MOST_SUSPECTS
        ticket.suspected = True


def _crash_site(executor: ExecutorLink) -> str:
    lines = [line.strip() for line in executor.read_stack().splitlines() if line.lstrip().startswith("File ")]
    return f"; it was at {lines[0]}" if lines else ""
