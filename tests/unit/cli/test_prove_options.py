"""`offpath prove`: options, what is written, and exit codes; the arms are stand-ins."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from offpath.cli.prove import command_line
from offpath.proof import cases, experiment
from offpath.proof.errors import ProofError
from offpath.proof.findings import ArmName, read_findings
from offpath.proof.load import LoadResult
from offpath.proof.plan import Plan
from offpath.proof.target import AppTarget, ProofTarget, UrlTarget
from unit.cli.projects import Project
from unit.proof.case_making import FakeArm, fake_block

SECRET = "a-key-that-nobody-may-see"


class Served:
    """Stands in for `serve_arms`."""

    def __init__(self) -> None:
        self.slower = 1.0
        self.calls: list[tuple[ProofTarget, Any, tuple[ArmName, ...], float]] = []
        self.ended = 0
        self.error: BaseException | None = None

    @contextmanager
    def __call__(
        self, target: ProofTarget, profile: Any, *, arms: Sequence[ArmName], model_seconds: float, delay: float = 0.0
    ) -> Iterator[dict[ArmName, FakeArm]]:
        self.calls.append((target, profile, tuple(arms), model_seconds))
        if self.error:
            raise self.error
        try:
            yield {name: FakeArm(name, 0.002 * (self.slower if name == "on" else 1)) for name in arms}
        finally:
            self.ended += 1


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    made = Served()
    monkeypatch.setattr("offpath.proof.arms.serve_arms", made)
    monkeypatch.setattr(experiment, "_block", fake_block)
    monkeypatch.setattr(cases, "capacity", lambda arms, connections: 2_000.0)
    return made


def test_the_demo_is_measured_with_its_seed_hooks(project: Project, served: Served) -> None:
    result = project.run("prove")
    assert result.exit_code == 0, result.output
    ((target, profile, arms, model_seconds),) = served.calls
    assert str(target) == "demo"
    assert profile.name == "seed"
    assert arms == ("off", "off again", "on", "no storage")
    assert model_seconds == 0.2
    assert served.ended == 1
    for part in ("seed, model 200 ms", "p50", "p99", "2.10 ms", "1.000 [1.000, 1.000]", "no difference at the median"):
        assert part in result.stdout
    assert "about 2 min" in result.stderr or "about 1 min" in result.stderr


def test_profiles_and_latencies_make_cases(project: Project, served: Served) -> None:
    options = ("--profile", "seed", "--profile", "cpu", "--model-latency", "0", "--model-latency", "0.2")
    assert project.run("prove", *options, "--no-storage-arm").exit_code == 0
    assert [(profile.name, seconds) for _, profile, _, seconds in served.calls] == [
        ("seed", 0.0),
        ("seed", 0.2),
        ("cpu", 0.0),
        ("cpu", 0.2),
    ]
    assert served.calls[0][2] == ("off", "off again", "on")
    assert served.ended == 4


@pytest.mark.parametrize(
    ("slower", "code", "said"), [(1.0, 0, "kept"), (1.02, 1, "MISSED"), (1.3, 1, "An assertion is missed.")]
)
def test_assertions_decide_the_exit_code(project: Project, served: Served, slower: float, code: int, said: str) -> None:
    served.slower = slower
    result = project.run("prove", "--quick", "--assert-p50", "1.01", "--assert-p99", "1.05")
    assert result.exit_code == code, result.output
    assert said in result.stdout


def test_what_cannot_be_resolved_ends_with_3(project: Project, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
        result = fake_block(arm, plan, number)
        share = 1 + 0.2 * (number % 2) if arm.name == "off again" else 1.0
        result.latencies = [value * share for value in result.latencies]
        return result

    monkeypatch.setattr(experiment, "_block", noisy)
    result = project.run("prove", "--assert-p50", "1.01")
    assert result.exit_code == 3, result.output
    assert "NOT RESOLVED" in result.stdout
    assert "--requests" in result.stdout


def test_json_and_html_are_written_without_secrets(project: Project, served: Served) -> None:
    project.write("shop.py", "app = None\n")
    result = project.run(
        "prove", "shop:app", "--quick", "--json", "found.json", "--html", "found.html", "--header", f"X-Api-Key: {SECRET}"
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    findings = read_findings(project.directory / "found.json")
    assert findings.target == "shop:app"
    assert findings.cases[0].profile == "shop:app"
    assert findings.machine["cores"]
    assert "<html" in (project.directory / "found.html").read_text()
    target = served.calls[0][0]
    assert isinstance(target, AppTarget)
    assert target.call.headers == (("X-Api-Key", SECRET),)
    for text in (result.output, *(path.read_text() for path in project.directory.glob("found.*"))):
        assert SECRET not in text


def test_json_can_go_to_stdout(project: Project, served: Served) -> None:
    result = project.run("prove", "--quick", "--json", "-")
    assert json.loads(result.stdout)["target"] == "demo"
    assert "p50" in result.stderr


def test_the_report_can_go_to_stdout(project: Project, served: Served) -> None:
    result = project.run("prove", "--quick", "--html", "-")
    assert result.stdout.startswith("<!DOCTYPE html>")
    assert "2.10 ms" in result.stderr
    assert not (project.directory / "-").exists()


def test_a_planted_slowdown_is_said_everywhere(project: Project, served: Served) -> None:
    result = project.run("prove", "--quick", "--plant", "0.02", "--json", "found.json", "--html", "found.html")
    assert "is made 2 % later on purpose (--plant)" in result.stdout
    assert "is made 2 % later on purpose (--plant)" in result.stderr
    assert read_findings(project.directory / "found.json").planted == 0.02
    assert "later on purpose. Hooks on" in (project.directory / "found.html").read_text()


def test_of_an_agent_that_is_not_there_the_first_answer_is_told(
    project: Project, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(arm: FakeArm) -> str:
        raise ProofError('status 404: {"detail": "no agent x"}')

    monkeypatch.setattr(FakeArm, "run_once", refused)
    monkeypatch.setattr(cases, "capacity", lambda *_: pytest.fail("a burst of requests was sent"))
    result = project.run("prove", "--agent", "x")
    assert result.exit_code == 4
    assert "no agent x" in result.stderr


def test_two_urls_are_measured_without_a_burst(
    project: Project, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "capacity", lambda *_: pytest.fail("a burst of requests was sent"))
    result = project.run("prove", "--url-off", "http://127.0.0.1:1/off", "--url-on", "http://127.0.0.1:1/on", "--quick")
    assert result.exit_code == 0, result.output
    target, profile, arms, _ = served.calls[0]
    assert isinstance(target, UrlTarget)
    assert profile is None
    assert arms == ("off", "off again", "on")
    assert "stored and paid for" in result.stderr
    assert "Asking http://127.0.0.1:1/off and" in result.stderr
    assert "Starting" not in result.stderr
    assert "on 8 connections" in result.stderr
    assert "hooks off and hooks on are two deployments" in result.stdout


def test_interrupted_it_shows_what_it_has_and_ends_everything(
    project: Project, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminated(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
        if number == 3:
            os.kill(os.getpid(), signal.SIGTERM)  # as CI ends it; Ctrl-C is the same
        return fake_block(arm, plan, number)

    monkeypatch.setattr(experiment, "_block", terminated)
    before = signal.getsignal(signal.SIGTERM)
    result = project.run("prove", "--profile", "all", "--assert-p50", "1.01", "--json", "found.json")
    assert result.exit_code == 130, result.output
    assert "interrupted after 3 of" in result.stdout
    assert len(served.calls) == served.ended == 1
    assert read_findings(project.directory / "found.json").interrupted
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_cannot_be_measured_ends_with_4(project: Project, served: Served) -> None:
    served.error = ProofError('arm "on" did not start')
    result = project.run("prove")
    assert result.exit_code == 4
    assert 'arm "on" did not start' in result.stderr


def test_what_was_found_before_that_is_kept(project: Project, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
        if len(served.calls) == 2:
            raise ProofError("it broke")
        return fake_block(arm, plan, number)

    monkeypatch.setattr(experiment, "_block", broken)
    result = project.run("prove", "--profile", "all", "--json", "found.json", "--assert-p50", "1.01")
    assert result.exit_code == 4, result.output
    assert "seed, model 200 ms" in result.stdout
    assert "it broke" in result.stderr
    findings = read_findings(project.directory / "found.json")
    assert [case.profile for case in findings.cases] == ["seed"]
    assert findings.error == "it broke"
    assert len(served.calls) == served.ended == 2


def test_the_profiles_are_listed(project: Project) -> None:
    result = project.run("prove", "--list-profiles")
    assert result.exit_code == 0
    assert "seed" in result.stdout
    assert "evaluators" in result.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--profile", "sed"), "did you mean seed?"),
        (("shop:app", "--profile", "seed"), "of the demo"),
        (("--assert-p50", "1"), "a ratio above 1"),
        (("--assert-p99", "nan"), "a ratio above 1"),
        (("--requests", "100", "--seconds", "60"), "give one of them"),
        (("--quick", "--seconds", "60"), "leave --requests and --seconds out"),
        (("--url-on", "http://127.0.0.1:1"), "--url-off"),
        (("shop:app", "--url-on", "http://127.0.0.1:1", "--url-off", "http://127.0.0.1:1"), "one or the other"),
        (("--real-model",), "MODULE:APP"),
        (("shop:app", "--real-model", "--model-latency", "0.2"), "--model-latency"),
        (("--model-latency", "-1"), "0 to 60"),
        (("--header", SECRET), "NAME:VALUE"),
        (("--message", "a", "--body", "{}"), "one of them"),
        (("--json", "nowhere/found.json"), "nowhere/found.json"),
        (("--html", "."), "cannot be written"),
        (("--html", "-", "--json", "-"), "both be written to stdout"),
        (("shop",), "MODULE:ATTRIBUTE"),
        (("--url-on", "http://a:1/x/", "--url-off", "http://a:1/x"), "deploy a second one"),
        (("--rate", "5000"), "--rate"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_measured(
    project: Project, served: Served, options: tuple[str, ...], told: str
) -> None:
    result = project.run("prove", *options)
    assert result.exit_code == 2, result.output
    assert told in result.stderr
    assert SECRET not in result.output
    assert "p50" not in result.stdout


def test_the_command_is_shown_without_keys_and_files() -> None:
    typed = ["prove", "shop:app", "--header", f"X-Key: {SECRET}", f"--header=X-Key: {SECRET}", "--json", "/tmp/x.json"]
    typed += ["--database-url", f"postgresql://u:{SECRET}@db/x", "--html=/tmp/x.html", "--message", "two words"]
    shown = command_line(typed)
    assert SECRET not in shown
    assert "/tmp" not in shown
    assert shown == ("offpath prove shop:app --header ... --header=... --database-url ... --message 'two words'")
