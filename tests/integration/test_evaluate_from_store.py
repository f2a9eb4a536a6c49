"""`offpath evaluate --from-store`: runs that are stored already are evaluated, once, and counted as they would have been."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from offpath.engine.sqlite import SqliteEngine
from offpath.ledger.estimate import Summary, summarize
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import DAY, Sums, add
from offpath.offline import OfflineModel
from offpath.posthooks.evaluation import backfill
from offpath.storage.database import SqliteDb
from offpath.storage.ledger import Ledger
from offpath.storage.store import RunRow
from planned_runs import book_all, planned_run, store_run
from unit.cli.projects import Project, project_in

T = TypeVar("T")
LEAK, CLEAN = "Write to jo.smith@example.org.", "Your parcel arrives on Monday."
COMMAND = ("evaluate", "--from-store", "--evaluators")


class Stored:
    """The database of a project, looked at and filled between two commands."""

    def __init__(self, directory: Path) -> None:
        self.database = SqliteDb(directory / "offpath.db")

    def add(self, *rows: RunRow) -> None:
        async def work(ledger: Ledger, engine: SqliteEngine) -> None:
            store = self.database.open_store(enqueue=engine.enqueue, wake=engine.wake)
            await store.open()
            await asyncio.gather(*(store_run(store, row) for row in rows))
            await store.close()
            await book_all(ledger)

        self._with(work)

    def plan(self, run_id: str) -> RunPlan:
        return self._with(lambda ledger, _: ledger.plans([run_id]))[run_id]

    def results(self, run_id: str) -> list[EvaluationRow]:
        return self._with(lambda ledger, _: ledger.evaluations([run_id])).get(run_id, [])

    def summary(self, name: str) -> Summary:
        async def read(ledger: Ledger, engine: SqliteEngine) -> Sums:
            total: Sums = {}
            end = int(time.time()) + DAY
            for _, sums in await ledger.rollups("evaluation", "day", "evaluator", 0, end, value=name):
                add(total, sums)
            return total

        return summarize(self._with(read))

    def spent(self) -> int:
        return self._with(lambda ledger, _: ledger.spent(time.strftime("%Y-%m-%d", time.gmtime())))

    def _with(self, work: Callable[[Ledger, SqliteEngine], Coroutine[Any, Any, T]]) -> T:
        async def do() -> T:
            engine = SqliteEngine(self.database.paths)
            ledger = self.database.open_ledger(enqueue=engine.enqueue, wake=engine.wake)
            await ledger.open()
            try:
                return await work(ledger, engine)
            finally:
                await ledger.close()
                await engine.close()

        return asyncio.run(do())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project_in(tmp_path, monkeypatch) as project:
        yield project


@pytest.fixture
def stored(project: Project) -> Stored:
    return Stored(project.directory)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflineModel]:
    """The offline model, on a thread: the command has an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    model = OfflineModel()
    model.script = lambda request: json.dumps({"reason": "It says nothing.", "verdict": "unhelpful"})
    asyncio.run_coroutine_threadsafe(model.__aenter__(), loop).result(10)
    monkeypatch.setenv("OFFPATH_JUDGE_MODEL", "stand-in")
    monkeypatch.setenv("OFFPATH_JUDGE_BASE_URL", model.base_url)
    monkeypatch.setenv("OFFPATH_JUDGE_API_KEY", "offline")
    yield model
    asyncio.run_coroutine_threadsafe(model.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_runs_from_before_there_were_evaluators_are_evaluated_once(project: Project, stored: Stored) -> None:
    stored.add(planned_run("leak", content=LEAK), planned_run("clean", content=CLEAN))
    done = project.run(*COMMAND, "pii")
    assert done.exit_code == 0, done.output
    assert "2 runs; evaluations: 2 evaluated" in done.output
    (leak,), (clean,) = stored.results("leak"), stored.results("clean")
    assert (leak.passed, clean.passed) == (False, True)
    entry = stored.plan("leak").entries["pii"]
    assert (entry.state, entry.probability, entry.fingerprint) == ("scored", 1.0, leak.fingerprint)
    rate = stored.summary("pii").pass_rate
    assert rate is not None
    assert (rate.estimate, rate.n) == (0.5, 2)
    done = project.run(*COMMAND, "pii")
    assert "2 known already" in done.output
    assert stored.results("leak") == [leak]
    done = project.run(*COMMAND, "pii", "--again")
    assert "2 evaluated" in done.output
    (again,) = stored.results("leak")
    assert again.evaluated_at > leak.evaluated_at
    assert stored.summary("pii").states == {"scored": 2}


def test_other_options_are_another_version_beside_the_first(project: Project, stored: Stored) -> None:
    stored.add(planned_run("leak", content=LEAK))
    project.run(*COMMAND, "pii")
    done = project.run(*COMMAND, "pii", "--option", "pii.threshold=0")
    assert "1 evaluated" in done.output
    first, second = stored.results("leak")
    assert (first.passed, second.passed) == (False, True)
    summary = stored.summary("pii")
    assert (summary.states, summary.mixed) == ({"scored": 1}, False)


def test_the_environment_says_which_evaluators_and_rates(
    project: Project, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFPATH_EVALUATORS", "private=pii,refusal")
    monkeypatch.setenv("OFFPATH_EVALUATOR__PRIVATE__SAMPLE_RATE", "0.5")
    monkeypatch.setenv("OFFPATH_EVALUATOR__PRIVATE__AGENTS", "echo")
    runs = [planned_run(f"run-{number}", content=CLEAN) for number in range(40)]
    stored.add(*runs, planned_run("other", "other", content=LEAK))
    # The name alone stands for the whole entry.
    done = project.run(*COMMAND, "private")
    assert done.exit_code == 0, done.output
    summary = stored.summary("private")
    assert summary.runs == 41
    assert summary.states["filtered"] == 1
    assert 8 < summary.states["scored"] < 32
    assert summary.population == pytest.approx(2 * summary.states["scored"])
    assert stored.plan("other").entries == {"private": PlanEntry("filtered")}
    # A higher rate: those that are known count less, and those that were left out are evaluated.
    monkeypatch.setenv("OFFPATH_EVALUATOR__PRIVATE__SAMPLE_RATE", "1")
    done = project.run("evaluate", "--from-store")
    assert done.exit_code == 0, done.output
    summary = stored.summary("private")
    assert (summary.states, summary.population) == ({"filtered": 1, "scored": 40}, 40)
    assert stored.summary("refusal").states == {"scored": 41}


def test_runs_without_a_score_are_made_up_for(project: Project, stored: Stored) -> None:
    stored.add(
        planned_run("shed", content=LEAK, entries={"pii": PlanEntry("overload", 1.0)}),
        planned_run("queued", content=LEAK, entries={"pii": PlanEntry("pending", 1.0, "offpath.evaluate")}),
        planned_run("drawn", content=LEAK, entries={"pii": PlanEntry("overload", 0.25)}),
    )
    done = project.run(*COMMAND, "pii")
    assert "2 evaluated, 1 waiting for their jobs" in done.output
    assert stored.plan("shed").entries["pii"].state == "scored"
    assert stored.plan("queued").entries["pii"].state == "pending"
    # Everybody is drawn now, so nobody stands for others.
    assert stored.plan("drawn").entries["pii"].probability == 1.0
    assert stored.summary("pii").states == {"scored": 2, "pending": 1}


def test_only_the_runs_that_are_asked_for(project: Project, stored: Stored) -> None:
    now = time.time()
    stored.add(
        planned_run("old", created_at=now - 9 * DAY, content=CLEAN),
        planned_run("new", created_at=now - DAY, content=CLEAN),
        planned_run("others", "other", created_at=now - DAY, content=CLEAN),
    )
    assert "2 runs" in project.run(*COMMAND, "pii").output
    assert "1 run;" in project.run(*COMMAND, "pii", "--agent", "other").output
    assert "3 runs" in project.run(*COMMAND, "pii", "--since", "30d").output
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now - 2 * DAY))
    assert "2 runs" in project.run(*COMMAND, "pii", "--since", since).output


