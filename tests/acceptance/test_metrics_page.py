"""/metrics of a service of many processes: exact when all have written, monotone whatever is killed."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from acceptance.metrics_page import OPENMETRICS, Page, scrape
from acceptance.otlp_receiver import OtlpReceiver, otlp_receiver
from acceptance.serving import Service, ServiceMaker, eventually
from offpath.offline import OfflineProcess

APP = "counted_app"
AGENT = "counted"
PROCESSES = 4
REQUESTS = 2_000
CLIENTS = 16
FLUSHED_SECONDS = 1.5
"""After so long without work every living process has written what it knows, which it does once a second."""
LOST_SECONDS = 2.5
"""What a killed process may lose: its last interval of a second, which a busy machine stretches."""
MESSAGES = (
    *["How are you?"] * 14,
    "Tell me twice",
    "Talk in vain",
    "The forbidden word",
    "You are out of order",  # the model answers 500
)


@pytest.fixture(scope="module", autouse=True)
def quick_model(model: OfflineProcess) -> Iterator[None]:
    model.set_options(chunk_latency=0.0)
    yield
    model.set_options(chunk_latency=0.01)


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def service(make_shared_service: ServiceMaker, quick_model: None, receiver: OtlpReceiver) -> Service:
    environment = {
        "OFFPATH_HOOK_BACKOFF": "0.2",
        "OFFPATH_LOG_LEVEL": "warning",
        # A few traces, for exemplars.
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/v1/traces",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.05",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    service = make_shared_service(APP, "--workers", str(PROCESSES), environment=environment).start()
    eventually(lambda: len(servers(service)) == PROCESSES, "all processes serve")
    return service


def servers(service: Service) -> list[psutil.Process]:
    """The processes that answer requests, without uvicorn's own above them."""
    assert service.process is not None
    return [process for process in service.members("service") if process.pid != service.process.pid]


def asked_of(service: Service, only: psutil.Process, accept: str = OPENMETRICS) -> Page:
    """The page as that process makes it: the others are stopped for as long as it takes."""
    others = [process for process in servers(service) if process.pid != only.pid]
    with httpx.Client(base_url=service.url, timeout=10) as http:
        try:
            for process in others:
                process.suspend()
            return scrape(http, accept=accept)
        finally:
            for process in others:
                process.resume()


def drained(service: Service) -> None:
    """Wait until all jobs are done, and until every process has written so."""
    eventually(lambda: service.query("SELECT count(*) FROM jobs") == [(0,)], "all hooks are done", every=0.2)
    time.sleep(FLUSHED_SECONDS)


async def put_under_load(service: Service, count: int) -> Counter[str]:
    """So many requests by several clients: plain and streamed ones, some that fail; how they ended."""
    ended: Counter[str] = Counter()
    numbers = iter(range(count))

    async def client() -> None:
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
            for number in numbers:
                streamed = number % 5 == 0
                data = {"message": MESSAGES[number % len(MESSAGES)], "stream": str(streamed).lower()}
                answer = await http.post(f"/agents/{AGENT}/runs", data=data)
                ended["stream" if streamed else str(answer.status_code)] += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return ended


def stored(service: Service) -> dict[str, dict[str, int]]:
    """What the database says, under the names of the metrics."""
    jobs = service.query("SELECT hook, count(*), sum(attempts), sum(state = 'dead') FROM job_results GROUP BY hook")
    hook = f"agent:{AGENT}:post:"
    found: dict[str, dict[str, int]] = {
        "offpath_runs_total": dict(service.query("SELECT status, count(*) FROM runs GROUP BY status")),
        "offpath_hooks_queued_total": {hook + name: count for name, count, _, _ in jobs},
        "offpath_hooks_started_total": {hook + name: attempts for name, _, attempts, _ in jobs},
        "offpath_hooks_finished_total": {hook + name: attempts for name, _, attempts, _ in jobs},
        "offpath_hooks_retried_total": {hook + name: attempts - count for name, count, attempts, _ in jobs},
        "offpath_hooks_dead_total": {hook + name: dead for name, _, _, dead in jobs},
    }
    return {name: {key: value for key, value in values.items() if value} for name, values in found.items()}


