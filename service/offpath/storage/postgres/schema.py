"""The schema on PostgreSQL: which one a database has, whether this code may use it, and bringing it up to date.

Expand and contract: a new revision only adds, and says which is the oldest revision whose code may go on using it. So
the schema is upgraded first, by `offpath db upgrade`, while processes of the version before are still at work.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from offpath.errors import ConfigurationError, OffpathError, StorageBusyError
from offpath.storage.postgres.connection import close, connect
from offpath.storage.postgres.errors import is_transient, sqlstate, start_error
from offpath.storage.postgres.start_check import check_creating, check_not_read_only, check_rights, check_same
from offpath.storage.postgres.url import PostgresUrl

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

logger = logging.getLogger("offpath.storage")

HEAD: Final = "0003"
"""The revision that this code works with: the newest script below `migrations/versions`."""
UPGRADE: Final = "offpath db upgrade"
_QUEUE_MODULE: Final = "offpath.engine.postgres.schema"
"""Installs the queue's tables; above this package, so it is imported by name when it is needed."""
_LOCK: Final = 0x6F66_6670_6174_6800
"""Key of the advisory lock that whoever changes the schema holds."""
_LOCK_TIMEOUT: Final = 60.0
_LOCK_POLL: Final = 0.1
_TABLE_LOCK: Final = "2s"
"""How long a change may wait for a table, since every run waits behind it."""
_TABLE_TRIES: Final = 30
_OUTDATED: Final = (
    "SELECT instance, host, schema FROM offpath_instances WHERE expires_at > clock_timestamp() AND schema < $1 "
    "ORDER BY instance"
)


class SchemaState(msgspec.Struct, frozen=True):
    """What a database says of itself."""

    revision: str
    oldest: str
    """The oldest revision whose code may use it."""


async def read_state(connection: Connection) -> SchemaState | None:
    """None for a database without offpath's tables."""
    if await connection.fetchval("SELECT to_regclass('offpath_schema')") is None:
        return None
    row = await connection.fetchrow("SELECT version_num, oldest FROM offpath_schema")
    return None if row is None else SchemaState(row[0], row[1])


def check_state(state: SchemaState, where: str, head: str = HEAD) -> None:
    """
    Raises:
        ConfigurationError: Code for the revision `head` may not use this schema; the text has the command to run.
    """
    if state.revision < head:
        raise ConfigurationError(
            f"{where} has schema {state.revision}, and this version of offpath needs {head}: run `{UPGRADE}` with this "
            "version first. Processes of the version before go on meanwhile"
        )
    if head < state.oldest:
        raise ConfigurationError(
            f"{where} has schema {state.revision}, which needs a version of offpath for schema {state.oldest} or "
            f"later; this one is for {head}: upgrade offpath (pip install --upgrade offpath)"
        )


async def prepare(
    url: PostgresUrl, *, through: PostgresUrl | None = None, serving: bool = True, head: str = HEAD
) -> None:
    """See that the database can be used by code for the revision `head`; an empty one gets its tables.

    Args:
        url: A direct one.
        through: The one that leads to the pooler, if there is another: both have to lead to the same tables.
        serving: Whether services or workers are to use it, so that the user needs all rights that these need.

    Raises:
        ConfigurationError: The schema is too old or too new, rights are missing, user, password or database are wrong,
            or it is read-only.
        StorageError: It cannot be reached or written.
    """
    async with _connected(url, "offpath") as connection, _beside(connection, url, through, "offpath") as other:
        await check_not_read_only(connection, url.masked)
        state = await read_state(connection)
        if state is None:
            await check_creating(connection, url.masked)
            async with _locked(connection, url.masked):
                # Another process may have made them while this one waited.
                state = await read_state(connection) or await _migrate(connection, None, head)
        await _check_usable(connection, url, other, through, state, head, serving=serving)
        if await connection.fetchval("SHOW synchronous_commit") == "off":
            logger.warning(
                "%s has synchronous_commit=off: the last runs before a crash of the server can be lost though they "
                "were answered; set it to on",
                url.masked,
            )


async def check(url: PostgresUrl, *, through: PostgresUrl | None = None, head: str = HEAD) -> str | None:
    """Like `prepare`, and changes nothing.

    Returns:
        The revision; None for an empty database.

    Raises:
        ConfigurationError: As `prepare`, and for an empty database in which the user may make no tables.
        StorageError: It cannot be reached.
    """
    name = "offpath check"
    async with _connected(url, name) as connection, _beside(connection, url, through, name) as other:
        await check_not_read_only(connection, url.masked)
        state = await read_state(connection)
        if state is None:
            await check_creating(connection, url.masked)
            return None
        await _check_usable(connection, url, other, through, state, head)
        return state.revision


async def _check_usable(
    connection: Connection,
    url: PostgresUrl,
    other: Connection | None,
    through: PostgresUrl | None,
    state: SchemaState,
    head: str,
    *,
    serving: bool = True,
) -> None:
    check_state(state, url.masked, head)
    if not serving:
        return
    await check_rights(connection, url.masked, head)
    if other is not None and through is not None:
        async with other.transaction():
            await check_not_read_only(other, through.masked)
            await check_rights(other, through.masked, head)


