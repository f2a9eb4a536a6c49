"""The whole stack under traffic and faults: every query of every panel and every rule gives data on a real Prometheus."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from acceptance.serving import eventually
from offpath.dashboards.catalogue import DASHBOARDS
from offpath.dashboards.queries import queries, variable_queries

ROOT: Final = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIFE_SECONDS: Final = 240
"""After which it ends by itself, whatever becomes of the test."""
HOUR: Final = 3600.0
WINDOW: Final = "5m"
"""What `$__rate_interval` stands for: all that there has been."""
NOBODY: Final = "http://127.0.0.1:9/"
"""Port 9 is "discard", which nobody serves any more."""

SETTINGS: Final[Mapping[str, str]] = {
    # Enough until the judge has failed in its ways, and spent soon after.
    "OFFPATH_JUDGE_BUDGET_USD": "0.02",
    # A worker that stands still for some seconds leaves more than twice as many jobs waiting.
    "OFFPATH_MAX_BACKLOG": "60",
    # A notification's thirteen attempts take an hour as a rule.
    "OFFPATH_HOOK_BACKOFF": "0.05",
    "OFFPATH_HOOK_BACKOFF_MAX": "0.2",
    "OFFPATH_NOTIFY_URLS": f"broken={NOBODY.replace('http', 'json')}",
    "OFFPATH_NOTIFY_ON": "default,guardrail_blocked",
    "OFFPATH_NOTIFY_INTERVAL": "2",
}

SEEN: Final[Mapping[str, str]] = {
    "an agent's runs": 'offpath_runs_total{offpath_run_kind="agent",offpath_run_status="completed"}',
    "a team's runs": 'offpath_runs_total{offpath_run_kind="team",offpath_run_status="completed"}',
    "a workflow's runs": 'offpath_runs_total{offpath_run_kind="workflow",offpath_run_status="completed"}',
    "streams": 'offpath_runs_total{offpath_run_streamed="true",offpath_run_status="completed"}',
    "a model that fails": 'offpath_runs_total{offpath_run_status="error"}',
    "users who give up": 'offpath_runs_total{offpath_run_status="cancelled"}',
    "a guardrail that refuses": "offpath_guardrail_blocked_total",
    "a tool that fails": 'gen_ai_execute_tool_duration_seconds_count{error_type!=""}',
    "thumbs": "offpath_feedback_total",
    "wrong requests": 'http_server_request_duration_seconds_count{http_response_status_code="404"}',
    "answers that do not pass": 'offpath_evaluation_results_total{offpath_evaluation_passed="false"}',
    "runs that are left out of a sample": 'offpath_evaluation_skipped_total{offpath_reason="sampled_out"}',
    "dead letters": 'offpath_hooks_dead_total{offpath_reason="error"}',
    "a hook that asks a model": 'gen_ai_client_operation_duration_seconds_count{offpath_purpose="hook"}',
    "notifications that arrive": 'offpath_notifications_sent_total{offpath_outcome="success"}',
    "notifications that are given up": 'offpath_notifications_sent_total{offpath_outcome="error"}',
    "a judge that answers": "offpath_evaluation_judge_tokens_total",
    "what the judge's budget is spent on": 'offpath_cost_total{offpath_purpose="judge"}',
    "a judge that is overloaded": 'offpath_hooks_retried_total{offpath_hook_kind="evaluation"}',
    "a judge that refuses": 'offpath_evaluation_results_total{error_type!=""}',
    "a judge's budget that is used up": 'offpath_evaluation_skipped_total{offpath_reason="budget"}',
    "an executor that is killed": 'offpath_executor_killed_total{offpath_reason="died"}',
    "runs that are not evaluated in an overload": 'offpath_evaluation_skipped_total{offpath_reason="overload"}',
    "hooks that are left out in an overload": 'offpath_hooks_skipped_total{offpath_reason="overload"}',
}
"""What traffic and faults bring about: counters that are above 0 in the end."""

PANELS_WITHOUT_DATA: Final[Mapping[tuple[str, str], str]] = {
    ("offpath-overview", "Runs that could not be stored"): "it shows what is lost, and nothing is",
    ("offpath-overview", "Telemetry that was lost"): "it shows what is lost, and nothing is",
    ("offpath-evaluations", "Pass rate with its interval"): "bounds are drawn of four rates at most, and here are more",
    ("offpath-models", "Calls without a price, by model"): "the demo's models have prices",
}
"""Dashboard and panel, with the reason why one of its queries gives nothing here."""

SERIES_WITHOUT_DATA: Final[Mapping[str, str]] = {}
"""Series that a rule asks for, with the reason why there are none here."""

FIRING: Final = {"OffpathExecutorKilled", "OffpathDeadLetters"}
"""Alerts that the faults bring about within the time that there is."""

_LABELS: Final = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right) ?\([^)]*\)")
_SERIES: Final = re.compile(r"(?<![\w:.\"])((?:offpath|gen_ai|http_server)[\w:]*|up)(\{[^}]*\})?(?![\w:(\"=~!,])")


class Stack:
    """`make stack`, as it says that it is."""

    def __init__(self, directory: Path) -> None:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("OFFPATH_", "OPENAI_"))}
        self.log = directory / "stack.log"
        command = [sys.executable, "-m", "deploy.stack", "--seconds", str(LIFE_SECONDS)]
        command += ["--rate", "5", "--latency", "0.05", "--interval", "1", "--rules-every", "3"]
        command += ["--port", "0", "--worker-port", "0", "--prometheus-port", "0", "--viewer-port", "0"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**variables, **SETTINGS, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        self.began = 0.0
        self.prometheus = httpx.Client(timeout=10)

    def wait(self) -> None:
        eventually(lambda: self._alive() and "It runs for" in self.log.read_text(), "the stack is up", every=0.1)
        self.began = time.time()
        self.prometheus.base_url = httpx.URL(self.said("Prometheus"))

    def said(self, name: str) -> str:
        """What it said of one of its parts."""
        found = re.search(rf"^{name} +(\S+)", self.log.read_text(), re.MULTILINE)
        assert found is not None, self.log.read_text()
        return found[1]

    def _alive(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return True

    # -- its processes ----------------------------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def worker(self) -> psutil.Process:
        [found] = [each for each in self.processes() if {"offpath.cli", "worker"} <= set(line_of(each))]
        return found

    def executors(self) -> list[psutil.Process]:
        zygotes = [each for each in self.worker().children(recursive=True) if "offpath.worker.zygote" in line_of(each)]
        return [each for each in zygotes if each.ppid() in {zygote.pid for zygote in zygotes}]

    # -- its Prometheus ---------------------------------------------------------------------------------------

    def ask(self, path: str, **parameters: str | float) -> Any:
        """The data of one answer of Prometheus' HTTP API."""
        url = f"/api/v1/{path}"
        try:
            answer = self.prometheus.post(url, data=parameters) if parameters else self.prometheus.get(url)
        except httpx.TransportError as error:
            raise RuntimeError(f"Prometheus does not answer: {self.log.read_text()}") from error
        body = answer.json()
        assert body["status"] == "success", (parameters, body)
        return body["data"]

    def values(self, query: str, at: float | None = None) -> list[float]:
        """The values that a query gives, those that say something: neither NaN nor infinite."""
        result = self.ask("query", query=query, time=time.time() if at is None else at)["result"]
        found = [float(each["value"][1]) for each in result if "value" in each]
        return [value for value in found if math.isfinite(value)]

    def sum(self, series: str) -> float:
        return sum(self.values(f"sum({series})"))

    def rules(self, kind: str) -> list[dict[str, Any]]:
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"] if rule["type"] == kind]


