"""A service that was added to an app of somebody's own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from offpath import Agent, AgentService, SqliteDb
from offpath.errors import ConfigurationError
from offpath.settings import Settings
from offpath.testing import FakeModel, tool_call
from offpath.worker.target import load_target

RUNS = "/ai/agents/support/runs"
MESSAGE = {"message": "hello", "stream": "false"}


def a_service(directory: Path, **options: Any) -> AgentService:
    def note(run_output: Any) -> None: ...

    settings = options.pop("settings", None) or Settings(worker="thread")
    return AgentService(
        agents=[Agent(id="support", model=FakeModel(), post_hooks=[note])],
        db=SqliteDb(directory / "mounted.db"),
        run_hooks_in_background=True,
        settings=settings,
        **options,
    )


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost:7777", timeout=20) as client,
    ):
        yield client


async def test_its_routes_are_below_the_path_and_those_of_the_app_stay(tmp_path: Path) -> None:
    app = FastAPI()
    app.add_api_route("/orders", lambda: ["mine"])
    a_service(tmp_path).mount_on(app, "/ai")
    app.add_api_route("/later", lambda: ["mine too"])
    async with client_of(app) as client:
        answer = await client.post(RUNS, data=MESSAGE)
        assert answer.status_code == 200, answer.text
        (job,) = (await client.get(f"/ai/runs/{answer.json()['run_id']}/hooks")).json()
        assert job["hook"] == "note"
        assert (await client.get("/orders")).json() == ["mine"]
        assert (await client.get("/later")).json() == ["mine too"]
        assert (await client.get("/ai/ready")).status_code == 200
        assert "openapi.json" in (await client.get("/ai/docs")).text
        document = (await client.get("/ai/openapi.json")).json()
        assert document["servers"] == [{"url": "/ai"}]


async def test_each_request_is_counted_once_whichever_part_answers_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    app.add_api_route("/orders", lambda: ["mine"])
    a_service(tmp_path).mount_on(app, "/ai")
    async with client_of(app) as client:
        await client.get("/orders")
        await client.post(RUNS, data=MESSAGE)
        page = (await client.get("/ai/metrics")).text
    counted = {
        route: float(value)
        for route, value in re.findall(
            r'http_server_request_duration_seconds_count\{.*http_route="(.*?)".*\} (.*)', page
        )
    }
    assert counted == {"/orders": 1.0, "/ai/agents/{agent_id}/runs": 1.0}
    assert "left out" not in caplog.text


async def test_the_apps_own_lifespan_is_around_the_services(tmp_path: Path) -> None:
    happened: list[str] = []

    async def state_of_store() -> str:
        return (await service.process.readiness())["store"] if service._process else "closed"

    @asynccontextmanager
    async def theirs(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        happened.append(f"app opens, service {await state_of_store()}")
        yield {"pool": "open"}
        happened.append(f"app closes, service {await state_of_store()}")

    @asynccontextmanager
    async def ours(app: FastAPI) -> AsyncIterator[None]:
        happened.append(f"service opens, {await state_of_store()}")
        yield
        happened.append(f"service closes, {await state_of_store()}")

    def pool(request: Request) -> str:
        return str(request.state.pool)

    app = FastAPI(lifespan=theirs)
    app.add_api_route("/pool", pool)
    service = a_service(tmp_path, lifespan=ours)
    service.mount_on(app)
    assert service.path == "/offpath"
    # As a server does it, which keeps what the lifespan yields for the requests.
    async with app.router.lifespan_context(app) as state:
        assert state == {"pool": "open"}
    assert happened == [
        "app opens, service closed",
        "service opens, ok",
        "service closes, ok",
        "app closes, service closed",
    ]


async def test_a_run_that_is_under_way_at_the_end_still_has_what_the_app_opened(tmp_path: Path) -> None:
    is_open, asked, found = False, asyncio.Event(), []

    async def look_up() -> str:
        """Look into the app's pool."""
        asked.set()
        await asyncio.sleep(0.2)
        found.append(is_open)
        return "found"

    @asynccontextmanager
    async def theirs(app: FastAPI) -> AsyncIterator[None]:
        nonlocal is_open
        is_open = True
        yield
        is_open = False

    app = FastAPI(lifespan=theirs)
    agent = Agent(id="support", model=FakeModel([tool_call("look_up"), "Here it is."]), tools=[look_up])
    service = AgentService(agents=[agent], db=SqliteDb(tmp_path / "mounted.db"), settings=Settings(worker="thread"))
    service.mount_on(app, "/ai")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7777", timeout=20) as client:
        async with app.router.lifespan_context(app):
            run = asyncio.create_task(client.post(RUNS, data=MESSAGE))
            await asked.wait()
        assert (await run).json()["content"] == "Here it is."
    assert found == [True]