def shown(page: Page) -> dict[str, dict[str, int]]:
    """What the page says of the same."""
    labels = {"runs": "offpath_run_status"}
    names = ("runs", "hooks_queued", "hooks_started", "hooks_finished", "hooks_retried", "hooks_dead")
    return {
        f"offpath_{name}_total": page.by(labels.get(name, "offpath_hook"), f"offpath_{name}_total") for name in names
    }


def test_after_2000_requests_each_process_shows_exactly_what_is_stored(service: Service) -> None:
    began = time.monotonic()
    ended = asyncio.run(put_under_load(service, REQUESTS))
    took = time.monotonic() - began
    drained(service)
    facts = stored(service)
    print(f"{took:.1f} s for {ended}; stored: {facts}")
    assert sum(facts["offpath_runs_total"].values()) == REQUESTS
    assert {*facts["offpath_runs_total"]} == {"completed", "error", "blocked"}
    assert facts["offpath_hooks_retried_total"]
    assert facts["offpath_hooks_dead_total"]

    pages = [asked_of(service, process) for process in servers(service) * 2]
    assert len(pages) == 2 * PROCESSES
    for page in pages:
        assert page.total("offpath_runs_total") == REQUESTS
        assert shown(page) == facts
        assert page.total("offpath_hooks_queued_total") == len(service.query("SELECT key FROM job_results"))
        success = service.query("SELECT count(*) FROM job_results WHERE state = 'succeeded'")[0][0]
        assert page.total("offpath_hooks_finished_total", offpath_outcome="success") == success
        assert page.total("offpath_runs_total", offpath_run_streamed="true") == ended["stream"]
        assert page.total("offpath_guardrail_blocked_total") == facts["offpath_runs_total"]["blocked"]
        assert (
            page.total("http_server_request_duration_seconds_count", http_route="/agents/{agent_id}/runs") == REQUESTS
        )
        assert page.total("gen_ai_invoke_agent_duration_seconds_count") == REQUESTS
        assert page.total("offpath_hook_duration_seconds_count") == page.total("offpath_hooks_finished_total")
        assert page.total("offpath_runs_active") == 0
        assert page.total("offpath_workers") == 1
        assert page.total("offpath_telemetry_dropped_total") == 0
    # Whoever is asked: nothing has become less, and what does not depend on being asked is the same.
    for before, after in itertools.pairwise(pages):
        assert not after.fallen(before)


def test_it_is_clean_for_promtool(service: Service) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    page = scrape(service.http, accept="text/plain")
    assert page.content_type.startswith("text/plain; version=")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page.text, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


EXEMPLIFIED = (
    "http_server_request_duration_seconds_bucket",
    "gen_ai_client_operation_duration_seconds_bucket",
    "gen_ai_client_token_usage_bucket",
    "gen_ai_invoke_agent_duration_seconds_bucket",
    "offpath_hook_duration_seconds_bucket",
    "offpath_hook_queue_delay_seconds_bucket",
)


def test_exemplars_open_traces_that_exist(service: Service, receiver: OtlpReceiver) -> None:
    page = scrape(service.http)
    traces = {span.trace_id for span in receiver.spans}
    found = {name: {each.labels["trace_id"] for each in page.exemplars(name)} for name in EXEMPLIFIED}
    print({name: len(ids) for name, ids in found.items()}, f"of {len(traces)} traces")
    assert all(found.values()), found
    assert set().union(*found.values()) <= traces


def test_both_formats_say_the_same(service: Service) -> None:
    plain, openmetrics = scrape(service.http, accept="text/plain"), scrape(service.http)
    assert openmetrics.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")
    assert shown(plain) == shown(openmetrics)
    assert {name for name, _ in plain.counted} <= {name for name, _ in openmetrics.counted}
    assert "# {" not in plain.text  # exemplars are OpenMetrics' alone


def test_this_machine_is_served_without_a_key_and_nobody_else(service: Service) -> None:
    assert service.http.get("/metrics").status_code == 200
    for header, value in (("x-forwarded-for", "192.0.2.7"), ("host", "agents.example.com")):
        refused = service.http.get("/metrics", headers={header: value})
        assert refused.status_code == 403
        assert "offpath_runs" not in refused.text
    assert service.http.get("/metrics", headers={"origin": "https://pages.example.com"}).status_code == 403