def line_of(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, after all that is to be seen has happened."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.wait()
        bring_about(stack)
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.process.terminate()
        stack.prometheus.close()
        try:
            stack.process.wait(60)
        except subprocess.TimeoutExpired:
            stack.process.kill()


def bring_about(stack: Stack) -> None:
    """Inject the faults, and wait until everything has been seen by Prometheus."""
    for what, status in (
        ("a judge that answers", None),
        ("a judge that is overloaded", 503),
        ("a judge that refuses", 401),
    ):
        with judge_that_answers(stack, status):
            # What Prometheus finds at its first look at a new series is no increase yet.
            eventually(lambda what=what: stack.sum(f"increase({SEEN[what]}[5m])"), what, every=0.3)  # type: ignore[misc]
    victim = eventually(stack.executors, "an executor runs")[0]
    victim.kill()
    eventually(lambda: stack.sum(SEEN["a judge's budget that is used up"]), "the budget is used up", every=0.3)
    worker = stack.worker()
    worker.suspend()
    try:
        both = ("runs that are not evaluated in an overload", "hooks that are left out in an overload")
        time.sleep(5)
    finally:
        worker.resume()
    for what in both:
        eventually(lambda what=what: stack.sum(SEEN[what]), what, every=0.3)  # type: ignore[misc]
    for what, series in SEEN.items():
        eventually(lambda series=series: stack.sum(series), what, every=0.3)  # type: ignore[misc]
    eventually(lambda: stack.values("offpath_evaluation_rate_ratio"), "pass rates are shown", every=0.3)


@contextlib.contextmanager
def judge_that_answers(stack: Stack, status: int | None) -> Iterator[None]:
    """A status that costs nothing: 503, after which it is asked again, or 401, after which there is no point in it.

    None lets it be.
    """
    if status is None:
        yield
        return
    address = stack.said("Judge").removesuffix("/v1")
    for rate in (1.0, 0.0):
        changes = {"error_rate": rate, "error_statuses": [status], "retry_after": 0.1}
        assert httpx.post(f"{address}/offline/faults", json=changes).status_code == 200
        if rate:
            yield


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: str(dashboard.uid))
def test_every_query_of_every_panel_gives_data(stack: Stack, dashboard: Any) -> None:
    asked = queries(dashboard, rate_interval=WINDOW)
    assert asked

    def empty() -> list[tuple[str, str]]:
        return [(title, query) for title, query in asked if not stack.values(query)]

    excused = {title for name, title in PANELS_WITHOUT_DATA if name == dashboard.uid}
    with contextlib.suppress(AssertionError):
        eventually(lambda: {title for title, _ in empty()} <= excused, "all panels have data", within=15, every=1)
    without = empty()
    assert {title for title, _ in without} == excused, "\n".join(f"{title}: {query}" for title, query in without)
    print(f"{dashboard.title}: {len(asked) - len(without)} of {len(asked)} queries gave data")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: str(dashboard.uid))
