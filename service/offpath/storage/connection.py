"""Raw SQLite connections: how they are opened, how they wait, and what their errors mean."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar

from offpath.errors import ConfigurationError, StorageBusyError, StorageError, StorageFullError
from offpath.storage.rights import create_database_file

T = TypeVar("T")
logger = logging.getLogger("offpath.storage")

STORAGE_TIMEOUT: Final = 5.0
"""Seconds that a writer tries to get the write lock, unless told otherwise."""
OLDEST_SQLITE: Final = (3, 35, 0)
"""The first with RETURNING and UPDATE ... FROM."""
SAFE_SQLITE: Final = (3, 51, 3)
"""From here on several connections may write and checkpoint one WAL without the rare reset corruption."""

_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
_WARNED: Final = "OFFPATH_INTERNAL_SQLITE_WARNED"

Synchronous = Literal["FULL", "NORMAL", "OFF"]


def connect(
    database: Path, *, synchronous: Synchronous, wal_autocheckpoint: int, statements: int = 256
) -> sqlite3.Connection:
    """A connection that writes: autocommit, write-ahead log, no busy handler of SQLite's own.

    Args:
        database: The file, created readable by its owner alone if need be; its directory exists.
        synchronous: FULL syncs each commit to the disk before it returns.
        wal_autocheckpoint: Pages after which a commit checkpoints; 0 leaves that to somebody else.
        statements: Prepared statements to keep.

    Raises:
        StorageError: If the file cannot be opened or is no database.
    """
    create_database_file(database)
    try:
        connection = sqlite3.connect(database, isolation_level=None, timeout=0, cached_statements=statements)
        try:
            retry_while_busy(lambda: connection.execute("PRAGMA journal_mode=WAL").fetchone(), STORAGE_TIMEOUT)
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint={wal_autocheckpoint:d}")
            # Deleted content is overwritten with zeros, so that a deletion leaves nothing in free pages.
            connection.execute("PRAGMA secure_delete=ON").fetchone()
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise storage_error(error, f"opening {database}") from error
    return connection


def connect_reader(database: Path, *, same_thread: bool = True) -> sqlite3.Connection:
    """A connection that only reads.

    Raises:
        StorageError: If the file cannot be opened or is no database.
    """
    try:
        connection = sqlite3.connect(database, isolation_level=None, timeout=1.0, check_same_thread=same_thread)
        connection.execute("PRAGMA query_only=ON")
    except sqlite3.Error as error:
        raise storage_error(error, f"opening {database}") from error
    return connection


def retry_while_busy(operation: Callable[[], T], timeout: float) -> T:
    """Call `operation` until the write lock is free.

    SQLite's own busy handler sleeps in growing steps, which costs milliseconds at p99: here it is every 0.1 ms for
    the first 20 ms, then every millisecond.

    Raises:
        sqlite3.OperationalError: SQLITE_BUSY after `timeout` seconds, or any other error at once.
    """
    started = 0.0
    while True:
        try:
            return operation()
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            now = time.monotonic()
            started = started or now
            waited = now - started
            if waited >= timeout:
                raise
            time.sleep(0.0001 if waited < 0.02 else 0.001)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def storage_error(error: Exception, doing: str) -> StorageError:
    """The error of ours for one of SQLite's or the operating system's.

    Args:
        error: What was raised.
        doing: What was being done, to begin the message with.
    """
    if isinstance(error, StorageError):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return StorageBusyError(
            f"{doing}: another process holds the database's write lock ({error}); try again, "
            "and look for a program that keeps a transaction open"
        )
    if code in _FULL or isinstance(error, OSError):
        # Not the whole text of an OSError: it names a path, and callers see this.
        why = getattr(error, "strerror", None) or error
        return StorageFullError(
            f"{doing}: the disk is full, read-only or failing ({why}); free some space or mount it writable, "
            "and runs are taken again at once"
        )
    if isinstance(error, sqlite3.DatabaseError) and code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StorageError(f"{doing}: the file is damaged or no SQLite database ({error}); restore it from a backup")
    return StorageError(f"{doing}: {type(error).__name__}: {error}")


def check_version() -> None:
    """Log once if this SQLite has the WAL-reset bug.

    Raises:
        ConfigurationError: If it lacks statements that are used here.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigurationError(
            f"this Python has SQLite {sqlite3.sqlite_version}; offpath needs {'.'.join(map(str, OLDEST_SQLITE))} or "
            "later: use a Python built with it (the official installers and images are)"
        )
    if sqlite3.sqlite_version_info >= SAFE_SQLITE or os.environ.get(_WARNED) == sqlite3.sqlite_version:
        return
    # In the environment, so that the processes that this one starts do not say it again.
    os.environ[_WARNED] = sqlite3.sqlite_version
    logger.warning(
        "SQLite %s can, rarely, damage a database that several connections write and checkpoint at once; "
        "the fix is in SQLite %s. Use a Python built with it where the data matters, and keep backups.",
        sqlite3.sqlite_version,
        ".".join(map(str, SAFE_SQLITE)),
    )
