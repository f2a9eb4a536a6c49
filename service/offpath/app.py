"""AgentService: agents, teams and workflows behind HTTP, with their hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI

from offpath.errors import ConfigurationError
from offpath.hooks.registry import HookRegistry
from offpath.posthooks.builtin import Builtins, EvaluatorChoice, builtin_hooks
from offpath.process import ServiceProcess
from offpath.runner.request import RunRequest
from offpath.runner.runnable import Runnable
from offpath.runner.runner import run, stream
from offpath.runs.event import RunEvent
from offpath.runs.output import RunOutput
from offpath.runs.status import ComponentKind
from offpath.settings import Settings
from offpath.storage.database import Database, database_from_url
from offpath.telemetry.providers import silence_fastapi

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class AgentService:
    """Serves agents, teams and workflows over HTTP, and runs their background hooks in other processes.

    Building one opens nothing and reads no settings, so that the worker can import the same file.

    Args:
        agents: Served at `/agents/{id}`.
        teams: Served at `/teams/{id}`; their members are not served by themselves.
        workflows: Served at `/workflows/{id}`.
        id: The service's name in `/config`; by default made from `name`.
        name: What people call it.
        description: A sentence about it.
        version: Your version, shown by `/info` and in the OpenAPI document.
        db: Where runs, sessions and hook jobs are kept. By default the database of its agents, else
            `OFFPATH_DATABASE_URL`.
        run_hooks_in_background: True takes all hooks of all agents, teams, their members and workflow steps off the
            response path; `@hook(run_in_background=False)` on a hook beats it.
        evaluators: What every run is evaluated by: names ("refusal", "tone=guidelines"), functions with @evaluator,
            `offpath_evaluators.configure(...)`, or `enable(...)` for rates and filters. `OFFPATH_EVALUATORS` and the
            options in the environment add to them and beat them.
        settings: By default `Settings.load()`, at the first use.
        lifespan: Your own start-up and shutdown, around the service's.

    Raises:
        ConfigurationError: Nothing to serve, two components with one id, two databases, or a hook that cannot work.
    """

    def __init__(
        self,
        *,
        agents: Iterable[Runnable] = (),
        teams: Iterable[Runnable] = (),
        workflows: Iterable[Runnable] = (),
        id: str | None = None,  # noqa: A002  # the word that agents and teams use as well
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        db: Database | None = None,
        run_hooks_in_background: bool = False,
        evaluators: Iterable[EvaluatorChoice] = (),
        settings: Settings | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        self.agents = _by_id("agent", agents)
        self.teams = _by_id("team", teams)
        self.workflows = _by_id("workflow", workflows)
        served = [*self.agents.values(), *self.teams.values(), *self.workflows.values()]
        if not served:
            raise ConfigurationError(
                "AgentService has nothing to serve; pass agents=[...], teams=[...] or workflows=[...]"
            )
        self.name = name or "offpath"
        self.id = id or self.name.strip().lower().replace(" ", "-")
        self.description = description
        self.version = version
        self.run_hooks_in_background = run_hooks_in_background
        self.evaluators: tuple[EvaluatorChoice, ...] = tuple(evaluators)
        self._served = served
        # Without the built-in hooks, for which the settings have to be read: what is wrong with the rest shows here.
        plain = HookRegistry(served, in_background=run_hooks_in_background)
        self._components = tuple(plain)
        self._builtins: Builtins | None = None
        self._registry: HookRegistry | None = None
        self.target: str | None = None
        """`module:attribute` under which other processes import this service; found at start if not given."""
        self._db = _one_database(db, plain)
        self._settings = settings
        self._lifespan = lifespan
        self._process: ServiceProcess | None = None
        self._app_process: ServiceProcess | None = None
        self._app: FastAPI | None = None
        self._host: FastAPI | None = None
        self.path = ""
        """Where it is mounted in another app: "/ai"; "" if it is not."""

    @property
    def settings(self) -> Settings:
        """The settings in force; read from the environment at the first use.

        Raises:
            SettingsError: If any is wrong.
        """
        if self._settings is None:
            self._settings = Settings.load()
        return self._settings

    @property
    def builtins(self) -> Builtins:
        """The built-in hooks that the settings and `evaluators` switch on.

        Raises:
            SettingsError: A setting is wrong.
            ConfigurationError: There is no such evaluator or option, or no judge for it.
        """
        if self._builtins is None:
            self._builtins = builtin_hooks(self.settings, self.evaluators, self._components)
        return self._builtins

    @property
    def registry(self) -> HookRegistry:
        """All components and their hooks, the built-in ones among them. Raises as `builtins` does."""
        if self._registry is None:
            self._registry = HookRegistry(
                self._served,
                in_background=self.run_hooks_in_background,
                extra_post_hooks=self.builtins.hooks,
                plan=self.builtins.plan,
            )
        return self._registry

    @property
    def db(self) -> Database:
        """The one database of this service."""
        if self._db is None:
            self._db = database_from_url(self.settings.database_url, self.settings.database_direct_url)
        return self._db

    @contextmanager
    def configured(self, *, settings: Settings, db: Database) -> Iterator[None]:
        """Other settings, another database, and a new app for them, until the end of the block: for tests."""
        before = self._settings, self._db, self._app, self._app_process, self._host, self.path
        self._settings, self._db, self._app, self._app_process, self._host, self.path = (
            settings,
            db,
            None,
            None,
            None,
            "",
        )
        self._builtins = self._registry = None
        try:
            yield
        finally:
            self._settings, self._db, self._app, self._app_process, self._host, self.path = before
            self._builtins = self._registry = None

    @property
    def app(self) -> FastAPI | None:
        """The app that is served, if there is one: the one that it is mounted on, else its own."""
        return self._host or self._app

    @property
    def process(self) -> ServiceProcess:
        """What runs in this process while the app is up.

        Raises:
            RuntimeError: Before the app has started or after it has stopped.
        """
        if self._process is None:
            raise RuntimeError("the service is not running: serve its app, or use `async with service.running():`")
        return self._process

    def get_app(self) -> FastAPI:
        """The FastAPI app; the same at each call. Serve it with uvicorn, add routes to it, or `mount_on` another app.

        Routes that you add are guarded like its own: by the key, if there is one, else for this machine only.
        """
        if self._app is None:
            self._app_process = ServiceProcess(self)
            self._app = self._app_process.make_app(self._app_lifespan)
            self._app.state.offpath = self
        return self._app

    def mount_on(self, app: FastAPI, path: str = "/offpath") -> None:
        """Add the service to an app that there is already, and run it while that app runs.

        Its routes are then below the path, as in `/offpath/agents/{id}/runs`, `/offpath/metrics` and `/offpath/docs`.
        Keys and allowed hosts guard what is below the path and nothing else. The app's own lifespan stays, around the
        service's: what it opens is open until the last run has ended. Spans and metrics of HTTP requests are those of
        the whole app, in place of FastAPI's own.

        `app.mount(path, service.get_app())` would serve the routes without ever starting the service, since nobody
        runs the lifespan of a mounted app. Call this where the app is made: a worker imports the same module.

        Args:
            app: The app that is served.
            path: Where, such as "/ai"; not "/", where it would hide the routes that are added later.

        Raises:
            ConfigurationError: There is no such path, or the app has a service already.
        """
        if not path.startswith("/") or path.endswith("/"):
            raise ConfigurationError(f'mount_on(path={path!r}): write a path below the app\'s root, such as "/ai"')
        if self._host is not None or hasattr(app.state, "offpath"):
            raise ConfigurationError(
                "mount_on: this service is mounted already, or the app has another one; a process runs one service, so "
                "give it all agents"
            )
        served = self.get_app()
        theirs = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(outer: FastAPI) -> AsyncIterator[Any]:
            async with theirs(outer) as state, served.router.lifespan_context(served):
                yield state

        app.router.lifespan_context = lifespan
        silence_fastapi(served)
        app.mount(path, served)
        self._host, self.path = app, path
        # By this `offpath check`, `serve` and `worker` find the service when they are given the app.
        app.state.offpath = self

    def serve(
        self,
        app: str | FastAPI | None = None,
        *,
        host: str | None = None,
        port: int | None = None,
        reload: bool = False,
        workers: int | None = None,
        **options: Any,
    ) -> None:
        """Serve until stopped.

        Args:
            app: `"module:app"`, which `reload` and `workers` need since new processes import it; or the app itself.
            host: Default `OFFPATH_HOST`, 127.0.0.1.
            port: Default `OFFPATH_PORT`, 7777.
            reload: Start again, hooks included, when the code changes.
            workers: Processes that serve; default `OFFPATH_WORKERS`. The hooks' worker is one in any case.
            options: For `uvicorn.run`.
        """
        from offpath.serve import serve

        if isinstance(app, str):
            self.target = app
        serve(app or self.get_app(), self.settings, host=host, port=port, reload=reload, workers=workers, **options)

    async def run(self, component: Runnable, input: Any, **options: Any) -> RunOutput:  # noqa: A002
        """Run one of the service's components as a request would, from your own code in the same process.

        Args:
            options: Those of `RunRequest`: session_id, user_id, session_state, dependencies, metadata and so on.

        Raises:
            OffpathError: What ended the run, if it was not completed.
        """
        return await run(component, RunRequest(input=input, **options), self.process.environment)

    def stream(self, component: Runnable, input: Any, **options: Any) -> AsyncIterator[RunEvent]:  # noqa: A002
        """Like `run`, event by event."""
        return stream(component, RunRequest(input=input, **options), self.process.environment)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ServiceProcess]:
        """The service without its HTTP part: store open, worker running. For scripts, tests and mounted apps.

        Raises:
            ConfigurationError: The settings, the database or a model's key are not usable.
            StorageError: The database cannot be opened.
        """
        process = self._app_process or ServiceProcess(self)
        await process.start()
        self._process = process
        try:
            yield process
        finally:
            self._process = None
            await process.stop()

    @asynccontextmanager
    async def _app_lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with self.running():
            if self._lifespan is None:
                yield
                return
            async with self._lifespan(app):
                yield


def _by_id(kind: ComponentKind, components: Iterable[Runnable]) -> Mapping[str, Runnable]:
    if not isinstance(components, Iterable):
        raise ConfigurationError(f"{kind}s={components!r} must be a list; write {kind}s=[...]")
    listed = list(components)
    for component in listed:
        if getattr(component, "kind", None) != kind:
            raise ConfigurationError(f"{kind}s=[...] holds {component!r}, which is no {kind}")
    ids = [component.id for component in listed]
    twice = sorted({component_id for component_id in ids if ids.count(component_id) > 1})
    if twice:
        raise ConfigurationError(f"{kind}s=[...] holds {', '.join(twice)} twice; give each an id of its own")
    return dict(zip(ids, listed, strict=True))


def _one_database(given: Database | None, registry: HookRegistry) -> Database | None:
    found = {component.id: component.db for component in registry if getattr(component, "db", None) is not None}  # type: ignore[attr-defined]
    databases: list[Database] = [given] if given is not None else []
    for database in found.values():
        if database not in databases:
            databases.append(database)
    if len(databases) > 1:
        listed = ", ".join(f'"{owner}": {database!r}' for owner, database in found.items())
        also = f"; db={given!r}" if given is not None else ""
        raise ConfigurationError(
            f"a service keeps all runs and hook jobs in one database, and these differ: {listed}{also}. "
            f"Give one database to the service and none to its agents"
        )
    return databases[0] if databases else None
