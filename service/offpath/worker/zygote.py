"""The zygote: imports the user's code once, then forks an executor whenever the worker's parent asks for one."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from typing import Any, BinaryIO, Final, cast

import msgspec

from offpath.errors import OffpathError
from offpath.hooks.hook import PRELOAD_ATTRIBUTE
from offpath.hooks.registry import HookRegistry
from offpath.telemetry.logs import configure_logging
from offpath.telemetry.providers import preload
from offpath.worker.confine import die_with_parent, leave_signals_to_parent
from offpath.worker.executor import run_executor
from offpath.worker.messages import (
    HEADER_SIZE,
    ExecutorExited,
    ExecutorStarted,
    Prepare,
    Prepared,
    StartExecutor,
    Unprepared,
    body_size,
    decode_to_zygote,
    frame,
)
from offpath.worker.slot import Slots
from offpath.worker.target import load_target

_MOST_DESCRIPTORS: Final = 2
_CLOSE_ON_EXEC: Final[int] = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_log = logging.getLogger("offpath.worker")


class Zygote:
    """Serves one parent over a socket, in a process with a single thread.

    Args:
        control: The socket; descriptors come with its messages.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._prepare: Prepare
        self._registry: HookRegistry
        self._slots: Slots
        self._forks = False

    def prepare(self) -> bool:
        """Import what the first message names, and report what it holds. False if that failed."""
        received = self._receive()
        if received is None:
            return False
        message, (slots_fd,) = received
        assert isinstance(message, Prepare)  # noqa: S101  # the parent's first message
        self._prepare = message
        try:
            self._slots = _open_slots(slots_fd, message)
            self._registry = _load(message)
            configure_logging(message.options.log_level, role="executor")
            infos = self._registry.infos()
        except BaseException as error:  # noqa: BLE001  # reported to the parent, which tells the user
            self._send(Unprepared(_import_error(message.target, error)))
            return False
        preload()  # once here, and not in every executor
        _preload_hooks(self._registry)
        self._forks = sys.platform == "linux" and _single_threaded()
        gc.collect()
        gc.freeze()
        asynchronous = [hook.id for hook in self._registry.hooks.values() if hook.is_async]
        self._send(Prepared(os.getpid(), infos, asynchronous, self._forks, self._registry.plan))
        return True

    def serve(self) -> None:
        """Start executors and report their ends until the parent goes; then kill them.

        Returns in the zygote and, much later, in each forked executor: the caller's next step is to exit.
        """
        zygote = os.getpid()
        alarm, wakeup = socket.socketpair()
        alarm.setblocking(False)
        wakeup.setblocking(False)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(alarm, selectors.EVENT_READ)
            try:
                while True:
                    ready = [key.fileobj for key, _ in selector.select()]
                    if alarm in ready:
                        alarm.recv(4096)
                        self._reap()
                    if self._control not in ready:
                        continue
                    try:
                        received = self._receive()
                    except ConnectionResetError:
                        return  # the parent died with something of ours unread
                    if received is None:
                        return
                    message, descriptors = received
                    if isinstance(message, StartExecutor) and self._start(message, descriptors, (alarm, wakeup)):
                        return
            finally:
                if os.getpid() == zygote:
                    self._kill_all()

    def _start(self, message: StartExecutor, descriptors: list[int], inherited: tuple[socket.socket, ...]) -> bool:
        """Start an executor. True in the executor itself, when it has ended."""
        own, stacks = descriptors
        if not self._forks:
            pid = self._spawn(message.slot, own, stacks)
        else:
            sys.stdout.flush()
            sys.stderr.flush()
            zygote = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:
                # The parent sees its end of the socket close, and tries again after a while.
                _log.error("an executor could not be started: %s", error)
                os.close(own)
                os.close(stacks)
                return False
            if pid == 0:
                die_with_parent(zygote)
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for other in (self._control, *inherited):
                    other.close()
                with socket.socket(fileno=own) as sock:
                    run_executor(sock, stacks, self._slots[message.slot], self._registry, self._prepare.options)
                return True
        os.close(own)
        os.close(stacks)
        self._children.add(pid)
        self._send(ExecutorStarted(message.slot, pid))
        return False

    def _spawn(self, slot: int, own: int, stacks: int) -> int:
        slots = self._slots.file.fileno()
        arguments = msgspec.json.encode([slot, own, stacks, slots, os.getpid(), msgspec.to_builtins(self._prepare)])
        process = subprocess.Popen(  # noqa: S603  # our own module, by our own interpreter
            [sys.executable, "-m", "offpath.worker.zygote", arguments.decode()], pass_fds=(own, stacks, slots)
        )
        process.returncode = 0  # reaped by number, below; the object is to forget it
        return process.pid

    def _reap(self) -> None:
        for pid in list(self._children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._children.discard(pid)
                self._send(ExecutorExited(pid, os.waitstatus_to_exitcode(status)))

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _send(self, message: Any) -> None:
        try:
            self._control.sendall(frame(message))
        except OSError:
            # The parent is gone: the next read says so too.
            return

    def _receive(self) -> tuple[Any, list[int]] | None:
        header, descriptors, _, _ = socket.recv_fds(self._control, HEADER_SIZE, _MOST_DESCRIPTORS, _CLOSE_ON_EXEC)
        body = self._exactly(HEADER_SIZE - len(header)) if 0 < len(header) < HEADER_SIZE else b""
        if not header or body is None:
            return None
        body = self._exactly(body_size(header + body))
        return None if body is None else (decode_to_zygote(body), list(descriptors))

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            part = self._control.recv(size - len(parts))
            if not part:
                return None
            parts += part
        return bytes(parts)


def _open_slots(descriptor: int, prepare: Prepare) -> Slots:
    file = cast("BinaryIO", os.fdopen(descriptor, "r+b", buffering=0))
    return Slots(file, prepare.slots, prepare.options.executor_threads)


def _load(prepare: Prepare) -> HookRegistry:
    sys.path[:] = prepare.path
    return load_target(prepare.target)


def _preload_hooks(registry: HookRegistry) -> None:
    """Import what built-in hooks need; what cannot be imported now is for the attempt that needs it to say."""
    for function in {getattr(hook.function, PRELOAD_ATTRIBUTE, None) for hook in registry.hooks.values()}:
        if function is not None:
            with contextlib.suppress(ImportError):
                function()


def _import_error(target: str, error: BaseException) -> str:
    if isinstance(error, OffpathError):
        return str(error)
    lines = traceback.format_exception(error)
    return f"importing {target} failed:\n{''.join(lines).rstrip()}"


def _single_threaded() -> bool:
    """Whether a fork is safe: no thread of Python's, and none of a library's, whose locks the child would inherit."""
    return threading.active_count() == 1 and len(os.listdir("/proc/self/task")) == 1


def _line_buffered() -> None:
    """What hooks print shows at once, in the service's terminal, and in whole lines."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, write_through=False)


def _run_spawned(arguments: str) -> None:
    slot, own, stacks, slots_fd, parent, encoded = msgspec.json.decode(arguments)
    die_with_parent(parent)
    prepare = msgspec.convert(encoded, Prepare)
    slots = _open_slots(slots_fd, prepare)
    registry = _load(prepare)
    configure_logging(prepare.options.log_level, role="executor")
    with socket.socket(fileno=own) as sock:
        run_executor(sock, stacks, slots[slot], registry, prepare.options)


def main(arguments: list[str]) -> None:
    """Entry point: `CONTROL_FD PARENT_PID` for a zygote, one JSON list for a spawned executor."""
    leave_signals_to_parent()
    _line_buffered()
    if len(arguments) == 1:
        _run_spawned(arguments[0])
        return
    control_fd, parent = (int(argument) for argument in arguments)
    die_with_parent(parent)
    with socket.socket(fileno=control_fd) as control:
        zygote = Zygote(control)
        if zygote.prepare():
            zygote.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
