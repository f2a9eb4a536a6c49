"""`offpath export` on both databases."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from offpath.cli import app, data
from offpath.engine.adapters import job_rows, open_engine
from offpath.ledger.booking import Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.models.message import Message, Usage
from offpath.runs.context import RunContext, Session
from offpath.runs.input import File, RunInput
from offpath.runs.output import RunFailure, RunMetrics, RunOutput, ToolExecution
from offpath.runs.record import RunRecord, encode_record
from offpath.runs.status import RunStatus
from offpath.storage.database import Database, SqliteDb, database_from_url
from offpath.storage.store import RunRow
from offpath_evaluators.rows import Row, read_rows
from postgres_server import drop_database, prepared_database

SECRET = "xyzzy"
"""Part of everything that somebody said."""
DAY = 86_400.0


def a_run(number: int, **changes: Any) -> tuple[RunRow, Session]:
    run_id, created = f"run-{number:03d}", time.time() - number * DAY - 60
    session = Session("s1", "agent", "support", user_id="ada")
    output = RunOutput(
        run_id=run_id,
        kind="agent",
        component_id="support",
        component_name="Support",
        session_id="s1",
        user_id="ada",
        status=RunStatus.COMPLETED,
        content=f"answer {number} {SECRET}",
        model="gpt-4o-mini",
        model_provider="openai",
        messages=[Message("user", f"ask {number} {SECRET}"), Message("assistant", f"answer {number} {SECRET}")],
        tools=[ToolExecution("c1", "search", {"query": SECRET}, result=SECRET, duration=0.25)],
        metrics=RunMetrics(usage=Usage(10, 5, 15), duration=1.5, model_calls=2),
        error=RunFailure("ToolLoopError", "tool_loop", f"quoted {SECRET}") if number == 1 else None,
        metadata={"ticket": SECRET},
        created_at=created,
    )
    for name, value in changes.items():
        setattr(output, name, value)
    files = [File(f"{SECRET}.txt", "text/plain", b"1234")]
    context = RunContext(run_id, "s1", metadata={"ticket": SECRET})
    record = RunRecord(RunInput(f"ask {number} {SECRET}", files), output, context, session)
    row = RunRow(
        run_id=run_id,
        session_id="s1",
        kind=output.kind,
        component_id=output.component_id,
        component_name=output.component_name,
        user_id="ada",
        parent_run_id=output.parent_run_id,
        status=output.status,
        created_at=created,
        updated_at=created,
        owner="",
        record=encode_record(record),
    )
    return row, session


def a_plan(run_id: str) -> RunPlan:
    entries = {
        "refusal": PlanEntry("scored", 0.5, "offpath.evaluate", "f1", 1.0, passed=True),
        "tone": PlanEntry("sampled_out", 0.1),
    }
    return RunPlan(
        run_id=run_id,
        session_id="s1",
        component_kind="agent",
        component_id="support",
        component_name="Support",
        nested=False,
        created_at=0.0,
        status="completed",
        duration=1.5,
        error_type="",
        traceparent="",
        entries=entries,
        counted=True,
    )


def an_evaluation(run_id: str) -> EvaluationRow:
    return EvaluationRow(
        run_id=run_id,
        name="refusal",
        fingerprint="f1",
        state="scored",
        subject="output",
        evaluator="refusal",
        version=1,
        evaluated_at=1_760_000_000.0,
        duration=0.01,
        value=1.0,
        passed=True,
        explanation=f"it says {SECRET}",
        details={"quote": SECRET},
        probability=0.5,
    )


class Stored:
    """A database with runs, evaluations and feedback; the newest run is number 0, each other a day older."""

    def __init__(self, url: str) -> None:
        self.database: Database = database_from_url(url)
        self.url = url

    async def fill(self, runs: int, *, broken: bool = False) -> None:
        engine = open_engine(self.database)
        store = self.database.open_store(enqueue=engine.enqueue, wake=engine.wake, jobs=job_rows(engine))
        await store.open()
        for number in range(runs):
            await store.finish(*a_run(number), ())
        await store.finish(*a_run(900, parent_run_id="run-000", component_id="member", created_at=time.time()), ())
        if broken:
            row, session = a_run(901)
            row.record = b'{"input": 3}'
            await store.finish(row, session, ())
        ledger = self.database.open_ledger(enqueue=engine.enqueue, wake=engine.wake)
        await ledger.open()
        change = Change(plans={"run-000": a_plan("run-000")}, evaluations=[an_evaluation("run-000")])
        await ledger.amend("run-000", lambda plan: change)
        comment = Feedback("f1", "run-000", 1_760_000_000.0, "ada", "thumb", 1.0, comment=f"good {SECRET}")
        assert await ledger.add_feedback(comment)
        await ledger.close()
        await store.close()
        await engine.close()

    def export(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["export", "--database-url", self.url, *arguments])
        assert result.exit_code == code, result.output
        return result

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.export(*arguments).stdout.splitlines()]


@pytest.fixture(params=["sqlite", "postgres"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stored]:
    if request.param == "sqlite":
        yield Stored(f"sqlite:///{tmp_path}/offpath.db")
        return
    url = prepared_database()
    yield Stored(url)
    drop_database(url)


def test_runs_come_oldest_first_with_what_is_known_of_them(stored: Stored) -> None:
    asyncio.run(stored.fill(3))
    rows = stored.rows()
    assert [row["id"] for row in rows] == ["run-002", "run-001", "run-000"]
    newest = rows[-1]
    assert (newest["input"], newest["output"]) == (f"ask 0 {SECRET}", f"answer 0 {SECRET}")
    assert newest["usage"]["input_tokens"] == 10
    assert newest["tool_calls"][0]["name"] == "search"
    run = newest["run"]
    assert (run["session_id"], run["user_id"], run["status"]) == ("s1", "ada", "completed")
    assert run["component"] == {"kind": "agent", "id": "support", "name": "Support"}
    assert run["tools"] == [{"name": "search", "failed": False, "duration": 0.25}]
    assert run["files"] == [{"name": f"{SECRET}.txt", "mime_type": "text/plain", "bytes": 4}]
    (evaluation,) = newest["evaluations"]
    assert (evaluation["name"], evaluation["value"], evaluation["passed"]) == ("refusal", 1.0, True)
    assert newest["evaluation_states"] == {
        "refusal": {"state": "scored", "probability": 0.5},
        "tone": {"state": "sampled_out", "probability": 0.1},
    }
    assert newest["feedback"][0]["score"] == 1.0
    assert rows[0]["evaluations"] == rows[0]["feedback"] == []
    assert "evaluation_states" not in rows[0]
    assert rows[1]["run"]["error"]["reason"] == "tool_loop"


def test_without_content_nothing_that_was_said_is_written(stored: Stored) -> None:
    asyncio.run(stored.fill(2))
    text = stored.export("--no-content").stdout
    assert SECRET not in text
    error, newest = (json.loads(line) for line in text.splitlines())
    assert newest["usage"]["output_tokens"] == 5
    assert newest["evaluations"][0]["passed"] is True
    assert newest["feedback"][0]["name"] == "thumb"
    assert error["run"]["error"] == {"type": "ToolLoopError", "reason": "tool_loop"}


def test_runs_are_chosen_by_time_and_component(stored: Stored) -> None:
    asyncio.run(stored.fill(4))

    def chosen(*arguments: str) -> list[str]:
        return [row["id"] for row in stored.rows(*arguments)]

    assert chosen("--since", "2d") == ["run-001", "run-000"]
    assert chosen("--until", "2d") == ["run-003", "run-002"]
    assert chosen("--since", str(time.time() - 2 * DAY), "--until", "1d") == ["run-001"]
    assert chosen("--agent", "nobody") == chosen("--team", "support") == []
    assert chosen("--agent", "member") == ["run-900"]
    assert len(chosen("--nested")) == 5
    assert "is no time" in stored.export("--since", "soon", code=2).stderr
    assert "exclude each other" in stored.export("--agent", "a", "--team", "b", code=2).stderr


def test_all_pages_are_read_each_run_once(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "PAGE", 2)
    asyncio.run(stored.fill(7))
    assert [row["id"] for row in stored.rows()] == [f"run-{number:03d}" for number in reversed(range(7))]


def test_an_export_is_what_offpath_evaluate_reads(stored: Stored) -> None:
    asyncio.run(stored.fill(2))
    found = list(read_rows(io.BytesIO(stored.export().stdout.encode()), "export"))
    assert all(isinstance(row, Row) for row in found)
    assert [(row.id, row.context.input) for row in found if isinstance(row, Row)] == [
        ("run-001", f"ask 1 {SECRET}"),
        ("run-000", f"ask 0 {SECRET}"),
    ]


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_written(stored: Stored) -> None:
    asyncio.run(stored.fill(2, broken=True))
    result = stored.export(code=1)
    assert len(result.stdout.splitlines()) == 2
    assert "1 runs cannot be read and were passed over: run-901" in result.stderr


def test_a_file_gets_its_name_when_it_is_whole_and_is_its_owners(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(stored.fill(3))
    path = tmp_path / "runs.jsonl"
    assert stored.export("--output", str(path)).stdout == ""
    assert len(path.read_text().splitlines()) == 3
    assert path.stat().st_mode & 0o077 == 0
    assert not path.with_name("runs.jsonl.part").exists()

    async def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(data, "_export", broken)
    assert "disk is full" in str(stored.export("--output", str(tmp_path / "more.jsonl"), code=1).exception)
    assert sorted(each.name for each in tmp_path.glob("*.jsonl*")) == ["runs.jsonl"]


def test_a_reader_that_stops_early_gets_no_traceback(tmp_path: Path) -> None:
    stored = Stored(f"sqlite:///{tmp_path}/offpath.db")
    asyncio.run(stored.fill(400))
    command = [sys.executable, "-m", "offpath.cli", "export", "--database-url", stored.url]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    assert child.stdout is not None
    assert child.stderr is not None
    assert json.loads(child.stdout.readline())["id"] == "run-399"
    child.stdout.close()
    errors = child.stderr.read().decode()
    child.stderr.close()
    assert (child.wait(30), errors) == (0, "")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = Stored(f"sqlite:///{tmp_path}/none.db").export(code=2)
    assert "there is no database" in result.stderr
    assert not (tmp_path / "none.db").exists()
    assert isinstance(SqliteDb(tmp_path / "none.db"), SqliteDb)
