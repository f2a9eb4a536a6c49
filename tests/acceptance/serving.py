"""Services as their users start them: real processes on free loopback ports, found and ended by process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import httpx
import psutil

APPS: Final = Path(__file__).with_name("apps")
START_SECONDS: Final = 60.0
"""A bound and no expectation: CI's machines are slow and busy."""
STOP_SECONDS: Final = 40.0
FAMILY: Final = "ACCEPTANCE_FAMILY"
"""A variable that every process of one service inherits, by which orphans are found too."""

Role = Literal["service", "worker", "zygote", "executor", "other"]
T = TypeVar("T")
RULES: Final = [
    {"contains": "survive", "reply": {"text": "I did survive so far", "latency": 0.1}},
    {"contains": "take your time", "reply": {"text": "There it is", "latency": 1.5}},
    {"contains": "at length", "reply": {"text": "word " * 2000}},
    {"contains": "ten megabytes", "reply": {"text": "0123456789" * 1_000_000}},
    {"contains": "rate limit", "reply": {"fault": "status:429"}},
    {"contains": "out of order", "reply": {"fault": "status:500"}},
    {"contains": "hang up", "reply": {"fault": "drop"}},
    {"contains": "never answer", "reply": {"fault": "hang"}},
    {"contains": "broken json", "reply": {"fault": "broken_json"}},
    {"contains": "wrong types", "reply": {"fault": "wrong_types"}},
    {"contains": "empty choices", "reply": {"fault": "empty_choices"}},
    {"contains": "error page", "reply": {"fault": "html"}},
    {"contains": "half an answer", "reply": {"fault": "truncated"}},
]
"""What the shared model answers to a message with these words."""


