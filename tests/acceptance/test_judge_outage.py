"""The judge is away for an hour: its jobs wait, nothing is lost, all else goes on, and everybody can see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from acceptance.ledger_look import Look, Promise, look_at_sqlite
from acceptance.metrics_page import scrape
from acceptance.serving import Service, ServiceMaker, eventually
from offpath.offline import OfflineProcess, offline_model_process

APP: Final = "outage_app"
RUNS: Final = 60
JUDGED: Final = ("helpfulness", "answer_relevance")
PROMISE: Final = Promise(frozenset({"pii", "refusal", *JUDGED}), frozenset(), 10.0)
AWAY: Final = {"error_rate": 0.6, "error_statuses": [503, 500, 429], "drop_rate": 0.4, "retry_after": 0.2}
BACK: Final = {"error_rate": 0.0, "drop_rate": 0.0}


@pytest.fixture(params=["no budget", "a budget"])
def budget(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "a budget")


@pytest.fixture
def judge() -> Iterator[OfflineProcess]:
    with offline_model_process() as process:
        process.set_options(**AWAY)
        yield process


@pytest.fixture
def service(make_service: ServiceMaker, judge: OfflineProcess, budget: bool) -> Service:
    limits = {"OFFPATH_JUDGE_BUDGET_USD": "10", "OFFPATH_JUDGE_PRICES": '{"gpt-judge": [1, 4]}'}
    return make_service(
        APP,
        environment={
            "OFFPATH_EVALUATORS": "pii,refusal,helpfulness,answer_relevance",
            "OFFPATH_JUDGE_MODEL": "gpt-judge",
            "OFFPATH_JUDGE_BASE_URL": judge.base_url,
            "OFFPATH_LOG_LEVEL": "warning",
            **(limits if budget else {}),
        },
    ).start()


def oldest(service: Service) -> dict[str, float]:
    """Seconds since the oldest waiting job of each judged evaluator was queued, as /metrics shows them."""
    page = scrape(service.http)
    return {
        name: page.total("offpath_hooks_oldest_age_seconds", offpath_hook=f"agent:support:post:offpath.evaluate.{name}")
        for name in JUDGED
    }


@pytest.mark.slow
def test_jobs_wait_for_the_judge_and_all_else_goes_on(service: Service, judge: OfflineProcess, budget: bool) -> None:
    run_ids = [service.run("support", f"How are you, {number}?")["run_id"] for number in range(RUNS)]

    def look() -> Look:
        seen = look_at_sqlite(service.database)
        assert PROMISE.broken(seen, exactly=True) == []
        return seen

    # Those that ask nobody are done, as if nothing were wrong.
    eventually(lambda: all(look().states()[name] == {"scored": RUNS} for name in ("pii", "refusal")), "rules are done")
    # Each of the others has been tried several times.
    tried = "SELECT count(*), coalesce(min(attempts), 0) FROM jobs"
    eventually(
        lambda: (found := service.query(tried)[0])[0] == 2 * RUNS and found[1] >= 3,
        "every judged job is there and has been tried three times",
    )
    seen = look()
    for name in JUDGED:
        assert seen.states()[name] == {"pending": RUNS}, "nothing is given up, nothing is invented"
    assert service.query("SELECT count(*) FROM job_results WHERE state = 'dead' OR hook LIKE 'offpath.evaluate.%'") == [
        (0,)
    ]
    assert all("no result yet" in error for (error,) in service.query("SELECT error FROM jobs"))
    assert service.http.get("/ready").json()["status"] == "ready"
    # The queue's age is visible, and it grows.
    first = eventually(lambda: found if min((found := oldest(service)).values()) > 0 else None, "ages are shown")
    assert first is not None
    eventually(lambda: all(oldest(service)[name] > first[name] for name in JUDGED), "the ages grow", every=0.2)
    page = scrape(service.http)
    assert page.total("offpath_hooks_retried_total") >= 2 * 3 * RUNS - 2 * RUNS
    assert page.total("offpath_hooks_dead_total") == 0
    assert page.total("offpath_evaluation_results_total", gen_ai_evaluation_name="helpfulness") == 0

    # A request that was not answered counts as spent; so all but a few jobs wait without asking.
    asked = judge.received()
    print(f"{asked} requests of {2 * RUNS} jobs, {look().spent / 1e9:.2f} USD")
    assert asked < 2 * RUNS * 3
    assert look().spent < 5e9
    judge.set_options(**BACK)
    end = eventually(lambda: found if (found := look()).settled else None, "all are judged")
    assert end is not None
    for name in JUDGED:
        assert end.states()[name] == {"scored": RUNS}
    assert (end.spent > 0) == budget
    attempts = Counter(job["attempts"] for run_id in run_ids for job in service.hooks_of(run_id).values())
    assert sum(count for number, count in attempts.items() if number >= 3) == 2 * RUNS
    eventually(lambda: max(oldest(service).values()) == 0, "nothing waits any more", every=0.2)
