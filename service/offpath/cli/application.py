"""The command line: serve, worker, demo, check, hooks, db, evaluate, evaluators, notify, dashboards, prove."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup

from offpath.cli import dashboards, data, evaluators, notify, prove
from offpath.errors import ConfigurationError, OffpathError, SettingsError
from offpath.settings import Settings, load_dotenv_into_environment

if TYPE_CHECKING:
    from offpath.app import AgentService
    from offpath.engine.protocol import Engine
    from offpath.runs.job import JobInfo
    from offpath.storage.database import Database

WORKER_DATABASE: Final = "OFFPATH_INTERNAL_WORKER_DATABASE"
"""The URL that `offpath worker` found in the user's module, for itself when it starts anew."""

P = ParamSpec("P")
R = TypeVar("R")


class Commands(TyperGroup):
    """Ends in one line of text and an exit code instead of a traceback: 2 for what the user can mend, else 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            _fail(error, 2)
        except OffpathError as error:
            _fail(error, 1)


app = typer.Typer(
    cls=Commands,
    help="An agent service whose hooks never hold up the response.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
hooks_app = typer.Typer(help="Look at hook jobs, and bring dead ones back.", no_args_is_help=True)
db_app = typer.Typer(help="Look after the database.", no_args_is_help=True)
app.add_typer(hooks_app, name="hooks")
app.add_typer(db_app, name="db")
evaluators.register(app)
data.register(app)
notify.register(app)
dashboards.register(app)
prove.register(app)

Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the service is: `my_agents:app`.")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="Default: OFFPATH_DATABASE_URL, else sqlite:///offpath.db.")
]
DirectUrl = Annotated[
    str | None,
    typer.Option("--direct-url", help="The same without a pooler between. Default: OFFPATH_DATABASE_DIRECT_URL."),
]
Hook = Annotated[
    str | None, typer.Option(metavar="HOOK_ID", help="Only jobs of this hook, such as agent:support:post:notify.")
]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")]


def main() -> None:
    """The entry point."""
    try:
        app(prog_name="offpath")
    except SystemExit as end:
        _leave(end.code)
        raise


def _leave(code: object) -> None:
    """End now if a thread is held, which the interpreter would wait for: by a channel that never ends its answer."""
    if any(thread.name.startswith("asyncio_") and not thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"offpath {version('offpath')}")
        raise typer.Exit


@app.callback()
def prepare(
    tell_version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An agent service whose hooks never hold up the response."""
    directory = os.getcwd()
    if directory not in sys.path:
        sys.path.insert(0, directory)
    load_dotenv_into_environment()


@app.command()
def serve(
    target: Target,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: OFFPATH_HOST, else 127.0.0.1.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port. Default: OFFPATH_PORT, else 7777.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve. Default: OFFPATH_WORKERS, else 1.")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again, hooks included, when code changes.")] = False,
) -> None:
    """Serve agents, teams and workflows over HTTP, with a worker for their hooks."""
    from offpath.serve import in_url
    from offpath.serve import serve as serve_app
    from offpath.startup import check_port, check_startup
    from offpath.telemetry.logs import configure_logging

    settings = Settings.load(host=host, port=port, workers=workers)
    configure_logging(settings.log_level)
    if target.rpartition(":")[0].endswith(".py"):
        module = Path(target.rpartition(":")[0]).stem
        raise ConfigurationError(
            f"{target} names a file; the processes of a server import a module: offpath serve {module}:"
            f"{target.rpartition(':')[2]}, in the file's directory"
        )
    if not reload:
        # The processes that serve check again; here it is to fail before anything listens, with one clear line.
        found, service = _load(target)
        check_startup(service, settings)
        service.db.prepare()
        if found is service:
            raise ConfigurationError(
                f"{target} is the service, and what is served is its app: add `app = {target.rpartition(':')[2]}"
                f".get_app()` to the module, and serve that"
            )
    check_port(settings.host, settings.port, otherwise=f"offpath serve {target} --port {settings.port + 1}")
    if not reload:
        from offpath.console import output
        from offpath.report import print_start

        url = f"http://{in_url(settings.host)}:{settings.port}{service.path}"
        print_start(service, settings, url, output())
    serve_app(target, settings, host=host, port=port, reload=reload, workers=workers)


