"""Evaluations, feedback and summaries over HTTP, over a real ledger; what a worker does is done by the tests."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from offpath.api.application import create_app
from offpath.engine.protocol import Attempt
from offpath.hooks.hook import OPTIONS_ATTRIBUTE, HookOptions
from offpath.hooks.registry import HookRegistry
from offpath.ledger.booking import Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry
from offpath.ledger.rollup import DAY
from offpath.ledger.state import State
from offpath.posthooks.builtin import Builtins
from offpath.posthooks.evaluation.enabled import enable
from offpath.posthooks.job_result import JobResult
from offpath.runs.content import stripped
from offpath.runs.status import RunStatus
from offpath.settings import Settings
from offpath.storage.database import SqliteDb
from offpath.storage.ledger import Ledger
from planned_runs import book_all, planned_run, store_run
from unit.api.serving import Component, Served, serving

NOW = time.time()
THUMB = {"thumb": "up"}
ADMIN, APP, ANA = ("admin-0123456789abcdef", "app-0123456789abcdef01", "ana-0123456789abcdef01")


def evaluate(run_output: Any) -> None:
    """Stands for the hook of all deterministic evaluators."""


def evaluate_tone(run_output: Any) -> None:
    """Stands for the hook of a judged evaluator."""


for function, name in ((evaluate, "offpath.evaluate"), (evaluate_tone, "offpath.evaluate.tone")):
    setattr(function, OPTIONS_ATTRIBUTE, HookOptions(name=name, kind="evaluation", run_in_background=True))


@dataclass
class Evaluated:
    """A service with evaluators, its ledger, and what a worker would do."""

    served: Served
    ledger: Ledger

    async def add(self, run_id: str = "", agent: str = "echo", ago: float = 0.0, **entries: PlanEntry) -> str:
        """A run that ended with a plan, which is booked; its id."""
        row = planned_run(run_id, agent, NOW - ago, entries=entries)
        await store_run(self.served.context.store, row)
        await book_all(self.ledger)
        return row.run_id

    async def store(self, row: EvaluationRow) -> None:
        await self.ledger.amend(row.run_id, lambda _: Change(evaluations=[row]))

    async def work(self, *rows: EvaluationRow) -> None:
        """What a worker does with the waiting jobs: they end, the first with these results, and are booked."""
        engine = self.served.engine
        await engine.open()
        free = {hook.id: 10 for hook in self.served.context.environment.registry.hooks.values()}
        claimed = await engine.claim(free, limit=10)
        result, now = msgspec.json.encode(JobResult(evaluations=list(rows))), time.time()
        await engine.complete(
            [
                Attempt(job, "success", now, now, result=result if number == 0 else None)
                for number, job in enumerate(claimed)
            ]
        )
        await book_all(self.ledger)


def result(run_id: str, name: str, state: State = "scored", fingerprint: str = "f1", **fields: Any) -> EvaluationRow:
    known = {"evaluated_at": NOW, "duration": 0.01, **fields}
    return EvaluationRow(run_id, name, fingerprint, state, "output", name, 1, **known)


def scored(passed: bool = True, probability: float = 1.0, fingerprint: str = "f1") -> PlanEntry:
    return PlanEntry("scored", probability, "offpath.evaluate", fingerprint, float(passed), passed, None, NOW)


@pytest.fixture
async def evaluated(tmp_path: Path) -> AsyncIterator[Evaluated]:
    components = [Component(), Component("other")]
    async with serving(tmp_path, *components) as served:
        registry = HookRegistry(components, in_background=True, extra_post_hooks=[evaluate, evaluate_tone])
        ledger = SqliteDb(tmp_path / "offpath.db").open_ledger(enqueue=served.engine.enqueue, wake=served.engine.wake)
        await ledger.open()
        context = dataclasses.replace(
            served.context,
            environment=dataclasses.replace(served.context.environment, registry=registry),
            builtins=Builtins(
                evaluators=(
                    enable("pii"),
                    enable("refusal", sample_rate=0.5),
                    enable("tone=guidelines", rules=["Be kind."], judge_model="judge"),
                    enable("whole=answer_relevance", scope="session", judge_model="judge"),
                )
            ),
            open_ledger=lambda: ledger,
        )
        try:
            yield Evaluated(Served(create_app(context), context, served.engine), ledger)
        finally:
            await ledger.close()


@pytest.fixture
async def client(evaluated: Evaluated) -> AsyncIterator[httpx.AsyncClient]:
    async with evaluated.served.client() as connected:
        yield connected


async def start_run(client: httpx.AsyncClient, agent: str = "echo", **fields: Any) -> str:
    answer = await client.post(f"/agents/{agent}/runs", json={"message": "hi", "stream": False, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run_id"])


@pytest.fixture
async def run_id(client: httpx.AsyncClient) -> str:
    return await start_run(client)


# -- reading ------------------------------------------------------------------------------------------------------


async def test_each_evaluator_is_listed_with_state_probability_and_reason(
    client: httpx.AsyncClient, evaluated: Evaluated
) -> None:
    run_id = await evaluated.add(
        pii=scored(False),
        refusal=PlanEntry("sampled_out", 0.5),
        tone=PlanEntry("pending", 1.0, "offpath.evaluate.tone"),
        language=PlanEntry("not_applicable", 1.0, "offpath.evaluate", "f1", evaluated_at=NOW),
    )
    await evaluated.store(result(run_id, "pii", passed=False, value=0.0, explanation="an address"))
    await evaluated.store(result(run_id, "pii", fingerprint="f0", evaluated_at=NOW - 9, passed=True))
    await evaluated.store(result(run_id, "language", "not_applicable", reason="too_short"))
    found = (await client.get(f"/runs/{run_id}/evaluations")).json()
    assert (found["run_id"], found["status"], found["feedback"]) == (run_id, "completed", [])
    pii, refusal, tone, language = found["evaluations"]
    assert (pii["name"], pii["state"], pii["probability"]) == ("pii", "scored", 1.0)
    assert "reason" not in pii
    assert (pii["result"]["passed"], pii["result"]["explanation"]) == (False, "an address")
    assert (refusal["state"], refusal["probability"]) == ("sampled_out", 0.5)
    assert "chance" in refusal["reason"]
    assert tone["state"] == "pending"
    assert "result" not in tone
    assert (language["state"], language["reason"]) == ("not_applicable", "too_short")
    (earlier,) = found["earlier"]
    assert (earlier["name"], earlier["fingerprint"], earlier["passed"]) == ("pii", "f0", True)


async def test_a_run_without_a_plan_has_no_evaluations(client: httpx.AsyncClient, run_id: str) -> None:
    found = (await client.get(f"/runs/{run_id}/evaluations")).json()
    assert (found["evaluations"], found["earlier"]) == ([], [])


async def test_of_an_unknown_run_nothing_is_known(client: httpx.AsyncClient) -> None:
    for method, path, body in (("GET", "evaluations", None), ("POST", "evaluations", {}), ("POST", "feedback", THUMB)):
        answer = await client.request(method, f"/runs/nope/{path}", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found"), path


# -- evaluating again ---------------------------------------------------------------------------------------------


async def test_evaluating_again_keeps_the_result_until_the_new_one_is_booked(
    client: httpx.AsyncClient, evaluated: Evaluated
) -> None:
    run_id = await evaluated.add(pii=scored(False), refusal=scored(True))
    await evaluated.store(result(run_id, "pii", passed=False))
    answer = await client.post(f"/runs/{run_id}/evaluations", json={"evaluators": ["pii"]})
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["evaluators"], asked["already_pending"]) == (["pii"], [])
    (key,) = asked["jobs"]
    assert key.startswith(f"{run_id}:post:offpath.evaluate:pii.")
    (before, _) = (await client.get(f"/runs/{run_id}/evaluations")).json()["evaluations"]
    assert (before["state"], before["result"]["passed"]) == ("scored", False)
    assert [job.key for job in await evaluated.served.engine.jobs_of(run_id)] == [key]
    await evaluated.work(result(run_id, "pii", passed=True, fingerprint="f2", evaluated_at=NOW + 5))
    found = (await client.get(f"/runs/{run_id}/evaluations")).json()
    assert found["evaluations"][0]["result"]["fingerprint"] == "f2"
    assert [row["fingerprint"] for row in found["earlier"]] == ["f1"]
    # The sums have the new result in place of the old one.
    groups = (await client.get("/evaluations/summary")).json()["groups"]
    (pii,) = [group for group in groups if group["evaluation"] == "pii"]
    assert (pii["runs"], pii["states"], pii["pass_rate"]["estimate"]) == (1, {"scored": 1}, 1.0)
    assert pii["fingerprint"] == "f2"


async def test_all_evaluators_of_single_runs_are_asked_if_none_is_named(
    client: httpx.AsyncClient, evaluated: Evaluated
) -> None:
    run_id = await evaluated.add(pii=scored(), refusal=scored(), tone=scored())
    asked = (await client.post(f"/runs/{run_id}/evaluations", json={})).json()
    assert asked["evaluators"] == ["pii", "refusal", "tone"]
    rules, judged = asked["jobs"]
    assert rules.startswith(f"{run_id}:post:offpath.evaluate:pii+refusal.")
    assert judged.startswith(f"{run_id}:post:offpath.evaluate.tone:")


async def test_without_a_result_it_is_pending_and_what_is_pending_is_not_asked_for_twice(
    client: httpx.AsyncClient, evaluated: Evaluated
) -> None:
    run_id = await evaluated.add(pii=PlanEntry("overload", 0.5))
    for jobs, pending in ((1, []), (0, ["pii"])):
        asked = (await client.post(f"/runs/{run_id}/evaluations", json={"evaluators": ["pii"]})).json()
        assert (len(asked["jobs"]), asked["already_pending"]) == (jobs, pending)
        (group,) = (await client.get("/evaluations/summary")).json()["groups"]
        assert group["states"] == {"pending": 1}


async def test_a_run_that_chance_left_out_stays_out_of_the_sums(
    client: httpx.AsyncClient, evaluated: Evaluated
) -> None:
    run_id = await evaluated.add(refusal=PlanEntry("sampled_out", 0.5))
    await client.post(f"/runs/{run_id}/evaluations", json={"evaluators": ["refusal", "pii"]})
    await evaluated.work(result(run_id, "refusal", passed=False), result(run_id, "pii", passed=False))
    refusal, pii = (await client.get(f"/runs/{run_id}/evaluations")).json()["evaluations"]
    assert (refusal["state"], refusal["result"]["passed"]) == ("sampled_out", False)
    assert (pii["state"], pii["result"]["passed"]) == ("filtered", False)
    groups = (await client.get("/evaluations/summary")).json()["groups"]
    assert [group["states"] for group in groups] == [{"filtered": 1}, {"sampled_out": 1}]
    assert all("pass_rate" not in group or group["pass_rate"] is None for group in groups)


async def test_a_run_from_before_there_were_evaluators_can_be_evaluated(
    client: httpx.AsyncClient, evaluated: Evaluated, run_id: str
) -> None:
    await client.post(f"/runs/{run_id}/evaluations", json={"evaluators": ["pii"]})
    await evaluated.work(result(run_id, "pii", passed=True))
    (pii,) = (await client.get(f"/runs/{run_id}/evaluations")).json()["evaluations"]
    assert pii["result"]["passed"]


WRONG_REQUESTS: tuple[tuple[Any, str], ...] = (
    ({"evaluators": ["pi"]}, "did you mean 'pii'"),
    ({"evaluators": ["whole"]}, "whole sessions"),
    ({"evaluators": []}, "array of names"),
    ({"evaluators": "pii"}, "array of names"),
    ({"evaluators": [1]}, "array of names"),
    ({"evaluator": "pii"}, "send evaluators"),
)


async def test_wrong_requests_are_refused_with_the_remedy(client: httpx.AsyncClient, run_id: str) -> None:
    for body, words in WRONG_REQUESTS:
        answer = await client.post(f"/runs/{run_id}/evaluations", json=body)
        assert answer.status_code == 422, body
        assert words in answer.json()["detail"][0]["msg"]


async def test_what_cannot_be_evaluated_now_is_a_conflict(
    client: httpx.AsyncClient, evaluated: Evaluated, run_id: str
) -> None:
    store = evaluated.served.context.store
    row = await store.run_row(run_id)
    assert row is not None
    session = await store.session(row.session_id)
    assert session is not None
    under_way = msgspec.structs.replace(row, run_id="under-way", status=RunStatus.RUNNING)
    without = msgspec.structs.replace(row, run_id="without", record=stripped(row.record))
    gone = msgspec.structs.replace(row, run_id="gone", component_id="gone")
    store.begin(under_way, session, [])
    while await store.run_row("under-way") is None:
        await asyncio.sleep(0.01)
    for ended in (without, gone):
        await store.finish(ended, session, [])
    for name, words in (("under-way", "under way"), ("without", "content"), ("gone", 'no agent "gone"')):
        answer = await client.post(f"/runs/{name}/evaluations", json={})
        assert answer.status_code == 409, name
        assert words in answer.json()["detail"]


# -- feedback -----------------------------------------------------------------------------------------------------


FEEDBACK: tuple[tuple[Any, dict[str, Any]], ...] = (
    ({"thumb": "up"}, {"name": "thumb", "score": 1.0}),
    ({"thumb": "Down", "comment": "Wrong."}, {"name": "thumb", "score": 0.0, "comment": "Wrong."}),
    ({"score": 0.25, "name": "helpful"}, {"name": "helpful", "score": 0.25}),
    ({"label": "too long", "author": "Ben"}, {"name": "feedback", "label": "too long", "author": "Ben"}),
)


async def test_feedback_is_stored_beside_the_evaluations(client: httpx.AsyncClient, run_id: str) -> None:
    for body, stored in FEEDBACK:
        answer = await client.post(f"/runs/{run_id}/feedback", json=body)
        assert answer.status_code == 201, body
        found = (await client.get(f"/runs/{run_id}/evaluations")).json()["feedback"][-1]
        assert found == answer.json()
        assert stored.items() <= found.items()
        assert abs(found["created_at"] - time.time()) < 60


WRONG_FEEDBACK: tuple[tuple[Any, str], ...] = (
    ({}, "body"),
    ({"name": "x"}, "body"),
    ({"score": 1.5}, "score"),
    ({"score": 10**400}, "score"),
    ({"score": True}, "score"),
    ({"score": "1"}, "score"),
    ({"thumb": "sideways"}, "thumb"),
    ({"thumb": "up", "score": 1}, "thumb"),
    ({"label": " "}, "label"),
    ({"label": "x" * 201}, "label"),
    ({"comment": "x" * 10_001}, "comment"),
    ({"comment": "a\0b"}, "comment"),
    ({"comment": 3}, "comment"),
    ({"thumbs": "up"}, "thumbs"),
)


async def test_feedback_that_says_nothing_sensible_is_refused(client: httpx.AsyncClient, run_id: str) -> None:
    for body, field in WRONG_FEEDBACK:
        answer = await client.post(f"/runs/{run_id}/feedback", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["detail"][0]["loc"][-1] == field, body
    assert (await client.get(f"/runs/{run_id}/evaluations")).json()["feedback"] == []


# -- all runs -----------------------------------------------------------------------------------------------------


async def test_the_summary_is_weighted_and_says_what_it_rests_on(
    client: httpx.AsyncClient, evaluated: Evaluated
) -> None:
    for number in range(4):
        await evaluated.add(f"all-{number}", pii=scored(True))
    await evaluated.add("one-of-four", "other", pii=scored(False, 0.25))
    await evaluated.add("no-money", pii=PlanEntry("budget"))
    answer = (await client.get("/evaluations/summary")).json()
    assert answer["unbooked"] == 0
    (pii,) = answer["groups"]
    assert (pii["evaluation"], pii["runs"], pii["states"]) == ("pii", 6, {"scored": 5, "budget": 1})
    assert pii["pass_rate"]["estimate"] == 0.5
    assert pii["pass_rate"]["naive"] == 0.8
    assert pii["coverage"] == pytest.approx(8 / 9, abs=1e-6)
    assert pii["pass_rate"]["worst"] < pii["pass_rate"]["low"] < 0.5 < pii["pass_rate"]["high"]
    by_agent = (await client.get("/evaluations/summary", params={"group_by": "agent"})).json()["groups"]
    assert [(group["component_id"], group["pass_rate"]["estimate"]) for group in by_agent] == [
        ("echo", 1.0),
        ("other", 0.0),
    ]
    (other,) = (await client.get("/evaluations/summary", params={"agent": "other"})).json()["groups"]
    assert other["runs"] == 1


async def test_the_newest_failed_runs_are_named(client: httpx.AsyncClient, evaluated: Evaluated) -> None:
    for number in range(5):
        name = await evaluated.add(agent="echo" if number % 2 else "other", pii=scored(False))
        await evaluated.store(result(name, "pii", passed=False, evaluated_at=NOW + number))
    plain = (await client.get("/evaluations/summary", params={"examples": 2})).json()["groups"][0]
    assert len(plain["examples"]) == 2
    (other,) = (await client.get("/evaluations/summary", params={"agent": "other"})).json()["groups"]
    assert len(other["examples"]) == 3
    plans = await evaluated.ledger.plans(other["examples"])
    assert {plan.component_id for plan in plans.values()} == {"other"}


async def test_each_group_names_failed_runs_of_its_own(client: httpx.AsyncClient, evaluated: Evaluated) -> None:
    """Though others have failed much more often, and more recently."""

    async def failed(run_id: str, agent: str, ago: float) -> None:
        await evaluated.add(run_id, agent, ago=ago, pii=scored(False))
        await evaluated.store(result(run_id, "pii", passed=False, evaluated_at=NOW - ago + 1))

    for number in range(3):
        await failed(f"few-{number}", "other", 3_000.0 + number)
    for number in range(60):
        await failed(f"many-{number:02}", "echo", 1_000.0 + number)
    by_agent = (await client.get("/evaluations/summary", params={"group_by": "agent", "examples": 2})).json()["groups"]
    assert {group["component_id"]: group["examples"] for group in by_agent} == {
        "echo": ["many-00", "many-01"],
        "other": ["few-0", "few-1"],
    }
    (other,) = (await client.get("/evaluations/summary", params={"agent": "other"})).json()["groups"]
    assert other["examples"] == ["few-0", "few-1", "few-2"]


async def test_examples_began_in_the_window(client: httpx.AsyncClient, evaluated: Evaluated) -> None:
    """Whenever they were evaluated."""
    for days in (0, 10, 20):
        await evaluated.add(f"run-{days}", ago=days * DAY, pii=scored(False))
        await evaluated.store(result(f"run-{days}", "pii", passed=False, evaluated_at=NOW))
    query = {"since": str(NOW - 12 * DAY), "until": str(NOW - 8 * DAY)}
    (group,) = (await client.get("/evaluations/summary", params=query)).json()["groups"]
    assert group["examples"] == ["run-10"]
    (group,) = (await client.get("/evaluations/summary", params={"window": "1d"})).json()["groups"]
    assert group["examples"] == ["run-0"]


async def test_a_window_has_the_runs_that_began_in_it(client: httpx.AsyncClient, evaluated: Evaluated) -> None:
    for days in (0, 1, 3, 10):
        await evaluated.add(f"run-{days}", ago=days * DAY, pii=scored())
    counts = {}
    for window in ("1h", "2d", "7d", "30d"):
        (group,) = (await client.get("/evaluations/summary", params={"window": window})).json()["groups"]
        counts[window] = group["runs"]
    assert counts == {"1h": 1, "2d": 2, "7d": 3, "30d": 4}
    since, until = NOW - 3 * DAY - 3_600, NOW - DAY + 3_600
    (group,) = (await client.get("/evaluations/summary", params={"since": since, "until": until})).json()["groups"]
    assert group["runs"] == 2
    by_day = (await client.get("/evaluations/summary", params={"window": "30d", "group_by": "day"})).json()["groups"]
    assert [group["runs"] for group in by_day] == [1, 1, 1, 1]
    query = {"window": "30d", "group_by": "day", "limit": "2"}
    answer = (await client.get("/evaluations/summary", params=query)).json()
    assert (len(answer["groups"]), answer["groups_total"]) == (2, 4)
    assert by_day[0]["start"].endswith("T00:00:00Z")
    query = {"window": "7d", "group_by": "hour,agent", "evaluator": "pii"}
    by_hour = (await client.get("/evaluations/summary", params=query)).json()
    assert [(group["component_id"], group["runs"]) for group in by_hour["groups"]] == [("echo", 1)] * 3


WRONG_QUERIES: tuple[tuple[dict[str, str], str], ...] = (
    ({"window": "soon"}, "window"),
    ({"window": "900d"}, "window"),
    ({"since": "yesterday"}, "since"),
    ({"since": "nan"}, "since"),
    ({"since": "1e300"}, "since"),
    ({"since": "2030-01-01", "until": "2029-01-01"}, "since"),
    ({"group_by": "user"}, "group_by"),
    ({"group_by": "day,hour"}, "group_by"),
    ({"group_by": "hour", "window": "3d"}, "window"),
    ({"group_by": "hour", "window": "60d", "evaluator": "pii"}, "window"),
    ({"agent": "a", "team": "b"}, "team"),
    ({"examples": "21"}, "examples"),
)


async def test_queries_that_cannot_be_answered_are_refused(client: httpx.AsyncClient) -> None:
    for query, field in WRONG_QUERIES:
        answer = await client.get("/evaluations/summary", params=query)
        assert answer.status_code == 422, query
        assert answer.json()["detail"][0]["loc"] == ["query", field], query


async def test_an_unknown_evaluation_is_not_an_empty_answer(client: httpx.AsyncClient) -> None:
    answer = await client.get("/evaluations/summary", params={"evaluator": "refusl"})
    assert answer.status_code == 404
    assert "'refusal'" in answer.json()["detail"]
    assert (await client.get("/evaluations/summary", params={"evaluator": "refusal"})).json()["groups"] == []


async def test_the_enabled_evaluators_are_listed(client: httpx.AsyncClient) -> None:
    found = {each["name"]: each for each in (await client.get("/evaluators")).json()}
    assert list(found) == ["pii", "refusal", "tone", "whole"]
    assert found["refusal"]["sample_rate"] == 0.5
    assert (found["tone"]["evaluator"], found["tone"]["judge_model"]) == ("guidelines", "judge")


# -- keys ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"{ADMIN} admin\n{APP} run,read\n{ANA} admin user=ana\n")
    return file


async def test_keys_reach_what_they_are_for(tmp_path: Path, keys: Path) -> None:
    async with serving(tmp_path, Component(), settings=Settings(api_keys_file=keys)) as served:
        ledger = SqliteDb(tmp_path / "offpath.db").open_ledger(enqueue=served.engine.enqueue, wake=served.engine.wake)
        await ledger.open()
        context = dataclasses.replace(served.context, open_ledger=lambda: ledger)
        service = Served(create_app(context), context, served.engine)

        async def ask(key: str, method: str, path: str, **options: Any) -> httpx.Response:
            async with service.client(headers={"authorization": f"Bearer {key}"}) as client:
                answer: httpx.Response = await client.request(method, path, **options)
                return answer

        async def run(key: str) -> str:
            answer = await ask(key, "POST", "/agents/echo/runs", json={"message": "hi", "stream": False})
            return str(answer.json()["run_id"])

        try:
            anas, nobodys = await run(ANA), await run(APP)
            thumb = {"json": THUMB}
            assert (await ask(APP, "POST", f"/runs/{nobodys}/feedback", **thumb)).status_code == 201
            said = await ask(ANA, "POST", f"/runs/{anas}/feedback", **thumb)
            assert (said.status_code, said.json()["author"]) == (201, "ana")
            other = await ask(ANA, "POST", f"/runs/{anas}/feedback", json={"thumb": "up", "author": "ben"})
            assert other.status_code == 403
            assert (await ask(ANA, "POST", f"/runs/{nobodys}/feedback", **thumb)).status_code == 404
            assert (await ask(ANA, "GET", f"/runs/{nobodys}/evaluations")).status_code == 404
            assert (await ask(ANA, "GET", f"/runs/{anas}/evaluations")).status_code == 200
            assert (await ask(ANA, "GET", "/evaluations/summary")).status_code == 403
            assert (await ask(ANA, "POST", f"/runs/{anas}/evaluations", json={})).status_code == 403
            assert (await ask(APP, "POST", f"/runs/{nobodys}/evaluations", json={})).status_code == 403
            nothing_on = await ask(ADMIN, "POST", f"/runs/{nobodys}/evaluations", json={})
            assert nothing_on.status_code == 409
            assert "OFFPATH_EVALUATORS" in nothing_on.json()["detail"]
        finally:
            await ledger.close()


async def test_before_the_ledger_is_open_the_answer_is_503(tmp_path: Path) -> None:
    async with serving(tmp_path, Component()) as served, served.client() as client:
        run_id = await start_run(client)
        assert (await client.get(f"/runs/{run_id}/evaluations")).status_code == 503
