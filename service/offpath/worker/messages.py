"""What the worker's processes say to each other: msgpack in frames of a length and a body."""

from __future__ import annotations

import struct
from typing import Any, Final, Literal

import msgspec

from offpath.hooks.info import HookInfo
from offpath.worker.options import WorkerOptions

_HEADER: Final = struct.Struct("<I")
HEADER_SIZE: Final = _HEADER.size


class Call(msgspec.Struct, array_like=True, frozen=True):
    """One attempt that an executor is to run."""

    number: int
    """Unique in the worker's life, and never 0."""
    hook_id: str
    key: str
    attempt: int
    limit: float
    """Seconds that the attempt may take."""
    record: int
    """Index into the batch's records."""
    traceparent: str = ""
    """The run's trace, as its job stores it."""


class Batch(msgspec.Struct, array_like=True, tag="batch", frozen=True):
    """Attempts to begin, with the encoded records of their runs, each once."""

    sequence: int
    records: list[bytes]
    calls: list[Call]


class Reply(msgspec.Struct, array_like=True, tag="reply", frozen=True):
    """To an executor: what it asked."""

    number: int
    """The question's."""
    body: bytes
    """See `offpath.ledger.question.decode_answer`; empty if there is none."""
    error: str | None = None
    """Why there is none."""


class Close(msgspec.Struct, array_like=True, tag="close", frozen=True):
    """To an idle executor: end in an orderly way."""


class Hello(msgspec.Struct, array_like=True, tag="hello", frozen=True):
    """From an executor that is ready."""

    pid: int
    nice: int


class Ended(msgspec.Struct, array_like=True, frozen=True):
    """How an attempt ended, as far as the executor can tell."""

    number: int
    outcome: Literal["success", "error", "timeout"]
    started_at: float
    finished_at: float
    error: str | None = None
    result: bytes | None = None
    retry_after: float | None = None
    """Seconds that the hook, or the endpoint that refused it, asked to wait."""
    final: bool = False
    """Another attempt would be pointless."""
    error_type: str | None = None
    """The class of what the hook raised: `error` may quote the run, and never becomes a label or a log line."""


class Results(msgspec.Struct, array_like=True, tag="results", frozen=True):
    """From an executor: attempts that have ended."""

    ended: list[Ended]


class Held(msgspec.Struct, array_like=True, tag="held", frozen=True):
    """From an executor: attempts that have to wait, since others compute; their time does not count yet."""

    numbers: list[int]


class Begun(msgspec.Struct, array_like=True, tag="begun", frozen=True):
    """From an executor: an attempt that was held begins."""

    number: int


class Ask(msgspec.Struct, array_like=True, tag="ask", frozen=True):
    """From an executor: a hook's question, to be answered by a `Reply`."""

    number: int
    """Unique in the executor's life."""
    body: bytes
    """See `offpath.ledger.question.decode_question`."""


class Prepare(msgspec.Struct, array_like=True, tag="prepare", frozen=True):
    """To the zygote: import this. The descriptor of the slots comes with it."""

    target: str
    path: list[str]
    slots: int
    options: WorkerOptions


class Prepared(msgspec.Struct, array_like=True, tag="prepared", frozen=True):
    """From the zygote: the target is imported."""

    pid: int
    hooks: list[HookInfo]
    async_hooks: list[str]
    """Ids of hooks whose call gives an awaitable."""
    forks: bool
    """False if the import left threads behind: executors are then started anew, and import for themselves."""
    plan: bytes = b""
    """What the built-in hooks tell the parent; see `HookRegistry.plan`."""


class Unprepared(msgspec.Struct, array_like=True, tag="unprepared", frozen=True):
    """From the zygote: the target cannot be imported."""

    error: str


class StartExecutor(msgspec.Struct, array_like=True, tag="start", frozen=True):
    """To the zygote: start an executor. Its socket and the file for its stacks come with it."""

    slot: int


class ExecutorStarted(msgspec.Struct, array_like=True, tag="started", frozen=True):
    """From the zygote."""

    slot: int
    pid: int


class ExecutorExited(msgspec.Struct, array_like=True, tag="exited", frozen=True):
    """From the zygote: a child is gone, with the code that `os.waitstatus_to_exitcode` gives."""

    pid: int
    code: int


ToExecutor = Batch | Reply | Close
FromExecutor = Hello | Results | Held | Begun | Ask
ToZygote = Prepare | StartExecutor
FromZygote = Prepared | Unprepared | ExecutorStarted | ExecutorExited

_encoder = msgspec.msgpack.Encoder()
decode_to_executor = msgspec.msgpack.Decoder(ToExecutor).decode
decode_from_executor = msgspec.msgpack.Decoder(FromExecutor).decode
decode_to_zygote = msgspec.msgpack.Decoder(ToZygote).decode
decode_from_zygote = msgspec.msgpack.Decoder(FromZygote).decode


def frame(message: Any) -> bytes:
    """A message with its length before it."""
    body = _encoder.encode(message)
    return _HEADER.pack(len(body)) + body


def body_size(header: bytes) -> int:
    """The length that a header announces, in bytes."""
    return int(_HEADER.unpack(header)[0])


class Frames:
    """Cuts a byte stream into the bodies of its frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; give what is complete."""
        pending = self._pending
        pending += data
        bodies: list[bytes] = []
        start = 0
        while len(pending) - start >= HEADER_SIZE:
            end = start + HEADER_SIZE + _HEADER.unpack_from(pending, start)[0]
            if end > len(pending):
                break
            bodies.append(bytes(pending[start + HEADER_SIZE : end]))
            start = end
        if start:
            del pending[:start]
        return bodies
