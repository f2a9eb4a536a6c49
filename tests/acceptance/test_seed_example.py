"""The seed's two examples: what their hooks do, and when."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import Any

import httpx

from acceptance.examples import ENDED_IN_ORDER, example
from acceptance.serving import ServiceMaker, eventually

HOOKS_IN_PARALLEL = 3.2
"""Seconds after the answer in which a hook of two and one of three seconds end, side by side."""
SCHEDULING = 1.75
"""Further seconds on a busy machine; still less than the five of one hook after the other."""


def curl(port: int, agent: str, message: str) -> tuple[int, dict[str, Any]]:
    """The seed's curl, but for the port; httpx sends the same form where there is no curl."""
    url = f"http://localhost:{port}/agents/{agent}/runs"
    if shutil.which("curl") is None:
        form = {"message": (None, message), "stream": (None, "false")}
        response = httpx.post(url, files=form, timeout=30)
        return response.status_code, response.json()
    arguments = ["curl", "-X", "POST", url, "-F", f"message={message}", "-F", "stream=false"]
    done = subprocess.run(
        [*arguments, "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, timeout=30, check=True
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_the_global_flag_example_answers_at_once_and_its_hooks_run_side_by_side(make_service: ServiceMaker) -> None:
    service = example(make_service, "background_hooks_global", "tmp/agent.db")
    status, answer = curl(service.port, "background-task-agent", "Hello, how are you?")
    answered_at = time.time()
    assert status == 200
    assert answer["status"] == "COMPLETED"
    assert "Hello, how are you?" in answer["content"]

    hooks = service.finished_hooks(answer["run_id"], {"log_request", "log_analytics", "send_notification"})
    analytics, notification = hooks["log_analytics"], hooks["send_notification"]
    # The answer waited for neither.
    assert answered_at < analytics["finished_at"]
    assert answered_at < notification["finished_at"]
    # They ran at the same time ...
    assert max(analytics["started_at"], notification["started_at"]) < analytics["finished_at"]
    assert analytics["finished_at"] < notification["finished_at"]
    # ... and so were done after the longer one's three seconds, not after five.
    after = notification["finished_at"] - answered_at
    print(f"both hooks were done {after:.2f} s after the answer")
    assert after < HOOKS_IN_PARALLEL + SCHEDULING
    assert {job["attempts"] for job in hooks.values()} == {1}

    # What hooks print shows in the terminal of the service, though they run elsewhere.
    wanted = (
        "[pre-hook] BackgroundTaskAgent was asked: Hello, how are you?",
        f"[post-hook] analytics for run {answer['run_id']} of BackgroundTaskAgent in session {answer['session_id']}",
        "[post-hook] analytics logged",
        "[post-hook] notifying about BackgroundTaskAgent: completed",
        "[post-hook] notification sent",
    )
    eventually(lambda: all(line in service.log.read_text() for line in wanted), "the hooks' prints", within=10)
    assert service.stop() in ENDED_IN_ORDER, service.log_end()
    assert "Traceback" not in service.log.read_text()


def test_in_the_per_hook_example_marked_hooks_run_afterwards_and_the_others_in_the_run(
    make_service: ServiceMaker,
) -> None:
    service = example(make_service, "background_hooks_per_hook", "offpath.db")
    status, answer = curl(service.port, "careful-agent", "Hello")
    answered_at = time.time()
    assert status == 200

    hooks = service.finished_hooks(answer["run_id"], {"send_notification"})
    assert set(hooks) == {"send_notification"}
    assert answered_at < hooks["send_notification"]["finished_at"]
    printed = f"[{hooks['send_notification']['key']}] CarefulAgent: {answer['content']}"
    eventually(lambda: printed in service.log.read_text(), "the hook's print", within=10)

    # The guardrail is part of the run: it can still refuse.
    status, refusal = curl(service.port, "careful-agent", "My card is 4111 1111 1111 1111")
    assert status == 422
    assert refusal["reason"]
    assert "4111" not in json.dumps(refusal)
    assert service.stop() in ENDED_IN_ORDER, service.log_end()