def test_judged_evaluators_ask_the_judge_within_the_budget(
    project: Project, stored: Stored, judge: OfflineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.add(*(planned_run(f"run-{number}", content="Well.") for number in range(6)))
    monkeypatch.setenv("OFFPATH_JUDGE_PRICES", json.dumps({"stand-in": [10, 10]}))
    monkeypatch.setenv("OFFPATH_JUDGE_BUDGET_USD", "0.08")
    done = project.run(*COMMAND, "helpfulness,pii", "--concurrency", "1")
    assert done.exit_code == 1, done.output
    assert "the judge's budget is used up" in done.output
    evaluated = [run for run in range(6) if stored.plan(f"run-{run}").entries["helpfulness"].state == "scored"]
    assert 0 < len(evaluated) < 6
    # The others were to be evaluated, too.
    summary = stored.summary("helpfulness")
    assert summary.states == {"scored": len(evaluated), "budget": 6 - len(evaluated)}
    assert summary.coverage == pytest.approx(len(evaluated) / 6)
    assert 0 < stored.spent() <= 80_000_000
    assert stored.summary("pii").states == {"scored": 6}
    monkeypatch.setenv("OFFPATH_JUDGE_BUDGET_USD", "1000")
    done = project.run(*COMMAND, "helpfulness,pii")
    assert done.exit_code == 0, done.output
    assert f"{6 - len(evaluated)} evaluated" in done.output
    assert stored.summary("helpfulness").states == {"scored": 6}
    assert stored.results("run-0")[0].stand_in


def test_a_judge_that_is_away_puts_runs_off(project: Project, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.add(planned_run("run", content="Well."))
    monkeypatch.setenv("OFFPATH_JUDGE_MODEL", "stand-in")
    monkeypatch.setenv("OFFPATH_JUDGE_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OFFPATH_JUDGE_API_KEY", "offline")
    done = project.run(*COMMAND, "helpfulness", "--option", "helpfulness.timeout=3")
    assert done.exit_code == 1, done.output
    assert "1 evaluations were put off" in done.output
    (row,) = stored.results("run")
    assert (row.state, row.reason) == ("failed", "judge_unavailable")
    summary = stored.summary("helpfulness")
    assert (summary.states, summary.population, summary.coverage) == ({"failed": 1}, 1, 0)


def test_a_judge_that_stays_away_is_not_asked_for_every_run(
    project: Project, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rules have results meanwhile."""
    stored.add(*(planned_run(f"run-{number}", content="Well.") for number in range(4)))
    monkeypatch.setattr(backfill, "MOST_FAILURES", 2)
    monkeypatch.setenv("OFFPATH_JUDGE_MODEL", "stand-in")
    monkeypatch.setenv("OFFPATH_JUDGE_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OFFPATH_JUDGE_API_KEY", "offline")
    done = project.run(*COMMAND, "pii,helpfulness", "--option", "helpfulness.timeout=1", "--concurrency", "1")
    assert done.exit_code == 1, done.output
    assert "could not be asked 2 times in a row" in done.output
    assert stored.summary("pii").states == {"scored": 4}
    assert stored.summary("helpfulness").states == {"failed": 4}
    (row,) = [row for row in stored.results("run-3") if row.name == "helpfulness"]
    assert row.reason == "judge_unavailable"
    assert "2 times in a row" in (row.explanation or "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "--from-store"], "OFFPATH_EVALUATORS"),
        (["evaluate", "--from-store", "rows.jsonl"], "FILE is for a file"),
        (["evaluate", "--from-store", "--output", "x"], "--output is for a file"),
        (["evaluate", "rows.jsonl", "--since", "7d"], "--since is for stored runs"),
        (["evaluate"], "name a FILE"),
        ([*COMMAND, "pi"], "did you mean 'pii'"),
        (["evaluate", "--from-store", "--app", "nowhere:app"], "nowhere"),
        ([*COMMAND, "tool_args_valid"], "none of the evaluators can be used here"),
        ([*COMMAND, "pii", "--since", "soon"], "'soon' is no time"),
        ([*COMMAND, "pii", "--agent", "a", "--team", "b"], "exclude each other"),
        ([*COMMAND, "pii", "--option", "pii.treshold=1"], "did you mean THRESHOLD"),
        ([*COMMAND, "helpfulness"], "OFFPATH_JUDGE_MODEL"),
        ([*COMMAND, "pii", "--fail-under", "pi=1"], "not among the evaluators"),
        ([*COMMAND, "pii", "--database-url", "sqlite:///nowhere.db"], "there is no database"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(project: Project, arguments: list[str], said: str) -> None:
    done = project.run(*arguments)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert "Traceback" not in done.output


SERVICE = """
from offpath import Agent, AgentService, OpenAIChat, enable
from offpath.storage.database import SqliteDb

def weather(city: str) -> str:
    return city

echo = Agent(id="echo", model=OpenAIChat("gpt-test", base_url="http://127.0.0.1:9/v1"), tools=[weather])
service = AgentService(
    agents=[echo], evaluators=[enable("private=pii", threshold=0.0), "tool_args_valid"], db=SqliteDb("offpath.db")
)
app = service.get_app()
"""


def test_the_service_says_which_evaluators_its_code_enables(project: Project, stored: Stored) -> None:
    project.write("shop.py", SERVICE)
    stored.add(planned_run("leak", content=LEAK))
    done = project.run("evaluate", "--from-store", "--app", "shop:app")
    assert done.exit_code == 0, done.output
    assert set(stored.plan("leak").entries) == {"private", "tool_args_valid"}
    assert stored.summary("private").pass_rate is not None
    done = project.run("evaluate", "--from-store", "--app", "shop:app", "--evaluators", "private,refusal")
    assert "1 evaluated, 1 known already" in done.output
    assert {each.name for each in stored.results("leak")} == {"private", "tool_args_valid", "refusal"}
    done = project.run(*COMMAND, "tool_args_valid,pii")
    assert "tool_args_valid needs to know the tools" in done.output
    assert "1 evaluated" in done.output


def test_a_missed_threshold_is_the_exit_code(project: Project, stored: Stored) -> None:
    stored.add(planned_run("leak", content=LEAK), planned_run("clean", content=CLEAN))
    assert project.run(*COMMAND, "pii", "--fail-under", "0.9").exit_code == 1


def test_after_an_interrupt_the_same_command_goes_on(project: Project, stored: Stored) -> None:
    """Ctrl-C loses the runs under way only."""
    (project.directory / "slow_evals.py").write_text(
        "import time\nfrom offpath_evaluators import evaluator\n\n\n"
        '@evaluator("slow")\ndef slow(context):\n    time.sleep(0.2)\n    return True\n'
    )
    stored.add(*(planned_run(f"run-{number:02}", content=CLEAN) for number in range(40)))
    command = [sys.executable, "-m", "offpath.cli", *COMMAND, "slow=slow_evals:slow", "--concurrency", "2"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OFFPATH_")}
    process = subprocess.Popen(command, cwd=project.directory, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not stored.results("run-03") and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "interrupted" in said
    count = sum(1 for number in range(40) if stored.results(f"run-{number:02}"))
    assert 4 <= count < 40
    done = project.run(*COMMAND, "slow=slow_evals:slow", "--concurrency", "40")
    assert f"{40 - count} evaluated, {count} known already" in done.output
