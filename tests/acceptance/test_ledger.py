"""The ledger adds up at every moment: rates, filters, a budget that runs out, an overloaded queue, killed processes.

OFFPATH_TEST_RUNS says how many runs the first test makes: 2,000 unless it is set.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import httpx
import psutil
import pytest

from acceptance.ledger_look import (
    WITH_ROW,
    Look,
    Observer,
    Promise,
    look_at_postgres,
    look_at_sqlite,
    more,
    shown,
    stored,
)
from acceptance.metrics_page import scrape
from acceptance.serving import Service, ServiceMaker, console_script, eventually
from offpath.offline import OfflineProcess, offline_model_process
from offpath.posthooks.evaluation.sampling import draw
from postgres_server import drop_database, prepared_database

APP: Final = "ledger_app"
RUNS: Final = int(os.environ.get("OFFPATH_TEST_RUNS") or 2_000)
SEED: Final = "OFFPATH_TEST_LEDGER_SEED"
"""A variable with the seed of an earlier run, to repeat its moments."""
CLIENTS: Final = 10
DRAIN_SECONDS: Final = 120.0
BACKLOG: Final = 400
EVALUATORS: Final = (
    "not_empty,refusal,moody=ledger_app:moody,tenth=pii,only_alpha=secrets,nested_too=not_empty,"
    "helpfulness,answer_relevance"
)
NAMES: Final = frozenset(each.partition("=")[0] for each in EVALUATORS.split(","))
JUDGED: Final = ("helpfulness", "answer_relevance")
Victim = Literal["service", "worker", "zygote", "executor"]
KILLED_WORKERS: Final[tuple[Victim, ...]] = ("worker", "executor", "zygote", "worker", "executor")
ENVIRONMENT: Final = {
    "OFFPATH_EVALUATORS": EVALUATORS,
    "OFFPATH_EVALUATOR__TENTH__SAMPLE_RATE": "0.1",
    "OFFPATH_EVALUATOR__ONLY_ALPHA__AGENTS": "alpha",
    "OFFPATH_EVALUATOR__NESTED_TOO__NESTED": "true",
    "OFFPATH_EVALUATOR__ANSWER_RELEVANCE__SAMPLE_RATE": "0.3",
    "OFFPATH_JUDGE_MODEL": "gpt-judge",
    "OFFPATH_JUDGE_API_KEY": "offline",
    "OFFPATH_JUDGE_PRICES": '{"gpt-judge": [1, 4]}',
    "OFFPATH_JUDGE_BUDGET_WINDOW": "month",
    "OFFPATH_ANALYTICS": "true",
    "OFFPATH_MAX_BACKLOG": str(BACKLOG),
    "OFFPATH_EXECUTORS": "2",
    # Killing must not end in pauses or in long waits here.
    "OFFPATH_HOOK_RETRIES": "50",
    "OFFPATH_HOOK_STRIKES": "100000",
    "OFFPATH_HOOK_BACKOFF": "0.2",
    "OFFPATH_HOOK_BACKOFF_MAX": "1",
    "OFFPATH_LOG_LEVEL": "warning",
}


@pytest.fixture(scope="module")
def judge() -> Iterator[OfflineProcess]:
    """The judge is a server of its own."""
    with offline_model_process() as process:
        yield process


def environment(judge: OfflineProcess, budget: float) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "OFFPATH_JUDGE_BASE_URL": judge.base_url,
        "OFFPATH_JUDGE_BUDGET_USD": f"{budget:g}",
    }


@dataclass
class Load:
    """Clients that make runs: four in five of one agent, one in five of a workflow with two nested runs."""

    urls: Sequence[str]
    seed: int
    answered: list[str] = field(default_factory=list)
    """Ids of the runs that were answered with 200."""
    cut_off: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    stopping: bool = False

    async def until(self, made: int) -> None:
        """Make runs until so many more are answered, nested ones included."""
        self.stopping = False
        self.goal = self.runs + made
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    runs: int = 0
    goal: int = 0

    async def _client(self, number: int) -> None:
        dice = random.Random(f"{self.seed}.{number}.{self.runs}")
        async with httpx.AsyncClient(timeout=60) as client:
            while not self.stopping and self.runs < self.goal:
                path = "workflows/relay" if dice.random() < 0.2 else f"agents/{dice.choice(('alpha', 'beta'))}"
                url = f"{dice.choice(self.urls)}/{path}/runs"
                try:
                    answer = await client.post(url, data={"message": "How are you?", "stream": "false"})
                except httpx.TransportError:
                    self.cut_off += 1
                    await asyncio.sleep(0.1)
                    continue
                if answer.status_code == 200:
                    self.answered.append(answer.json()["run_id"])
                    self.runs += 3 if path.startswith("workflows") else 1
                else:
                    self.refused[answer.status_code] += 1


def kill_one_of(members: Sequence[psutil.Process], dice: random.Random) -> int:
    """SIGKILL; how many there were to choose from."""
    if members:
        with contextlib.suppress(psutil.NoSuchProcess):
            dice.choice(members).kill()
    return len(members)


async def disturbed(load: Load, made: int, strike: Callable[[], str], every: float) -> list[str]:
    """Load, and a blow now and then; what was struck."""
    working = asyncio.create_task(load.until(made))
    struck: list[str] = []
    try:
        while not working.done():
            await asyncio.wait([working], timeout=every)
            if not working.done():
                struck.append(await asyncio.to_thread(strike))
    finally:
        load.stopping = True
        await working
    return struck


def drained(look: Callable[[], Look], log: Callable[[], str]) -> Look:
    """The look at which nothing is under way any more."""

    def settled() -> Look | None:
        seen = look()
        return seen if seen.settled else None

    try:
        return eventually(settled, "everything is done and booked", within=DRAIN_SECONDS, every=0.2)  # type: ignore[return-value]
    except AssertionError:
        raise AssertionError(f"not everything was done and booked in {DRAIN_SECONDS:g} s\n{log()}") from None


def check_end(look: Look, promise: Promise) -> None:
    """What has to be true when everything is done: the states are those that each run's own nature says."""
    assert promise.broken(look, exactly=True) == []
    states = look.states()
    assert states.keys() == NAMES
    counts: Counter[str] = Counter(name for plan in look.plans.values() for name in plan.entries)
    for name, found in states.items():
        assert found["pending"] == found["dead"] == 0, (name, found)
        assert found.total() == counts[name]
        assert {state: look.evaluations.get((name, state), 0) for state in WITH_ROW} == {
            state: found[state] for state in WITH_ROW
        }
    for run_id, plan in look.plans.items():
        entries = plan.entries
        assert entries["nested_too"].state in ("scored", "overload", "filtered")
        if plan.nested:
            continue
        completed = entries["not_empty"].state != "filtered"
        assert (entries["tenth"].state == "sampled_out") == (completed and draw(run_id) >= 0.1)
        assert (entries["only_alpha"].state == "filtered") == (not completed or plan.component != "alpha")
        number = int(run_id[-1], 16)
        mood = {0: "failed", 1: "not_applicable", 2: "abstained"}.get(number, "scored")
        assert entries["moody"].state in (mood, "overload", "filtered")
        if entries["moody"].state == "scored":
            assert entries["moody"].passed == (number > 5)
        for name in JUDGED:
            assert entries[name].state in ("scored", "budget", "overload", "sampled_out", "filtered")
        # Overload takes all that needs no judge or nothing of it; jobs that wait for judges take those alone.
        drawn = {entries[name].state for name in entries.keys() - set(JUDGED)} - {"filtered", "sampled_out"}
        assert "overload" not in drawn or drawn == {"overload"}
        if drawn == {"overload"}:
            assert {entries[name].state for name in JUDGED} <= {"overload", "filtered", "sampled_out"}
    # It was all there, or the test showed nothing.
    assert states["tenth"]["sampled_out"]
    assert states["only_alpha"]["filtered"]
    assert states["not_empty"]["overload"]
    assert all(states[name][state] for name in JUDGED for state in ("scored", "budget"))
    assert all(states["moody"][state] for state in WITH_ROW)


