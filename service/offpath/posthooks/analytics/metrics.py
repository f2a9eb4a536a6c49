"""The metrics of cost: recorded once a result is booked, so that they agree with the sums."""

from __future__ import annotations

from collections.abc import Iterable

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.run_facts import RunFacts
from offpath.posthooks.analytics.facts import STAND_IN
from offpath.telemetry.instruments import instruments


def record_usage_metrics(facts: RunFacts) -> None:
    """Count what a run cost, or that its price is not known."""
    shown = instruments()
    model = facts.requested_model or facts.model
    if facts.cost is not None:
        shown.cost.add(facts.cost, purpose="run", request_model=model)
    elif facts.pricing == "unpriced" and (facts.input_tokens or facts.output_tokens):
        # A call that was cut off has no price either, and giving its model one would change nothing.
        shown.cost_unpriced.add(facts.model_calls, request_model=model)


def record_judge_metrics(row: EvaluationRow) -> None:
    """Count what the judge cost for an evaluation; nothing without a judge.

    The offline stand-in has a cost only where a price was given for it: then its budget falls, and its spend shows.
    """
    if not row.judge_calls:
        return
    shown, model = instruments(), asked_judge(row)
    if row.cost is not None:
        shown.cost.add(row.cost, purpose="judge", request_model=model)
    elif not row.stand_in and (row.input_tokens or row.output_tokens):
        # Without an answer there is nothing to price.
        shown.cost_unpriced.add(row.judge_calls, request_model=model)


def asked_judge(row: EvaluationRow) -> str:
    """The model that a judge was asked for, which is the label of all metrics about it, as it is of users' models.

    The one that answered may call itself another name each month, and no series could stand at 0 before it does.
    """
    # Without it: of an executor before this field. The stand-in puts a word before the name that it was asked for.
    return row.asked_model or (row.judge_model or "").removeprefix(STAND_IN)


def zero_costs(models: Iterable[str], judges: Iterable[str] = ()) -> None:
    """Show the counters of these models at 0, so that `increase()` sees the first call.

    Args:
        models: Those that agents and teams are configured with.
        judges: Those that evaluators ask.
    """
    shown = instruments()
    asked, judging = set(models), set(judges)
    for model in sorted(asked):
        shown.cost.bind(purpose="run", request_model=model)
    for model in sorted(judging):
        shown.cost.bind(purpose="judge", request_model=model)
    for model in sorted(asked | judging):
        shown.cost_unpriced.bind(request_model=model)
