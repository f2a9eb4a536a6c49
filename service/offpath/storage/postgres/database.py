"""A PostgreSQL database that an agent or a service uses. Constructing one opens nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from offpath.errors import ConfigurationError, OffpathError
from offpath.storage.connection import STORAGE_TIMEOUT
from offpath.storage.paths import DatabasePaths, runtime_directory
from offpath.storage.postgres import connection as postgres_connection
from offpath.storage.postgres import schema as postgres_schema
from offpath.storage.postgres.errors import storage_error
from offpath.storage.postgres.url import PostgresUrl

if TYPE_CHECKING:
    import asyncpg

    from offpath.storage.postgres.archive import PostgresArchive
    from offpath.storage.postgres.ledger import PostgresLedger
    from offpath.storage.postgres.store import PostgresStore
    from offpath.storage.store import JobRows, Wake

T = TypeVar("T")

INSTANCE_LEASE = 15.0


class PostgresDb:
    """A PostgreSQL database, which many machines may share.

    Args:
        db_url: "postgresql://user:password@host/database". It may lead to a pooler that gives each transaction another
            connection, such as PgBouncer, if `direct_url` is given.
        direct_url: The same database without the pooler: for notifications, migrations and locks.

    Raises:
        ConfigurationError: A URL is none of PostgreSQL's.
    """

    def __init__(self, *, db_url: str, direct_url: str | None = None) -> None:
        self._url = PostgresUrl.parse(db_url)
        self._direct = self._url if direct_url is None else PostgresUrl.parse(direct_url, "direct_url")
        self.schema = postgres_schema.HEAD
        """The schema that the code is for; tests of upgrades play another version."""

    @property
    def url(self) -> str:
        """With its password."""
        return self._url.given

    @property
    def direct_url(self) -> str | None:
        """With its password; None if there is no other than `url`."""
        return None if self._direct is self._url else self._direct.given

    @property
    def pooled(self) -> bool:
        """Whether `url` leads to a pooler, so that nothing may be kept on a connection."""
        return self._direct.dsn != self._url.dsn or not self._url.statements_kept

    @property
    def _through(self) -> PostgresUrl | None:
        """The pooler's URL, if the direct one is another."""
        return self._url if self._direct.dsn != self._url.dsn else None

    @property
    def where(self) -> str:
        """The database as messages name it, without its password."""
        return self._url.masked

    @property
    def paths(self) -> DatabasePaths:
        """Where this machine's processes that use the database find each other: a directory of this user's.

        Raises:
            OSError: It cannot be made.
        """
        directory = runtime_directory() / f"postgres-{self._url.digest}"
        directory.mkdir(mode=0o700, exist_ok=True)
        return DatabasePaths.of(directory / "offpath")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PostgresDb) and (other.url, other.direct_url) == (self.url, self.direct_url)

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        direct = "" if self._direct is self._url else f", direct_url={self._direct.masked!r}"
        return f"PostgresDb(db_url={self._url.masked!r}{direct})"

    async def connect(
        self,
        *,
        direct: bool = False,
        application: str = "offpath",
        timeout: float = STORAGE_TIMEOUT,
        statement_timeout: float | None = None,
    ) -> asyncpg.Connection[Any]:
        """A new connection.

        Args:
            direct: Not through the pooler: for LISTEN, and for locks that outlast a transaction.
            application: What `pg_stat_activity` shows.
            timeout: Seconds that connecting may take.
            statement_timeout: Seconds after which the server gives a statement up; only without a pooler.

        Raises:
            ConfigurationError: The driver is not installed.
            StorageError: The database cannot be reached, or does not let us in.
        """
        try:
            return await self.open_connection(
                direct=direct, application=application, timeout=timeout, statement_timeout=statement_timeout
            )
        except OffpathError:
            raise
        except Exception as error:
            # Not where it is: callers of the service see this.
            raise storage_error(error, "opening the database") from error

    async def open_connection(
        self,
        *,
        direct: bool = False,
        application: str = "offpath",
        timeout: float = STORAGE_TIMEOUT,
        statement_timeout: float | None = None,
    ) -> asyncpg.Connection[Any]:
        """Like `connect`, with the driver's own errors."""
        return await postgres_connection.connect(
            self._direct if direct else self._url,
            application=application,
            pooled=self.pooled and not direct,
            timeout=timeout,
            statement_timeout=statement_timeout,
        )

    async def prepare_schema(self, *, serving: bool = True) -> None:
        """See `prepare`, on the running event loop.

        Args:
            serving: False where less than all rights of a service or worker will do, as for looking at jobs.
        """
        postgres_connection.load_driver()
        await postgres_schema.prepare(self._direct, through=self._through, serving=serving, head=self.schema)

    def prepare(self) -> None:
        """See that the database can be used; an empty one gets its tables. Blocks.

        Raises:
            ConfigurationError: Wrong user, password, database, rights or schema, a database that is read-only, or two
                URLs that lead to different ones; the text has the remedy.
            StorageError: It cannot be reached or written.
        """
        _run(self.prepare_schema())

    def check(self) -> str | None:
        """Like `prepare`, and changes nothing; the schema revision, None for an empty database. Blocks."""
        postgres_connection.load_driver()
        return _run(postgres_schema.check(self._direct, through=self._through, head=self.schema))

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the schema to that of this version. Blocks.

        Returns:
            The revision before (None for a new database) and after.

        Raises:
            ConfigurationError: A newer version made the schema, or processes are at work that could not use this one.
            StorageError: It cannot be reached or changed.
        """
        postgres_connection.load_driver()
        return _run(postgres_schema.upgrade(self._direct, head=self.schema))

    def open_store(
        self,
        *,
        enqueue: Any,
        wake: Wake,
        jobs: JobRows | None = None,
        instance: str | None = None,
        inline_record_bytes: int = 0,
        storage_timeout: float = STORAGE_TIMEOUT,
        instance_lease: float = INSTANCE_LEASE,
    ) -> PostgresStore:
        """A store on this database, to be opened with `await store.open()`.

        Args:
            enqueue: The engine's: a coroutine function of an open transaction's connection and jobs.
            wake: Called after a commit that held jobs.
            jobs: The engine, for deletions.
            inline_record_bytes: Of no use here: records of any size are in the database.
            instance_lease: Seconds without a sign of life after which this process counts as dead.

        Raises:
            ConfigurationError: Without `jobs`.
        """
        from offpath.storage.postgres.store import PostgresStore

        return PostgresStore(
            self,
            enqueue=enqueue,
            wake=wake,
            jobs=_given(jobs),
            instance=instance,
            storage_timeout=storage_timeout,
            instance_lease=instance_lease,
        )

    def open_archive(
        self, *, enqueue: Any, wake: Wake, jobs: JobRows | None = None, storage_timeout: float = STORAGE_TIMEOUT
    ) -> PostgresArchive:
        """What a worker needs of stored runs, to be opened with `await archive.open()`.

        Raises:
            ConfigurationError: Without `jobs`.
        """
        from offpath.storage.postgres.archive import PostgresArchive

        return PostgresArchive(self, enqueue=enqueue, wake=wake, jobs=_given(jobs), storage_timeout=storage_timeout)

    def open_ledger(self, *, enqueue: Any, wake: Wake, storage_timeout: float = STORAGE_TIMEOUT) -> PostgresLedger:
        """What the built-in hooks know of this database's runs, to be opened with `await ledger.open()`.

        Args:
            enqueue: The engine's: a coroutine function of an open transaction's connection and jobs.
            wake: Called after a commit that held jobs.
        """
        from offpath.storage.postgres.ledger import PostgresLedger

        return PostgresLedger(self, enqueue=enqueue, wake=wake, storage_timeout=storage_timeout)


def _given(jobs: JobRows | None) -> JobRows:
    if jobs is None:
        raise ConfigurationError("PostgreSQL needs jobs=engine: what is deleted with a run are its jobs, too")
    return jobs


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end on an event loop of its own, on a thread if one runs here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, thread_name_prefix=f"offpath-schema-{os.getpid()}") as pool:
        return pool.submit(asyncio.run, work).result()