@app.command()
def worker(target: Target, database_url: DatabaseUrl = None) -> None:
    """Run hooks, and nothing else: for a service with OFFPATH_WORKER=external."""
    url = database_url or os.environ.pop(WORKER_DATABASE, None)
    if url is None:
        _, service = _load(target)
        # Only the module knows its database, and a worker's parent holds no user code: so this process starts anew.
        os.environ[WORKER_DATABASE] = service.db.url
        if direct := getattr(service.db, "direct_url", None):
            os.environ.pop("OFFPATH_DATABASE_DIRECT_URL_FILE", None)
            os.environ["OFFPATH_DATABASE_DIRECT_URL"] = direct
        os.execv(sys.executable, [sys.executable, "-m", "offpath.cli", "worker", target])  # noqa: S606  # ourselves
    from offpath.worker.main import worker_main

    raise SystemExit(worker_main(target, url, Settings.load(database_url=database_url)))


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(help="TCP port. Default: OFFPATH_PORT, else 7777.")] = None,
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds that the offline model takes to answer.")] = 0.3,
    traffic: Annotated[
        bool, typer.Option("--traffic", help="Send visits of all kinds, some made to fail: --traffic [RATE].")
    ] = False,
    rate: Annotated[
        float | None, typer.Argument(metavar="[RATE]", show_default=False, help="Visits a second. Default: 2.")
    ] = None,
) -> None:
    """Serve the demo agents over the offline model: no API key, no network."""
    from offpath.demo_server import serve_demo
    from offpath.demo_traffic import RATE, checked_rate

    if rate is not None and not traffic:
        raise ConfigurationError(f"{rate:g} is a rate of traffic, which is sent with: offpath demo --traffic {rate:g}")
    sent = checked_rate(RATE if rate is None else rate) if traffic else None
    serve_demo(Settings.load(port=port), latency=latency, traffic=sent)


@app.command()
def check(target: Target) -> None:
    """Validate everything, and show what is served, where each hook runs, and which settings are in force."""
    from offpath.console import output
    from offpath.report import print_report
    from offpath.startup import check_startup

    settings = Settings.load()
    _, service = _load(target)
    print_report(service, settings, output())
    check_startup(service, settings)
    service.db.check()
    _say("All well.")


class State(StrEnum):
    """States of jobs that can be listed."""

    ready = "ready"
    scheduled = "scheduled"
    running = "running"
    succeeded = "succeeded"
    dead = "dead"
    cancelled = "cancelled"


