"""The command line as its users run it: real processes, real signals, no API key."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

START_SECONDS = 40.0
AGENTS = """
from offpath import Agent, AgentService, OpenAIChat

def note(run_output, agent):
    print(f"noted: {agent.name} {run_output.status}", flush=True)

agent = Agent(id="support", name="Support", model=OpenAIChat(), post_hooks=[note])
service = AgentService(agents=[agent], run_hooks_in_background=True)
app = service.get_app()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(AGENTS)
    return tmp_path


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", **variables}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "offpath.cli", *arguments]


def run(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=directory, env=environment(**variables), capture_output=True, text=True, timeout=60
    )


@contextmanager
def running(directory: Path, *arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process that is killed at the end if it is still there, and the file of its output."""
    log = directory / f"{arguments[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*arguments), cwd=directory, env=environment(**variables), stdout=output, stderr=output
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, timeout: float = 10.0) -> Any:
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return json.load(answer)


def ask(url: str, message: str) -> Any:
    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("message", message), ("stream", "false"))
    ]
    body = ("".join(parts) + f"--{boundary}--\r\n").encode()
    request = urllib.request.Request(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def until(what: str, test: Any, log: Path, seconds: float = START_SECONDS) -> Any:
    """Ask again until the answer is true; the log is shown when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := test():
                return found
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds:g} s\n{log.read_text(errors='replace')}")


def ended_jobs(base: str, run_id: str) -> list[dict[str, Any]]:
    jobs = get(f"{base}/runs/{run_id}/hooks")
    return jobs if jobs and all(job["state"] in ("succeeded", "dead") for job in jobs) else []


def test_serve_answers_runs_hooks_and_ends_in_order(directory: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running(directory, "serve", "shop:app", "--port", str(port), OFFPATH_OFFLINE="1") as (process, log):
        until("GET /health", lambda: get(f"{base}/health")["status"] == "ok", log)
        answer = ask(f"{base}/agents/support/runs", "hello")
        assert answer["content"].startswith("[offline stand-in]")
        (job,) = until("the hook", lambda: ended_jobs(base, answer["run_id"]), log)
        assert job["state"] == "succeeded"
        until("the hook's print", lambda: "noted: Support completed" in log.read_text(), log, 10)
        listed = run(directory, "hooks", "list")
        assert job["key"] in listed.stdout
        taken = run(directory, "serve", "shop:app", "--port", str(port), OFFPATH_OFFLINE="1")
        assert taken.returncode == 2
        assert f"port {port}" in taken.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_serve_without_a_key_refuses_and_names_the_ways_out(directory: Path) -> None:
    refused = run(directory, "serve", "shop:app", "--port", "0")
    assert refused.returncode == 2
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OFFPATH_OFFLINE=1"):
        assert name in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(directory.glob("*.db*"))


def test_an_unknown_setting_is_refused(directory: Path) -> None:
    refused = run(directory, "serve", "shop:app", OFFPATH_PROT="8000")
    assert refused.returncode == 2
    assert "OFFPATH_PORT" in refused.stderr


def test_a_worker_on_its_own_runs_the_hooks(directory: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    variables = {"OFFPATH_OFFLINE": "1", "OFFPATH_WORKER": "external"}
    with (
        running(directory, "serve", "shop:app", "--port", str(port), **variables) as (service, service_log),
        running(directory, "worker", "shop:app") as (worker, worker_log),
    ):
        until("GET /health", lambda: get(f"{base}/health")["status"] == "ok", service_log)
        answer = ask(f"{base}/agents/support/runs", "hello")
        (job,) = until("the hook", lambda: ended_jobs(base, answer["run_id"]), worker_log)
        assert job["state"] == "succeeded"
        until("the hook's print", lambda: "noted: Support completed" in worker_log.read_text(), worker_log, 10)
        assert "noted" not in service_log.read_text()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0, worker_log.read_text()
        service.send_signal(signal.SIGTERM)
        assert service.wait(40) == 0, service_log.read_text()


def test_the_demo_serves_what_its_banner_says(directory: Path) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with running(directory, "demo", "--port", str(port), "--latency", "0") as (process, log):
        until("GET /health", lambda: get(f"{base}/health")["status"] == "ok", log)
        assert f"curl {base}/agents/assistant/runs" in log.read_text()
        answer = ask(f"{base}/agents/assistant/runs", "What does search_docs say about background hooks?")
        assert answer["content"].startswith("[offline stand-in]")
        assert answer["context"], "the retrieval tool was not used"
        jobs = until("the hooks", lambda: ended_jobs(base, answer["run_id"]), log)
        own = {job["hook"]: job["state"] for job in jobs if not job["hook"].startswith("offpath.")}
        assert own == dict.fromkeys(("log_request", "log_analytics", "send_notification", "flaky_export"), "succeeded")
        built_in = {job["hook"] for job in jobs if job["hook"].startswith("offpath.")}
        assert built_in == {"offpath.evaluate", "offpath.evaluate.groundedness", "offpath.analytics"}
        assert next(job for job in jobs if job["hook"] == "flaky_export")["attempts"] == 2
        short = answer["run_id"][:8]
        until("the print", lambda: f"notified about {short}: completed" in log.read_text(), log, 10)
        for path in ("teams/desk", "workflows/answer-and-review"):
            assert ask(f"{base}/{path}/runs", "What are sessions?")["status"] == "COMPLETED"
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, log.read_text()
    assert (directory / "offpath-demo.db").exists()
