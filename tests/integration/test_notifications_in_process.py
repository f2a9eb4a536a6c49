"""Notifications of a service whose hooks run in its own process."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from notification_receivers import HttpReceiver, http_receiver, load_apprise
from offpath import Agent, AgentService, hook
from offpath.runs.job import JobState
from offpath.settings import Settings
from offpath.testing import FakeModel, ServiceTester


@pytest.fixture(scope="module", autouse=True)
def apprise() -> None:
    load_apprise()


@hook(run_in_background=False)
def refuse(run_input: object) -> None:
    raise RuntimeError("refused for the test")


async def received(receiver: HttpReceiver, count: int) -> None:
    for _ in range(400):
        if len(receiver.received) >= count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(receiver.received)} of {count} messages arrived")


@pytest.mark.parametrize("worker", ["inline", "thread"])
async def test_failed_run_is_told_to_each_channel(worker: Literal["inline", "thread"]) -> None:
    with http_receiver() as receiver:
        settings = Settings(
            notify_urls=f"chat=json://{receiver.address}/chat",
            notify_webhook_url=f"http://{receiver.address}/hook",
            notify_webhook_secret="a secret of the test",
            notify_content=True,
        )
        agent = Agent(id="support", name="Support", model=FakeModel(), pre_hooks=[refuse])
        service = AgentService(agents=[agent], run_hooks_in_background=True, settings=settings)
        async with ServiceTester(service, worker=worker) as tester:
            form = {"message": "I am jane@example.com, help", "stream": "false"}
            answer = await tester.client.post("/agents/support/runs", data=form)
            assert answer.status_code == 500
            await received(receiver, 2)
            jobs = await tester.drain()
            config = (await tester.client.get("/config")).text
    assert [(job.hook, job.kind, job.state) for job in jobs] == [
        ("offpath.notify", "notification", JobState.SUCCEEDED)
    ] * 2
    assert {got.path for got in receiver.received} == {"/chat", "/hook"}
    for got in receiver.received:
        assert b"a run of Support failed (HookError)" in got.body
        assert b"help" in got.body
        assert b"jane@example.com" not in got.body
    assert receiver.address not in config
    assert "secret of the test" not in config
