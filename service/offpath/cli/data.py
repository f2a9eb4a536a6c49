"""The command line of stored data: export."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from offpath.cli.moment_option import moment
from offpath.cli.output_file import created
from offpath.cli.run_progress import run_progress
from offpath.errors import ConfigurationError
from offpath.settings import Settings, load_dotenv_into_environment

if TYPE_CHECKING:
    from offpath.storage.ledger import Ledger, RunQuery
    from offpath.storage.store import RunRow

PAGE: Final = 50
"""Runs that are read at a time: most memory that an export takes."""
UNREADABLE: Final = 1
"""Exit code when a run could not be read."""


class Format(StrEnum):
    """How runs are written."""

    jsonl = "jsonl"
    """A JSON object a line."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export")(export)


def export(
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only runs from then on: 7d (ago), 2026-11-20, seconds.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only runs before then. Default: now.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="ID", help="Only runs of this agent.")] = None,
    team: Annotated[str | None, typer.Option(metavar="ID", help="Only runs of this team.")] = None,
    workflow: Annotated[str | None, typer.Option(metavar="ID", help="Only runs of this workflow.")] = None,
    nested: Annotated[bool, typer.Option("--nested", help="Runs of members and steps, too.")] = False,
    form: Annotated[Format, typer.Option("--format", help="A JSON object a line.")] = Format.jsonl,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: standard output.")] = None,
    content: Annotated[
        bool, typer.Option("--content/--no-content", help="Whether to write what users, models and tools said.")
    ] = True,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Default: OFFPATH_DATABASE_URL, else sqlite:///offpath.db.")
    ] = None,
) -> None:
    """Write stored runs with their evaluations and feedback, oldest first, one JSON object a line.

    The service may go on meanwhile. `offpath evaluate` reads what this writes.
    """
    load_dotenv_into_environment()
    now = time.time()
    named = [(kind, id_) for kind, id_ in (("agent", agent), ("team", team), ("workflow", workflow)) if id_ is not None]
    if len(named) > 1:
        raise ConfigurationError("--agent, --team and --workflow exclude each other: export one after the other")
    kind, component_id = named[0] if named else (None, None)
    from offpath.storage.ledger import RunQuery

    query = RunQuery(
        since=None if since is None else moment("--since", since, now),
        # What comes in the meantime is left out, or the end would never be reached.
        until=now if until is None else moment("--until", until, now),
        component_kind=kind,
        component_id=component_id,
        # A component that is asked for by name is wanted wherever it ran.
        nested=nested or bool(named),
    )
    if query.since is not None and query.until is not None and query.since >= query.until:
        raise ConfigurationError(f"--since {since} is not before --until {until}: nothing lies between them")
    unreadable: list[str] = []
    with _written(output) as stream:
        asyncio.run(_export(database_url, query, stream, unreadable, content=content))
    if unreadable:
        listed = ", ".join(unreadable[:5]) + (", ..." if len(unreadable) > 5 else "")
        typer.echo(f"offpath: {len(unreadable)} runs cannot be read and were passed over: {listed}", err=True)
        raise typer.Exit(UNREADABLE)


async def _export(
    database_url: str | None, query: RunQuery, stream: BinaryIO, unreadable: list[str], *, content: bool
) -> None:
    from offpath.posthooks.analytics.export import export_line
    from offpath.runs.record import decode_record

    async with opened_ledger(database_url) as ledger:
        with run_progress(await ledger.count_runs(query)) as advance:
            async for rows in _pages(ledger, query):
                run_ids = [row.run_id for row in rows]
                plans = await ledger.plans(run_ids)
                evaluations, feedback = await ledger.evaluations(run_ids), await ledger.feedback(run_ids)
                for row in rows:
                    try:
                        record = decode_record(row.record)
                    except ValueError:  # msgspec's errors are ones
                        unreadable.append(row.run_id)
                        continue
                    line = export_line(
                        record,
                        plans.get(row.run_id),
                        evaluations.get(row.run_id, ()),
                        feedback.get(row.run_id, ()),
                        content=content,
                    )
                    stream.write(line)
                advance(len(rows))


async def _pages(ledger: Ledger, query: RunQuery) -> AsyncIterator[list[RunRow]]:
    after = (-1.0, "")
    while rows := await ledger.ended_runs(query, after=after, limit=PAGE):
        yield rows
        after = (rows[-1].created_at, rows[-1].run_id)


@asynccontextmanager
async def opened_ledger(database_url: str | None) -> AsyncIterator[Ledger]:
    """The ledger of the database that the command line names, else the settings.

    Raises:
        ConfigurationError: There is no such database.
    """
    from offpath.engine.adapters import open_engine
    from offpath.storage.database import SqliteDb, database_from_url

    settings = Settings.load(database_url=database_url)
    direct = settings.database_direct_url if database_url is None else None
    database = database_from_url(settings.database_url, direct)
    if isinstance(database, SqliteDb) and not database.paths.database.exists():
        raise ConfigurationError(
            f"there is no database {database.paths.database}: a service creates it when it starts. If yours is "
            "elsewhere, name it with --database-url or OFFPATH_DATABASE_URL"
        )
    if not isinstance(database, SqliteDb):
        await database.prepare_schema(serving=False)
    engine = open_engine(database)
    storage_log = logging.getLogger("offpath.storage")
    level = storage_log.level
    storage_log.setLevel(logging.ERROR)  # the service has said at its start what is to be said about SQLite
    ledger: Ledger = database.open_ledger(
        enqueue=engine.enqueue, wake=engine.wake, storage_timeout=settings.storage_timeout
    )
    try:
        await ledger.open()
        try:
            yield ledger
        finally:
            await ledger.close()
    finally:
        storage_log.setLevel(level)
        await engine.close()


@contextmanager
def _written(path: Path | None) -> Iterator[BinaryIO]:
    """Where lines go: standard output, or a file that gets its name when it is whole. Whoever reads may stop early."""
    if path is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter flushes once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    with created(path) as stream:
        yield stream
