"""The built-in hooks as somebody meets them first: a variable, `offpath demo`, curl."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from acceptance.metrics_page import scrape
from acceptance.serving import Service, console_script, eventually, free_port

QUESTION: Final = "What does search_docs say about background hooks?"
EVALUATORS: Final = ("pii", "refusal", "answer_relevance")
SECRETS: Final = {
    "OFFPATH_JUDGE_API_KEY": "qZ7-judge-4fWxKp29LmTb",
    "OFFPATH_NOTIFY_URLS": "oncall=json://somebody:qZ7-inbox-8dHsNc31@127.0.0.1:9/qZ7-path-5vGt",
    "OFFPATH_NOTIFY_WEBHOOK_URL": "http://127.0.0.1:9/in?token=qZ7-hook-6jRe",
    "OFFPATH_NOTIFY_WEBHOOK_SECRET": "qZ7-sign-1aYuPo83QwErTy56ZxCv",
}
SECRET: Final = re.compile(r"qZ7-[a-z]+-\w+")
"""A part of each of them."""


def demo(directory: Path, **variables: str) -> Service:
    """`offpath demo`, not started yet."""
    return Service(
        directory,
        "",
        "http://127.0.0.1:9/v1",
        command=[console_script("offpath"), "demo", "--port", "{port}", "--latency", "0"],
        database=directory / "offpath-demo.db",
        # As at somebody's desk: no key, no address, no database named.
        environment={
            "OPENAI_API_KEY": None,
            "OPENAI_BASE_URL": None,
            "OFFPATH_DATABASE_URL": None,
            "COLUMNS": "200",
            **variables,
        },
    )


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The demo with evaluators that somebody chose."""
    service = demo(tmp_path_factory.mktemp("demo") / "chosen", OFFPATH_EVALUATORS=",".join(EVALUATORS))
    try:
        yield service.start()
    finally:
        service.discard()


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The demo as it is, with somewhere to send notifications, where nobody listens."""
    service = demo(
        tmp_path_factory.mktemp("demo") / "default",
        OFFPATH_NOTIFY_ON="run_error,slow_run=0.000001",
        OFFPATH_NOTIFY_INTERVAL="1",
        **SECRETS,
    )
    try:
        yield service.start()
    finally:
        service.discard()


def evaluations(service: Service, run_id: str, count: int) -> dict[str, dict[str, Any]]:
    """A run's evaluations by name, when none is pending any more."""

    def look() -> dict[str, dict[str, Any]] | None:
        answer = service.http.get(f"/runs/{run_id}/evaluations")
        assert answer.status_code == 200, answer.text
        found = {each["name"]: each for each in answer.json()["evaluations"]}
        return found if len(found) == count and not any(each["state"] == "pending" for each in found.values()) else None

    found = eventually(look, f"the evaluations of {run_id}: {service.http.get(f'/runs/{run_id}/evaluations').text}")
    assert found is not None
    return found


def test_three_results_one_of_them_the_stand_ins(chosen: Service) -> None:
    run_id = chosen.run("assistant", QUESTION)["run_id"]
    found = evaluations(chosen, run_id, 3)
    assert found.keys() == set(EVALUATORS)
    for name, each in found.items():
        assert each["state"] == "scored", each
        assert each["probability"] == 1.0
        assert 0.0 <= each["result"]["value"] <= 1.0
        assert each["result"]["evaluator"] == name
        # The judge is not a model, and its score says so.
        assert each["result"].get("stand_in", False) == (name == "answer_relevance")
    assert found["answer_relevance"]["result"]["judge_model"].startswith("offline:")


