"""Taking the content out of stored runs."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from offpath.storage import ledger_statements as statements
from offpath.storage.deletion import erase_log
from offpath.storage.paths import DatabasePaths
from offpath.storage.payloads import PayloadFiles
from offpath.storage.write_thread import transaction

logger = logging.getLogger("offpath.storage")


class ContentRemoval:
    """See `Ledger.strip_content`. Calls block.

    Args:
        paths: Where the database is.
        inline_record_bytes: Records above this size go to files of their own.
        timeout: Seconds to wait for another connection's lock.
    """

    def __init__(self, paths: DatabasePaths, *, inline_record_bytes: int, timeout: float) -> None:
        self._paths = paths
        self._payloads = PayloadFiles(paths)
        self._inline = inline_record_bytes
        self._timeout = timeout
        self._refused: set[str] = set()
        """Runs whose records could not be read or changed; they keep their mark, and the next process tries again."""

    def strip(self, connection: sqlite3.Connection, strip: Callable[[bytes], bytes], limit: int) -> int:
        """Strip some of the runs that are marked for it; what is left in the write-ahead log is erased, too."""
        rows = connection.execute(statements.TO_STRIP, (limit + len(self._refused),)).fetchall()
        stripped = sum(self._strip_run(connection, strip, row) for row in rows if row[0] not in self._refused)
        if stripped:
            # This first, which nobody waits for: the other one then has little to do while it keeps writers waiting.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            erase_log(self._paths)
        return stripped

    def _strip_run(self, connection: sqlite3.Connection, strip: Callable[[bytes], bytes], row: Sequence[Any]) -> bool:
        """Whether the run was as it had been read, and nothing of it is queued."""
        run_id, record, payload, updated_at = row
        try:
            bare = strip(bytes(record) if payload is None else self._payloads.read(payload, run_id))
        except Exception:
            self._refused.add(run_id)
            logger.exception("run %s keeps its content, which should go: see why, or delete the run", run_id)
            return False
        name = None
        if len(bare) > self._inline:
            # Under the run's other name, since the row names the old file until the commit.
            begun = payload == self._paths.payload_name(run_id, begun=False)
            name = self._payloads.write(run_id, bare, begun=begun)
        with transaction(connection, self._timeout):
            values = (b"" if name else bare, name, run_id, updated_at)
            stripped = connection.execute(statements.STRIP, values).rowcount > 0
            if stripped:
                connection.execute(statements.STRIPPED, (run_id,))
        outdated = payload if stripped else name
        if outdated is not None:
            self._payloads.delete([outdated])
        return stripped
