"""Connections to PostgreSQL: how they are opened, and a few of them kept for reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from offpath.errors import ConfigurationError, OffpathError, StorageError
from offpath.storage.connection import STORAGE_TIMEOUT
from offpath.storage.postgres.errors import is_lost, is_transient, storage_error
from offpath.storage.postgres.url import PostgresUrl

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")

READ_CONNECTIONS: Final = 8
"""Most connections of one store that read; they are opened when they are needed."""
_IDLE_SECONDS: Final = 300.0
_IDLE_IN_TRANSACTION: Final = 30_000
"""Milliseconds after which the server ends the transaction of a process that stands still, and its locks."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
_RETRIES: Final = 5


def load_driver() -> Any:
    """The asyncpg module.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import asyncpg
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'PostgreSQL needs more than the bare offpath ({error.name} is missing): pip install "offpath[postgres]"'
        ) from None
    return asyncpg


async def connect(
    url: PostgresUrl,
    *,
    application: str,
    pooled: bool = False,
    timeout: float = STORAGE_TIMEOUT,
    statement_timeout: float | None = None,
) -> asyncpg.Connection[Any]:
    """A connection. Errors are the driver's, to be put into words by `storage_error` or `start_error`.

    Args:
        application: What `pg_stat_activity` shows.
        pooled: Each transaction may run on another connection of the server, so nothing is kept on it.
        timeout: Seconds that connecting may take.
        statement_timeout: Seconds after which the server gives a statement up.
    """
    driver = load_driver()
    settings = {"application_name": application[:63]}
    if not pooled:
        # A pooler refuses these.
        settings |= {"idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION), "jit": "off"}
        if statement_timeout is not None:
            settings["statement_timeout"] = str(max(1, round(statement_timeout * 1000)))
    options = {"statement_cache_size": 0} if pooled or not url.statements_kept else {}
    async with asyncio.timeout(timeout):
        made: asyncpg.Connection[Any] = await driver.connect(
            url.dsn, timeout=timeout, server_settings=settings, **options
        )
    return made


async def close(connection: asyncpg.Connection[Any] | None) -> None:
    """Close it within a second, or else drop it."""
    if connection is None or connection.is_closed():
        return
    try:
        await connection.close(timeout=1.0)
    except Exception:  # noqa: BLE001  # it is given up either way
        connection.terminate()


@asynccontextmanager
async def transaction(connection: asyncpg.Connection[Any]) -> AsyncIterator[None]:
    """A transaction that never waits for a server that has stopped answering: cut off, it drops the connection."""
    running = connection.transaction()
    try:
        await running.start()
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException:
            await _roll_back(connection, running)
            raise
        await running.commit()
    except asyncio.CancelledError:
        connection.terminate()
        raise


async def _roll_back(connection: asyncpg.Connection[Any], running: Any) -> None:
    if connection.is_closed():
        return
    try:
        async with asyncio.timeout(1.0):
            await running.rollback()
    except Exception:  # noqa: BLE001  # what was raised first is what counts
        connection.terminate()


class ConnectionPool:
    """Connections for reads and short transactions, made when they are needed and used by one caller at a time.

    A lost one is replaced, and what was asked is asked again, for at most `timeout` seconds.

    Args:
        open_connection: Opens one.
        timeout: Seconds in all that a caller waits, for a free connection, a new one and its answer.
    """

    def __init__(
        self,
        open_connection: Callable[[], Awaitable[asyncpg.Connection[Any]]],
        *,
        timeout: float,
        size: int = READ_CONNECTIONS,
    ) -> None:
        self._open_connection = open_connection
        self._timeout = timeout
        self._free = asyncio.Semaphore(size)
        self._idle: list[tuple[float, asyncpg.Connection[Any]]] = []
        self._open = False

    def start(self) -> None:
        self._open = True

    async def close(self) -> None:
        """Close those that nobody uses; the others are closed when their users are done."""
        self._open = False
        while self._idle:
            await close(self._idle.pop()[1])

    async def read(self, query: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """`await query(connection, *arguments)`, which may be called again.

        In no transaction: a pooler may run each statement of the query on another connection.

        Raises:
            StorageError: And its kinds.
        """
        return await self._tried(query, arguments, whole=False, doing="reading")

    async def transaction(self, work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """`await work(connection, *arguments)` in a transaction; it may be called again after a rollback.

        It may also be called again although it was committed, when the connection broke at that moment.

        Raises:
            StorageError: And its kinds.
        """
        return await self._tried(work, arguments, whole=True, doing="writing")

    async def once(self, statement: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """`await statement(connection, *arguments)`, a single statement; never called again once it may have counted.

        Raises:
            StorageError: And its kinds. It may have been executed all the same.
        """
        return await self._tried(statement, arguments, whole=False, doing="writing", once=True)

    async def _tried(
        self,
        work: Callable[..., Awaitable[T]],
        arguments: tuple[Any, ...],
        *,
        whole: bool,
        doing: str,
        once: bool = False,
    ) -> T:
        if not self._open:
            raise StorageError("the store is not open; open it first, and use nothing after closing it")
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        pause, tries = FIRST_PAUSE, 0
        while True:
            tries += 1
            begun = False
            try:
                async with asyncio.timeout_at(end), self._connection() as connection:
                    begun = True
                    if not whole:
                        return await work(connection, *arguments)
                    async with transaction(connection):
                        return await work(connection, *arguments)
            except (ValueError, OffpathError):
                raise
            except Exception as error:
                again = is_transient(error) and tries < _RETRIES
                doubtful = once and begun
                if not again and (doubtful or not (is_lost(error) and loop.time() + pause < end)):
                    raise storage_error(error, f"{doing} the database") from error
                await asyncio.sleep(0 if again else pause)
                pause = min(LONGEST_PAUSE, 2 * pause)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        async with self._free:
            connection = self._reused() or await self._open_connection()
            try:
                yield connection
            except BaseException as error:
                # Of a statement that was cut off nobody knows how it ended.
                if isinstance(error, (asyncio.CancelledError, TimeoutError)) or connection.is_closed():
                    connection.terminate()
                else:
                    self._keep(connection)
                raise
            self._keep(connection)
            while self._idle and self._idle[0][0] < asyncio.get_running_loop().time() - _IDLE_SECONDS:
                await close(self._idle.pop(0)[1])

    def _reused(self) -> asyncpg.Connection[Any] | None:
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _keep(self, connection: asyncpg.Connection[Any]) -> None:
        if self._open and not connection.is_closed():
            self._idle.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.terminate()


class Backoff:
    """Pauses that double, from 50 ms to `longest` seconds."""

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        self._longest = longest
        self._pause = FIRST_PAUSE

    def reset(self) -> None:
        self._pause = FIRST_PAUSE

    async def wait(self) -> None:
        """Sleep for the next pause."""
        pause, self._pause = self._pause, min(self._longest, 2 * self._pause)
        await asyncio.sleep(pause)
