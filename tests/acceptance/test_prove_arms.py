"""The arms of `offpath prove`: the same service with hooks, without them, and without storage."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from acceptance.serving import APPS, eventually
from offpath.proof.arms import ServedArm, serve_arms
from offpath.proof.errors import ProofError
from offpath.proof.findings import ArmName
from offpath.proof.profiles import PROFILES
from offpath.proof.target import AppTarget, Call, DemoTarget, UrlTarget

MODEL_SECONDS = 0.05
SHARE = 6.0
"""Planted: answers of the "on" arm take at least 0.3 s longer."""
KEY = "a-key-of-the-tests-1234567890"
BACKGROUND = {
    "agent:support:pre:note_request",
    "agent:support:post:note",
    "agent:member:post:note",
    "agent:step:post:note",
    "agent:step:post:note_always",
    "team:desk:post:note_always",
    "workflow:review:post:note",
}


@dataclass
class Arms:
    by_name: dict[ArmName, ServedArm]
    database_in_code: Path

    def __getitem__(self, name: ArmName) -> ServedArm:
        return self.by_name[name]

    def client(self, name: ArmName) -> httpx.Client:
        host, port = self[name].address
        return httpx.Client(base_url=f"http://{host}:{port}/ai", headers={"Authorization": f"Bearer {KEY}"}, timeout=60)

    def hooks(self, name: ArmName) -> list[dict[str, Any]]:
        with self.client(name) as client:
            answer = client.get("/hooks")
            assert answer.status_code == 200, answer.text
            return list(answer.json())

    def answer(self, name: ArmName, path: str) -> dict[str, Any]:
        with self.client(name) as client:
            answer = client.post(path, data={"message": "hello", "stream": "false"})
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

    def rows(self, name: ArmName) -> dict[str, int]:
        """How many runs, sessions and jobs an arm has in its database."""
        (file,) = {
            Path(opened.path)
            for process in [psutil.Process(self[name].pid)]
            for opened in process.open_files()
            if opened.path.endswith("runs.db")
        } or {Path("none")}
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
            return {
                table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in ("runs", "sessions", "jobs", "job_results")
            }


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arms]:
    """Somebody's service in three arms, a slowdown planted on the one with hooks."""
    database = tmp_path_factory.mktemp("code") / "never.db"
    target = AppTarget(target=f"{APPS / 'prove_target.py'}:app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OFFPATH_API_KEY", KEY)
        patch.setenv("PROVE_TARGET_DATABASE", str(database))
        with serve_arms(
            target, None, arms=("off", "on", "no storage"), model_seconds=MODEL_SECONDS, delay=SHARE
        ) as served:
            yield Arms(served, database)


def test_on_runs_all_hooks_and_off_loses_exactly_those_in_the_background(arms: Arms) -> None:
    on, off, bare = arms.hooks("on"), arms.hooks("off"), arms.hooks("no storage")
    own = [hook for hook in on if hook["kind"] in ("pre", "post")]
    assert {hook["id"] for hook in own if hook["background"]} == BACKGROUND
    assert {hook["kind"] for hook in on if hook not in own} == {"evaluation"}
    foreground = {hook["id"] for hook in on if not hook["background"]}
    assert {"agent:support:post:sign", "team:desk:post:sign"} < foreground, "guardrails and foreground hooks stay"
    assert len(foreground) == 3
    for stripped in (off, bare):
        assert {hook["id"] for hook in stripped} == foreground
        assert not any(hook["background"] for hook in stripped)


@pytest.mark.parametrize("path", ["/agents/support/runs", "/teams/desk/runs", "/workflows/review/runs"])
def test_all_arms_answer_alike(arms: Arms, path: str) -> None:
    answers = [arms.answer(name, path) for name in ("on", "off", "no storage")]
    first = answers[0]
    for answer in answers:
        assert answer["status"] == "COMPLETED"
        assert answer["content"] == first["content"]
        assert set(answer) == set(first)
    assert first["content"].endswith("(signed)") == (path != "/workflows/review/runs")


def test_hooks_of_on_run_and_are_seen_on_the_time_axis(arms: Arms) -> None:
    run_id = arms["on"].run_once()
    assert arms["on"].await_idle(60) == 0
    trace = arms["on"].trace(run_id)
    assert {"note_request", "note"} <= {hook.name for hook in trace.hooks}
    for hook in trace.hooks:
        assert hook.state == "succeeded"
        assert 0 <= hook.queued <= hook.started <= hook.ended
        assert hook.attempts == 1