async def test_it_can_be_started_again(tmp_path: Path) -> None:
    app = FastAPI()
    a_service(tmp_path).mount_on(app, "/ai")
    for _ in range(2):
        async with client_of(app) as client:
            assert (await client.post(RUNS, data=MESSAGE)).status_code == 200


async def test_mounted_without_being_started_it_takes_no_run(tmp_path: Path) -> None:
    app = FastAPI()
    app.mount("/ai", a_service(tmp_path).get_app())
    async with client_of(app) as client:
        refused = await client.post(RUNS, data=MESSAGE)
    assert refused.status_code == 503
    assert "mount_on" in refused.json()["detail"]


async def test_a_key_guards_what_is_below_the_path_and_nothing_else(tmp_path: Path) -> None:
    app = FastAPI()
    app.add_api_route("/orders", lambda: ["mine"])
    a_service(tmp_path, settings=Settings(worker="thread", api_key="a-key-of-mine")).mount_on(app, "/ai")
    async with client_of(app) as client:
        assert (await client.get("/orders")).status_code == 200
        assert (await client.get("/ai/health")).status_code == 200
        assert (await client.get("/ai/agents")).status_code == 401
        key = {"Authorization": "Bearer a-key-of-mine"}
        assert (await client.get("/ai/agents", headers=key)).status_code == 200


async def test_a_start_that_fails_closes_what_the_app_has_opened(tmp_path: Path) -> None:
    closed = []

    @asynccontextmanager
    async def theirs(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            closed.append(True)

    app = FastAPI(lifespan=theirs)
    (tmp_path / "mounted.db").write_text("this is no database at all")
    a_service(tmp_path).mount_on(app, "/ai")
    with pytest.raises(Exception, match="mounted.db"):
        async with app.router.lifespan_context(app):
            pytest.fail("it has started")
    assert closed == [True]


@pytest.mark.parametrize("path", ["/", "", "ai", "/ai/"])
def test_a_path_that_would_hide_other_routes_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigurationError, match="mount_on.path="):
        a_service(tmp_path).mount_on(FastAPI(), path)


def test_an_app_takes_one_service(tmp_path: Path) -> None:
    app, service = FastAPI(), a_service(tmp_path)
    service.mount_on(app, "/ai")
    for mounted, on in ((a_service(tmp_path), app), (service, FastAPI())):
        with pytest.raises(ConfigurationError, match="a process runs one service"):
            mounted.mount_on(on, "/ai2")


def test_the_app_leads_other_processes_to_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounted_shop.py").write_text(
        "from fastapi import FastAPI\n"
        "from offpath import Agent, AgentService\n"
        "from offpath.testing import FakeModel\n"
        "def note(run_output): ...\n"
        "app = FastAPI()\n"
        "agent = Agent(id='support', model=FakeModel(), post_hooks=[note])\n"
        "AgentService(agents=[agent], run_hooks_in_background=True).mount_on(app, '/ai')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "agent:support:post:note" in load_target("mounted_shop:app").hooks
