"""Conversations that have been quiet are evaluated as a whole, once for each time that they fall quiet."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from offpath import Agent, AgentService, SqliteDb
from offpath.posthooks.evaluation.enabled import enable
from offpath.posthooks.evaluation.sampling import draw
from offpath.settings import Settings
from offpath.testing import FakeModel, ServiceTester
from offpath.worker import bookkeeping, quiet_sessions
from offpath_evaluators import EvaluationContext, Score, evaluator

SEEN: list[EvaluationContext] = []


@evaluator("whole", needs=())
def whole(context: EvaluationContext) -> Score:
    """Sees the conversation."""
    SEEN.append(context)
    return Score(value=1.0, passed=True, raw=float(len(context.messages or ())))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeping, "_SESSIONS_SECONDS", 0.05)
    SEEN.clear()


def conversations(directory: Path, *evaluators: Any) -> ServiceTester:
    agents = [Agent(id=each, model=FakeModel([f"{each} {n}" for n in range(9)])) for each in ("support", "sales")]
    return ServiceTester(
        AgentService(agents=agents, evaluators=["pii", *evaluators], run_hooks_in_background=True),
        settings=Settings(hook_backoff=0.05, hook_backoff_max=0.05),
        db=SqliteDb(str(directory / "sessions.db")),
    )


async def run(tester: ServiceTester, session_id: str, message: str, agent: str = "support") -> str:
    form = {"message": message, "stream": "false", "session_id": session_id}
    answer = await tester.client.post(f"/agents/{agent}/runs", data=form)
    assert answer.status_code == 200, answer.text
    run_id: str = answer.json()["run_id"]
    return run_id


async def evaluations(tester: ServiceTester, run_id: str) -> dict[str, dict[str, Any]]:
    answer = (await tester.client.get(f"/runs/{run_id}/evaluations")).json()
    return {each["name"]: each for each in answer["evaluations"]}


async def evaluated(tester: ServiceTester, run_id: str, name: str = "whole") -> dict[str, Any]:
    """The evaluation of a conversation whose last run that is, once it is there."""
    for _ in range(1_000):
        found = (await evaluations(tester, run_id)).get(name)
        if found is not None and found["state"] != "pending":
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{name} of {run_id} was never evaluated")


async def summed(tester: ServiceTester, name: str = "whole") -> dict[str, int]:
    await tester.drain()
    groups = (await tester.client.get("/evaluations/summary")).json()["groups"]
    found: dict[str, int] = {}
    for group in groups:
        if group["evaluation"] == name:
            found.update(group["states"])
    return found


async def test_two_runs_are_one_conversation(tmp_path: Path) -> None:
    async with conversations(tmp_path, enable(whole, scope="session", quiet=1.0)) as tester:
        first = await run(tester, "talk", "Good morning")
        last = await run(tester, "talk", "And good night")
        other = await run(tester, "another", "Hello", agent="sales")
        assert "whole" not in await evaluations(tester, last), "nobody knows yet that it is over"
        found = await evaluated(tester, last)
        await evaluated(tester, other)
        assert (found["state"], found["probability"]) == ("scored", 1.0)
        assert "whole" not in await evaluations(tester, first)
        by_id = {context.id: context for context in SEEN}
        assert by_id.keys() == {"talk", "another"}
        assert len(SEEN) == 2
        assert (by_id["talk"].input, by_id["talk"].output) == ("Good morning", "support 0\n\nsupport 1")
        contents = [message["content"] for message in by_id["talk"].messages or () if message["role"] == "user"]
        assert contents == ["Good morning", "And good night"]
        assert await summed(tester) == {"scored": 2}
        assert await summed(tester, "pii") == {"scored": 3}, "runs are evaluated one by one as before"


async def test_one_that_goes_on_is_evaluated_again_on_its_new_last_run(tmp_path: Path) -> None:
    async with conversations(tmp_path, enable(whole, scope="session", quiet=0.3)) as tester:
        first = await run(tester, "talk", "Good morning")
        await evaluated(tester, first)
        for _ in range(5):  # it stays quiet, and is left alone
            await asyncio.sleep(0.1)
        assert len(SEEN) == 1
        second = await run(tester, "talk", "One more thing")
        await evaluated(tester, second)
        assert len(SEEN) == 2
        assert [message["content"] for message in SEEN[1].messages or () if message["role"] == "user"] == [
            "Good morning",
            "One more thing",
        ]
        assert (await evaluations(tester, first))["whole"]["state"] == "scored"
        assert await summed(tester) == {"scored": 2}


async def test_chance_draws_conversations_and_filters_choose_them(tmp_path: Path) -> None:
    drawn = next(f"talk{n}" for n in range(1_000) if draw(f"talk{n}") < 0.5)
    left_out = next(f"talk{n}" for n in range(1_000) if draw(f"talk{n}") >= 0.5)
    rare = enable(whole, scope="session", quiet=0.3, sample_rate=0.5, agents=["support"])
    async with conversations(tmp_path, rare) as tester:
        runs = {
            "scored": await run(tester, drawn, "Hello"),
            "sampled_out": await run(tester, left_out, "Hello"),
            "filtered": await run(tester, "sold", "Hello", agent="sales"),
        }
        for state, run_id in runs.items():
            found = await evaluated(tester, run_id)
            assert found["state"] == state
        assert (await evaluations(tester, runs["scored"]))["whole"]["probability"] == 0.5
        assert [context.id for context in SEEN] == [drawn]
        assert await summed(tester) == {"scored": 1, "sampled_out": 1, "filtered": 1}


async def test_a_conversation_that_was_deleted_is_not_evaluated(tmp_path: Path) -> None:
    async with conversations(tmp_path, enable(whole, scope="session", quiet=0.5)) as tester:
        await run(tester, "secret", "Hello")
        kept = await run(tester, "kept", "Hello")
        await tester.drain()
        assert (await tester.client.delete("/sessions/secret")).is_success
        await evaluated(tester, kept)
        await asyncio.sleep(0.3)
        assert [context.id for context in SEEN] == ["kept"]
        assert await summed(tester) == {"scored": 1}


async def test_what_was_planned_before_a_crash_is_not_planned_twice(tmp_path: Path) -> None:
    """The mark comes last: without it the session is found again, and its plan stays as it is."""
    evaluators = (enable(whole, scope="session", quiet=0.3),)
    async with conversations(tmp_path, *evaluators) as tester:
        run_id = await run(tester, "talk", "Hello")
        await evaluated(tester, run_id)
        await tester.drain()
    with closing(sqlite3.connect(tmp_path / "sessions.db", timeout=10)) as connection:
        assert connection.execute("DELETE FROM session_marks").rowcount == 1
        connection.commit()
        async with conversations(tmp_path, *evaluators) as tester:
            for _ in range(500):
                if connection.execute("SELECT 1 FROM session_marks").fetchone():
                    break
                await asyncio.sleep(0.02)
            else:
                raise AssertionError("it was not seen to again")
            await tester.drain()
            assert len(SEEN) == 1
            assert await summed(tester) == {"scored": 1}


async def test_conversations_of_long_ago_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet_sessions, "LATE", -1.0)  # so that a second ago is long ago
    async with conversations(tmp_path, enable(whole, scope="session", quiet=0.3)) as tester:
        run_id = await run(tester, "talk", "Good morning")
        await asyncio.sleep(1.5)
        assert "whole" not in await evaluations(tester, run_id)
        assert SEEN == []
