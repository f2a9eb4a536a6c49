"""The group-commit writer on PostgreSQL: one connection, one transaction for whatever is waiting."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from offpath.errors import OffpathError, StorageBusyError, StorageError
from offpath.storage.postgres.connection import Backoff, close
from offpath.storage.postgres.deletion import check_writable
from offpath.storage.postgres.errors import is_lost, is_read_only, is_transient, storage_error
from offpath.storage.postgres.rows import PostgresWrite
from offpath.telemetry.instruments import instruments

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]
    Connect = Callable[[], Awaitable[Connection]]
    Apply = Callable[[Connection, Sequence[PostgresWrite]], Awaitable[None]]

logger = logging.getLogger("offpath.storage")

STORE: Final = "postgres"
GROUP_LIMIT: Final = 128
"""Writes of one transaction: more would take long, and one bad row would have too many redone."""
_RETRIES: Final = 5
_SUSPECT: Final = 2
"""Broken connections after which a write is tried alone, once more: it may be what breaks them."""
_DOING: Final = "the run could not be stored"
_IN_DOUBT: Final = (
    ". The connection broke during the commit, so the run may have been stored all the same: sent again with the same "
    "Idempotency-Key, it is not stored twice; without one, look for it first"
)
_PATIENCE: Final = 1.0
"""Seconds beyond the time limit that the server has to give a statement up by itself."""


class Probe(PostgresWrite):
    """Writes nothing, in its turn, in a way that only a database that can be written allows."""

    __slots__ = ()

    def __init__(self) -> None:
        self.run_id = ""
        self.run = self.session = self.jobs = ()
        self.plan = None
        self.final = False
        self.future = None
        self.breaks = 0


class PostgresWriter:
    """Commits what several coroutines submit, in as few transactions as the server needs.

    While one commit is under way the next group gathers. A write that fails is redone alone with its neighbours, so
    that only it fails. When the connection breaks, what was under way is written again on a new one: nobody knows
    whether it was committed, and writing it twice is the same as once. What has waited longer than `timeout` fails.

    Args:
        connect: Opens the connection; with the driver's errors.
        apply: Commits writes on the connection, all of them or none.
        committed: Told the writes of each group after its commit, when its waiters have been told.
        failed: Told each write that failed though nobody waits for it.
        timeout: Seconds that a write may take in all.
    """

    def __init__(
        self,
        connect: Connect,
        apply: Apply,
        *,
        committed: Callable[[Sequence[PostgresWrite]], None],
        failed: Callable[[PostgresWrite, Exception], None],
        timeout: float,
    ) -> None:
        self._connect = connect
        self._apply = apply
        self._committed = committed
        self._failed = failed
        self._timeout = timeout
        self._waiting: deque[PostgresWrite] = deque()
        self._something = asyncio.Event()
        self._closing = False
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the connection.

        Raises:
            StorageError: It cannot be opened.
        """
        self._closing = False
        try:
            self._connection = await self._connect()
        except Exception as error:
            raise storage_error(error, "opening the database") from error
        self._task = asyncio.get_running_loop().create_task(self._run(), name="offpath-writer")

    async def close(self) -> None:
        """Write what was submitted, then close the connection."""
        self._closing = True
        self._something.set()
        if self._task is not None:
            await self._task
            self._task = None
        await close(self._connection)
        self._connection = None

    @property
    def backlog(self) -> int:
        """Writes that wait for the next group."""
        return len(self._waiting)

    def submit(self, write: PostgresWrite) -> asyncio.Future[None]:
        """Queue a write; the future is done when it is durable.

        Raises (from the future):
            StorageError: And its kinds. The write left nothing behind, unless the server vanished in mid-commit.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        write.future = future
        self.post(write)
        return future

    async def check(self) -> None:
        """Return when what was submitted is durable and more could be.

        Raises:
            StorageError: And its kinds: nothing can be written now.
        """
        await self.submit(Probe())

    def post(self, write: PostgresWrite) -> None:
        """Queue a write that nobody waits for."""
        if self._closing or self._task is None:
            raise StorageError("the store is closed; nothing can be written any more")
        write.submitted = time.monotonic()
        self._waiting.append(write)
        self._something.set()

    async def _run(self) -> None:
        waiting, backoff = self._waiting, Backoff()
        while True:
            if not waiting:
                if self._closing:
                    return
                self._something.clear()
                await self._something.wait()
                continue
            if self._connection is None or self._connection.is_closed():
                if await self._reconnected():
                    backoff.reset()
                else:
                    await backoff.wait()
                    continue
            group = self._next_group()
            try:
                await self._write(group)
            except Exception as error:  # the writer outlives whatever a row does
                logger.exception("the writer failed")
                self._tell(group, storage_error(error, _DOING))

    def _next_group(self) -> list[PostgresWrite]:
        """Those that have waited longest; one that breaks connections goes alone."""
        waiting = self._waiting
        group = [waiting.popleft()]
        while waiting and len(group) < GROUP_LIMIT and max(group[0].breaks, waiting[0].breaks) < _SUSPECT:
            group.append(waiting.popleft())
        return group

    async def _reconnected(self) -> bool:
        """Try once; what has waited too long fails with the reason."""
        try:
            self._connection = await self._connect()
        except Exception as error:  # noqa: BLE001  # every reason counts the same: there is no connection
            before = time.monotonic() - self._timeout
            overdue = []
            while self._waiting and self._waiting[0].submitted <= before:
                overdue.append(self._waiting.popleft())
            if overdue:
                self._count(error, len(overdue))
                self._tell_in_doubt(overdue, storage_error(error, _DOING))
            return False
        return True

    async def _write(self, group: list[PostgresWrite]) -> None:
        error = await self._transaction(group)
        if error is None:
            self._tell(group, None)
            return
        if self._connection is None and not is_read_only(error):
            self._again(group, error)
            return
        if len(group) == 1 or is_read_only(error) or isinstance(_ours(error), StorageBusyError):
            # None of these is the fault of one row.
            self._count(error, len(group))
            self._tell(group, _ours(error))
            return
        for position, write in enumerate(group):
            alone = await self._transaction([write])
            if alone is not None and self._connection is None:
                self._again(group[position:], alone)
                return
            if alone is not None:
                self._count(alone, 1)
            self._tell([write], None if alone is None else _ours(alone))

    def _again(self, group: Sequence[PostgresWrite], error: Exception) -> None:
        """Put writes back, before those that came later; those that have waited long enough fail."""
        before = time.monotonic() - self._timeout
        given_up = []
        for write in reversed(group):
            guilty = len(group) == 1 and write.breaks >= _SUSPECT
            write.breaks += 1
            if guilty or write.submitted <= before:
                given_up.append(write)
            else:
                self._waiting.appendleft(write)
        if given_up:
            self._count(error, len(given_up))
            self._tell_in_doubt(given_up, _ours(error))

    async def _transaction(self, group: Sequence[PostgresWrite]) -> Exception | None:
        """One transaction of all writes: None if it is committed. `_connection` is None if it broke."""
        tries = 0
        while True:
            connection = self._connection
            if connection is None:
                return StorageError("the connection was lost")
            tries += 1
            try:
                async with asyncio.timeout(self._timeout + _PATIENCE):
                    writes = [write for write in group if not isinstance(write, Probe)]
                    if len(writes) < len(group):
                        await check_writable(connection)
                    if writes:
                        await self._apply(connection, writes)
            except Exception as error:  # noqa: BLE001  # the task outlives whatever a row or the server does
                if is_lost(error, connection) or is_read_only(error) or connection.is_closed():
                    # A standby may have taken over: the next connection finds it.
                    connection.terminate()
                    self._connection = None
                elif is_transient(error) and tries < _RETRIES:
                    continue
                return error
            return None

    def _count(self, error: Exception, writes: int) -> None:
        instruments().commit_errors.add(writes, store=STORE, error_type=type(error).__name__)

    def _tell_in_doubt(self, group: Sequence[PostgresWrite], error: OffpathError) -> None:
        """Tell an error, and of a write that was under way when a connection broke, that it may be stored."""
        for write in group:
            doubt = write.breaks and not isinstance(write, Probe)
            self._tell([write], type(error)(f"{error}{_IN_DOUBT}") if doubt else type(error)(*error.args))

    def _tell(self, group: Sequence[PostgresWrite], error: OffpathError | None) -> None:
        now = time.monotonic()
        durations = instruments().commit_duration
        for write in group:
            future = write.future
            if future is None:
                if error is not None:
                    self._failed(write, error)
                continue
            if error is None and not isinstance(write, Probe):
                durations.record(now - write.submitted, store=STORE)
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                # One for each: a shared exception would collect the traceback of every waiter.
                future.set_exception(error if len(group) == 1 else type(error)(*error.args))
        if error is None:
            self._committed(group)


def _ours(error: Exception) -> OffpathError:
    return error if isinstance(error, OffpathError) else storage_error(error, _DOING)
