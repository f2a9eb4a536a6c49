"""GET /analytics, over the stored sums of a real database."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from offpath.api.analytics_routes import OFF
from offpath.api.application import create_app
from offpath.api.usage_query import usage_query
from offpath.errors import InvalidInputError
from offpath.ledger.booking import Change
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import DAY, RollupKey, Sums, add
from offpath.ledger.run_facts import RunFacts, ToolFacts
from offpath.ledger.usage import run_deltas, usage_deltas
from offpath.ledger.window import Stretch
from offpath.posthooks.builtin import Builtins
from offpath.runs.context import Session
from offpath.runs.status import RunStatus
from offpath.settings import Settings
from offpath.storage.database import SqliteDb
from offpath.storage.sqlite_ledger import SqliteLedger
from offpath.storage.store import RunRow
from unit.api.serving import Component, Served, serving

EVERYTHING, ONE_USER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


def deltas_of(number: int, age: float, **changes: Any) -> list[dict[RollupKey, Sums]]:
    """What a run adds that was created `age` seconds ago."""
    about: dict[str, Any] = {
        "component_kind": "agent",
        "component_id": "echo",
        "component_name": "Echo",
        "nested": False,
        "status": "completed",
        "duration": 1.0,
    }
    used: dict[str, Any] = {"user_id": "ada", "model": "m", "cost": 0.5, "pricing": "priced"}
    for name, value in changes.items():
        (about if name in about else used)[name] = value
    when: dict[str, Any] = {"created_at": time.time() - age, "session_id": "s", "error_type": "", "traceparent": ""}
    plan = RunPlan(run_id=f"r{number}", entries={}, **about, **when)
    tokens: dict[str, Any] = {"model_calls": 1, "input_tokens": 100, "output_tokens": 10}
    return [run_deltas(plan), usage_deltas(RunFacts(**about, **used, **tokens), plan)]


@dataclass
class Analytics:
    """A service with analytics over a ledger that a test fills."""

    served: Served
    ledger: SqliteLedger
    run_id: str
    """Of a run that is stored: what changes the sums hangs on one."""

    async def add(self, *ages: float, **changes: Any) -> None:
        """Count a run of each age in seconds."""
        sums: dict[RollupKey, Sums] = {}
        for number, age in enumerate(ages):
            for deltas in deltas_of(number, age, **changes):
                for key, each in deltas.items():
                    add(sums.setdefault(key, {}), each)
        await self.ledger.amend(self.run_id, lambda plan: Change(deltas=sums))

    def client(self, *, on: bool = True) -> httpx.AsyncClient:
        context = replace(self.served.context, open_ledger=lambda: self.ledger, builtins=Builtins(analytics=on))
        return replace(self.served, app=create_app(context), context=context).client()


@asynccontextmanager
async def opened(directory: Path, settings: Settings | None = None) -> AsyncIterator[Analytics]:
    async with serving(directory, Component(), settings=settings) as served:
        row = RunRow("r", "s", "agent", "echo", "Echo", None, None, RunStatus.COMPLETED, 0.0, 0.0, "", b"{}")
        await served.context.store.finish(row, Session("s", "agent", "echo"), ())
        database = SqliteDb(directory / "offpath.db")
        ledger = database.open_ledger(enqueue=served.engine.enqueue, wake=served.engine.wake)
        await ledger.open()
        try:
            yield Analytics(served, ledger, row.run_id)
        finally:
            await ledger.close()


@pytest.fixture
async def analytics(tmp_path: Path) -> AsyncIterator[Analytics]:
    async with opened(tmp_path) as found:
        yield found


async def ask(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/analytics", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_runs_are_summed_up_by_component(analytics: Analytics) -> None:
    await analytics.add(60)
    await analytics.add(120, status="error", duration=3.0)
    await analytics.add(60, component_kind="team", component_id="desk")
    async with analytics.client() as client:
        body = await ask(client)
    assert body["analytics"] == "on"
    assert "note" not in body
    assert (body["group_by"], body["groups_total"], body["unbooked"]) == (["component"], 2, 0)
    agent, team = body["groups"]
    assert agent["component"] == {"kind": "agent", "id": "echo"}
    assert (agent["runs"], agent["accounted_runs"], agent["error_rate"]) == (2, 2, 0.5)
    assert agent["status"] == {"completed": 1, "error": 1}
    assert agent["cost"]["usd"] == 1.0
    assert agent["latency"]["mean"] == 2.0
    assert team["component"] == {"kind": "team", "id": "desk"}
    assert body["total"]["runs"] == 3
    assert body["total"]["tokens"]["input"] == 300


async def test_only_the_window_counts_and_the_answer_says_which_it_is(analytics: Analytics) -> None:
    await analytics.add(60, 3 * DAY, 20 * DAY)
    async with analytics.client() as client:
        runs = [(await ask(client, window=window))["total"]["runs"] for window in ("24h", "7d", "30d")]
        assert runs == [1, 2, 3]
        since, until = time.time() - 10 * DAY, time.time() - DAY
        body = await ask(client, since=since, until=until)
        assert body["total"]["runs"] == 1
        assert body["window"]["since"] <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
        assert body["window"]["since"].endswith(":00:00Z")
        assert (await ask(client, since=time.strftime("%Y-%m-%d", time.gmtime(since))))["total"]["runs"] == 2


async def test_no_run_is_counted_twice_where_hours_and_days_meet(analytics: Analytics) -> None:
    await analytics.add(*range(0, 4 * DAY, 3_600))
    async with analytics.client() as client:
        by_time = {name: await ask(client, window="3d", group_by=name) for name in ("day", "hour", "component")}
    totals = {name: body["total"]["runs"] for name, body in by_time.items()}
    assert totals["day"] == totals["component"]
    # Hours end with this one; days with this day.
    assert totals["hour"] == totals["day"] in (72, 73)
    assert sum(group["runs"] for group in by_time["day"]["groups"]) == totals["day"]
    assert [group["hour"] for group in by_time["hour"]["groups"]] == sorted(
        group["hour"] for group in by_time["hour"]["groups"]
    )


async def test_models_users_tools_and_times(analytics: Analytics) -> None:
    await analytics.add(60, model="m1", tools={"search": ToolFacts(calls=2, errors=1, latency={"70": 2}, seconds=0.2)})
    await analytics.add(60, model="m2", cost=None, pricing="unpriced", user_id="bob", component_id="other")
    async with analytics.client() as client:
        models = (await ask(client, group_by="model"))["groups"]
        assert [(each["model"], each["cost"]["usd"], each["cost"]["unpriced_calls"]) for each in models] == [
            ("m1", 0.5, 0),
            ("m2", 0.0, 1),
        ]
        users = await ask(client, group_by="user", order_by="cost")
        assert [(each["user"], each["cost"]["usd"]) for each in users["groups"]] == [("ada", 0.5), ("bob", 0.0)]
        assert users["window"]["since"].endswith("T00:00:00Z")
        (tool,) = (await ask(client, group_by="tool"))["groups"]
        assert (tool["tool"], tool["calls"], tool["errors"], tool["latency"]["count"]) == ("search", 2, 1, 2)
        both = (await ask(client, group_by="agent,model,day"))["groups"]
        assert [(each["component"]["id"], each["model"]) for each in both] == [("echo", "m1"), ("other", "m2")]
        assert "day" in both[0]


async def test_an_answer_can_be_limited_to_a_component_and_to_the_largest(analytics: Analytics) -> None:
    await analytics.add(60)
    await analytics.add(60, component_kind="team", component_id="desk")
    await analytics.add(60, component_kind="team", component_id="desk")
    async with analytics.client() as client:
        assert (await ask(client, agent="echo"))["total"]["runs"] == 1
        assert (await ask(client, team="desk"))["total"]["runs"] == 2
        assert (await ask(client, agent="desk"))["groups"] == []
        assert [each["component"]["kind"] for each in (await ask(client, group_by="agent"))["groups"]] == ["agent"]
        body = await ask(client, limit=1)
        assert [each["component"]["id"] for each in body["groups"]] == ["desk"]
        assert (body["groups_total"], body["total"]["runs"]) == (2, 3)


async def test_without_analytics_the_answer_says_so_and_shows_what_there_is(analytics: Analytics) -> None:
    await analytics.add(60)
    async with analytics.client(on=False) as client:
        body = await ask(client)
    assert (body["analytics"], body["note"]) == ("off", OFF)
    assert body["total"]["runs"] == 1


async def test_nothing_yet_is_an_empty_answer(analytics: Analytics) -> None:
    async with analytics.client() as client:
        for group_by in ("component", "model", "user", "tool", "day", "hour"):
            body = await ask(client, group_by=group_by)
            assert (body["groups"], body["groups_total"]) == ([], 0)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"group_by": "agents"}, "group_by='agents' must name some of"),
        ({"group_by": ""}, "must name some of"),
        ({"group_by": "model,tool"}, "one of model, user and tool"),
        ({"group_by": "day,hour"}, "one of day and hour"),
        ({"group_by": "component,agent"}, "component stands for"),
        ({"group_by": "user,hour"}, "users are summed by day"),
        ({"group_by": "user,agent"}, "users are summed by day"),
        ({"group_by": "user", "agent": "a"}, "leave out agent"),
        ({"agent": "a", "team": "b"}, "exclude each other"),
        ({"window": "tomorrow"}, "is no length of time"),
        ({"window": "0d"}, "is no length of time"),
        ({"window": "24h", "since": "2026-01-01"}, "window and since exclude each other"),
        ({"since": "yesterday"}, "since: 'yesterday' is no time"),
        ({"since": "nan"}, "is no time"),
        ({"since": "1e400"}, "is no time"),
        ({"since": "-5"}, "is no time"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "since must be before until"),
        ({"window": "8d", "group_by": "hour"}, "at most 7 days"),
        ({"window": "3d", "group_by": "tool,hour"}, "at most 2 days"),
        ({"window": "400d", "group_by": "user"}, "at most 366 days"),
        ({"window": "8d", "group_by": "user,day"}, "at most 7 days"),
        ({"group_by": "user", "limit": 5_000}, "too many users"),
        ({"window": "999999w"}, "since must be before until, and not before 1970"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(query: dict[str, Any], words: str) -> None:
    components = [(kind, query.pop(kind)) for kind in ("agent", "team") if kind in query]
    with pytest.raises(InvalidInputError, match=re.escape(words)):
        usage_query(time.time(), components=components, **query)


async def test_a_wrong_question_is_answered_with_422(analytics: Analytics) -> None:
    async with analytics.client() as client:
        for query in ({"group_by": "agents"}, {"order_by": "size"}, {"limit": 0}, {"agent": "a", "team": "b"}):
            answer = await client.get("/analytics", params=query)
            assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_input")


async def test_a_key_of_one_user_may_not_ask(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(
        json.dumps(
            [
                {"name": "all", "key": EVERYTHING, "scopes": ["read"]},
                {"name": "ada", "key": ONE_USER, "scopes": ["read"], "user": "ada"},
            ]
        )
    )
    keys.chmod(0o600)
    async with opened(tmp_path, Settings(api_keys_file=keys)) as found, found.client() as client:
        bearer = {"authorization": f"Bearer {EVERYTHING}"}
        assert (await client.get("/analytics", headers=bearer)).status_code == 200
        bearer = {"authorization": f"Bearer {ONE_USER}"}
        assert (await client.get("/analytics", headers=bearer)).status_code == 403
        assert (await client.get("/analytics")).status_code == 401


async def test_without_a_ledger_the_service_says_so(analytics: Analytics) -> None:
    async with analytics.served.client() as client:
        answer = await client.get("/analytics")
    assert (answer.status_code, answer.json()["reason"]) == (503, "storage_unavailable")


async def test_the_openapi_document_describes_the_answer(analytics: Analytics) -> None:
    async with analytics.client() as client:
        document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/analytics"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/AnalyticsDocument"}
    assert {each["name"] for each in operation["parameters"]} >= {"window", "group_by", "agent", "limit"}


def test_a_window_of_the_past_ends_where_it_ends() -> None:
    """Not at the end of the day, as one does that ends now."""
    query = usage_query(100 * DAY, since=str(10 * DAY), until=str(12 * DAY + 7_200))
    assert query.stretches == [Stretch("day", 10 * DAY, 12 * DAY), Stretch("hour", 12 * DAY, 12 * DAY + 7_200)]
    with pytest.raises(InvalidInputError, match="no time"):
        usage_query(100 * DAY, until="2026-99-99")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"since": 10 * DAY + 5, "until": 12 * DAY}, [Stretch("day", 10 * DAY, 12 * DAY)]),
        ({"since": 10 * DAY, "until": 16 * DAY}, [Stretch("day", 10 * DAY, 16 * DAY)]),
        ({"since": 7 * DAY, "until": 21 * DAY}, [Stretch("week", 7 * DAY, 21 * DAY)]),
        (
            {"since": 12.5 * DAY, "until": 30.5 * DAY},
            [
                Stretch("day", 12 * DAY, 14 * DAY),
                Stretch("week", 14 * DAY, 28 * DAY),
                Stretch("day", 28 * DAY, 31 * DAY),
            ],
        ),
        ({"window": "8d"}, [Stretch("day", 92 * DAY, 98 * DAY), Stretch("week", 98 * DAY, 105 * DAY)]),
        ({"window": "1d"}, [Stretch("day", 99 * DAY, 101 * DAY)]),
        ({"window": "2d", "group_by": "user,day"}, [Stretch("day", 98 * DAY, 101 * DAY)]),
    ],
)
def test_users_are_asked_by_whole_weeks_as_far_as_the_window_has_them(
    query: dict[str, Any], expected: list[Stretch]
) -> None:
    """Nothing comes after now, so that a window up to now may take its last week whole."""
    given = {"group_by": "user", **{name: str(value) for name, value in query.items()}}
    assert usage_query(100.5 * DAY, **given).stretches == expected  # type: ignore[arg-type]