def test_off_has_no_jobs(arms: Arms) -> None:
    before = arms.rows("off")
    run_id = arms["off"].run_once()
    assert arms["off"].await_idle(0) == 0
    assert arms["off"].trace(run_id).hooks == ()
    after = arms.rows("off")
    assert after["runs"] == before["runs"] + 1
    assert after["sessions"] == before["sessions"] + 1
    assert after["jobs"] == after["job_results"] == 0


def test_without_storage_nothing_is_kept(arms: Arms) -> None:
    assert arms["no storage"].run_once()
    assert arms["no storage"].await_idle(0) == 0
    assert arms.rows("no storage") == {"runs": 0, "sessions": 0, "jobs": 0, "job_results": 0}


def test_the_planted_slowdown_lies_between_the_work_and_the_answer(arms: Arms) -> None:
    planted = SHARE * MODEL_SECONDS
    run_id = arms["on"].run_once()
    arms["on"].await_idle(60)
    trace = arms["on"].trace(run_id)
    assert trace.responded >= MODEL_SECONDS + planted
    queued = [hook.queued for hook in trace.hooks if hook.name == "note"]
    assert trace.responded - queued[0] >= planted, "the run was stored, and its hooks began, before the slowdown"


def test_the_database_that_the_code_names_is_left_alone(arms: Arms) -> None:
    assert not arms.database_in_code.exists()


def test_two_services_that_run_already_are_asked_as_they_are(arms: Arms) -> None:
    urls = {name: "http://{}:{}/ai".format(*arms[name].address) for name in arms.by_name}
    call = Call(component="support", headers=(("Authorization", f"Bearer {KEY}"),))
    target = UrlTarget(off=urls["off"], on=urls["on"], call=call)
    with serve_arms(target, None, arms=("off", "off again", "on"), model_seconds=0) as found:
        assert found["off"].address == found["off again"].address != found["on"].address
        run_id = found["on"].run_once()
        assert found["on"].await_idle(60) == 0
        assert {hook.name for hook in found["on"].trace(run_id).hooks} >= {"note_request", "note"}
        assert found["on"].pid is None
        assert KEY not in repr(found)
    assert arms["on"].run_once(), "they still run"


def test_all_processes_end_when_whoever_started_them_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "starter.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from offpath.proof.arms import serve_arms
            from offpath.proof.profiles import PROFILES
            from offpath.proof.target import DemoTarget

            with serve_arms(DemoTarget(), PROFILES["none"], arms=("on",), model_seconds=0) as arms:
                arms["on"].run_once()
                arms["on"].await_idle(60)
                print("ready", flush=True)
                time.sleep(100)
            """
        )
    )
    # Nobody is left to remove its directory.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as starter:
        try:
            assert starter.stdout is not None
            assert starter.stdout.readline() == b"ready\n"
            started = psutil.Process(starter.pid).children(recursive=True)
            assert len(started) >= 4, "service, worker, an executor, the model"
        finally:
            starter.send_signal(signal.SIGKILL)
    try:
        eventually(lambda: not [each for each in started if _lives(each)], "all have ended", within=30)
    finally:
        for left in filter(_lives, started):
            with suppress(psutil.NoSuchProcess):
                left.kill()


def test_a_service_that_does_not_start_says_why_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BILLING_TOKEN", "tok-5f2c9a7e1b")
    Path("broken.py").write_text("import os\nraise LookupError('no plan for ' + os.environ['BILLING_TOKEN'])\n")
    with (
        pytest.raises(ProofError, match="ended with code 1") as raised,
        serve_arms(AppTarget(target="broken:app"), None, arms=("off",), model_seconds=0),
    ):
        pass
    assert "LookupError: no plan for" in str(raised.value)
    assert os.environ["BILLING_TOKEN"] not in str(raised.value)


def test_profiles_are_those_of_the_demo() -> None:
    from offpath.errors import ConfigurationError

    for target, profile in ((DemoTarget(), None), (AppTarget(target="m:a"), PROFILES["none"])):
        with (
            pytest.raises(ConfigurationError, match="profiles are those of the demo"),
            serve_arms(target, profile, arms=("off",), model_seconds=0),
        ):
            pass


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
