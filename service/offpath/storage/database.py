"""Which database an agent or a service uses. Constructing one opens nothing."""

from __future__ import annotations

import os
import sqlite3
from urllib.parse import unquote

from offpath.errors import ConfigurationError
from offpath.storage.archive import SqliteArchive
from offpath.storage.connection import STORAGE_TIMEOUT, storage_error
from offpath.storage.paths import DatabasePaths
from offpath.storage.postgres.database import INSTANCE_LEASE
from offpath.storage.postgres.database import PostgresDb as PostgresDb
from offpath.storage.postgres.url import SCHEMES, masked
from offpath.storage.schema import HEAD, prepare_database, stored_revision
from offpath.storage.sqlite_ledger import SqliteLedger
from offpath.storage.sqlite_store import INLINE_RECORD_BYTES, SqliteStore
from offpath.storage.store import Enqueue, JobRows, Wake


class SqliteDb:
    """A SQLite file, which is created when it is first opened.

    Args:
        db_file: The file; a relative path starts at the working directory of this moment.
        db_url: The same as "sqlite:///offpath.db" (relative) or "sqlite:////var/lib/offpath.db" (absolute).

    Raises:
        ConfigurationError: For a database in memory, an impossible URL, or both a file and a URL.
    """

    def __init__(self, db_file: str | os.PathLike[str] | None = None, *, db_url: str | None = None) -> None:
        if db_file is not None and db_url is not None:
            raise ConfigurationError(f"SqliteDb takes db_file={str(db_file)!r} or db_url={db_url!r}, not both")
        name = _file_of(db_url) if db_url is not None else os.fspath("offpath.db" if db_file is None else db_file)
        if name in ("", ":memory:") or name.startswith("file::memory:"):
            raise ConfigurationError(
                "a SQLite database in memory cannot be shared with the worker, which is another process; "
                'give it a file, for instance SqliteDb("/tmp/offpath-test.db") or, in a test, one below tmp_path'
            )
        if name.startswith("file:") or "\0" in name:
            raise ConfigurationError(f"db_file={name!r} must be a plain path, not a SQLite URI")
        self.paths = DatabasePaths.of(name)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.paths.database.as_posix()}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SqliteDb) and other.paths == self.paths

    def __hash__(self) -> int:
        return hash(self.paths)

    def __repr__(self) -> str:
        return f"SqliteDb({str(self.paths.database)!r})"

    def prepare(self) -> None:
        """Create the file if need be, and bring its schema up to date. Blocks.

        Raises:
            ConfigurationError: The file lies on a network file system, or a newer version of offpath wrote it.
            StorageError: The file cannot be written.
        """
        prepare_database(self.paths)

    def check(self) -> str | None:
        """The schema revision, None without a file; creates nothing. Blocks.

        Raises:
            StorageError: The file cannot be read or is no database.
        """
        try:
            return stored_revision(self.paths)
        except sqlite3.Error as error:
            raise storage_error(error, f"opening {self.paths.database}") from error

    def upgrade(self) -> tuple[str | None, str]:
        """Like `prepare`; returns the schema revision before (None for a new file) and after."""
        before = self.check()
        prepare_database(self.paths)
        return before, HEAD

    def open_store(
        self,
        *,
        enqueue: Enqueue,
        wake: Wake,
        jobs: JobRows | None = None,
        instance: str | None = None,
        inline_record_bytes: int = INLINE_RECORD_BYTES,
        storage_timeout: float = STORAGE_TIMEOUT,
        instance_lease: float = INSTANCE_LEASE,
    ) -> SqliteStore:
        """A store on this database, to be opened with `await store.open()`.

        Args:
            enqueue: The engine's.
            wake: Called after a commit that held jobs.
            jobs: Of no use here: the store deletes the jobs in its own file.
            instance_lease: Of no use here: a process that dies gives its lock up at once.
        """
        return SqliteStore(
            self.paths,
            enqueue=enqueue,
            wake=wake,
            instance=instance,
            inline_record_bytes=inline_record_bytes,
            storage_timeout=storage_timeout,
        )

    def open_archive(
        self, *, enqueue: Enqueue, wake: Wake, jobs: JobRows | None = None, storage_timeout: float = STORAGE_TIMEOUT
    ) -> SqliteArchive:
        """What a worker needs of stored runs, to be opened with `await archive.open()`. `jobs` is of no use here."""
        return SqliteArchive(self.paths, enqueue=enqueue, wake=wake, storage_timeout=storage_timeout)

    def open_ledger(self, *, enqueue: Enqueue, wake: Wake, storage_timeout: float = STORAGE_TIMEOUT) -> SqliteLedger:
        """What the built-in hooks know of this database's runs, to be opened with `await ledger.open()`.

        Args:
            enqueue: The engine's.
            wake: Called after a commit that held jobs.
        """
        return SqliteLedger(
            self.paths,
            enqueue=enqueue,
            wake=wake,
            inline_record_bytes=INLINE_RECORD_BYTES,
            storage_timeout=storage_timeout,
        )


Database = SqliteDb | PostgresDb


def database_from_url(url: str, direct_url: str | None = None) -> Database:
    """The database that a URL names.

    Args:
        url: sqlite:///offpath.db, postgresql://host/database and so on.
        direct_url: For PostgreSQL: the same database without the pooler between; SQLite has no use for it.

    Raises:
        ConfigurationError: If it names none that offpath knows.
    """
    scheme = url.partition(":")[0].partition("+")[0].lower()
    if scheme == "sqlite":
        return SqliteDb(db_url=url)
    if scheme in SCHEMES:
        return PostgresDb(db_url=url, direct_url=direct_url)
    raise ConfigurationError(
        f"database URL {masked(url)!r} is not understood; write sqlite:///offpath.db for a file in the working "
        "directory, sqlite:////var/lib/offpath/offpath.db for an absolute path, or postgresql://host/database"
    )


def _file_of(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    sqlite = scheme.partition("+")[0].lower() == "sqlite" and separator
    if sqlite and rest in ("", "/"):
        return ":memory:"  # what SQLAlchemy means by it
    if not sqlite or not rest.startswith("/") or "?" in rest:
        raise ConfigurationError(
            f"db_url={masked(url)!r} is no SQLite URL; write sqlite:///offpath.db (relative) "
            "or sqlite:////var/lib/offpath.db (absolute), without parameters"
        )
    return unquote(rest[1:])


def upgrade(database_url: str, direct_url: str | None = None) -> tuple[str | None, str]:
    """Migrate the database of a URL now: for `offpath db upgrade`. Blocks.

    Returns:
        The schema revision before (None for a new database) and after.

    Raises:
        ConfigurationError: The URL names no database that can be migrated, or a newer version of offpath wrote it.
        StorageError: The database cannot be written.
    """
    return database_from_url(database_url, direct_url).upgrade()
