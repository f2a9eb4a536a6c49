"""ServedArm: one setting under measurement, as it is asked over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from offpath.proof.errors import ProofError
from offpath.proof.findings import ArmName, RunTrace
from offpath.proof.load import Address
from offpath.proof.waterfall import run_trace

POLL_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 120.0
"""Longest wait for one answer."""
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServedArm:
    """A service that answers requests."""

    name: ArmName
    address: Address
    request: bytes = field(repr=False)
    """A whole HTTP/1.1 POST, which may hold a key."""
    pid: int | None = None
    """Of the service's process; None if it was not started here."""
    prefix: str | None = ""
    """The path before `/hooks` and `/runs`; None if the service has none of these to ask."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every other request, too."""
    idle_seconds: float = 3.0
    """How long `await_idle` waits for a service that cannot be asked."""
    failed_before: int = 0
    """Jobs that had failed before this experiment, if the service or its database is older."""
    _timed: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)
    """When each run of `run_once` was requested, and how long its answer took, by run id."""

    def run_once(self) -> str:
        """Make one run, and give its id; "" if the answer names none.

        Raises:
            ProofError: There was no answer, or another one than 200.
        """
        sent, began = time.time(), time.perf_counter()
        try:
            with socket.create_connection(self.address, timeout=ANSWER_SECONDS) as connection:
                connection.sendall(self.request)
                answer = http.client.HTTPResponse(connection, method="POST")
                answer.begin()
                body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ProofError(f"{self._place()} did not answer a run: {type(error).__name__}: {error}") from error
        took = time.perf_counter() - began
        if answer.status != 200:
            raise ProofError(
                f"{self._place()} answered a run with status {answer.status}: {body[:300].decode(errors='replace')}. "
                f"Is it the right agent, message and key?"
            )
        run_id = _run_id(body)
        if run_id:
            self._timed[run_id] = sent, took
        return run_id

    def trace(self, run_id: str) -> RunTrace:
        """When a run of `run_once` answered and its hooks ran. Of hooks that have not ended, what is known by now.

        Raises:
            ProofError: `run_once` made no such run, or the service does not tell of its hooks.
        """
        if run_id not in self._timed:
            raise ProofError(f"{self._place()} was not asked for a run {run_id!r}; trace what run_once gave")
        sent, took = self._timed[run_id]
        jobs = [] if self.prefix is None else self._get(f"/runs/{run_id}/hooks")
        return run_trace(run_id, sent, took, jobs, same_clock=self.address[0] in _LOCAL)

    def await_idle(self, within: float) -> int:
        """Wait until no hook waits or runs.

        Returns:
            How many jobs have failed at their last attempt since the experiment began.

        Raises:
            ProofError: Some wait or run after `within` seconds, or the service did not answer.
        """
        if self.prefix is None:
            time.sleep(self.idle_seconds)
            return 0
        deadline = time.monotonic() + within
        while True:
            queues = self._queues()
            busy = {hook_id: queue for hook_id, queue in queues.items() if _unfinished(queue)}
            if not busy:
                return max(0, _dead(queues) - self.failed_before)
            if time.monotonic() > deadline:
                counts = ", ".join(f"{_unfinished(queue)} of {hook_id}" for hook_id, queue in sorted(busy.items()))
                raise ProofError(
                    f"hooks of {self._place()} have not ended after {within:g} s: {counts}. Use a lower rate, hooks "
                    f"that retry sooner, or a service that nobody else uses meanwhile"
                )
            time.sleep(POLL_SECONDS)

    def failed(self) -> int:
        """How many jobs have failed at their last attempt, of all that the service's database holds.

        Raises:
            ProofError: The service did not answer.
        """
        return 0 if self.prefix is None else _dead(self._queues())

    def _queues(self) -> dict[str, dict[str, Any]]:
        """The queues of all background hooks, by the hook's id."""
        return {hook["id"]: hook["queue"] for hook in self._get("/hooks") if "queue" in hook}

    def _get(self, path: str) -> Any:
        try:
            with contextlib.closing(http.client.HTTPConnection(*self.address, timeout=30)) as connection:
                connection.request("GET", f"{self.prefix}{path}", headers=dict(self.headers))
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    raise ProofError(
                        f"{self._place()} answered GET {self.prefix}{path} with status {answer.status}: "
                        f"{body[:300].decode(errors='replace')}"
                    )
                return json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ProofError(
                f"{self._place()} did not answer GET {self.prefix}{path}: {type(error).__name__}: {error}"
            ) from error

    def _place(self) -> str:
        return f'arm "{self.name}" at {self.address[0]}:{self.address[1]}'


def _unfinished(queue: Mapping[str, Any]) -> int:
    return int(queue["ready"]) + int(queue["scheduled"]) + int(queue["running"])


def _dead(queues: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(int(queue["dead"]) for queue in queues.values())


def _run_id(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    return str(answer.get("run_id") or "") if isinstance(answer, dict) else ""
