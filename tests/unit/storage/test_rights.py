"""Who may read what is stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from offpath.engine.wake import WakeReceiver
from offpath.storage.connection import connect
from offpath.storage.paths import DatabasePaths
from offpath.storage.payloads import PayloadFiles
from offpath.storage.schema import prepare_database

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """What most systems have: everybody may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def rights(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


def stored(paths: DatabasePaths) -> dict[str, str]:
    """The rights of all files of a database while a connection is open that has written."""
    prepare_database(paths)
    name = PayloadFiles(paths).write("r", b"{}")
    with closing(connect(paths.database, synchronous="FULL", wal_autocheckpoint=0)) as connection:
        connection.execute("PRAGMA user_version=7")
        files = [*paths.database.parent.iterdir(), paths.payloads / name]
        return {file.name: rights(file) for file in files}


def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    paths = DatabasePaths.of(tmp_path / "new" / "a.db")
    found = stored(paths)
    assert rights(tmp_path / "new") == "0700"
    assert found.pop("a.db.payloads") == "0700"
    assert {"a.db", "a.db-wal", "a.db-shm"} < set(found)
    assert set(found.values()) == {"0600"}, found


def test_directories_and_databases_that_are_there_keep_theirs(tmp_path: Path) -> None:
    paths = DatabasePaths.of(tmp_path / "a.db")
    tmp_path.chmod(0o755)
    paths.database.touch()
    paths.database.chmod(0o640)
    found = stored(paths)
    assert rights(tmp_path) == "0755"
    assert found.pop("a.db.migration.lock") == "0600"
    # A group that may read the database, for a backup, may read what belongs to it.
    assert found.pop("a.db.payloads") == "0750"
    assert set(found.values()) == {"0640"}, found


def test_a_directory_of_payloads_that_is_there_keeps_its_own(tmp_path: Path) -> None:
    paths = DatabasePaths.of(tmp_path / "a.db")
    paths.payloads.mkdir(0o755)
    stored(paths)
    assert rights(paths.payloads) == "0755"


async def test_where_the_worker_listens_is_its_owners_alone(tmp_path: Path) -> None:
    paths = DatabasePaths.of(tmp_path / "a.db")
    receiver = WakeReceiver(paths)
    receiver.open()
    try:
        assert rights(paths.wake_address()) == "0600"
    finally:
        receiver.close()