def test_every_variable_has_values(stack: Stack, dashboard: Any) -> None:
    for variable, series in variable_queries(dashboard):
        assert stack.values(f"count({series})"), (variable, series)


def test_every_recording_rule_gives_data(stack: Stack) -> None:
    """Those that look at an hour ago and before it are asked as if it were one hour later, from what there is now.

    What they record is put in place of the names of others: what these recorded an hour from now is not there yet.
    """
    recorded = {rule["name"]: rule["query"] for rule in stack.rules("recording")}
    later = time.time() + HOUR - 20
    without = {
        name: query
        for name in recorded
        if not stack.values(query := expanded(recorded[name], recorded)) and not stack.values(query, at=later)
    }
    assert without == {}
    print(f"{len(recorded)} recording rules gave data")


def test_every_series_that_an_alert_asks_for_is_there(stack: Stack) -> None:
    """Whether alerts fire when they should is for `promtool test rules`; here it is that they look at what exists."""
    recorded = {rule["name"] for rule in stack.rules("recording")}
    asked = {
        f"{name}{matchers or ''}"
        for rule in stack.rules("alerting")
        for name, matchers in _SERIES.findall(_LABELS.sub("", rule["query"]))
        if name not in recorded
    }
    assert len(asked) > 10
    without = {series for series in asked if not stack.values(f"count(last_over_time({series}[5m]))")}
    assert without == set(SERIES_WITHOUT_DATA)
    print(f"{len(asked) - len(without)} series of alerts are there")


