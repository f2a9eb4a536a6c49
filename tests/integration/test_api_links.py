"""Links in answers and events lead where the caller can go: below a mount, behind a proxy, and at the root."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from offpath import Agent, AgentService, SqliteDb
from offpath.settings import Settings
from offpath.testing import FakeModel

MESSAGE = {"message": "hello", "session_id": "s"}


@asynccontextmanager
async def client_of(directory: Path, mount: str, root_path: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service whose first two runs are answered, and whose others fail."""

    def note(run_output: Any) -> None: ...

    service = AgentService(
        agents=[Agent(id="support", model=FakeModel(["one", "two"]), post_hooks=[note])],
        db=SqliteDb(directory / "links.db"),
        run_hooks_in_background=True,
        evaluators=["pii"],
        settings=Settings(worker="thread"),
    )
    if mount:
        app = FastAPI()
        service.mount_on(app, mount)
    else:
        app = service.get_app()
    # As uvicorn does it with --root-path: the path that an application sees begins with it.
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost:7777", timeout=20) as client,
    ):
        yield client


def last_event(answer: httpx.Response) -> dict[str, Any]:
    """The data of the event that ends a stream."""
    last: dict[str, Any] = json.loads(answer.text.strip().rpartition("data: ")[2])
    return last


@pytest.mark.parametrize(
    ("mount", "root_path", "before"),
    [
        ("", "", ""),
        ("/mounted-here", "", "/mounted-here"),
        ("", "/behind-a-proxy", "/behind-a-proxy"),
        ("/mounted here", "/behind-a-proxy", "/behind-a-proxy/mounted%20here"),
    ],
)
async def test_links_can_be_followed(tmp_path: Path, mount: str, root_path: str, before: str) -> None:
    async with client_of(tmp_path, mount, root_path) as client:
        runs = f"{before}/agents/support/runs"
        once = {"idempotency-key": "a"}

        async def ask(stream: bool, headers: dict[str, str] | None = None) -> httpx.Response:
            return await client.post(runs, data={**MESSAGE, "stream": str(stream).lower()}, headers=headers)

        whole = (await ask(False)).json()
        run_id = whole["run_id"]
        ended = last_event(await ask(True, once))
        replayed = await ask(True, once)
        failed = await ask(False)
        failed_stream = last_event(await ask(True))
        again = await client.post(f"{before}/runs/{run_id}/evaluations", json={})
        read = (await client.get(f"{before}/runs/{run_id}")).json()
        read_as_its_agents = (await client.get(f"{runs}/{run_id}")).json()
        of_agent = (await client.get(runs)).json()
        of_session = (await client.get(f"{before}/sessions/s/runs")).json()
        one_of_session = (await client.get(f"{before}/sessions/s/runs/{run_id}")).json()
        root = (await client.get(f"{before}/")).json()

        assert (replayed.headers["idempotent-replayed"], failed.status_code, again.status_code) == ("true", 502, 202)
        assert (ended["event"], failed_stream["event"], len(of_agent)) == ("RunCompleted", "RunError", 4)
        bodies = [whole, ended, last_event(replayed), failed.json(), failed_stream, again.json(), read]
        bodies += [read_as_its_agents, one_of_session, *of_agent, *of_session]
        for body in bodies:
            assert body["hooks_url"] == f"{before}/runs/{body['run_id']}/hooks"
        assert again.json()["evaluations_url"] == f"{before}/runs/{run_id}/evaluations"
        assert root == {
            "name": "offpath",
            "health": f"{before}/health",
            "info": f"{before}/info",
            "docs": f"{before}/docs",
        }
        links = {body["hooks_url"] for body in bodies} | {again.json()["evaluations_url"]}
        for link in [*links, *(root[name] for name in ("health", "info", "docs"))]:
            assert (await client.get(link)).status_code == 200, link
    if before:
        # What is stored must stay right when the service moves.
        for file in tmp_path.glob("links.db*"):
            assert not file.is_file() or b"mounted" not in file.read_bytes()
            assert not file.is_file() or b"behind-a-proxy" not in file.read_bytes()


async def test_a_request_that_comes_again_by_another_way_runs_once(tmp_path: Path) -> None:
    form, headers = {**MESSAGE, "stream": "false"}, {"idempotency-key": "a"}
    async with client_of(tmp_path, "", "/behind-a-proxy") as client:
        first = await client.post("/behind-a-proxy/agents/support/runs", data=form, headers=headers)
    async with client_of(tmp_path, "", "") as client:
        second = await client.post("/agents/support/runs", data=form, headers=headers)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json()["run_id"] == first.json()["run_id"]
    assert (first.json()["hooks_url"], second.json()["hooks_url"]) == (
        f"/behind-a-proxy/runs/{first.json()['run_id']}/hooks",
        f"/runs/{first.json()['run_id']}/hooks",
    )
