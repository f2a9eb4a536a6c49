"""Services under measurement: real processes, each with a database of its own."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from offpath.proof import processes
from offpath.proof.load import Address
from offpath.proof.machine import tree
from offpath.proof.processes import free_port as free_port
from offpath.proof.processes import log_end as log_end

REPOSITORY = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


class ServedError(RuntimeError):
    """A process under measurement did not start, or did not do what it was to do."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running service."""

    target: str
    address: Address
    pid: int
    database: Path
    log: Path

    def processes(self) -> list[psutil.Process]:
        """The service, its worker's parent and what that one started."""
        return tree(self.pid)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for databases and logs, on the disk that temporary files are on; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="offpath-benchmark-") as name:
        yield Path(name)


@contextmanager
def served(
    target: str,
    directory: Path,
    model_url: str,
    *,
    name: str = "",
    command: str = "offpath",
    worker: str = "process",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve `benchmarks.targets.<target>` while the block runs.

    Args:
        name: Of its database and log; by default the target.
        command: "offpath" for `offpath serve`, "uvicorn" for an app that is none of ours.
        worker: OFFPATH_WORKER.
        variables: Further environment variables.

    Raises:
        ServedError: It did not answer within a minute; with the end of its log.
    """
    name = name or target
    database, log, port = directory / f"{name}.db", directory / f"{name}.log", free_port()
    app = f"benchmarks.targets.{target}:app"
    if command == "offpath":
        arguments = [console_script("offpath"), "serve", app, "--port", str(port)]
    else:
        options = ["--port", str(port), "--no-access-log", "--log-level", "warning"]
        arguments = [sys.executable, "-m", "uvicorn", app, *options]
    all_variables = environment(database, model_url) | {"OFFPATH_WORKER": worker} | dict(variables or {})
    with started(arguments, all_variables, log) as process:
        address = ("127.0.0.1", port)
        _await_health(process, address, log)
        yield Served(target, address, process.pid, database, log)


@contextmanager
def worker_of(
    target: str, database: Path, directory: Path, *, name: str = "worker"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `offpath worker` for `benchmarks.targets.<target>` on a database while the block runs."""
    app, log = f"benchmarks.targets.{target}:app", directory / f"{name}.log"
    arguments = [console_script("offpath"), "worker", app, "--database-url", f"sqlite:///{database}"]
    with started(arguments, environment(database, "http://127.0.0.1:9/v1"), log) as process:
        yield process


@contextmanager
def started(arguments: list[str], variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block runs, its output in a file; then stop it and all that it started."""
    before = _end_with_parent if sys.platform == "linux" else None
    with processes.started(arguments, variables, log, directory=REPOSITORY, before=before) as process:
        yield process


def environment(database: Path, model_url: str) -> dict[str, str]:
    """This process's variables without offpath's own, which could change what is measured."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OFFPATH_", "OPENAI_"))}
    return inherited | {
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": model_url,
        "OFFPATH_DATABASE_URL": f"sqlite:///{database}",
        "BENCHMARK_DATABASE": str(database),
        "AGNO_TELEMETRY": "false",
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / root) for root in (".", "service", "evaluators")),
    }


def console_script(name: str) -> str:
    """The path of a command installed beside this interpreter.

    Raises:
        ServedError: There is none.
    """
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise ServedError(f"{path} does not exist; run `make install`")
    return str(path)


def _end_with_parent() -> None:
    """In the new process: have the kernel end it when the benchmark is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_health(process: subprocess.Popen[bytes], address: Address, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServedError(f"the service ended with code {process.returncode}:\n{log_end(log)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(*address, timeout=5)
            connection.request("GET", "/health")
            status = connection.getresponse().status
            connection.close()
            if status == 200:
                return
        time.sleep(0.05)
    raise ServedError(f"the service did not answer on port {address[1]} in {START_SECONDS:g} s:\n{log_end(log)}")
