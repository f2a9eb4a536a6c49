"""The offline model of an experiment: a process like the arms, which says nothing at the user's terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from offpath.offline import OfflineProcess
from offpath.proof.errors import ProofError
from offpath.proof.processes import import_path, log_end, python, started

START_SECONDS: Final = 60.0


@contextmanager
def offline_model(directory: Path, *, latency: float = 0.0) -> Iterator[OfflineProcess]:
    """Run an offline model while the block runs.

    `offline_model_process` leaves it in the group of this process, where a Ctrl+C ends the model before the arms that
    ask it, and prints a warning that is for services.

    Args:
        directory: For its log.
        latency: Seconds that each answer takes.

    Raises:
        ProofError: It did not start; with the end of its log.
    """
    # Requests are not recorded: nobody asks for them, and there are many.
    arguments = ["-m", "offpath.offline", "--port", "0", "--recorded-requests", "0", "--latency", str(latency)]
    log = directory / "model.log"
    with started(python(*arguments), {**os.environ, "PYTHONPATH": import_path()}, log) as process:
        deadline = time.monotonic() + START_SECONDS
        while (address := _address(log)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProofError(f"the offline model did not start:\n{log_end(log) or 'it wrote nothing'}")
            time.sleep(0.02)
        yield OfflineProcess(address, process.pid)


def _address(log: Path) -> str | None:
    """The line with the address that it prints when it is ready, once all of it is there."""
    for line in log.read_text(errors="replace").splitlines(keepends=True):
        if line.startswith("http://") and line.endswith("\n"):
            return line.strip()
    return None
