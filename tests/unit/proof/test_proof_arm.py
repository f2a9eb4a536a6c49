"""One arm, as it is asked over HTTP; the time axis; the planted slowdown."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from offpath.proof import plant
from offpath.proof.arm import ServedArm
from offpath.proof.arms import serve_arms
from offpath.proof.errors import ProofError
from offpath.proof.plant import pause_until
from offpath.proof.run_request import run_request
from offpath.proof.target import Call, UrlTarget
from offpath.proof.waterfall import run_trace

Answer = Callable[[str, str], tuple[int, Any]]


@contextmanager
def http_service(answer: Answer) -> Iterator[tuple[str, int]]:
    """A service that answers a method and a path with a status and JSON."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, value = answer(self.command, self.path)
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _reply  # noqa: N815  # the names that http.server calls

        def log_message(self, *arguments: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield ("127.0.0.1", int(server.server_address[1]))
        finally:
            server.shutdown()
            thread.join()


def arm_at(address: tuple[str, int], **options: Any) -> ServedArm:
    return ServedArm("on", address, run_request("/agents/a/runs", Call()), **options)


def queue(hook_id: str, *, ready: int = 0, scheduled: int = 0, running: int = 0, dead: int = 0) -> dict[str, Any]:
    return {"id": hook_id, "queue": {"ready": ready, "scheduled": scheduled, "running": running, "dead": dead}}


def test_it_is_idle_when_nothing_waits_and_says_how_many_have_failed() -> None:
    looks = iter([[queue("a", ready=1)], [queue("a", running=1)], [queue("a", scheduled=1)]])

    def answer(method: str, path: str) -> tuple[int, Any]:
        return 200, next(looks, [queue("a", dead=2), queue("b", dead=1), {"id": "foreground"}])

    with http_service(answer) as address:
        assert arm_at(address).await_idle(30) == 3
        assert next(looks, None) is None, "it asked until nothing waited"


def test_jobs_that_had_failed_before_are_not_counted() -> None:
    dead = [4]
    with http_service(lambda method, path: (200, [queue("a", dead=dead[0])])) as (host, port):
        url = f"http://{host}:{port}"
        with serve_arms(
            UrlTarget(off="http://127.0.0.1:1", on=url, call=Call(component="a")), None, arms=("on",), model_seconds=0
        ) as arms:
            dead[0] = 6
            assert arms["on"].await_idle(1) == 2


@pytest.mark.parametrize(
    ("name", "hooks", "told"),
    [
        ("off", [queue("a:notify")], r"--url-off .* has background hooks \(a:notify\)"),
        ("on", [{"id": "foreground"}], "--url-on .* has no background hooks"),
    ],
)
def test_a_service_that_is_not_the_arm_it_was_named_as_is_refused(name: Any, hooks: list[Any], told: str) -> None:
    with http_service(lambda method, path: (200, hooks)) as (host, port):
        urls = {"off": "http://127.0.0.1:1", "on": "http://127.0.0.1:2", name: f"http://{host}:{port}"}
        target = UrlTarget(**urls, call=Call(component="a"))
        with pytest.raises(ProofError, match=told), serve_arms(target, None, arms=(name,), model_seconds=0):
            pass


def test_hooks_that_do_not_end_are_named() -> None:
    with (
        http_service(lambda method, path: (200, [queue("a", ready=2, running=1), queue("b")])) as address,
        pytest.raises(ProofError, match=r"have not ended after 0 s: 3 of a\. Use a lower rate"),
    ):
        arm_at(address).await_idle(0)


def test_a_run_that_is_refused_says_what_was_answered() -> None:
    with (
        http_service(lambda method, path: (404, {"detail": "no agent a"})) as address,
        pytest.raises(ProofError, match='status 404: {"detail": "no agent a"}'),
    ):
        arm_at(address).run_once()
    with pytest.raises(ProofError, match="did not answer a run: ConnectionRefusedError"):
        arm_at(address).run_once()
    with pytest.raises(ProofError, match="did not answer GET /hooks: ConnectionRefusedError"):
        arm_at(address).await_idle(0)


def test_a_service_of_another_kind_is_measured_without_its_hooks() -> None:
    with http_service(lambda method, path: (200, {"text": "hi"}) if path == "/chat" else (404, {})) as (host, port):
        url = f"http://{host}:{port}/chat"
        target = UrlTarget(off="http://127.0.0.1:1", on=url, call=Call(body="{}"), idle_seconds=0.0)
        with serve_arms(target, None, arms=("on",), model_seconds=0) as arms:
            assert arms["on"].prefix is None
            assert arms["on"].run_once() == ""
            assert arms["on"].await_idle(0) == 0


def test_a_service_with_paths_like_offpaths_and_no_hooks_is_not_asked_for_them() -> None:
    def answer(method: str, path: str) -> tuple[int, Any]:
        return (200, {"run_id": "r1"}) if path == "/agents/a/runs" else (404, {"detail": "Not Found"})

    with http_service(answer) as (host, port):
        url = f"http://{host}:{port}"
        target = UrlTarget(off="http://127.0.0.1:1", on=url, call=Call(component="a"), idle_seconds=0.0)
        with serve_arms(target, None, arms=("on",), model_seconds=0) as arms:
            run_id = arms["on"].run_once()
            assert arms["on"].await_idle(0) == 0
            assert arms["on"].trace(run_id).hooks == ()


def test_only_runs_of_its_own_can_be_traced() -> None:
    with pytest.raises(ProofError, match="was not asked for a run 'other'"):
        arm_at(("127.0.0.1", 9)).trace("other")


def job(hook: str, queued: float, started: float | None, ended: float | None, **more: Any) -> dict[str, Any]:
    times = {"queued_at": queued, "started_at": started, "finished_at": ended}
    return {
        "hook": hook,
        "state": "succeeded",
        "attempts": 1,
        **{name: value for name, value in times.items() if value is not None},
        **more,
    }


def test_times_are_counted_from_the_request() -> None:
    jobs = [job("late", 1000.02, 1000.03, 1003.0), job("early", 1000.001, 1000.01, 1000.011)]
    trace = run_trace("r", 1000.0, 0.025, jobs)
    assert trace.responded == 0.025
    assert [hook.name for hook in trace.hooks] == ["early", "late"]
    late = trace.hooks[1]
    assert (late.queued, late.started, late.ended) == pytest.approx((0.02, 0.03, 3.0))


def test_a_job_that_has_not_begun_has_no_length() -> None:
    (hook,) = run_trace("r", 1000.0, 0.02, [job("waiting", 1000.01, None, None, state="ready", attempts=0)]).hooks
    assert hook.queued == hook.started == hook.ended == pytest.approx(0.01)
    assert (hook.state, hook.attempts) == ("ready", 0)


def test_the_clock_of_another_machine_is_set_by_the_answer() -> None:
    jobs = [job("pre", 5000.0, 5000.01, 5000.02), job("post", 5000.1, 5000.2, 5002.1)]
    trace = run_trace("r", 1000.0, 0.15, jobs, same_clock=False)
    assert [hook.queued for hook in trace.hooks] == pytest.approx([0.05, 0.15])
    assert trace.hooks[1].ended == pytest.approx(2.15)


async def test_a_planted_slowdown_delays_runs_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    planted: list[float] = []

    async def pause(moment: float) -> None:
        planted.append(moment)

    async def work(request: Any) -> PlainTextResponse:
        await pause_until(time.perf_counter() + 0.02)
        return PlainTextResponse("done")

    monkeypatch.setattr(plant, "pause_until", pause)
    app = Starlette(routes=[Route("/agents/a/runs", work, methods=["GET", "POST"]), Route("/health", work)])
    app.add_middleware(plant.Plant, share=3.0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for method, path in (("GET", "/health"), ("GET", "/agents/a/runs"), ("POST", "/agents/a/runs")):
            began = time.perf_counter()
            assert (await client.request(method, path)).text == "done"
    assert len(planted) == 1
    assert planted[0] >= began + 0.02 * 4, "three times the time that the run's answer took, after it"


@pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.01])
async def test_a_pause_is_never_shorter_than_asked_for(seconds: float) -> None:
    moment = time.perf_counter() + seconds
    await pause_until(moment)
    assert time.perf_counter() >= moment
