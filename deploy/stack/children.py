"""Children: the stack's processes, none of which outlives it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 20.0
_TAIL: Final = 25
_GUARD: Final = """
import os, signal, sys
pids = [int(line) for line in sys.stdin if line.strip()]
for pid in pids if pids and pids[-1] else ():
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        pass
"""
"""Reads process ids until its standard input ends, as it does when the stack is gone, however it went; then it ends
them, unless the last line was 0."""


class StackError(Exception):
    """The stack cannot be, or is not any more; the text says why, and what to do."""


class Child:
    """One process, with its log."""

    def __init__(self, name: str, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.log = log
        self.process = process

    def check(self) -> None:
        """
        Raises:
            StackError: It has ended.
        """
        code = self.process.poll()
        if code is not None:
            raise StackError(f"{self.name} ended with code {code}; the end of its log:\n{self.log_end()}")

    def log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL:])

    def ask_to_end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()

    def see_ended(self) -> None:
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Children:
    """Starts processes, and stops them.

    Args:
        directory: Where they run and have their logs.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children: list[Child] = []
        self._guard = subprocess.Popen(  # noqa: S603  # our own lines above
            [sys.executable, "-S", "-c", _GUARD], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a process in a group of its own, so that Ctrl+C reaches the stack alone."""
        log = self._directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  # our own modules, and Prometheus
                command,
                cwd=self._directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        child = Child(name, log, process)
        self._children.append(child)
        self._tell(process.pid)
        return child

    def check(self) -> None:
        """
        Raises:
            StackError: One of them has ended.
        """
        for child in self._children:
            child.check()

    def wait(self, ready: Callable[[], bool], what: str, *, within: float = 60.0) -> None:
        """
        Raises:
            StackError: It did not come true in so many seconds, or a child has ended.
        """
        end = time.monotonic() + within
        while not ready():
            self.check()
            if time.monotonic() > end:
                logs = "\n".join(f"-- {child.name}\n{child.log_end()}" for child in self._children)
                raise StackError(f"{what} did not come true within {within:g} s; the ends of the logs:\n{logs}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End all of them, all at once: what they have not done yet nobody will miss."""
        for child in self._children:
            child.ask_to_end()
        for child in self._children:
            child.see_ended()
        self._tell(0)
        assert self._guard.stdin is not None  # noqa: S101  # set by PIPE
        self._guard.stdin.close()
        self._guard.wait()

    def _tell(self, pid: int) -> None:
        assert self._guard.stdin is not None  # noqa: S101  # set by PIPE
        self._guard.stdin.write(f"{pid}{os.linesep}")
        self._guard.stdin.flush()
