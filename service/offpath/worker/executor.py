"""An executor: a process at the lowest priority that runs hooks, and never opens the database."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from pathlib import Path
from typing import Final

from offpath.hooks.registry import HookRegistry
from offpath.telemetry.content import mask_content
from offpath.telemetry.logs import configure_logging
from offpath.telemetry.providers import setup_telemetry
from offpath.worker.asking import Asking
from offpath.worker.confine import leave_signals_to_parent, limit_memory, lowest_priority
from offpath.worker.job_runner import JobRunner
from offpath.worker.messages import (
    Ask,
    Batch,
    Begun,
    Ended,
    Frames,
    Held,
    Hello,
    Reply,
    Results,
    decode_to_executor,
    frame,
)
from offpath.worker.options import WorkerOptions
from offpath.worker.slot import Slot

_STACK: Final = 1024 * 1024
"""Bytes of a thread's stack: hundreds of threads with the usual 8 MB would meet the memory limit."""

_FLUSH: Final = 2.0
"""Seconds that spans and metrics have to leave an executor that ends."""

_log = logging.getLogger("offpath.worker")


class _Executor(asyncio.Protocol):
    """The executor's end of its socket."""

    def __init__(self, registry: HookRegistry, slot: Slot, options: WorkerOptions, nice: int) -> None:
        self._frames = Frames()
        self._slot = slot
        self._nice = nice
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._asking = Asking(self._tell)
        self._runner = JobRunner(
            registry,
            threads=options.executor_threads,
            slot=slot,
            deliver=self._deliver,
            held=self._held,
            begun=self._begun,
            traces=options.hook_traces,
            parent=self._asking,
        )
        self.closed = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101  # for the type checker
        self._transport = transport
        transport.write(frame(Hello(os.getpid(), self._nice)))

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            message = decode_to_executor(body)
            if isinstance(message, Reply):
                self._asking.take(message)
                continue
            if not isinstance(message, Batch):
                self._close()
                continue
            self._slot.beat()  # first: who sees that the batch was taken must not see the heartbeat from before a pause
            if self._slot.take(message.sequence):
                self._runner.begin(message.records, message.calls)

    def connection_lost(self, exc: Exception | None) -> None:
        # The parent is gone, and with it whoever would take the results.
        os._exit(0)

    def _tell(self, message: Results | Held | Begun | Ask) -> bool:
        """Whether the parent is there to read it."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(frame(message))
        return True

    def _deliver(self, ended: list[Ended]) -> None:
        self._tell(Results(ended))

    def _held(self, numbers: list[int]) -> None:
        self._tell(Held(numbers))

    def _begun(self, number: int) -> None:
        self._tell(Begun(number))

    def _close(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def _serve(sock: socket.socket, registry: HookRegistry, slot: Slot, options: WorkerOptions, nice: int) -> None:
    loop = asyncio.get_running_loop()
    _, executor = await loop.connect_accepted_socket(lambda: _Executor(registry, slot, options, nice), sock)
    await executor.closed


def run_executor(sock: socket.socket, stacks: int, slot: Slot, registry: HookRegistry, options: WorkerOptions) -> None:
    """Run jobs until the parent closes the executor; returns then, for an orderly exit.

    Args:
        sock: This executor's end of its socket.
        stacks: Descriptor of the file that stacks are written to when the parent asks (SIGUSR1), or at a crash.
    """
    leave_signals_to_parent()
    faulthandler.enable(stacks)
    faulthandler.register(signal.SIGUSR1, stacks, all_threads=True, chain=False)
    nice = lowest_priority()
    threading.stack_size(_STACK)
    limit = options.executor_memory_mb * 2**20
    limit_memory(2 * limit + options.executor_threads * _STACK)
    configure_logging(options.log_level, role="executor")
    telemetry = setup_telemetry(
        role="executor",
        instance=f"executor-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        snapshot_dir=None if options.metrics_dir is None else Path(options.metrics_dir),
        redact=mask_content,
    )
    configure_logging(options.log_level, role="executor", telemetry=telemetry)
    gc.collect()
    gc.freeze()
    sock.setblocking(False)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    serving = loop.create_task(_serve(sock, registry, slot, options, nice))
    while not serving.done():
        try:
            loop.run_until_complete(serving)
        except (SystemExit, KeyboardInterrupt) as exit_:
            # From a callback that a hook left with the loop; there is no job to blame, and no reason to stop.
            _log.error("a callback of a hook raised %s; the executor goes on", type(exit_).__name__)
    telemetry.shutdown(_FLUSH)
    sys.stdout.flush()
    sys.stderr.flush()