def eventually(look: Callable[[], T], what: str, *, within: float = START_SECONDS, every: float = 0.02) -> T:
    """Look until there is something true, and give that.

    Raises:
        AssertionError: Not within so many seconds; with what was seen last.
    """
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}; seen last: {seen!r}"
        time.sleep(every)
    return seen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def console_script(name: str) -> str:
    """The path of a command that is installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


class Service:
    """One service with a directory and a database of its own. Not started yet.

    Args:
        directory: The working directory; the app's file is copied there.
        app: A file of `apps/`, without `.py`.
        model_url: Where the model is.
        options: More arguments for `offpath serve`.
        command: Instead of `offpath serve`; `{port}` stands for the port.
        environment: More variables; None takes one away.
        database: Another place for the database file.
    """

    def __init__(
        self,
        directory: Path,
        app: str,
        model_url: str,
        *options: str,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str | None] | None = None,
        database: Path | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        source = APPS / f"{app}.py"
        if source.exists():
            shutil.copy(source, directory)
        self.directory = directory
        self.database = database or directory / "service.db"
        self.lines = directory / "lines"
        self.lines.mkdir(exist_ok=True)
        self.log = directory / "service.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.family_id = uuid.uuid4().hex
        self.process: subprocess.Popen[bytes] | None = None
        default = [console_script("offpath"), "serve", f"{app}:app", "--port", "{port}", *options]
        self.command = [argument.format(port=self.port) for argument in command or default]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OFFPATH_", "OPENAI_"))}
        variables: dict[str, str | None] = {
            **inherited,
            "OPENAI_API_KEY": "offline",
            "OPENAI_BASE_URL": model_url,
            "OFFPATH_DATABASE_URL": f"sqlite:///{self.database}",
            "LINES_DIRECTORY": str(self.lines),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            FAMILY: self.family_id,
            **(environment or {}),
        }
        self.environment = {name: value for name, value in variables.items() if value is not None}
        self.http = httpx.Client(base_url=self.url, timeout=60)

    # -- its life ---------------------------------------------------------------------------------------------

    def start(self, *, ready: bool = True) -> Service:
        """Start it; again, if it was ended."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        # A group of its own, so that a ctrl-C can be sent to it; no session, whose autogroup would get half a core.
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, *, worker: bool = True) -> None:
        """Wait until it answers, and until hooks are run."""
        try:
            eventually(lambda: self.is_ready(worker=worker), f"{self.url} is ready", every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_end()}") from None

    def is_ready(self, *, worker: bool = True) -> bool:
        """Whether it answers, and runs hooks.

        Raises:
            AssertionError: It has ended.
        """
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with code {self.process.returncode}"
        try:
            components = self.http.get("/ready", timeout=5).json()["components"]
        except (httpx.TransportError, ValueError, KeyError):
            return False
        return components["store"] == "ok" and (not worker or components.get("worker", "ok") == "ok")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        """Its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end in {timeout:g} s:\n{self.log_end()}") from None

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.signal()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to every process of the service itself; the worker's have to notice."""
        assert self.process is not None
        for member in [*self.members("service"), psutil.Process(self.process.pid)]:
            _kill(member)
        self.process.wait()

    def discard(self) -> None:
        """End whatever is left of it, at once."""
        self.http.close()
        for _ in range(100):
            left = self.family()
            if not left:
                break
            for member in left:
                _kill(member)
            psutil.wait_procs(left, timeout=0.1)
        if self.process is not None:
            self.process.wait(STOP_SECONDS)

    def log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    # -- its processes ----------------------------------------------------------------------------------------

    def family(self) -> list[psutil.Process]:
        """Every living process of it, orphans included."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(FAMILY) == self.family_id and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def members(self, *roles: Role) -> list[psutil.Process]:
        """Its living processes in these roles."""
        return [process for process in self.family() if role(process) in roles]

    def only(self, wanted: Role) -> psutil.Process:
        """The one process in that role.

        Raises:
            AssertionError: There is none, or more than one.
        """
        found = self.members(wanted)
        assert len(found) == 1, f"{len(found)} processes are {wanted}: {found}"
        return found[0]

    # -- what it did ------------------------------------------------------------------------------------------

    def run(self, agent: str, message: str = "hello", **fields: Any) -> dict[str, Any]:
        """Run an agent, as a form; the answer."""
        response = self.post(agent, message, **fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def post(self, agent: str, message: str = "hello", **fields: Any) -> httpx.Response:
        """Run an agent, whatever comes of it."""
        return self.http.post(f"/agents/{agent}/runs", data={"message": message, "stream": "false", **fields})

    def hooks_of(self, run_id: str) -> dict[str, dict[str, Any]]:
        """The run's jobs by the hooks' names."""
        response = self.http.get(f"/runs/{run_id}/hooks")
        assert response.status_code == 200, response.text
        return {job["hook"]: job for job in response.json()}

    def finished_hooks(self, run_id: str, names: Collection[str], within: float = 40) -> dict[str, dict[str, Any]]:
        """The run's jobs, when these hooks have succeeded."""
        eventually(
            lambda: {name for name, job in self.hooks_of(run_id).items() if job["state"] == "succeeded"} >= set(names),
            f"{names} of {run_id} succeed: {self.hooks_of(run_id)}",
            within=within,
        )
        return self.hooks_of(run_id)

    def written(self, name: str) -> list[str]:
        """The lines that hooks wrote to a file of that name."""
        path = self.lines / name
        return path.read_text().splitlines() if path.exists() else []

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the database, read by a connection that changes nothing."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(sql, parameters).fetchall()


def role(process: psutil.Process) -> Role:
    """What a process of a service does; "other" for helpers of Python's and of uvicorn's, and for the dead."""
    try:
        line = process.cmdline()
        if "offpath.worker.zygote" in line:
            parent = process.parent()
            return "executor" if parent is not None and "offpath.worker.zygote" in parent.cmdline() else "zygote"
        if "offpath.worker" in line or "worker" in line[2:4]:
            return "worker"
        if "offpath.offline" in line or any("resource_tracker" in argument for argument in line):
            return "other"
        return "service"
    except psutil.Error:
        return "other"


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


ServiceMaker = Callable[..., Service]