@contextmanager
def traffic(service: Service, clients: int = 3) -> Iterator[None]:
    """Requests all the time, also while there is nobody to take them."""
    over = threading.Event()

    def client() -> None:
        with httpx.Client(base_url=service.url, timeout=30) as http:
            for message in itertools.cycle(MESSAGES):
                if over.is_set():
                    return
                try:
                    http.post(f"/agents/{AGENT}/runs", data={"message": message, "stream": "false"})
                except httpx.TransportError:
                    time.sleep(0.05)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


class Watch:
    """Scrapes all the time, and notes what falls."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.pages: list[Page] = []
        self.fallen: list[object] = []

    def look(self) -> Page:
        """One more scrape, on a new connection."""
        for _ in range(100):
            try:
                with httpx.Client(base_url=self.service.url, timeout=30) as http:
                    page = scrape(http)
                    break
            except httpx.TransportError:  # it was the killed one's to answer
                time.sleep(0.05)
        if self.pages and (fallen := page.fallen(self.pages[-1])):
            self.fallen.append((len(self.pages), fallen))
        self.pages.append(page)
        return page

    def go_on(self, seconds: float) -> None:
        """Look for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            time.sleep(0.1)


def busiest(service: Service, processes: list[psutil.Process]) -> psutil.Process:
    """The one that has answered most since a moment ago."""
    return max(processes, key=lambda process: lost_at_most(service, time.time(), process.pid))


def lost_at_most(service: Service, killed_at: float, owner_pid: int) -> int:
    """How many runs the killed process finished in its last interval."""
    sql = "SELECT count(*) FROM runs WHERE owner LIKE ? AND status <> 'interrupted' AND updated_at > ?"
    found: int = service.query(sql, f"{owner_pid}-%", killed_at - LOST_SECONDS)[0][0]
    return found


def test_nothing_falls_when_processes_are_killed_and_little_is_lost(service: Service) -> None:
    watch = Watch(service)
    watch.look()
    with traffic(service):
        watch.go_on(1.5)
        worker = service.only("worker")
        supervising = worker.parent()
        assert supervising in servers(service)
        plain = busiest(service, [process for process in servers(service) if process != supervising])
        killed: dict[int, float] = {}

        def kill(process: psutil.Process) -> None:
            killed[process.pid] = time.time()
            process.send_signal(signal.SIGKILL)
            watch.go_on(0.5)

        kill(service.members("executor")[0])
        eventually(lambda: service.members("executor"), "another executor")
        kill(plain)
        kill(service.only("worker"))
        eventually(
            lambda: worker.pid not in {p.pid for p in service.members("worker")} and service.members("worker"),
            "another worker",
        )
        watch.go_on(1.0)
        # The one that looks after the worker, which goes with it: another one takes over.
        second = service.only("worker").pid
        assert supervising is not None
        kill(supervising)
        eventually(lambda: {p.pid for p in service.members("worker")} - {second, worker.pid}, "a third worker")
        eventually(lambda: len(servers(service)) == PROCESSES, "all processes serve again")
        watch.go_on(1.5)
    drained(service)
    last = watch.look()
    runs = service.query("SELECT count(*) FROM runs")[0][0]
    bound = sum(lost_at_most(service, killed[process.pid], process.pid) for process in (plain, supervising))
    lost = runs - last.total("offpath_runs_total")
    print(f"{len(watch.pages)} scrapes, {runs} runs, {lost:g} lost of at most {bound}")
    assert not watch.fallen, watch.fallen
    assert 0 <= lost <= bound
    assert bound, "nothing was at stake"

    # Of hooks, only the two worker parents' last intervals are lost.
    ends = [killed[worker.pid], killed[supervising.pid]]
    attempts, jobs = service.query("SELECT sum(attempts), count(*) FROM job_results")[0]
    # Attempts that were under way when their worker was killed have a number, and never an end.
    unended = max(0, attempts - jobs - last.total("offpath_hooks_retried_total"))
    late = " OR ".join("finished_at BETWEEN ? AND ?" for _ in ends)
    span = [moment for end in ends for moment in (end - LOST_SECONDS, end + 1)]
    bound = unended + service.query(f"SELECT sum(attempts) FROM job_results WHERE {late}", *span)[0][0]
    missing = attempts - last.total("offpath_hooks_finished_total")
    print(f"{attempts} attempts stored, {missing:g} not on the page, of at most {bound}")
    assert missing <= bound
    # Gauges of the dead have left.
    assert last.total("offpath_workers") == 1
    assert last.total("offpath_runs_active") == 0
    for process in servers(service):
        assert shown(asked_of(service, process)) == shown(last)