def test_metrics_count_them(chosen: Service) -> None:
    run_id = chosen.run("reviewer", "Is this right?")["run_id"]
    evaluations(chosen, run_id, 3)

    def counted() -> bool:
        page = scrape(chosen.http)
        return all(
            page.total("offpath_evaluation_results_total", gen_ai_evaluation_name=name, gen_ai_agent_name="Reviewer")
            == 1
            for name in EVALUATORS
        )

    eventually(counted, "three results of the reviewer's run on /metrics")
    page = scrape(chosen.http)
    for name in EVALUATORS:
        assert page.total("offpath_evaluator_info", gen_ai_evaluation_name=name) == 1
        assert page.total("offpath_evaluation_score_count", gen_ai_evaluation_name=name) >= 1
        # Known from the start, so that the first one is seen.
        assert page.found("offpath_evaluation_skipped_total", gen_ai_evaluation_name=name, offpath_reason="overload")


def test_the_banner_says_what_is_on_and_where_to_look(chosen: Service) -> None:
    said = chosen.log.read_text()
    for part in ("pii", "refusal", "answer_relevance", "/evaluations", "offline stand-in", chosen.url):
        assert part in said, part
    answer = chosen.http.get("/evaluations/summary").json()
    assert {group["evaluation"] for group in answer["groups"]} == set(EVALUATORS)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere executors are not forked")
def test_what_asking_a_judge_takes_is_imported_once_and_not_in_every_executor(chosen: Service) -> None:
    loaded = {Path(file.path).name.partition(".")[0] for file in chosen.only("zygote").memory_maps()}
    assert "jiter" in loaded, "the compiled part of openai"


def test_the_summary_of_nothing_but_the_demo_has_bounds(chosen: Service) -> None:
    run_id = chosen.run("assistant", QUESTION)["run_id"]
    evaluations(chosen, run_id, 3)
    for group in chosen.http.get("/evaluations/summary").json()["groups"]:
        rate = group["pass_rate"]
        assert 0 <= rate["worst"] <= rate["low"] <= rate["estimate"] <= rate["high"] <= rate["best"] <= 1


def test_groundedness_is_live_with_what_the_retrieval_tool_found(default: Service) -> None:
    run_id = default.run("assistant", QUESTION)["run_id"]
    found = evaluations(default, run_id, 3)
    grounded = found["groundedness"]
    assert grounded["state"] == "scored", grounded
    assert grounded["result"]["stand_in"] is True
    # Without the tool there is nothing to be grounded in.
    plain = default.run("assistant", "Good morning!")["run_id"]
    assert evaluations(default, plain, 3)["groundedness"]["state"] == "not_applicable"
    run = default.http.get(f"/runs/{run_id}").json()
    assert any("other process" in each["content"] for each in run["context"]), run.get("context")
    usage = eventually(
        lambda: total if (total := default.http.get("/analytics").json()["total"])["accounted_runs"] >= 2 else None,
        "both runs are accounted for",
    )
    assert usage is not None
    assert usage["tools"]["calls"] >= 1


def test_no_secret_shows_anywhere(default: Service) -> None:
    """The judge's key and the channels' addresses; the channels fail, and what is said of that is clean, too."""
    default.run("assistant", QUESTION)
    eventually(
        lambda: [job for job in default.query("SELECT error FROM jobs WHERE kind = 'notification'") if job[0]],
        "a notification failed",
        within=60,
    )
    failed = default.query("SELECT key, hook, error FROM jobs WHERE kind = 'notification'")
    places = {
        "log": default.log.read_text(),
        "config": default.http.get("/config").text,
        "metrics": scrape(default.http).text,
        "jobs": json.dumps(failed),
        "evaluators": default.http.get("/evaluators").text,
        "openapi": default.http.get("/openapi.json").text,
        "deliveries": str(default.query("SELECT * FROM deliveries")),
        "results": str(default.query("SELECT * FROM job_results")),
        "plans": str(default.query("SELECT * FROM run_plans")),
    }
    assert {place: SECRET.findall(text) for place, text in places.items() if SECRET.search(text)} == {}
    assert "Traceback" not in places["log"]


