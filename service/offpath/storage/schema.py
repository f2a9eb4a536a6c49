"""Bringing a SQLite database to the schema of this version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from offpath.errors import ConfigurationError, StorageBusyError
from offpath.file_lock import FileLock
from offpath.storage.connection import STORAGE_TIMEOUT, check_version, connect, retry_while_busy, storage_error
from offpath.storage.filesystem import check_file_system
from offpath.storage.paths import DatabasePaths
from offpath.storage.rights import OWNERS_DIRECTORY

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD: Final = "0002"
"""The revision that this code works with: the newest script below `migrations/versions`."""

_LOCK_TIMEOUT: Final = 60.0


def prepare_database(paths: DatabasePaths) -> None:
    """Create the database and its directory if need be, for their owner alone, and migrate it.

    At the current revision it is one cheap read.

    Raises:
        ConfigurationError: The file lies on a network file system, or a newer version of offpath wrote it.
        StorageError: The file cannot be written.
    """
    check_version()
    try:
        paths.database.parent.mkdir(mode=OWNERS_DIRECTORY, parents=True, exist_ok=True)
        check_file_system(paths.database)
        if stored_revision(paths) == HEAD:
            return
        with FileLock(paths.migration_lock) as lock:
            if not lock.acquire(_LOCK_TIMEOUT):
                raise StorageBusyError(
                    f"another process has been migrating {paths.database} for {_LOCK_TIMEOUT:.0f} s; "
                    "wait for it, or look why it hangs"
                )
            revision = stored_revision(paths)
            if revision != HEAD:
                _migrate(paths, revision)
    except (OSError, sqlite3.Error) as error:
        raise storage_error(error, f"opening {paths.database}") from error


def stored_revision(paths: DatabasePaths) -> str | None:
    """The revision of the database; None for a new one.

    Raises:
        sqlite3.Error: If the file cannot be read or is no database.
    """
    if not paths.database.exists():
        return None
    with closing(sqlite3.connect(paths.database, timeout=5.0)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise
    return None if row is None else str(row[0])


def _migrate(paths: DatabasePaths, revision: str | None) -> None:
    # Imported here: together they cost more than everything else at start, and a database is new only once.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", "offpath.storage:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError(
            f"{paths.database} has schema {revision}, which a newer version of offpath wrote; this one knows up to "
            f"{HEAD}. Upgrade offpath, or restore the backup from before the upgrade"
        )

    def begin(connection: Connection) -> None:
        # sqlite3 begins no transaction for DDL by itself: a process killed half-way would leave half a schema.
        # Another process that is starting may just be reading the revision.
        raw: Any = connection.connection.dbapi_connection
        retry_while_busy(lambda: raw.execute("BEGIN IMMEDIATE"), STORAGE_TIMEOUT)

    # The connection is opened by ourselves, so that WAL mode is set before the first table.
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect(paths.database, synchronous="FULL", wal_autocheckpoint=1000),
        poolclass=NullPool,
    )
    event.listen(engine, "begin", begin)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()
