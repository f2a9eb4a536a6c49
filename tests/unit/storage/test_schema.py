from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from offpath.errors import ConfigurationError, StorageError
from offpath.storage.database import upgrade
from offpath.storage.paths import DatabasePaths
from offpath.storage.schema import HEAD, prepare_database, stored_revision
from offpath.storage.tables import OffpathTable


@pytest.fixture
def paths(tmp_path: Path) -> DatabasePaths:
    return DatabasePaths.of(tmp_path / "not" / "yet" / "there" / "a.db")


def schema(paths: DatabasePaths) -> list[Any]:
    with closing(sqlite3.connect(paths.database)) as connection:
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_the_newest_script_is_the_revision_that_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "offpath.storage:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_migrations_make_exactly_the_tables(paths: DatabasePaths) -> None:
    prepare_database(paths)
    engine = create_engine(f"sqlite:///{paths.database}", poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), OffpathTable.metadata) == []
        connection.rollback()
    engine.dispose()
    indexes = {index.name for table in OffpathTable.metadata.tables.values() for index in table.indexes}
    with closing(sqlite3.connect(":memory:")) as fresh:
        models = create_engine("sqlite://", creator=lambda: fresh, poolclass=NullPool)
        assert indexes <= {name for _, name, _ in schema(paths)}
        models.dispose()
    partial = {name: sql for kind, name, sql in schema(paths) if kind == "index" and sql and " WHERE " in sql}
    assert set(partial) == {
        index.name
        for table in OffpathTable.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }


def test_a_new_database_is_in_wal_mode_and_stays_as_it_is(paths: DatabasePaths) -> None:
    assert stored_revision(paths) is None
    prepare_database(paths)
    before = schema(paths)
    prepare_database(paths)
    assert schema(paths) == before
    assert stored_revision(paths) == HEAD
    with closing(sqlite3.connect(paths.database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_several_processes_may_open_a_new_database_at_once(paths: DatabasePaths) -> None:
    failures: list[Exception] = []

    def prepare() -> None:
        try:
            prepare_database(paths)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored_revision(paths) == HEAD


def test_a_migration_that_fails_leaves_nothing_behind(paths: DatabasePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(paths.database)) as connection:
        connection.execute("CREATE TABLE hook_pauses (mine TEXT)")  # the last table of the first revision
    with pytest.raises(Exception, match="hook_pauses"):
        prepare_database(paths)
    assert [name for kind, name, _ in schema(paths) if kind == "table"] == ["hook_pauses"]


def test_a_database_of_a_newer_version_is_refused_with_what_to_do(paths: DatabasePaths) -> None:
    prepare_database(paths)
    with closing(sqlite3.connect(paths.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match=r"9999.*newer version.*Upgrade offpath"):
        prepare_database(paths)


def test_a_file_that_is_no_database_is_an_error_that_says_so(paths: DatabasePaths) -> None:
    paths.database.parent.mkdir(parents=True)
    paths.database.write_text("Dear diary, " * 500)
    with pytest.raises(StorageError, match="no SQLite database"):
        prepare_database(paths)
    assert paths.database.read_text().startswith("Dear diary")


def test_upgrade_says_from_where_to_where(paths: DatabasePaths) -> None:
    url = f"sqlite:///{paths.database}"
    assert upgrade(url) == (None, HEAD)
    assert upgrade(url) == (HEAD, HEAD)


def test_opening_a_current_database_imports_neither_alembic_nor_sqlalchemy(paths: DatabasePaths) -> None:
    prepare_database(paths)
    script = (
        "import asyncio, sys\n"
        "from offpath.storage.database import SqliteDb\n"
        "from offpath.engine.sqlite import SqliteEngine\n"
        "async def main():\n"
        "    store = SqliteDb(sys.argv[1]).open_store(enqueue=lambda *_: None, wake=lambda: None)\n"
        "    await store.open(); await store.close()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('alembic', 'sqlalchemy', 'sqlmodel', 'pydantic', 'psutil') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(paths.database)], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"


def made_at(paths: DatabasePaths, revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create a database as an earlier version did."""
    upgrade_to = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade_to(config, revision))
        prepare_database(paths)
    assert stored_revision(paths) == revision


def test_an_old_database_is_upgraded_in_place(paths: DatabasePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    made_at(paths, "0001", monkeypatch)
    job = "'r1:post:x', 'r1', 'h', 'agent', 'a', 'post', 'x', 'post', '1', 1, 1.0, '', ''"
    result = (
        "INSERT INTO job_results (key, run_id, hook_id, component_kind, component_id, phase, hook, kind, version, "
        "priority, queued_at, placement, traceparent, state, outcome, attempts, finished_at) "
        f"VALUES ({job}, 'succeeded', 'success', 1, 2.0)"
    )
    with closing(sqlite3.connect(paths.database, isolation_level=None)) as old:
        old.execute("INSERT INTO sessions VALUES ('s1', 'agent', 'a', NULL, NULL, 1.0, 1.0, '{}', NULL)")
        add_run = (
            "INSERT INTO runs VALUES (?, 's1', 'agent', 'a', 'A', NULL, NULL, 'completed', 1, 1, 'o', NULL, X'41')"
        )
        old.execute(add_run, ("r1",))
        old.execute(result)
        prepare_database(paths)
        # A process of the version before, which goes on until it is stopped.
        old.execute(add_run, ("r2",))
        old.execute(result.replace("r1", "r2"))
    assert stored_revision(paths) == HEAD
    with closing(sqlite3.connect(paths.database, isolation_level=None)) as new:
        assert new.execute("SELECT run_id, record FROM runs ORDER BY run_id").fetchall() == [("r1", b"A"), ("r2", b"A")]
        assert new.execute("SELECT count(*) FROM job_results").fetchone() == (2,)
        assert new.execute("SELECT count(*) FROM bookings").fetchone() == (0,), "they have no plans"
        new.execute(
            "INSERT INTO run_plans VALUES ('r3', 's1', 'agent', 'a', 'A', 0, 1, 'completed', 1, '', '', '{}', '', 0, 0)"
        )
        new.execute(result.replace("r1", "r3"))
        assert new.execute("SELECT run_id, key, ended_at, error FROM bookings ORDER BY id").fetchall() == [
            ("r3", None, None, None),
            ("r3", "r3:post:x", 2.0, None),
        ]


def test_marks_go_with_their_sessions(paths: DatabasePaths) -> None:
    prepare_database(paths)
    with closing(sqlite3.connect(paths.database, isolation_level=None)) as connection:
        for session in ("s1", "s2"):
            connection.execute(
                "INSERT INTO sessions VALUES (?, 'agent', 'a', NULL, NULL, 1.0, 1.0, '{}', NULL)", (session,)
            )
            connection.execute("INSERT INTO session_marks VALUES (?, 1.0)", (session,))
        connection.execute("DELETE FROM sessions WHERE session_id = 's1'")
        assert connection.execute("SELECT session_id FROM session_marks").fetchall() == [("s2",)]
