"""A whole service in a test: its app, its hooks, and the end of all of them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from fastapi import FastAPI

from offpath.engine.adapters import open_engine
from offpath.engine.protocol import Engine
from offpath.errors import ConfigurationError
from offpath.runs.job import JobInfo, JobState
from offpath.settings import Settings
from offpath.storage.database import Database, SqliteDb

if TYPE_CHECKING:
    import httpx2

_ENDED = (JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED)
_MOST_JOBS = 100_000
_POLL = 0.01


class Service(Protocol):
    """An `AgentService`, as far as it is tested."""

    @property
    def settings(self) -> Settings: ...

    @property
    def db(self) -> Database: ...

    @property
    def process(self) -> Any:
        """A `ServiceProcess`."""

    def get_app(self) -> FastAPI: ...

    def configured(self, *, settings: Settings, db: Database) -> AbstractContextManager[None]:
        """Other settings, database and app until the end of the block."""


class ServiceTester:
    """Runs a service inside a test, with a database of its own that is gone afterwards.

        async with ServiceTester(service) as tester:
            answer = await tester.client.post("/agents/support/runs", data={"message": "hi", "stream": "false"})
            (job,) = await tester.drain()
            assert job.state == "succeeded"

    Until the end of the block the service itself has other settings and another database, so what the code under test
    does with it (`service.run(...)`) goes there too. Routes that you added to its app are not in the tested app.

    Args:
        service: An `AgentService`.
        worker: Where its background hooks run. "thread": in this process, after the response, so that the test can
            look at what they did. "inline": before the response is given. "process": in executors, as in production;
            the service must stand in a module that they can import.
        settings: By default the service's own, with waits between attempts of at most 50 ms. Its worker is `worker` in
            any case.
        db: By default a new SQLite file in a temporary directory, whatever the service and its agents name.
    """

    def __init__(
        self,
        service: Service,
        *,
        worker: Literal["thread", "inline", "process"] = "thread",
        settings: Settings | None = None,
        db: Database | None = None,
    ) -> None:
        self.service = service
        self._worker = worker
        self._settings = settings
        self._db = db
        self._client: httpx2.AsyncClient | None = None
        self._engine: Engine | None = None
        self._closing = AsyncExitStack()

    @property
    def client(self) -> httpx2.AsyncClient:
        """A client of the service's app, without a network; it sends `OFFPATH_API_KEY` if the settings have one.

        A streamed answer arrives as a whole, once it has ended.

        Raises:
            RuntimeError: Outside the `async with` block.
        """
        if self._client is None:
            raise RuntimeError("the service is not running: use `async with ServiceTester(service) as tester:`")
        return self._client

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._closing.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client = self._engine = None
        await self._closing.aclose()

    async def drain(self, timeout: float = 10.0) -> list[JobInfo]:
        """Wait until every hook job has ended, retries included, and what they found out is in evaluations and sums.

        Returns:
            All jobs, the dead among them, in the order in which they were queued.

        Raises:
            TimeoutError: Some have not ended after `timeout` seconds; the text lists them.
        """
        if self._engine is None:
            raise RuntimeError("the service is not running: use `async with ServiceTester(service) as tester:`")
        deadline = time.monotonic() + timeout
        while True:
            waiting = await self._engine.jobs(limit=_MOST_JOBS)
            if not waiting and await self._all_booked():
                break
            if time.monotonic() >= deadline:
                raise TimeoutError(_unfinished(waiting, timeout))
            await asyncio.sleep(_POLL)
        ended = [job for state in _ENDED for job in await self._engine.jobs(state=state, limit=_MOST_JOBS)]
        return sorted(ended, key=lambda job: job.queued_at)

    async def _all_booked(self) -> bool:
        process = self.service.process
        return process.planner is None or await process.ledger.unbooked() == 0

    async def _start(self) -> None:
        import httpx2  # takes its time, and tests of single hooks need none

        database = self._db or SqliteDb(Path(self._temporary_directory()) / "offpath-test.db")
        settings = self._replace(database)
        app = self.service.get_app()
        await self._closing.enter_async_context(app.router.lifespan_context(app))
        if self._worker == "process" and self.service.process.supervisor is None:
            raise ConfigurationError(
                'worker="process" needs a service that another process can import: make it at the top of a module, '
                "under a name of its own"
            )
        self._engine = open_engine(database)
        self._closing.push_async_callback(self._engine.close)
        headers = {}
        if settings.api_key is not None:
            headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:7777", headers=headers, timeout=None
        )
        self._closing.push_async_callback(self._client.aclose)

    def _temporary_directory(self) -> str:
        return self._closing.enter_context(
            tempfile.TemporaryDirectory(prefix="offpath-test-", ignore_cleanup_errors=True)
        )

    def _replace(self, database: Database) -> Settings:
        """Give the service other settings, this database, and an app that goes with them, until the end."""
        if self._settings is None:
            quick = {"hook_backoff": 0.05, "hook_backoff_max": 0.05}
            settings = self.service.settings.model_copy(update={"worker": self._worker, **quick})
        else:
            settings = self._settings.model_copy(update={"worker": self._worker})
        self._closing.enter_context(self.service.configured(settings=settings, db=database))
        return settings


def _unfinished(jobs: list[JobInfo], timeout: float) -> str:
    lines = [
        f"- {job.key}: {job.state}, attempt {job.attempts}" + (f", last error: {job.error}" if job.error else "")
        for job in jobs[:20]
    ]
    more = [f"- and {len(jobs) - 20} more"] if len(jobs) > 20 else []
    if not jobs:
        return f"what the hooks found out is not booked after {timeout:g} s; give drain(timeout=...) more"
    head = f"{len(jobs)} hook jobs have not ended after {timeout:g} s; give drain(timeout=...) more, or look at them:"
    return "\n".join([head, *lines, *more])
