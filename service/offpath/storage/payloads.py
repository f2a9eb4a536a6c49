"""Files of records that are too large for the database."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from offpath.errors import StorageError
from offpath.storage.connection import storage_error
from offpath.storage.paths import DatabasePaths
from offpath.storage.rights import make_directory_beside, open_beside

_ORPHAN_AGE: Final = 3600.0
"""Seconds for which a file may exist before the row that refers to it."""


class PayloadFiles:
    """Reads and writes the records beside a database. Every method blocks."""

    def __init__(self, paths: DatabasePaths) -> None:
        self._paths = paths

    def write(self, run_id: str, record: bytes, *, begun: bool = False) -> str:
        """Store a record durably, and return the name to refer to it by.

        Raises:
            StorageError: And its kinds.
        """
        name = self._paths.payload_name(run_id, begun=begun)
        directory = self._paths.payloads
        temporary = directory / f"{name}.{os.getpid()}.tmp"
        try:
            if not directory.is_dir():
                make_directory_beside(self._paths.database, directory)
                _sync_directory(directory.parent)
            with open_beside(self._paths.database, temporary) as file:
                file.write(record)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, directory / name)
            _sync_directory(directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise storage_error(error, f"writing a record of {len(record):,} bytes beside the database") from error
        return name

    def read(self, name: str, run_id: str) -> bytes:
        """A stored record.

        Raises:
            FileNotFoundError: If there is no such file: its run was deleted, or replaced in this moment.
            StorageError: If it cannot be read.
        """
        path = self._paths.payloads / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"the record of run {run_id} cannot be read from {path}: {error}") from error

    def delete(self, names: Iterable[str]) -> None:
        """Remove files whose rows are gone.

        Raises:
            StorageError: If one cannot be removed.
        """
        for name in names:
            try:
                (self._paths.payloads / name).unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(error, f"deleting the record {name}") from error

    def sweep(self, referenced: Callable[[str], bool], now: float | None = None) -> int:
        """Remove files that no run refers to and that are older than an hour; returns how many."""
        removed = 0
        before = (time.time() if now is None else now) - _ORPHAN_AGE
        try:
            entries = list(os.scandir(self._paths.payloads))
        except FileNotFoundError:
            return 0
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime < before and not referenced(entry.name):
                    Path(entry.path).unlink()
                    removed += 1
        return removed


def _sync_directory(directory: Path) -> None:
    """Make a new name in the directory durable, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
