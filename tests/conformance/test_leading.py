"""Users with the most, chosen by the database: the same on both."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from offpath.engine.adapters import job_rows, open_engine
from offpath.ledger.booking import Change
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import DAY, WEEK, RollupKey, Sums, add
from offpath.ledger.run_facts import RunFacts
from offpath.ledger.usage import run_deltas, usage_deltas
from offpath.ledger.window import Stretch
from offpath.runs.context import Session
from offpath.runs.status import RunStatus
from offpath.storage.database import Database, database_from_url
from offpath.storage.ledger import Ledger
from offpath.storage.store import RunRow, Store
from postgres_server import drop_database, prepared_database

START = 2_900 * WEEK
USERS = ["", "ada", "böb", "nul\0nul", "o'neil", *(f"user-{number}" for number in range(20))]


class Filled:
    """A database with sums of many runs of many users over five weeks."""

    def __init__(self, database: Database) -> None:
        self.engine = open_engine(database)
        self.store: Store = database.open_store(
            enqueue=self.engine.enqueue, wake=self.engine.wake, jobs=job_rows(self.engine)
        )
        self.ledger: Ledger = database.open_ledger(enqueue=self.engine.enqueue, wake=self.engine.wake)
        self.runs: list[tuple[float, RunFacts]] = []

    async def open(self) -> None:
        await self.store.open()
        await self.ledger.open()
        row = RunRow("r", "s", "agent", "echo", "Echo", "ada", None, RunStatus.COMPLETED, 0.0, 0.0, "", b"{}")
        await self.store.finish(row, Session("s", "agent", "echo", user_id="ada"), ())
        chance = random.Random(7)
        deltas: dict[RollupKey, Sums] = {}
        for number in range(300):
            user = USERS[min(int(chance.expovariate(0.2)), len(USERS) - 1)]
            facts = RunFacts("agent", "echo", "Echo", "completed", user_id=user, cost=chance.random(), pricing="priced")
            at = START + chance.random() * 5 * WEEK
            plan = RunPlan(str(number), "s", "agent", "echo", "Echo", False, at, "completed", 1.0, "", "", {})
            self.runs.append((at, facts))
            for some in (run_deltas(plan), usage_deltas(facts, plan)):
                for key, sums in some.items():
                    add(deltas.setdefault(key, {}), sums)
        await self.ledger.amend("r", lambda plan: Change(deltas=deltas))

    async def close(self) -> None:
        await self.ledger.close()
        await self.store.close()
        await self.engine.close()

    def true(self, start: int, end: int, number: Any) -> dict[str, float]:
        found: dict[str, float] = {}
        for at, facts in self.runs:
            if start <= at < end:
                user = facts.user_id or ""
                found[user] = found.get(user, 0) + number(facts)
        return found


@pytest.fixture(params=["sqlite", "postgres"])
async def filled(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Filled]:
    url = f"sqlite:///{tmp_path}/offpath.db" if request.param == "sqlite" else prepared_database()
    found = Filled(database_from_url(url))
    await found.open()
    try:
        yield found
    finally:
        await found.close()
        if request.param == "postgres":
            drop_database(url)


def by_value(rows: list[tuple[RollupKey, Sums]], name: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, sums in rows:
        found[key.value] = found.get(key.value, 0) + sums.get(name, 0)
    return found


WINDOWS = [
    [Stretch("day", START, START + 5 * WEEK)],
    [Stretch("week", START, START + 5 * WEEK)],
    [Stretch("day", START + 3 * DAY, START + WEEK), Stretch("week", START + WEEK, START + 4 * WEEK)],
    [
        Stretch("day", START + 5 * DAY, START + WEEK),
        Stretch("week", START + WEEK, START + 4 * WEEK),
        Stretch("day", START + 4 * WEEK, START + 4 * WEEK + 2 * DAY),
    ],
]


@pytest.mark.parametrize("stretches", WINDOWS)
async def test_the_leading_users_are_those_with_the_most(filled: Filled, stretches: list[Stretch]) -> None:
    start, end = stretches[0].start, stretches[-1].end
    runs = filled.true(start, end, lambda facts: 1)
    count, rows = await filled.ledger.leading("usage", "user", stretches, by=["runs"], limit=5)
    assert count == len(runs)
    expected = sorted(runs.items(), key=lambda item: (-item[1], item[0]))[:5]
    assert sorted(by_value(rows, "runs").values()) == sorted(number for _, number in expected)
    assert all(runs[user] == number for user, number in by_value(rows, "runs").items())
    count, rows = await filled.ledger.leading("usage", "user", stretches, by=["runs"], limit=1_000)
    assert by_value(rows, "runs") == runs


async def test_several_numbers_are_added_up_and_missing_ones_are_nothing(filled: Filled) -> None:
    stretches = [Stretch("week", START, START + 5 * WEEK)]
    _, rows = await filled.ledger.leading("usage", "user", stretches, by=["cost", "failed"], limit=3)
    cost = filled.true(START, START + 5 * WEEK, lambda facts: round(facts.cost * 1e9))
    assert by_value(rows, "cost") == dict(sorted(cost.items(), key=lambda item: -item[1])[:3])


async def test_any_facet_may_be_asked_for_and_nothing_is_none(filled: Filled) -> None:
    day = [Stretch("day", START, START + 5 * WEEK)]
    count, rows = await filled.ledger.leading("usage", "component", day, by=["runs"], limit=3)
    assert (count, sum(by_value(rows, "runs").values())) == (1, 300)
    early = [Stretch("day", 0, DAY), Stretch("week", WEEK, 2 * WEEK)]
    assert await filled.ledger.leading("usage", "user", early, by=["runs"], limit=3) == (0, [])


async def test_a_deleted_user_is_in_no_sum_of_users(filled: Filled) -> None:
    await filled.store.delete_user("ada")
    for stretches in WINDOWS[:2]:
        _, rows = await filled.ledger.leading("usage", "user", stretches, by=["runs"], limit=1_000)
        assert "ada" not in by_value(rows, "runs")
        assert "böb" in by_value(rows, "runs")
