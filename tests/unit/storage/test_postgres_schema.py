"""The schema on PostgreSQL: made once, upgraded while others work, and refused where it does not fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

from offpath.errors import ConfigurationError, StorageBusyError
from offpath.storage.database import PostgresDb, upgrade
from offpath.storage.postgres import schema as postgres_schema
from offpath.storage.postgres.schema import HEAD, SchemaState, check_state
from offpath.storage.tables import OffpathTable
from postgres_server import drop_database, fresh_database, prepared_database, run

FIRST = "0001"


@pytest.fixture
def empty() -> Iterator[str]:
    url = fresh_database()
    yield url
    drop_database(url)


@pytest.fixture
def made() -> Iterator[str]:
    url = prepared_database()
    yield url
    drop_database(url)


def database(url: str, schema: str = HEAD) -> PostgresDb:
    found = PostgresDb(db_url=url)
    found.schema = schema
    return found


def execute(url: str, statement: str) -> None:
    run(url, lambda connection: connection.execute(statement))


def value(url: str, query: str) -> Any:
    return run(url, lambda connection: connection.fetchval(query))


def columns(url: str) -> dict[str, dict[str, tuple[str, bool]]]:
    query = (
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_name LIKE 'offpath_%'"
    )
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for table, column, kind, nullable in run(url, lambda connection: connection.fetch(query)):
        found.setdefault(table, {})[column] = (kind.upper(), nullable == "YES")
    return found


def test_the_newest_script_is_the_revision_that_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "offpath.storage.postgres:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    for script in scripts.walk_revisions():
        assert script.module.oldest <= script.revision, "code for a revision can always use it"


def test_the_tables_are_those_of_the_models(made: str) -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    stored = columns(made)
    elsewhere = {"jobs"}  # PgQueuer's table
    wide = {"id", "start", "spent"}  # SQLite's whole numbers are that wide by themselves
    for table in OffpathTable.metadata.tables.values():
        if table.name in elsewhere:
            continue
        found = stored[f"offpath_{table.name}"]
        for column in table.columns:
            if column.name == "payload":
                continue  # records of any size are in the database
            kind = column.type.compile(dialect).replace("FLOAT", "DOUBLE PRECISION")
            kind = kind.replace("INTEGER", "BIGINT") if column.name in wide else kind
            assert found[column.name] == (kind, bool(column.nullable)), f"{table.name}.{column.name}"


def test_an_empty_database_gets_its_tables_and_a_current_one_stays_as_it_is(empty: str) -> None:
    database(empty).prepare()
    before = columns(empty)
    assert value(empty, "SELECT version_num FROM offpath_schema") == HEAD
    execute(empty, "UPDATE offpath_schema SET changed_at = 'epoch'")
    database(empty).prepare()
    assert columns(empty) == before
    assert value(empty, "SELECT changed_at = 'epoch' FROM offpath_schema")


def test_several_processes_may_open_an_empty_database_at_once(empty: str) -> None:
    failures: list[Exception] = []

    def prepare() -> None:
        try:
            database(empty).prepare()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert value(empty, "SELECT count(*) FROM offpath_schema") == 1


def test_tables_of_an_application_with_the_same_names_are_left_alone(empty: str) -> None:
    execute(
        empty, "CREATE TABLE sessions (mine text); CREATE TABLE runs (mine text); CREATE TABLE alembic_version (x int)"
    )
    database(empty).prepare()
    assert value(empty, "SELECT count(*) FROM information_schema.columns WHERE table_name IN ('sessions', 'runs')") == 2


def test_a_migration_that_fails_leaves_no_half_schema(empty: str) -> None:
    execute(empty, "CREATE TABLE offpath_instances (mine text)")  # the last table of the first revision
    with pytest.raises(Exception, match="offpath_instances"):
        database(empty).prepare()
    assert value(empty, "SELECT to_regclass('offpath_schema')") is None
    assert value(empty, "SELECT to_regclass('offpath_runs')") is None


def test_an_older_schema_is_not_changed_at_a_start_but_refused_with_the_command(empty: str) -> None:
    database(empty, FIRST).prepare()
    with pytest.raises(ConfigurationError, match=f"has schema {FIRST}.*needs {HEAD}.*offpath db upgrade"):
        database(empty).prepare()
    assert value(empty, "SELECT version_num FROM offpath_schema") == FIRST
    assert upgrade(empty) == (FIRST, HEAD)
    database(empty).prepare()
    database(empty, FIRST).prepare()  # and the version before goes on
    assert upgrade(empty) == (HEAD, HEAD)


def test_upgrade_of_an_empty_database_makes_it(empty: str) -> None:
    assert upgrade(empty) == (None, HEAD)
    database(empty).prepare()


def test_a_schema_that_has_left_this_version_behind_is_refused_with_what_to_do(made: str) -> None:
    execute(made, "UPDATE offpath_schema SET version_num = '9999', oldest = '9000'")
    with pytest.raises(ConfigurationError, match=r"has schema 9999.*for schema 9000 or later.*upgrade offpath"):
        database(made).prepare()
    with pytest.raises(ConfigurationError, match=r"newer version of offpath made.*Upgrade offpath"):
        upgrade(made)


def test_a_newer_schema_that_only_added_is_used(made: str) -> None:
    execute(made, f"UPDATE offpath_schema SET version_num = '9999', oldest = '{HEAD}'")
    database(made).prepare()


@pytest.mark.parametrize(
    ("state", "head", "refused"),
    [
        (SchemaState("0002", "0001"), "0001", None),
        (SchemaState("0002", "0002"), "0002", None),
        (SchemaState("0003", "0002"), "0002", None),
        (SchemaState("0003", "0002"), "0001", "upgrade offpath"),
        (SchemaState("0001", "0001"), "0002", "offpath db upgrade"),
    ],
)
def test_neighbouring_versions_share_a_schema(state: SchemaState, head: str, refused: str | None) -> None:
    if refused is None:
        check_state(state, "it", head)
        return
    with pytest.raises(ConfigurationError, match=refused):
        check_state(state, "it", head)


def test_the_schema_is_not_changed_under_processes_that_could_not_use_it(empty: str) -> None:
    database(empty, FIRST).prepare()
    execute(
        empty,
        "INSERT INTO offpath_instances (instance, host, schema, lease, expires_at) VALUES "
        "('old-1', 'web-3', '0000', 15, now() + interval '1 hour'), ('gone', 'web-4', '0000', 15, now())",
    )
    with pytest.raises(ConfigurationError, match=r"1 service processes.*old-1 on web-3 \(schema 0000\).*stop them"):
        upgrade(empty)
    execute(empty, "DELETE FROM offpath_instances")
    assert upgrade(empty) == (FIRST, HEAD)


def test_an_index_whose_building_was_cut_off_is_built_anew(made: str) -> None:
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'offpath_runs_component'::regclass"
    assert value(made, valid) is True
    execute(made, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'offpath_runs_component'::regclass")
    upgrade(made)
    assert value(made, valid) is True
    execute(made, "DROP INDEX offpath_runs_component")
    upgrade(made)
    assert value(made, valid) is True


def test_two_upgrades_wait_for_each_other(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "_LOCK_TIMEOUT", 0.2)
    lock = postgres_schema._LOCK

    async def with_lock(connection: Any) -> None:
        await connection.execute("SELECT pg_advisory_lock($1)", lock)
        with pytest.raises(StorageBusyError, match="another process has been changing the schema"):
            upgrade(made)

    run(made, with_lock)
    assert upgrade(made) == (HEAD, HEAD)
