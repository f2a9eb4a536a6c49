"""Store: the seam between runs and the database that keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from offpath.ledger.plan import RunPlan
from offpath.runs.context import Session
from offpath.runs.job import HookJob
from offpath.runs.record import RunRecord
from offpath.runs.status import ComponentKind, RunStatus

Enqueue = Callable[[Any, Sequence[HookJob]], None]
"""The engine's `enqueue`: adds jobs on the open transaction of the connection it is given."""
AsyncEnqueue = Callable[[Any, Sequence[HookJob]], Awaitable[None]]
"""The same where the store works on the event loop."""
Wake = Callable[[], None]
SortOrder = Literal["asc", "desc"]
SessionOrder = Literal["created_at", "updated_at", "name"]


class RunRow(msgspec.Struct):
    """A run as it is stored. Times in seconds since the epoch."""

    run_id: str
    session_id: str
    kind: ComponentKind
    component_id: str
    component_name: str
    user_id: str | None
    parent_run_id: str | None
    status: RunStatus
    created_at: float
    updated_at: float
    owner: str
    """Instance id of the service process that executes it."""
    record: bytes
    """See `offpath.runs.record`."""
    plan: RunPlan | None = None
    """What is to be evaluated of it, if any built-in hook is on; stored with the end of the run."""


class DeletedCounts(msgspec.Struct, frozen=True):
    """What a deletion removed."""

    sessions: int = 0
    runs: int = 0
    """With the runs that they started."""
    jobs_cancelled: int = 0
    """Queued jobs that will not run."""


class IdempotencyClaim(msgspec.Struct, frozen=True):
    """What an Idempotency-Key means for the request that brought it."""

    state: Literal["new", "replay", "in_progress", "mismatch"]
    """new: execute the run. replay: answer with the stored run. in_progress: the first request is still under way.
    mismatch: the key was used with another request."""
    run_id: str
    """The run that the key belongs to; with "new" the one that was offered."""


class JobRows(Protocol):
    """The engine, as far as deletions reach its tables. Each call works on the caller's connection in its transaction.

    The embedded engine's tables are the store's own, which needs none of this.
    """

    def enqueue_call(self, jobs: Sequence[HookJob]) -> tuple[str, list[Any]]:
        """The statement that adds jobs, "WITH ... SELECT ...", and its values."""

    async def cancel_jobs(self, connection: Any, run_ids: Sequence[str]) -> int:
        """Cancel what is queued for these runs, and erase the content of what has ended; how many were queued."""

    async def runs_with_jobs(self, connection: Any, run_ids: Sequence[str]) -> set[str]:
        """Those of the runs that have jobs which did not end."""

    async def forget_jobs(self, connection: Any, run_ids: Sequence[str]) -> None:
        """Remove every trace of the jobs of these runs, none of which is queued."""


class Store(Protocol):
    """Keeps sessions and runs, and commits hook jobs with them.

    Every method may raise StorageError or one of its kinds: StorageBusyError, StorageFullError.
    """

    @property
    def instance(self) -> str:
        """The id under which this process executes runs."""

    async def open(self) -> None:
        """Migrate if need be, and begin to take runs.

        Raises:
            ConfigurationError: The database cannot be used as it is; the message has the remedy.
        """

    async def close(self) -> None:
        """Write what is waiting, then close."""

    def begin(self, run: RunRow, session: Session, jobs: Sequence[HookJob]) -> None:
        """Note a starting run; nobody waits, and errors are logged and counted.

        It is written within 50 ms, with jobs within 5 ms and the worker woken, unless the run's `finish` comes first:
        a short run needs one commit instead of two. Its jobs are then committed with the end of the run.
        """

    async def finish(self, run: RunRow, session: Session, jobs: Sequence[HookJob]) -> None:
        """Store an ended run, its session and its jobs in one transaction; return when they are durable."""

    async def session(self, session_id: str) -> Session | None: ...

    async def history(self, session_id: str, limit: int) -> list[RunRecord]:
        """The last `limit` completed top-level runs of a session, oldest first."""

    async def conversation(self, session_id: str, limit: int) -> tuple[Session | None, list[RunRecord]]:
        """`session` and `history` in one read."""

    async def run(self, run_id: str) -> RunRecord | None: ...

    async def run_row(self, run_id: str) -> RunRow | None: ...

    async def runs(
        self,
        *,
        session_id: str | None = None,
        kind: ComponentKind | None = None,
        component_id: str | None = None,
        user_id: str | None = None,
        status: RunStatus | None = None,
        children: bool = False,
        sort_order: SortOrder = "desc",
        limit: int = 20,
        page: int = 1,
    ) -> tuple[list[RunRecord], int]:
        """One page of the runs that match, by creation time, and how many match in all.

        Args:
            children: Whether to list runs that other runs started, too.
            limit: Runs of a page.
            page: From 1.
        """

    async def sessions(
        self,
        *,
        kind: ComponentKind | None = None,
        component_id: str | None = None,
        user_id: str | None = None,
        name: str | None = None,
        sort_by: SessionOrder = "updated_at",
        sort_order: SortOrder = "desc",
        limit: int = 20,
        page: int = 1,
    ) -> tuple[list[Session], int]:
        """One page of the sessions that match, and how many match in all.

        Args:
            name: Text that the name contains, upper and lower case alike.
            page: From 1.
        """

    async def rename_session(self, session_id: str, name: str) -> Session | None: ...

    async def delete_session(self, session_id: str) -> bool:
        """Remove a session, its runs and whatever was copied from them; its queued jobs are cancelled."""

    async def delete_run(self, run_id: str) -> bool:
        """Remove a run, the runs that it started and whatever was copied from them."""

    async def delete_user(self, user_id: str) -> DeletedCounts:
        """Remove all sessions and runs of a user."""

    async def claim_idempotency_key(
        self, key: str, scope: str, fingerprint: str, run_id: str, owner: str
    ) -> IdempotencyClaim:
        """Use a key for a request, or find out what it was used for.

        A key whose process died before its run ended is taken over.

        Args:
            scope: Whose key it is and for what: two callers' equal keys are not the same.
            fingerprint: Equal for equal requests.
            run_id: The id that the run will have if the key is new.
            owner: Instance id of this process.
        """

    async def release_idempotency_key(self, key: str, scope: str, run_id: str) -> None:
        """Forget a key whose run was not stored, so that the request may be sent again."""

    async def healthy(self) -> None:
        """Return if a run could be stored now.

        Raises:
            StorageError: If not.
        """
