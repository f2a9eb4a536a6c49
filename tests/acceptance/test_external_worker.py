"""`offpath worker` beside a service that starts none: its own /metrics, /health and /ready, and one page of both."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from acceptance.metrics_page import Page, scrape
from acceptance.otlp_receiver import OtlpReceiver, otlp_receiver
from acceptance.serving import Service, ServiceMaker, console_script, eventually
from acceptance.traces import APP, run_trace, spans

RUNS = 10
TOKEN = "token-of-the-page"
FLUSHED_SECONDS = 1.5


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def service(make_shared_service: ServiceMaker, receiver: OtlpReceiver) -> Service:
    """The service; it is ready though nobody runs its hooks."""
    return make_shared_service(APP, environment=environment(receiver, OFFPATH_WORKER="external")).start()


def environment(receiver: OtlpReceiver, **more: str) -> dict[str, str]:
    traces = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/v1/traces", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    return {**traces, "OFFPATH_METRICS_TOKEN": TOKEN, **more}


@pytest.fixture(scope="module")
def worker(make_shared_service: ServiceMaker, service: Service, receiver: OtlpReceiver) -> Service:
    """A worker of that service's database, started by hand, and told where to serve."""
    made = make_shared_service(
        APP,
        command=[console_script("offpath"), "worker", f"{APP}:app"],
        database=service.database,
        environment=environment(receiver),
    )
    made.environment["OFFPATH_WORKER_PORT"] = str(made.port)
    return made


def status(worker: Service, path: str) -> int:
    """The answer's status; 0 while nobody answers."""
    try:
        return worker.http.get(path).status_code
    except httpx.TransportError:
        return 0


def page_of(process: Service) -> Page:
    return scrape(process.http, authorization=f"Bearer {TOKEN}")


def totals(page: Page) -> dict[str, float]:
    names = ("runs", "hooks_queued", "hooks_started", "hooks_finished", "hooks_retried", "hooks_dead")
    return {name: page.total(f"offpath_{name}_total") for name in names}


def drained(service: Service, worker: Service) -> tuple[Page, Page]:
    """Both pages, when all jobs are done and each process has written what it knows."""
    eventually(lambda: service.query("SELECT count(*) FROM jobs") == [(0,)], "all hooks are done", every=0.1)
    time.sleep(FLUSHED_SECONDS)
    return page_of(service), page_of(worker)


def test_before_there_is_a_worker_jobs_wait(service: Service, worker: Service) -> None:
    run_id = service.run("quick")["run_id"]
    assert {job["state"] for job in service.hooks_of(run_id).values()} == {"ready"}
    page = page_of(service)
    assert page.total("offpath_runs_total") == 1
    assert page.total("offpath_hooks_queued_total") == 2
    assert page.found("offpath_workers") == []
    assert status(worker, "/health") == 0


def test_it_serves_and_shows_what_the_service_shows(service: Service, worker: Service, receiver: OtlpReceiver) -> None:
    worker.start(ready=False)
    eventually(lambda: status(worker, "/health") == 200, f"the worker lives: {worker.log_end()}")
    eventually(lambda: status(worker, "/ready") == 200, f"the worker is ready: {worker.log_end()}")
    run_ids = [service.run("quick")["run_id"] for _ in range(RUNS - 1)]
    ours, theirs = drained(service, worker)
    assert totals(ours) == totals(theirs)
    assert totals(theirs) == {
        "runs": RUNS,
        "hooks_queued": 2 * RUNS,
        "hooks_started": 2 * RUNS,
        "hooks_finished": 2 * RUNS,
        "hooks_retried": 0,
        "hooks_dead": 0,
    }
    stored = service.query("SELECT count(*) FROM job_results WHERE state = 'succeeded'")
    assert stored == [(2 * RUNS,)]
    for page in (ours, theirs):
        assert page.total("offpath_workers") == 1
        assert page.total("offpath_executors") >= 1
        assert page.total("offpath_worker_heartbeat_age_seconds") < 30
    # The whole queue is looked at every few seconds.
    for process in (service, worker):
        eventually(lambda each=process: page_of(each).total("offpath_hooks_backlog") == 0, "nothing waits", every=0.2)  # type: ignore[misc]
    # Its hooks' traces link back across the processes.
    [agent] = [span for span in run_trace(receiver, run_ids[-1], "Quick") if span.name == "invoke_agent Quick"]
    [hook] = spans(receiver, run_ids[-1], "process first")
    assert hook.links[0].span_id == agent.span_id


def test_its_page_is_clean_for_promtool_and_guarded_like_the_services(worker: Service) -> None:
    assert worker.http.get("/metrics").status_code == 401
    assert worker.http.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    for open_to_all in ("/health", "/ready"):
        assert worker.http.get(open_to_all).status_code == 200
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    text = scrape(worker.http, accept="text/plain", authorization=f"Bearer {TOKEN}").text
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_second_one_on_its_port_says_so_and_ends(worker: Service) -> None:
    second = Service(
        worker.directory.with_name("second"),
        APP,
        worker.environment["OPENAI_BASE_URL"],
        command=worker.command,
        database=worker.directory.with_name("second") / "other.db",
        environment={"OFFPATH_WORKER_PORT": str(worker.port)},
    )
    try:
        assert second.start(ready=False).wait() == 78
        assert "OFFPATH_WORKER_PORT" in second.log_end()
        assert "Traceback" not in second.log_end()
    finally:
        second.discard()


def test_when_it_is_killed_its_counts_stay_and_its_gauges_go(service: Service, worker: Service) -> None:
    before = page_of(service)
    assert worker.process is not None
    assert worker.process.poll() is None, worker.log_end()
    # The worker first: it would notice that its children are gone, and end in order.
    worker.signal(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
    for process in worker.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert status(worker, "/health") == 0
    # Not shown, or 0 as soon as the service has looked and found nobody.
    page = eventually(lambda: page if (page := page_of(service)).total("offpath_workers") == 0 else None, "it is gone")
    assert page is not None
    assert page.found("offpath_executors") == []
    assert not page.fallen(before)
    assert totals(page) == totals(before)

    # Started again it goes on where the other one was.
    waiting = service.run("quick")["run_id"]
    worker.start(ready=False)
    eventually(lambda: status(worker, "/ready") == 200, "the worker is ready again")
    service.finished_hooks(waiting, {"first", "second"})
    ours, theirs = drained(service, worker)
    assert totals(ours) == totals(theirs)
    assert ours.total("offpath_hooks_finished_total") == 2 * (RUNS + 1)
    assert ours.total("offpath_workers") == 1
    assert not ours.fallen(page)


def test_it_drains_and_ends_in_order(worker: Service) -> None:
    assert worker.stop() == 0, worker.log_end()
    assert status(worker, "/health") == 0
    assert "Traceback" not in worker.log.read_text()
