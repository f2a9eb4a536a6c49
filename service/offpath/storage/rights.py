"""File rights: a new database is its owner's alone, and what lies beside it is as readable as the database."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

OWNER_ONLY: Final = 0o600
OWNERS_DIRECTORY: Final = 0o700
_FLAGS: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def create_database_file(database: Path) -> None:
    """Create an empty file for SQLite, mode 0600, whose -wal and -shm files take its mode. One that is there stays.

    Never opens one that is there: closing it again would drop the locks that SQLite has on it in this process.
    """
    # What is wrong here, SQLite finds as well, and says it as for an existing file.
    with contextlib.suppress(OSError):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, OWNER_ONLY))


def make_directory_beside(database: Path, directory: Path) -> None:
    """Create a directory that those can enter who can read the database; one that is there stays.

    Raises:
        OSError: It cannot be made.
    """
    try:
        directory.mkdir(mode=OWNERS_DIRECTORY, parents=True)
    except FileExistsError:
        return
    rights = _rights_of(database)
    _give(directory, OWNERS_DIRECTORY | rights | (rights & 0o444) >> 2)  # who may read may enter


def open_beside(database: Path, file: Path) -> BinaryIO:
    """Open a file for writing, empty, that is as readable as the database, whatever the umask.

    Raises:
        OSError: It cannot be opened.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS, OWNER_ONLY)
    rights = _rights_of(database)
    if rights != OWNER_ONLY:
        _give(file, rights)
    return open(descriptor, "wb")


def _give(path: Path, rights: int) -> None:
    # Some file systems know no rights, and a mount has the last word there: nothing to stop for.
    with contextlib.suppress(OSError):
        path.chmod(rights)


def _rights_of(database: Path) -> int:
    """Who may read and write the database; its owner alone where it is gone."""
    try:
        return stat.S_IMODE(database.stat().st_mode) & 0o666 | OWNER_ONLY
    except FileNotFoundError:
        return OWNER_ONLY
