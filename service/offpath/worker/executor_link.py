"""The parent's side of one executor."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from offpath.engine.protocol import Outcome
from offpath.worker.events import KillCause
from offpath.worker.messages import (
    Ask,
    Batch,
    Begun,
    Call,
    Close,
    Ended,
    Frames,
    Held,
    Hello,
    Reply,
    decode_from_executor,
    frame,
)
from offpath.worker.options import LANE_WINDOW
from offpath.worker.pool import Ticket
from offpath.worker.slot import Slot, monotonic_ns

STALL_NS: Final = 500_000_000
"""An event loop that has not turned for so long is stalled."""
LARGEST_LOAD: Final = 64 * 2**20
"""Bytes of records in flight in one executor, unless it is a single one."""
_FRAME_LINE: Final = re.compile(r'  File "(?P<file>[^"]*)", line (?P<line>\d+|\?\?\?) in (?P<name>.*)')
_THREAD_LINE: Final = re.compile(r"(?:Current thread|Thread) 0x(?P<id>[0-9a-f]+)")
_OURS: Final = f"{os.sep}offpath{os.sep}worker{os.sep}"

ALONE: Final = "alone:"
"""Beginning of the key of a lane that is there for one suspect alone."""

State = Literal["starting", "ready", "condemned", "closing", "lost"]
"""condemned: takes no new jobs, and is killed when those it has have ended. closing: was asked to end."""


class ExecutorLink(asyncio.Protocol):
    """An executor process, as the parent sees it.

    Args:
        number: Of its slot.
        lane: The lane it was started for.
        threads: Plain functions that it runs at a time.
    """

    def __init__(
        self,
        number: int,
        slot: Slot,
        lane: str,
        threads: int,
        *,
        ready: Callable[[ExecutorLink], None],
        ended: Callable[[ExecutorLink, Sequence[Ended]], None],
        lost: Callable[[ExecutorLink], None],
        asked: Callable[[ExecutorLink, Ask], None],
    ) -> None:
        self.number = number
        self.slot = slot
        self.lane = lane
        self.threads = threads
        self.state: State = "starting"
        self.pid = 0
        self.nice = 0
        self.exit_code: int | None = None
        self.tickets: dict[int, Ticket] = {}
        self.abandoned: dict[int, Ticket] = {}
        """Attempts of plain functions that are over their limit, and still hold their threads."""
        self.sync_count = 0
        self.load = 0
        self.idle_since = time.monotonic()
        self.stalled = False
        self.stalled_at = 0.0
        """When it was first seen stalled, in seconds on the monotonic clock."""
        self.verdicts: dict[int, tuple[Outcome, str]] = {}
        """Why it was killed: attempts to outcome and text. Empty if it was not, or not for an attempt."""
        self.reason = ""
        self.cause: KillCause = "died"
        self.stack = ""
        self.late_asked = False
        """Whether its stack was asked for because an attempt is over its limit."""
        self.cpu: dict[int, float] = {}
        """System's thread numbers to their CPU seconds when the executor was first seen stalled."""
        self._stacks = tempfile.TemporaryFile(prefix="offpath-stack-", buffering=0)  # noqa: SIM115
        fcntl.fcntl(self._stacks, fcntl.F_SETFL, fcntl.fcntl(self._stacks, fcntl.F_GETFL) | os.O_APPEND)
        self._sequence = 0
        self._untaken: deque[tuple[int, int, list[int]]] = deque()
        self._recalled = 0
        """The last batch that was taken back from it."""
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._ready, self._ended, self._lost, self._asked = ready, ended, lost, asked

    @property
    def alone(self) -> bool:
        """Whether it is there for a single suspect."""
        return self.lane.startswith(ALONE)

    @property
    def stacks_fd(self) -> int:
        return self._stacks.fileno()

    async def connect(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_accepted_socket(lambda: self, sock)

    def room_for(self, ticket: Ticket, load: int, sync: int, more: int) -> bool:
        """Whether it can begin this attempt at once.

        Args:
            load: Bytes of records that it will have by then.
            sync: Plain functions that it will run by then.
            more: How many attempts it is about to be sent besides.
        """
        if self.stalled and not self.tickets:
            self.check_stall()  # nobody else looks at one that has no work
        count = len(self.tickets) + more
        if self.state != "ready" or self.stalled or count >= LANE_WINDOW:
            return False
        if not ticket.is_async and sync + len(self.abandoned) >= self.threads:
            return False
        return count == 0 or load + len(ticket.record) <= LARGEST_LOAD

    def send(self, tickets: Sequence[Ticket]) -> None:
        """Hand attempts over; there must be room for them."""
        records: dict[int, int] = {}
        encodings: list[bytes] = []
        calls: list[Call] = []
        for ticket in tickets:
            index = records.setdefault(id(ticket.record), len(encodings))
            if index == len(encodings):
                encodings.append(ticket.record)
            job = ticket.claimed.job
            calls.append(
                Call(
                    ticket.number, ticket.hook.id, job.key, ticket.claimed.attempt, ticket.limit, index, job.traceparent
                )
            )
            ticket.executor = str(self.pid)
            ticket.begin()
            self._add(ticket)
        self._sequence += 1
        self._untaken.append((self._sequence, monotonic_ns(), [ticket.number for ticket in tickets]))
        assert self._transport is not None  # noqa: S101  # state "ready" follows the connection
        self._transport.write(frame(Batch(self._sequence, encodings, calls)))

    def _add(self, ticket: Ticket) -> None:
        self.tickets[ticket.number] = ticket
        self.sync_count += not ticket.is_async
        self.load += len(ticket.record)

    def remove(self, number: int) -> Ticket | None:
        """Take an attempt off its account."""
        ticket = self.tickets.pop(number, None)
        if ticket is not None:
            self.sync_count -= not ticket.is_async
            self.load -= len(ticket.record)
            if not self.tickets:
                self.idle_since = time.monotonic()
        return ticket

    def abandon(self, number: int) -> Ticket | None:
        """Give an attempt up whose thread cannot be stopped."""
        ticket = self.remove(number)
        if ticket is not None:
            self.abandoned[number] = ticket
        return ticket

    def check_stall(self) -> bool:
        """Look at the slot: whether the event loop is held up (or the process gets no processor time)."""
        taken = self.slot.taken
        while self._untaken and self._untaken[0][0] <= taken:
            self._untaken.popleft()
        oldest = monotonic_ns() - STALL_NS
        # Before it has taken the first attempt after a pause, its heartbeat is as old as the pause.
        begun = len(self.tickets) - sum(len(numbers) for _, _, numbers in self._untaken)
        self.stalled = self.state != "starting" and (
            taken < self._recalled
            or (bool(self._untaken) and self._untaken[0][1] < oldest)
            or (begun > 0 and 0 < self.slot.heartbeat < oldest)
        )
        return self.stalled

    def recall(self) -> list[Ticket]:
        """Take back what was sent and has not been read."""
        if self._untaken:
            self._recalled = self._untaken[-1][0]
            self.slot.recall(self._recalled)
        taken = self.slot.taken  # read after the recall: the executor writes it before it looks for one
        recalled: list[Ticket] = []
        for sequence, _, numbers in self._untaken:
            if sequence > taken:
                recalled += [ticket for number in numbers if (ticket := self.remove(number)) is not None]
        self._untaken.clear()
        return recalled

    def reply(self, reply: Reply) -> None:
        """Answer a question of it, if it is still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(reply))

    def close(self) -> None:
        """Ask an idle executor to end."""
        self.state = "closing"
        self.idle_since = time.monotonic()
        if self._transport is not None:
            self._transport.write(frame(Close()))

    def kill(
        self, reason: str, verdicts: dict[int, tuple[Outcome, str]] | None = None, *, cause: KillCause = "other"
    ) -> None:
        """Kill it; `lost` follows."""
        self.state = "closing"
        if not self.reason:
            self.reason, self.cause = reason, cause
        self.verdicts.update(verdicts or {})
        if self.pid and self.exit_code is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                # It has just ended by itself.
                return

    def dispose(self) -> None:
        """Let go of its files."""
        self._stacks.close()
        if self._transport is not None:
            self._transport.abort()

    # Stacks.
    def ask_stack(self) -> None:
        """Have the process write where its threads are; `read_stack` finds it soon after."""
        if self.pid and self.exit_code is None and self.state in ("ready", "condemned"):
            self._stacks.truncate(0)
            self.stack = ""
            # It may have ended a moment ago, which the zygote is about to say.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)

    def read_stack(self) -> str:
        """What it wrote last: a stack that was asked for, or the one of a crash."""
        size = os.fstat(self._stacks.fileno()).st_size
        text = os.pread(self._stacks.fileno(), min(size, 200_000), 0).decode(errors="replace")
        self.stack = text or self.stack
        return self.stack

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            try:
                message = decode_from_executor(body)
            except msgspec.MsgspecError:
                text = "it sent what is no message: something in it wrote to descriptors that are not its own"
                # Without a verdict the jobs would run again for ever, and do it again.
                self.kill(text, dict.fromkeys(self.tickets, ("killed", text)))
                return
            if isinstance(message, Hello):
                self.pid, self.nice = message.pid, message.nice
                if self.state == "starting":
                    self.state = "ready"
                    self._ready(self)
            elif isinstance(message, Held):
                for number in message.numbers:
                    if (ticket := self.tickets.get(number)) is not None:
                        ticket.hold()
            elif isinstance(message, Begun):
                if (ticket := self.tickets.get(message.number)) is not None:
                    ticket.begin()
            elif isinstance(message, Ask):
                self._asked(self, message)
            else:
                self._ended(self, message.ended)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)


def stuck_at(stack: str, thread: int | None) -> str:
    """Where a thread is, from faulthandler's text: "search (re.py:176) from scan (hooks.py:12)"; "" if unknown.

    Args:
        stack: Threads with their frames, innermost first.
        thread: Its identifier; None takes the current (main) thread.
    """
    frames: list[str] = []
    inside = False
    for line in stack.splitlines():
        if head := _THREAD_LINE.match(line):
            if frames:
                break
            inside = line.startswith("Current") if thread is None else int(head["id"], 16) == thread
        elif inside and (found := _FRAME_LINE.match(line)):
            if _OURS in found["file"]:
                break
            frames.append(f"{found['name']} ({Path(found['file']).name}:{found['line']})")
    if len(frames) > 3:
        frames = [frames[0], *frames[-2:]]
    return " called from ".join(frames)