async def upgrade(url: PostgresUrl, *, head: str = HEAD) -> tuple[str | None, str]:
    """Bring the schema to the revision `head`, while the service works.

    Args:
        url: A direct one.

    Returns:
        The revision before (None for a new database) and after.

    Raises:
        ConfigurationError: A newer version of offpath made the schema, or processes are at work that could not use it.
        StorageError: It cannot be reached or changed.
    """
    async with _connected(url, UPGRADE) as connection, _locked(connection, url.masked):
        before = await read_state(connection)
        if before is not None and before.revision > head:
            raise ConfigurationError(
                f"{url.masked} has schema {before.revision}, which a newer version of offpath made; this one knows up "
                f"to {head}. Upgrade offpath, or restore the backup from before the upgrade"
            )
        await _migrate(connection, before, head)
    return None if before is None else before.revision, head


@asynccontextmanager
async def _connected(url: PostgresUrl, application: str, *, pooled: bool = False) -> AsyncIterator[Connection]:
    doing = f"opening {url.masked}"
    try:
        connection = await connect(url, application=application, pooled=pooled)
    except OffpathError:
        raise
    except Exception as error:  # noqa: BLE001  # each kind gets its own words
        raise start_error(error, doing) from (None if isinstance(error, ValueError) else error)
    try:
        yield connection
    except OffpathError:
        raise
    except Exception as error:
        raise start_error(error, doing) from error
    finally:
        await close(connection)


@asynccontextmanager
async def _beside(
    connection: Connection, url: PostgresUrl, through: PostgresUrl | None, application: str
) -> AsyncIterator[Connection | None]:
    """A connection by the other URL, if there is one, when it has turned out to lead to the same tables."""
    if through is None:
        yield None
        return
    async with _connected(through, application, pooled=True) as other:
        await check_same(connection, url, other, through)
        yield other


@asynccontextmanager
async def _locked(connection: Connection, where: str) -> AsyncIterator[None]:
    """Hold the lock of those who change the schema."""
    waited = 0.0
    # Asked for again and again: a statement that waits would hold an index up that its holder builds concurrently.
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        if waited >= _LOCK_TIMEOUT:
            raise StorageBusyError(
                f"another process has been changing the schema of {where} for {_LOCK_TIMEOUT:.0f} s; wait for it, or "
                "look in pg_stat_activity why it hangs"
            )
        await asyncio.sleep(_LOCK_POLL)
        waited += _LOCK_POLL
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _migrate(connection: Connection, before: SchemaState | None, head: str) -> SchemaState:
    revision = before.revision if before else None
    script, oldest, indexes = _script(revision, head)
    if before is not None:
        await _check_alive(connection, oldest)
    # The first part comes last in the transaction log: a database whose revision is stored has all its tables.
    await importlib.import_module(_QUEUE_MODULE).install_queue(connection)
    if revision != head:
        await _execute(connection, script, oldest)
    for name, statement in indexes.items():
        valid = await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", name)
        if valid:
            continue
        if valid is False:  # an attempt that was cut off
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        await connection.execute(statement)
    return SchemaState(head, oldest)


async def _execute(connection: Connection, script: str, oldest: str) -> None:
    for attempt in range(_TABLE_TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{_TABLE_LOCK}'")
                await connection.execute(script)
                await connection.execute(
                    "UPDATE offpath_schema SET oldest = $1, changed_at = clock_timestamp()", oldest
                )
        except Exception as error:
            busy = sqlstate(error) == "55P03" or is_transient(error)
            if not busy or attempt == _TABLE_TRIES - 1:
                raise
            logger.warning("the schema waits for a table that others use, and is tried again")
            await asyncio.sleep(_LOCK_POLL * (attempt + 1))
        else:
            return


async def _check_alive(connection: Connection, oldest: str) -> None:
    """Refuse to change the schema under processes that could not use the new one."""
    rows = await connection.fetch(_OUTDATED, oldest)
    if rows:
        named = ", ".join(f"{row[0]} on {row[1]} (schema {row[2]})" for row in rows[:5])
        raise ConfigurationError(
            f"{len(rows)} service processes are at work that could not use the new schema: {named}; upgrade and "
            "restart them with the version before this one first, or stop them"
        )


def _script(revision: str | None, head: str) -> tuple[str, str, dict[str, str]]:
    """The statements from one revision to another, the oldest that may use the last, and its indexes."""
    # Imported here: it costs more than everything else at start, and is needed only for a new schema.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    written = io.StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", "offpath.storage.postgres:migrations")
    steps = ScriptDirectory.from_config(config)
    known = {step.revision: step.module for step in steps.walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError(f"schema {revision} is none of offpath's; restore a backup of the database")
    indexes: dict[str, str] = {}
    for number in sorted(known):
        if number <= head:
            indexes |= known[number].concurrently
    if revision != head:
        command.upgrade(config, f"{revision or 'base'}:{head}", sql=True)
    script = re.sub(r"(?m)^--.*$", "", written.getvalue())
    return script, known[head].oldest, indexes