def check(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of offpath that ends by itself."""
    clean: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith(("OFFPATH_", "OPENAI_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "offpath.cli", *arguments],
        cwd=directory,
        env={**clean, "NO_COLOR": "1", "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [("demo", "--port", "{port}"), ("serve", "offpath.demo:app", "--port", "{port}"), ("check", "offpath.demo:app")],
)
def test_a_typo_stops_the_start_with_the_right_name(tmp_path: Path, command: tuple[str, ...]) -> None:
    port = free_port()
    ended = check(
        tmp_path,
        *(part.format(port=port) for part in command),
        OFFPATH_EVALUATORS="pii,refusl",
        OPENAI_API_KEY="offline",
    )
    assert ended.returncode == 2, ended.stderr
    assert "'refusl'" in ended.stderr
    assert "did you mean 'refusal'?" in ended.stderr
    assert "Traceback" not in ended.stderr
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/health", timeout=2)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OFFPATH_EVALUATORS": "tone=guidelnes"}, "'guidelines'"),
        ({"OFFPATH_EVALUATORS": "pii", "OFFPATH_EVALUATOR__PII__SAMPLE_RAT": "0.1"}, "SAMPLE_RATE"),
        ({"OFFPATH_EVALUATORS": "pii", "OFFPATH_EVALUATOR__PII__SAMPLE_RATE": "ten"}, "OFFPATH_EVALUATOR__PII__SAMPLE_RATE"),
        ({"OFFPATH_EVALUATORS": "pii", "OFFPATH_EVALUATOR__PI__SAMPLE_RATE": "0.1"}, "'pii'"),
        ({"OFFPATH_EVALUATORS": "pii", "OFFPATH_EVALUATOR__PII__AGENTS": "asistant"}, "'assistant'"),
        ({"OFFPATH_EVALUATORS": "helpfulness"}, "OFFPATH_JUDGE_MODEL"),
        ({"OFFPATH_EVALUATORS": "helpfulness", "OFFPATH_JUDGE_MODEL": "my-own", "OFFPATH_JUDGE_BUDGET_USD": "1"}, "OFFPATH_JUDGE_PRICES"),
        ({"OFFPATH_NOTIFY_URLS": "json://127.0.0.1:9", "OFFPATH_NOTIFY_ON": "run_eror"}, "run_error"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_stops_the_start_and_says_what_to_write(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    ended = check(tmp_path, "check", "offpath.demo:app", OPENAI_API_KEY="a-key-of-somebody", **variables)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_prints_what_is_in_force_and_no_secret(tmp_path: Path) -> None:
    ended = check(
        tmp_path,
        "check",
        "offpath.demo:app",
        OFFPATH_OFFLINE="1",
        OFFPATH_EVALUATORS="pii,tone=guidelines,answer_relevance",
        OFFPATH_EVALUATOR__TONE__RULES="Friendly; no slang",
        OFFPATH_EVALUATOR__PII__SAMPLE_RATE="0.1",
        OFFPATH_EVALUATOR__ANSWER_RELEVANCE__AGENTS="assistant",
        OFFPATH_JUDGE_MODEL="gpt-4o-mini",
        OFFPATH_JUDGE_BUDGET_USD="2.5",
        OFFPATH_JUDGE_PRICES='{"gpt-4o-mini": [0.15, 0.6]}',
        OFFPATH_ANALYTICS="true",
        **SECRETS,
    )
    assert ended.returncode == 0, ended.stderr
    said = " ".join(ended.stdout.split())
    for part in (
        "pii: 10 % of runs",
        "tone (guidelines, asks gpt-4o-mini): all runs",
        "answer_relevance (asks gpt-4o-mini): all runs, agents assistant",
        "at most 2.5 USD a day",
        "oncall (json): run_error",
        "webhook (signed webhook): run_error",
        "GET /analytics",
    ):
        assert part in said, part
    assert SECRET.findall(ended.stdout + ended.stderr) == []