def told(end: Look, observer: Observer, took: float) -> None:
    """Print what a person would like to see of it."""
    states = sum(len(plan.entries) for plan in end.plans.values())
    print(f"{len(end.plans)} runs, {states} states, in {took:.1f} s; spent {end.spent / 1e9:.4f} USD")
    print(f"{observer.looks} looks, {observer.under_way} of them while something was under way")
    for name, found in sorted(end.states().items()):
        print(f"  {name}: {dict(found)}")


def check_pages(service: Service, look: Look) -> None:
    """The summary and the analytics say what the tables do."""
    answer = service.http.get("/evaluations/summary", params={"window": "2d"}).json()
    assert answer["unbooked"] == 0
    states = look.states()
    summed: dict[str, Counter[str]] = {}
    for group in answer["groups"]:
        summed.setdefault(group["evaluation"], Counter()).update(group["states"])
    assert summed == {name: +found for name, found in states.items()}
    answer = service.http.get("/analytics", params={"window": "2d"}).json()
    assert answer["total"]["runs"] == len(look.plans)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_adds_up_at_every_moment(make_service: ServiceMaker, judge: OfflineProcess) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1, 1_000_000))
    print(f"to repeat it: {SEED}={seed} pytest {__file__}")
    dice = random.Random(seed)
    budget = max(0.1, RUNS * 4e-5)
    promise = Promise(NAMES, frozenset({"nested_too"}), budget)
    service = make_service(APP, "--workers", "2", environment=environment(judge, budget)).start()
    look = partial(look_at_sqlite, service.database)
    victims: list[Victim] = []

    def strike() -> str:
        if not victims:
            victims.extend(dice.sample((*KILLED_WORKERS, "service"), len(KILLED_WORKERS) + 1))
        victim = victims.pop()
        if victim == "service":
            service.kill()
            service.start()
        else:
            kill_one_of(service.members(victim), dice)
        return victim

    load = Load([service.url], seed)
    began = time.monotonic()
    with Observer(look, promise) as observer:
        struck = asyncio.run(disturbed(load, RUNS * 9 // 10, strike, max(1.2, RUNS / 1_500)))
        loaded = time.monotonic() - began
        service.wait_ready()
        middle = drained(look, service.log_end)
        eventually(lambda: scrape(service.http).text, "a page", within=10)
        time.sleep(2.5)
        page = shown(scrape(service.http))
        asyncio.run(load.until(max(200, RUNS // 10)))
        end = drained(look, service.log_end)
    took = time.monotonic() - began

    told(end, observer, took)
    print(f"{loaded:.1f} s of them under load with kills: {Counter(struck)}; {load.cut_off} cut off, {load.refused}")
    assert observer.found == []
    assert observer.looks > 10
    assert observer.under_way > 5
    assert struck  # as many as there was time for
    assert len(end.plans) >= RUNS
    assert set(load.answered) <= end.plans.keys()
    check_end(end, promise)
    check_pages(service, end)
    # A killed process takes the metrics of its last second along; without kills they are exact.
    assert all(count <= stored(middle).get(key, 0) for key, count in page.items()), more(page, stored(middle))
    added = more(stored(end), stored(middle))
    eventually(lambda: more(shown(scrape(service.http)), page) == added, "the page shows what was added", within=15)
    assert service.stop() == 0
    assert "Traceback" not in service.log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_adds_up_on_postgresql_with_two_workers(make_service: ServiceMaker, judge: OfflineProcess) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1, 1_000_000))
    print(f"to repeat it: {SEED}={seed} pytest {__file__}")
    dice = random.Random(seed)
    budget = 0.1
    promise = Promise(NAMES, frozenset({"nested_too"}), budget)
    url = prepared_database()
    shared = environment(judge, budget) | {
        "OFFPATH_DATABASE_URL": url,
        "OFFPATH_WORKER": "external",
        "OFFPATH_MAX_BACKLOG": "100",
    }
    service = make_service(APP, environment=shared)
    command = [console_script("offpath"), "worker", f"{APP}:app"]
    workers = [make_service(APP, name=f"worker{number}", command=command, environment=shared) for number in range(2)]
    victims: list[Victim] = []

    def restart_ended() -> None:
        """As whatever runs the workers does: one ends with its zygote."""
        for worker in workers:
            if worker.process is not None and worker.process.poll() is not None:
                worker.start(ready=False)

    def strike() -> str:
        restart_ended()
        if not victims:
            victims.extend(dice.sample(KILLED_WORKERS, len(KILLED_WORKERS)))
        victim = victims.pop()
        kill_one_of(dice.choice(workers).members(victim), dice)
        return victim

    load = Load([service.url], seed)
    began = time.monotonic()
    try:
        for each in (service, *workers):
            each.start(ready=False)
        service.wait_ready(worker=False)
        with Observer(partial(look_at_postgres, url), promise) as observer:
            struck = asyncio.run(disturbed(load, max(800, RUNS // 4), strike, 1.2))
            time.sleep(1.0)
            restart_ended()
            end = drained(
                partial(look_at_postgres, url), lambda: "\n".join(each.log_end() for each in (service, *workers))
            )
        told(end, observer, time.monotonic() - began)
        print(f"{Counter(struck)}; {load.cut_off} cut off, {load.refused}")
        assert observer.found == []
        assert observer.looks > 10
        assert observer.under_way > 5
        assert struck  # as many as there was time for
        assert set(load.answered) <= end.plans.keys()
        assert not load.refused
        assert not load.cut_off
        check_end(end, promise)
        check_pages(service, end)
    finally:
        for each in (service, *workers):
            each.discard()
        drop_database(url)
