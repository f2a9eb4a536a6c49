"""The metrics of cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.run_facts import RunFacts
from offpath.posthooks.analytics.metrics import record_judge_metrics, record_usage_metrics, zero_costs
from offpath.telemetry.direct_metrics import DirectMeterProvider
from offpath.telemetry.instruments import connect

Values = Callable[[str], dict[tuple[Any, ...], float]]


@pytest.fixture
def values() -> Iterator[Values]:
    reader = InMemoryMetricReader()

    def read(name: str) -> dict[tuple[Any, ...], float]:
        data = reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        points: list[Any] = [point for metric in metrics if metric.name == name for point in metric.data.data_points]
        return {tuple(sorted(point.attributes.values())): point.value for point in points}

    with connect(DirectMeterProvider([reader], Resource({}))):
        yield read


def facts(**changes: Any) -> RunFacts:
    common: dict[str, Any] = {
        "component_kind": "agent",
        "component_id": "a",
        "component_name": "A",
        "status": "completed",
    }
    return RunFacts(**(common | {"requested_model": "m", "model_calls": 2} | changes))


def row(**changes: Any) -> EvaluationRow:
    common: dict[str, Any] = {
        "run_id": "r",
        "name": "n",
        "fingerprint": "f",
        "state": "scored",
        "subject": "output",
        "evaluator": "n",
    }
    times = {"version": 1, "evaluated_at": 0.0, "duration": 0.0}
    return EvaluationRow(**(common | times | {"judge_calls": 3, "judge_model": "j"} | changes))


def test_cost_of_runs_is_counted_by_the_model_that_was_asked(values: Values) -> None:
    record_usage_metrics(facts(cost=0.25, pricing="priced", model="m-2024"))
    record_usage_metrics(facts(cost=0.25, pricing="priced"))
    record_usage_metrics(facts(pricing="unpriced", input_tokens=100))
    record_usage_metrics(facts(pricing="unpriced"))  # cut off: nobody says how much it was
    record_usage_metrics(facts(pricing="stand_in"))
    record_usage_metrics(facts())
    assert values("offpath.cost") == {("m", "run"): 0.5}
    assert values("offpath.cost.unpriced") == {("m",): 2}


def test_cost_of_judges_is_apart(values: Values) -> None:
    record_judge_metrics(row(cost=0.5))
    record_judge_metrics(row(cost=None, input_tokens=100))
    record_judge_metrics(row(cost=None))  # no answer came
    record_judge_metrics(row(cost=None, input_tokens=100, stand_in=True))
    record_judge_metrics(
        row(cost=0.25, judge_model="offline:j", stand_in=True)
    )  # somebody gave it a price, and it takes the budget
    record_judge_metrics(row(judge_calls=0))
    assert values("offpath.cost") == {("j", "judge"): 0.75}
    assert values("offpath.cost.unpriced") == {("j",): 3}


def test_cost_of_judges_is_counted_by_the_model_that_was_asked(values: Values) -> None:
    zero_costs((), ["j"])
    record_judge_metrics(row(cost=0.5, judge_model="j-2024-07-18", asked_model="j"))
    record_judge_metrics(row(cost=0.25, judge_model="offline:j", asked_model="j", stand_in=True))
    record_judge_metrics(row(cost=None, judge_model="j-2024-07-18", asked_model="j", input_tokens=100))
    assert values("offpath.cost") == {("j", "judge"): 0.75}
    assert values("offpath.cost.unpriced") == {("j",): 3}


def test_known_models_are_shown_at_zero(values: Values) -> None:
    zero_costs(["m"], ["j"])
    assert values("offpath.cost") == {("m", "run"): 0, ("j", "judge"): 0}
    assert values("offpath.cost.unpriced") == {("m",): 0, ("j",): 0}
