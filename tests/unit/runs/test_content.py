"""OFFPATH_STORE_CONTENT: what was said is nowhere in the database's files once it is to be gone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from offpath import Agent, AgentService, RunContext, SqliteDb, hook, tool
from offpath.models.message import Message
from offpath.runs.content import ContentKept, stripped, without_content
from offpath.runs.context import RunContext as StoredContext
from offpath.runs.context import Session
from offpath.runs.input import File, RunInput
from offpath.runs.output import ContextItem, RunFailure, RunOutput, ToolExecution
from offpath.runs.record import RunRecord, decode_record, encode_record
from offpath.runs.status import RunStatus
from offpath.settings import Settings
from offpath.testing import FakeModel, ServiceTester, tool_call

MARK = "Quittengelee"
"""In everything that anybody says here."""
STATE = "Hagebutte"
"""What code keeps in a session."""
LONG = f"{MARK} says nobody@example.org. " * 400
"""Too long for a row of its own: with these settings it goes to a file."""


@tool(retrieval=True)
def look_up(topic: str, run_context: RunContext) -> list[str]:
    """Find out more."""
    run_context.session_state["last"] = STATE
    return [f"{MARK} was found", LONG]


def service_of(kept: ContentKept, directory: Path, *hooks: Callable[..., Any], **settings: Any) -> ServiceTester:
    model = FakeModel([tool_call("look_up", topic=f"{MARK} topic"), f"{MARK} answer, {LONG}"] * 3)
    agent = Agent(id="support", model=model, tools=[look_up], post_hooks=hooks)
    return ServiceTester(
        AgentService(agents=[agent], run_hooks_in_background=True),
        settings=Settings(
            store_content=kept,
            evaluators=("pii", "refusal", "groundedness_overlap", "repetition"),
            analytics=True,
            inline_record_bytes=2_000,
            hook_backoff=0.05,
            hook_backoff_max=0.05,
            **settings,
        ),
        db=SqliteDb(str(directory / "content.db")),
    )


def holding(directory: Path, words: Iterable[str] = (MARK,)) -> list[str]:
    """The files under a directory that hold any of these words, in whatever way it is encoded."""
    forms: set[bytes] = set()
    for word in words:
        forms |= {
            word.encode(),
            word.encode("utf-16-le"),
            word.encode("utf-16-be"),
            base64.b64encode(word.encode())[:-4],
        }
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    )


async def post(tester: ServiceTester, session_id: str = "s1") -> str:
    answer = await tester.client.post(
        "/agents/support/runs",
        data={"message": f"{MARK}, please", "stream": "false", "session_id": session_id},
        files={"files": (f"{MARK}.txt", f"{MARK} in a file".encode(), "text/plain")},
    )
    assert answer.status_code == 200, answer.text
    assert MARK in answer.json()["content"], "the caller gets it in any case"
    run_id: str = answer.json()["run_id"]
    return run_id


async def gone(directory: Path) -> list[str]:
    """Which files hold it once there has been time to take it out; none, if all goes well."""
    for _ in range(400):
        if not (found := holding(directory)):
            return []
        await asyncio.sleep(0.02)
    return found


async def test_until_hooks_done_hooks_see_it_and_then_it_is_gone(tmp_path: Path) -> None:
    seen: list[Any] = []
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def note(run_output: Any, run_input: Any, session: Any) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(release.wait(), loop))
        seen.append((run_output.content, run_input.input_content_string(), run_output.tools[0].result))

    async with service_of("until_hooks_done", tmp_path, note) as tester:
        run_id = await post(tester)
        assert holding(tmp_path), "a hook still has to see it"
        assert any(name.startswith("content.db.payloads") for name in holding(tmp_path)), "the large record has a file"
        release.set()
        jobs = await tester.drain()
        assert {job.state for job in jobs} == {"succeeded"}
        ((content, message, result),) = seen
        assert all(MARK in str(each) for each in (content, message, result))
        assert await gone(tmp_path) == []
        run = (await tester.client.get(f"/runs/{run_id}")).json()
        assert run["status"] == "COMPLETED"
        assert not run.get("content")
        assert [call["tool_name"] for call in run["tools"]] == ["look_up"]
        found = (await tester.client.get(f"/runs/{run_id}/evaluations")).json()["evaluations"]
        assert {each["name"]: each["state"] for each in found}["pii"] == "scored", "evaluators saw it, too"
        assert MARK not in json.dumps(found)
        # The conversation goes on without a memory.
        await post(tester)
        await tester.drain()
        assert await gone(tmp_path) == []
    assert holding(tmp_path) == []


async def test_until_hooks_done_it_stays_while_a_hook_is_tried_again(tmp_path: Path) -> None:
    attempts: list[str] = []

    @hook(retries=3)
    async def flaky(run_output: Any) -> None:
        attempts.append(run_output.content)
        if len(attempts) < 3:
            raise ConnectionError("not now")

    async with service_of("until_hooks_done", tmp_path, flaky) as tester:
        await post(tester)
        await tester.drain()
        assert len(attempts) == 3
        assert all(MARK in content for content in attempts)
        assert await gone(tmp_path) == []


async def test_none_never_stores_it(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def note(run_output: Any, run_input: Any) -> None:
        seen.append((run_output.content, run_input.input_content_string()))

    async with service_of("none", tmp_path, note) as tester:
        run_id = await post(tester)
        assert holding(tmp_path, (MARK, STATE)) == [], "not even before the hooks"
        await tester.drain()
        assert [bool(content or message) for content, message in seen] == [False]
        assert holding(tmp_path, (MARK, STATE)) == []
        run = (await tester.client.get(f"/runs/{run_id}")).json()
        assert run["status"] == "COMPLETED"
        assert run["metrics"]["model_calls"] == 2
    assert holding(tmp_path) == []


async def test_full_keeps_it(tmp_path: Path) -> None:
    async with service_of("full", tmp_path) as tester:
        run_id = await post(tester)
        await tester.drain()
        assert MARK in (await tester.client.get(f"/runs/{run_id}")).json()["content"]
    assert holding(tmp_path)


@pytest.mark.parametrize("kept", ["until_hooks_done", "none"])
async def test_of_a_run_that_fails_neither(tmp_path: Path, kept: ContentKept) -> None:
    """Errors quote what was said."""

    async def note(run_output: Any) -> None:
        pass

    model = FakeModel([ValueError(f"{MARK} is not understood: {LONG}")])
    service = AgentService(agents=[Agent(id="support", model=model, post_hooks=[note])], run_hooks_in_background=True)
    settings = Settings(store_content=kept, evaluators=("pii",), inline_record_bytes=2_000)
    async with ServiceTester(service, settings=settings, db=SqliteDb(str(tmp_path / "content.db"))) as tester:
        answer = await tester.client.post(
            "/agents/support/runs", data={"message": f"{MARK}, please", "stream": "false"}
        )
        assert answer.status_code >= 500
        await tester.drain()
        assert await gone(tmp_path) == []


def record() -> RunRecord:
    """A record with something to say in each of its parts."""
    return RunRecord(
        input=RunInput(input_content=f"{MARK} message", files=[File(name=f"{MARK}.txt", mime_type="text/plain")]),
        output=RunOutput(
            run_id="r1",
            session_id="s1",
            kind="agent",
            component_id="support",
            component_name="Support",
            status=RunStatus.ERROR,
            content={"answer": MARK},
            reasoning_content=f"{MARK} reasons",
            messages=[Message(role="user", content=f"{MARK} message")],
            tools=[
                ToolExecution(
                    tool_call_id="c1", tool_name="look_up", tool_args={"topic": MARK}, result=MARK, duration=0.5
                ),
                ToolExecution(tool_call_id="c2", tool_name="fail", tool_args={"topic": MARK}, error=f"{MARK}!"),
            ],
            context=[ContextItem(content=f"{MARK} passage")],
            error=RunFailure(type="ValueError", reason="error", message=f"{MARK} is wrong"),
            step_results=[
                {"name": "one", "content": MARK, "success": True, "steps": [{"name": "inner", "content": MARK}]}
            ],
            metadata={"ticket": 7},
        ),
        context=StoredContext(
            run_id="r1", session_id="s1", session_state={"last": MARK}, dependencies={"secret": MARK}
        ),
        session=Session(
            session_id="s1", kind="agent", component_id="support", name=f"{MARK} talk", state={"last": MARK}
        ),
    )


def test_what_is_left_of_a_record_says_that_there_was_a_run() -> None:
    whole = record()
    encoded = encode_record(whole)
    assert encoded.count(MARK.encode()) >= 15
    bare = stripped(encoded)
    assert MARK.encode() not in bare
    left = decode_record(bare).output
    assert (left.run_id, left.session_id, left.component_id) == ("r1", "s1", "support")
    assert [(call.tool_name, call.duration, call.error is None) for call in left.tools] == [
        ("look_up", 0.5, True),
        ("fail", None, False),
    ]
    assert left.error is not None
    assert left.error.type == "ValueError"
    assert [step["name"] for step in left.step_results] == ["one"]
    assert left.metadata == {"ticket": 7}
    assert stripped(bare) == bare, "twice changes nothing"
    assert encode_record(whole) == encoded, "the record itself stays as it is"
    assert without_content(whole).output.status == whole.output.status