def test_with_a_token_of_its_own_it_asks_for_that_and_for_no_key(make_service: ServiceMaker) -> None:
    environment = {
        "OFFPATH_METRICS_TOKEN": "token-of-the-page",
        "OFFPATH_API_KEY": "key-of-the-service",
        "OFFPATH_WORKER": "external",
    }
    service = make_service(APP, environment=environment).start()
    assert scrape(service.http, authorization="Bearer token-of-the-page").total("offpath_runs_total") == 0
    for authorization in (
        "",
        "Bearer",
        "Bearer key-of-the-service",
        "Bearer token-of-the-pag",
        "Basic token-of-the-page",
    ):
        refused = service.http.get("/metrics", headers={"authorization": authorization})
        assert refused.status_code == 401, authorization
        assert "token-of-the-page" not in refused.text
    # It opens nothing else.
    assert service.http.get("/sessions", headers={"authorization": "Bearer token-of-the-page"}).status_code == 401
    assert service.http.get("/sessions", headers={"authorization": "Bearer key-of-the-service"}).status_code == 200


def test_with_keys_and_no_token_it_takes_a_key(make_service: ServiceMaker) -> None:
    environment = {"OFFPATH_API_KEY": "key-of-the-service", "OFFPATH_WORKER": "external"}
    service = make_service(APP, environment=environment).start()
    assert service.http.get("/metrics").status_code == 401
    assert scrape(service.http, authorization="Bearer key-of-the-service").total("offpath_runs_total") == 0


def test_hooks_on_a_thread_of_the_service_are_counted_like_all_others(make_service: ServiceMaker) -> None:
    service = make_service("traced_app", environment={"OFFPATH_WORKER": "thread"}).start()
    for _ in range(3):
        service.run("quick")
    drained(service)
    page = scrape(service.http)
    for counter in ("queued", "started", "finished"):
        assert page.total(f"offpath_hooks_{counter}_total") == 6
    assert page.total("offpath_hook_duration_seconds_count", offpath_outcome="success") == 6
    assert page.total("offpath_workers") == 1
    assert page.total("offpath_worker_heartbeat_age_seconds") < 30


def test_two_services_do_not_mix_and_a_damaged_snapshot_harms_neither(make_service: ServiceMaker) -> None:
    one = make_service("traced_app", name="shared").start()
    other = make_service("traced_app", name="shared", database=one.directory / "other.db").start()
    one.run("quick")
    for _ in range(3):
        other.run("quick")
    for service in (one, other):
        drained(service)
    pages = [scrape(service.http) for service in (one, other)]
    assert [page.total("offpath_runs_total") for page in pages] == [1, 3]
    assert [page.total("offpath_hooks_finished_total") for page in pages] == [2, 6]
    assert [page.total("offpath_workers") for page in pages] == [1, 1]

    # A process that stands still writes no new one over it.
    worker = one.only("worker")
    [snapshot] = one.directory.glob(f"service.db.metrics/worker-*-{worker.pid}-*.snapshot")
    worker.suspend()
    try:
        snapshot.write_bytes(snapshot.read_bytes()[:100] + b"\xff" * 50)
        page = scrape(one.http)
        assert page.total("offpath_runs_total") == 1
        assert page.found("offpath_workers") == []
        # It is counted when it is met; the page after that shows so.
        dropped = scrape(one.http).by("offpath_signal", "offpath_telemetry_dropped_total")
        assert dropped == {"snapshots": 1}
    finally:
        worker.resume()
    back = eventually(lambda: page if (page := scrape(one.http)).found("offpath_workers") else None, "it is back")
    assert back is not None
    assert back.total("offpath_hooks_finished_total") == 2
    assert scrape(other.http).total("offpath_telemetry_dropped_total") == 0
