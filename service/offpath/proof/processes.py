"""Processes under measurement: started with a log of their own, and gone at the end with all that they started."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from offpath.proof.machine import tree

STOP_SECONDS: Final = 15.0
_ORPHAN_SECONDS: Final = 5.0


@contextmanager
def started(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    log: Path,
    *,
    directory: Path | None = None,
    before: Callable[[], None] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block runs, its output in a file; then stop it and all that it started.

    Its standard input stays open and silent as long as this process lives. It is in a group of its own, so that a
    Ctrl+C at the terminal is for this process alone to act on, and in no session of its own, to which the kernel would
    give half a core whatever else there is to do (autogroup).

    Args:
        variables: Its whole environment.
        directory: Its working directory; by default this process's.
        before: Called in the new process before it becomes the program. Only without other threads.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # what the caller wants to measure
            list(arguments),
            cwd=directory,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            preexec_fn=before,
            process_group=0 if os.name == "posix" else None,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, wait for it and for all that it started, and kill what does not end."""
    below = tree(process.pid)[1:]
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin is not None:
        process.stdin.close()
    _, alive = psutil.wait_procs(below, timeout=_ORPHAN_SECONDS)
    for straggler in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            straggler.kill()


def free_port() -> int:
    """A TCP port of the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def log_end(log: Path, lines: int = 30) -> str:
    """The last lines of a log, for errors."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def import_path() -> str:
    """PYTHONPATH for new processes that are to find this very `offpath`, installed or not."""
    source_root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([source_root, *filter(None, [os.environ.get("PYTHONPATH")])])


def python(*arguments: str) -> list[str]:
    """A command of this interpreter."""
    return [sys.executable, *arguments]