def test_prometheus_takes_every_rule(stack: Stack) -> None:
    def bad() -> dict[str, str]:
        rules = stack.rules("recording") + stack.rules("alerting")
        return {rule["name"]: rule.get("lastError") or rule["health"] for rule in rules if rule["health"] != "ok"}

    eventually(lambda: not bad(), f"all rules are well: {bad()}", within=15, every=0.5)
    assert len(stack.rules("alerting")) >= 11


def test_the_faults_raise_alerts(stack: Stack) -> None:
    def firing() -> set[str]:
        return {each["labels"]["alertname"] for each in stack.ask("alerts")["alerts"] if each["state"] == "firing"}

    eventually(lambda: firing() >= FIRING, f"{FIRING} fire: {firing()}", within=20, every=0.5)


def test_promtool_takes_what_prometheus_runs_with(stack: Stack) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    configuration = Path(stack.said("Logs")).parent / "prometheus.yml"
    checked = subprocess.run([promtool, "check", "config", configuration], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_visits_got_what_they_were_made_to_get(stack: Stack) -> None:
    """Failures that were meant are none; whatever else the traffic was answered would stand in the service's log."""
    lines = (Path(stack.said("Logs")).parent / "service.log").read_text().splitlines()
    assert [line for line in lines if '"logger":"offpath.demo"' in line] == []


def test_the_dashboards_are_shown_without_a_grafana(stack: Stack) -> None:
    page = stack.said("Dashboards")
    assert httpx.get(page).text.startswith("<!doctype html>")
    answer = httpx.get(f"{page}/prometheus/query", params={"query": "sum(offpath_runs_total)"}, timeout=10)
    assert float(answer.json()["data"]["result"][0]["value"][1]) > 0


def test_it_ends_in_order_and_leaves_nothing_behind(stack: Stack) -> None:
    processes, directory = stack.processes(), Path(stack.said("Logs")).parent
    assert len(processes) > 6
    assert directory.is_dir()
    print(f"up for {time.time() - stack.began:.0f} s")
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(60) == 0, stack.log.read_text()
    _, left = psutil.wait_procs(processes, timeout=5)
    assert left == []
    assert not directory.exists()
    assert "Traceback" not in stack.log.read_text()


def test_what_it_started_ends_with_it_even_if_it_is_killed(tmp_path: Path) -> None:
    program = """
import os, sys, time
from pathlib import Path
from deploy.stack.children import Children
child = Children(Path(sys.argv[1])).start("sleeper", ["sleep", "600"], os.environ)
print(child.process.pid, flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        sleeper = psutil.Process(int(holder.stdout.readline()))
        holder.kill()
    _, left = psutil.wait_procs([sleeper], timeout=10)
    assert left == []


def test_without_a_prometheus_it_says_how_to_get_one(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.stack"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "apt install prometheus" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_port_that_was_named_and_is_taken_is_refused() -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "deploy.stack", "--prometheus-port", str(port)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert f"port {port} cannot be had" in ended.stdout


def expanded(query: str, recorded: Mapping[str, str]) -> str:
    """The query with what other rules record instead of their names."""
    for _ in recorded:
        changed = re.sub(
            r"(?<![\w:])offpath:[\w:]+",
            lambda found: f"({recorded[found[0]]})" if found[0] in recorded else found[0],
            query,
        )
        if changed == query:
            return query
        query = changed
    raise AssertionError(f"the rules record each other: {json.dumps(query)}")
