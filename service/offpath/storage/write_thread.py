"""A thread with a connection that writes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from offpath.errors import StorageError
from offpath.storage.connection import Synchronous, connect, retry_while_busy, storage_error
from offpath.storage.paths import DatabasePaths

T = TypeVar("T")


class WriteThread:
    """Calls that write, one after the other, on one connection, which is opened at the first of them.

    Args:
        paths: Where the database is.
        name: Of the thread.
        synchronous: FULL if what is written has to outlast a power failure when the call returns.
        timeout: Seconds to wait for another connection's lock.
    """

    def __init__(self, paths: DatabasePaths, name: str, *, synchronous: Synchronous, timeout: float) -> None:
        self._paths = paths
        self._name = name
        self._synchronous: Synchronous = synchronous
        self._timeout = timeout
        self._pool: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def close(self) -> None:
        """Wait for the call that is under way; blocks."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.submit(self._drop).result()
            pool.shutdown()

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work` on the thread; it opens its transactions itself.

        Raises:
            StorageError: And its kinds.
        """
        if self._pool is None:
            raise StorageError("the database is not open; open it first, and use nothing after closing it")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._guarded, work)

    async def statement(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work`, which is one statement, again and again until the write lock is free.

        Raises:
            StorageError: And its kinds.
        """
        return await self.call(lambda connection: retry_while_busy(lambda: work(connection), self._timeout))

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call `work` in a transaction.

        Raises:
            StorageError: And its kinds.
        """

        def in_transaction(connection: sqlite3.Connection) -> T:
            with transaction(connection, self._timeout):
                return work(connection)

        return await self.call(in_transaction)

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = connect(self._paths.database, synchronous=self._synchronous, wal_autocheckpoint=0)
            return work(self._connection)
        except sqlite3.Error as error:
            self._drop()
            raise storage_error(error, f"writing to {self._paths.database}") from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def transaction(connection: sqlite3.Connection, timeout: float) -> Iterator[None]:
    """Hold the write lock; what was written is committed at the end, or rolled back if something was raised.

    Raises:
        sqlite3.OperationalError: SQLITE_BUSY if somebody else holds the lock for `timeout` seconds.
    """
    retry_while_busy(lambda: connection.execute("BEGIN IMMEDIATE"), timeout)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
