from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from offpath import demo_traffic
from offpath.demo_traffic import KINDS, MOST_RATE, Traffic, traffic_process, visits
from offpath.errors import ConfigurationError
from offpath.settings import Settings
from unit.cli.projects import Project

Answer = Callable[[web.Request], web.StreamResponse]


@asynccontextmanager
async def traffic_to(answer: Answer, rate: float) -> AsyncIterator[tuple[Traffic, Counter[str]]]:
    """Traffic, not started, and the requests that a service got which is ready and answers everything else so."""
    seen: Counter[str] = Counter()

    async def receive(request: web.Request) -> web.StreamResponse:
        seen[f"{request.method} {request.path}"] += 1
        return web.Response() if request.path == "/ready" else answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
            yield Traffic(http, rate), seen
    finally:
        await runner.cleanup()


async def sent_until(traffic: Traffic, enough: Callable[[], bool]) -> None:
    sending = asyncio.create_task(traffic.run())
    async with asyncio.timeout(20):
        while not enough() and not sending.done():
            await asyncio.sleep(0.01)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


def test_all_kinds_come_first_and_then_in_their_shares() -> None:
    drawn = list(itertools.islice(visits(random.Random(1)), len(KINDS) + 3 * sum(kind.share for kind in KINDS)))
    assert drawn[: len(KINDS)] == list(KINDS)
    assert Counter(drawn[len(KINDS) :]) == {kind: 3 * kind.share for kind in KINDS}


async def test_it_goes_on_when_everything_fails_and_says_each_thing_once(caplog: pytest.LogCaptureFixture) -> None:
    async with traffic_to(lambda _: web.json_response({"detail": "broken"}, status=500), 1000) as (traffic, seen):
        await sent_until(traffic, lambda: traffic.failed > 60)
    assert traffic.failed > 60
    assert seen["POST /workflows/answer-and-review/runs"]
    told = [record.getMessage() for record in caplog.records if record.name == "offpath.demo"]
    assert len(told) == len(set(told)) == len(KINDS)
    assert any("answered with 500 instead of 200: broken" in text for text in told)


async def test_visits_that_should_fail_tell_when_they_do_not(caplog: pytest.LogCaptureFixture) -> None:
    async with traffic_to(lambda _: web.json_response({"run_id": "r"}), 1000) as (traffic, seen):
        await sent_until(traffic, lambda: traffic.sent > len(KINDS) and traffic.failed >= 3)
    told = {record.getMessage().partition(" (")[2].partition(")")[0] for record in caplog.records}
    assert {"blocked", "model_error", "mistake"} <= told
    for path in ("agents/assistant", "agents/reviewer", "teams/desk", "workflows/answer-and-review"):
        assert seen[f"POST /{path}/runs"], path


async def test_a_service_that_is_slow_gets_no_more_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_traffic, "MOST_AT_ONCE", 3)
    waiting = asyncio.Event()

    class Slow(web.Response):
        async def prepare(self, request: web.BaseRequest) -> object:  # type: ignore[override]
            await waiting.wait()
            return await super().prepare(request)

    async with traffic_to(lambda _: Slow(text="{}"), 1000) as (traffic, seen):
        sending = asyncio.create_task(traffic.run())
        async with asyncio.timeout(20):
            while traffic.sent < 3:
                await asyncio.sleep(0.01)
        for _ in range(20):
            await asyncio.sleep(0)
        assert traffic.sent == 3
        waiting.set()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert seen["GET /ready"] == 1


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", f"{MOST_RATE + 1:g}"])
def test_an_impossible_rate_is_refused(project: Project, rate: str) -> None:
    result = project.run("demo", "--traffic", "--", rate)
    assert result.exit_code == 2
    assert f"--traffic {rate}" in result.stderr


def test_a_rate_without_traffic_is_no_rate(project: Project) -> None:
    result = project.run("demo", "5")
    assert result.exit_code == 2
    assert "offpath demo --traffic 5" in result.stderr


def test_it_needs_a_key_where_callers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFPATH_API_KEYS_FILE", "keys.toml")
    settings = Settings.load()
    with pytest.raises(ConfigurationError, match="OFFPATH_API_KEY as well"), traffic_process("http://x", 1, settings):
        pass
