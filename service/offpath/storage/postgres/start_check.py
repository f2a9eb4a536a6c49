"""What a PostgreSQL database has to allow before anything is served from it, or any hook run."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from offpath.errors import ConfigurationError
from offpath.storage.postgres.statements import INSTANCES, KEYS, PLANS, QUEUE, RESULTS, ROLLUPS, RUNS, SESSIONS
from offpath.storage.postgres.url import PostgresUrl

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

_LOG: Final = "offpath_hook_queue_log"
_TABLES: Final = (
    *(SESSIONS, RUNS, RESULTS, KEYS, INSTANCES, "offpath_hook_pauses"),
    *(QUEUE, "offpath_hook_tokens", "offpath_hook_workers"),
)
_TABLES_OF_THE_LEDGER: Final = (
    *(PLANS, ROLLUPS, "offpath_bookings", "offpath_evaluations", "offpath_feedback", "offpath_budgets"),
    *("offpath_notices", "offpath_deliveries", "offpath_told", "offpath_session_marks"),
)
_LEDGER: Final = "0003"
"""The revision that brought them."""
_LACKING_RIGHTS: Final = (
    'SELECT needed.name, needed."right", to_regclass(needed.name) IS NULL '
    'FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS needed (name, "right", place) '
    'WHERE NOT coalesce(has_table_privilege(to_regclass(needed.name)::oid, needed."right"), false) ORDER BY place'
)
_LACKING_SEQUENCES: Final = (
    # A column that is an identity needs no right.
    "SELECT found.name FROM unnest($1::text[]) AS t (name), pg_get_serial_sequence(t.name, 'id') AS found (name), "
    "pg_attribute a WHERE a.attrelid = to_regclass(t.name) AND a.attname = 'id' AND a.attidentity = '' "
    "AND NOT has_sequence_privilege(found.name, 'USAGE, UPDATE') ORDER BY 1"
)
_MAY_CREATE: Final = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
_TABLES_HERE: Final = "SELECT to_regclass('offpath_schema')::oid"


async def check_not_read_only(connection: Connection, where: str) -> None:
    """
    Raises:
        ConfigurationError: Nothing can be written there.
    """
    if await connection.fetchval("SHOW transaction_read_only") == "on":
        raise ConfigurationError(
            f"{where} is read-only (a standby, or default_transaction_read_only=on); name the primary in "
            "OFFPATH_DATABASE_URL, or let it write"
        )


async def check_creating(connection: Connection, where: str) -> None:
    """
    Raises:
        ConfigurationError: The user may make no tables in an empty database.
    """
    if not await connection.fetchval(_MAY_CREATE):
        raise ConfigurationError(
            f"{where} is empty, and this user may make no tables there: GRANT CREATE ON SCHEMA public TO the user, or "
            "let the owner of the tables run `offpath db upgrade`"
        )


async def check_rights(connection: Connection, where: str, head: str) -> None:
    """
    Args:
        head: The schema that the code is for.

    Raises:
        ConfigurationError: Tables or rights that services and workers need are missing; the text names them all.
    """
    tables = (*_TABLES, *_TABLES_OF_THE_LEDGER) if head >= _LEDGER else _TABLES
    needed = [(table, right) for table in tables for right in ("SELECT", "INSERT", "UPDATE", "DELETE")]
    names, rights = zip(*needed, (_LOG, "INSERT"), strict=True)
    lacking: dict[str, list[str]] = {}
    for table, right, missing in await connection.fetch(_LACKING_RIGHTS, names, rights):
        if missing:
            raise ConfigurationError(
                f"{where} has no table {table} that this user can see; the schema is not offpath's: run `offpath db "
                "upgrade`, or correct the user's search_path"
            )
        lacking.setdefault(table, []).append(right)
    tables_of: dict[str, list[str]] = {}
    for table, several in lacking.items():
        tables_of.setdefault(", ".join(several), []).append(table)
    said = [f"{several} on {', '.join(named)}" for several, named in tables_of.items()]
    said += [f"USAGE on {row[0]}" for row in await connection.fetch(_LACKING_SEQUENCES, [QUEUE, _LOG])]
    if said:
        raise ConfigurationError(
            f"{where}: this user lacks rights that services and workers need: {'; '.join(said)}. GRANT SELECT, INSERT, "
            "UPDATE, DELETE ON ALL TABLES, and USAGE ON ALL SEQUENCES, of the schema to it"
        )


async def check_same(direct: Connection, direct_url: PostgresUrl, other: Connection, other_url: PostgresUrl) -> None:
    """See that two connections have the same tables before them: what one locks, the other finds locked.

    Advisory locks are a database's own, and need no right.

    Raises:
        ConfigurationError: They do not, so that jobs queued through one would never be found through the other.
    """
    key = secrets.randbits(63)
    async with direct.transaction():
        await direct.execute("SELECT pg_advisory_xact_lock($1)", key)
        tables = await direct.fetchval(_TABLES_HERE)
        async with other.transaction():
            same = not await other.fetchval("SELECT pg_try_advisory_xact_lock($1)", key)
            same = same and await other.fetchval(_TABLES_HERE) == tables
    if not same:
        raise ConfigurationError(
            f"OFFPATH_DATABASE_URL ({other_url.masked}) and OFFPATH_DATABASE_DIRECT_URL ({direct_url.masked}) lead to "
            "different tables, so that no hook would ever run; the direct URL has to name the same database and "
            "schema, without the pooler"
        )