def _asynchronous(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    @wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> R:
        return asyncio.run(function(*args, **kwargs))

    return command


@hooks_app.command("list")
@_asynchronous
async def hooks_list(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    hook: Hook = None,
    limit: Limit = 50,
    database_url: DatabaseUrl = None,
) -> None:
    """List jobs: the last queued first."""
    from offpath.console import output
    from offpath.report import jobs_table
    from offpath.runs.job import JobState

    async with _queue(database_url) as queue:
        # The engine's own order begins with the oldest that waits, so what waits is one query of its own.
        states = [None, JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED] if state is None else [JobState(state)]
        found: list[JobInfo] = []
        for one in states:
            found += await queue.jobs(state=one, hook_id=hook, limit=limit)
    found.sort(key=lambda job: job.queued_at, reverse=True)
    output().print(jobs_table(found[:limit]))


@hooks_app.command("dead")
@_asynchronous
async def hooks_dead(hook: Hook = None, limit: Limit = 50, database_url: DatabaseUrl = None) -> None:
    """List the dead letters with their last errors; the last ones first."""
    from offpath.console import output
    from offpath.report import jobs_table
    from offpath.runs.job import JobState

    async with _queue(database_url) as queue:
        output().print(jobs_table(await queue.jobs(state=JobState.DEAD, hook_id=hook, limit=limit)))


@hooks_app.command("retry")
@_asynchronous
async def hooks_retry(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Keys of dead jobs.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead job.")] = False,
    hook: Annotated[str | None, typer.Option(metavar="HOOK_ID", help="With --all: only jobs of this hook.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Bring dead jobs back, with no attempts on their account."""
    if bool(keys) == every or (hook and not every):
        raise ConfigurationError(
            "name the keys of dead jobs (`offpath hooks dead` lists them), or --all, perhaps with --hook"
        )
    async with _queue(database_url) as queue:
        if every:
            _say(f"{await _requeue_all(queue, hook)} requeued")
            return
        unknown = [key for key in keys or [] if not await queue.requeue(key)]
    _say(f"{len(keys or []) - len(unknown)} requeued")
    if unknown:
        raise ConfigurationError(f"no dead job has the key: {', '.join(unknown)}; `offpath hooks dead` lists them")


async def _requeue_all(queue: Engine, hook: str | None) -> int:
    from offpath.runs.job import JobState

    requeued: set[str] = set()
    while True:
        dead = await queue.jobs(state=JobState.DEAD, hook_id=hook, limit=1000)
        # What a worker has killed again meanwhile is left alone, else this would never end.
        fresh = [job.key for job in dead if job.key not in requeued]
        if not fresh:
            return len(requeued)
        for key in fresh:
            await queue.requeue(key)
        requeued.update(fresh)


@hooks_app.command("resume")
@_asynchronous
async def hooks_resume(
    hook_id: Annotated[str, typer.Argument(help="As `offpath hooks stats` shows it.")], database_url: DatabaseUrl = None
) -> None:
    """Let a paused hook run again, and forget that it had to be killed."""
    async with _queue(database_url) as queue:
        if not await queue.resume(hook_id):
            raise ConfigurationError(f'no hook with the id "{hook_id}" is held; `offpath hooks stats` shows them')
    _say(f"{hook_id} runs again")


@hooks_app.command("stats")
@_asynchronous
async def hooks_stats(database_url: DatabaseUrl = None) -> None:
    """Show the backlog of each hook: ready, scheduled, running, dead, and the age of the oldest."""
    from offpath.console import output
    from offpath.report import stats_table

    async with _queue(database_url) as queue:
        output().print(stats_table(await queue.stats(), await queue.pauses()))


@db_app.command("upgrade")
def db_upgrade(database_url: DatabaseUrl = None, direct_url: DirectUrl = None) -> None:
    """Bring the schema up to date. SQLite databases do this by themselves when the service starts.

    On PostgreSQL: run it with the new version of offpath before the service is restarted with it. The version before
    goes on working meanwhile.
    """
    from offpath.storage.database import SqliteDb

    database = _database(database_url, direct_url)
    name = str(database.paths.database) if isinstance(database, SqliteDb) else database.where
    before, after = database.upgrade()
    done = f"is at schema {after}" + ("" if before == after else f"; it was {f'at {before}' if before else 'new'}")
    _say(f"{name} {done}")


@asynccontextmanager
async def _queue(database_url: str | None) -> AsyncIterator[Engine]:
    from offpath.engine.adapters import open_engine
    from offpath.storage.database import SqliteDb

    database = _database(database_url)
    if not isinstance(database, SqliteDb):
        await database.prepare_schema(serving=False)
    elif not database.paths.database.exists():
        raise ConfigurationError(
            f"there is no database {database.paths.database}: a service creates it when it starts. If yours is "
            "elsewhere, name it with --database-url or OFFPATH_DATABASE_URL; `offpath check` shows which one a service "
            "uses"
        )
    engine = open_engine(database)
    storage_log = logging.getLogger("offpath.storage")
    level = storage_log.level
    storage_log.setLevel(logging.ERROR)  # the service has said at its start what is to be said about SQLite
    try:
        yield engine
    finally:
        storage_log.setLevel(level)
        await engine.close()


def _database(database_url: str | None, direct_url: str | None = None) -> Database:
    """The one that the command line names, else the settings."""
    from offpath.storage.database import database_from_url

    settings = Settings.load(database_url=database_url, database_direct_url=direct_url)
    direct = settings.database_direct_url if database_url is None or direct_url is not None else None
    return database_from_url(settings.database_url, direct)


def _load(target: str) -> tuple[object, AgentService]:
    """What a target names, the app or the service itself, and the service.

    Raises:
        ConfigurationError: The target is wrong, or its module cannot be imported; the text says where it broke.
    """
    from offpath.worker.target import MAIN_MODULE, load_target

    try:
        load_target(target)
    except SettingsError:
        raise  # says itself where the setting stands
    except ConfigurationError as error:
        place = _user_line(error)
        raise ConfigurationError(f"{error} ({place})" if place else str(error)) from error
    except Exception as error:
        traceback.print_exception(error.with_traceback(_users_part(error)))
        place = _user_line(error)
        raise ConfigurationError(
            f"{target} cannot be imported: {type(error).__name__}: {error}" + (f" ({place})" if place else "")
        ) from error
    module, _, attribute = target.rpartition(":")
    found: Any = sys.modules[MAIN_MODULE if module.endswith(".py") else module]
    for name in attribute.split("."):
        found = getattr(found, name)
    return found, getattr(getattr(found, "state", None), "offpath", found)


def _users_part(error: BaseException) -> Any:
    """The traceback from the first line of the user's own; all of it if there is none."""
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace or error.__traceback__


def _user_line(error: BaseException) -> str:
    """Where in the user's code it broke, as "file, line"; "" if it did not."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    return f"{os.path.relpath(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""


def _is_machinery(filename: str) -> bool:
    here = os.path.dirname(os.path.abspath(__file__))
    return filename.startswith(("<frozen importlib", here + os.sep)) or f"{os.sep}importlib{os.sep}" in filename


def _say(text: str) -> None:
    from offpath.console import output, plain

    output().print(plain(text), soft_wrap=True)


def _fail(error: Exception, code: int) -> NoReturn:
    from offpath.console import output, plain

    output(stderr=True).print(plain("offpath: ", "bold red") + plain(error), soft_wrap=True)
    raise SystemExit(code)
