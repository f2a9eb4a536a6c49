"""From a stored run to what it used."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from offpath.ledger.histogram import bucket_of
from offpath.ledger.run_facts import RunFacts, ToolFacts
from offpath.runs.output import RunOutput, ToolExecution
from offpath.runs.status import RunStatus
from offpath.telemetry.names import OTHER

if TYPE_CHECKING:
    from offpath.posthooks.analytics.prices import Endpoint, PriceList

__all__ = ["STAND_IN", "RunFacts", "ToolFacts", "facts_of"]

STAND_IN: Final = "offline:"
"""What the names of models begin with that the offline stand-in answers for: `offpath.offline` names them so."""


def facts_of(
    output: RunOutput,
    prices: PriceList,
    *,
    requested_model: str = "",
    endpoint: Endpoint | None = None,
    tools: Collection[str] | None = None,
) -> RunFacts:
    """What a run used itself.

    Args:
        requested_model: As the component is configured; by default as the run says.
        endpoint: Where the component's model answers; None leaves only own prices.
        tools: The component's tools; None takes every name for one.
    """
    metrics, usage = output.metrics, output.metrics.usage
    facts = RunFacts(
        component_kind=output.kind,
        component_id=output.component_id,
        component_name=output.component_name,
        status=output.status.value,
        nested=output.parent_run_id is not None,
        user_id=output.user_id,
        error_type="" if output.error is None else output.error.type,
        duration=metrics.duration,
        time_to_first_token=metrics.time_to_first_token,
        model=output.model or "",
        requested_model=requested_model or output.model or "",
        provider=output.model_provider or "",
        model_calls=metrics.model_calls,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        tools=_by_tool(output.tools, tools),
    )
    _price(facts, output, prices, endpoint)
    return facts


def _price(facts: RunFacts, output: RunOutput, prices: PriceList, endpoint: Endpoint | None) -> None:
    counted = facts.input_tokens > 0 or facts.output_tokens > 0
    if not (counted or _answered(output)):
        return  # so nothing was sold
    own = prices.own_price(facts.model, facts)
    if own is None and facts.model.startswith(STAND_IN):
        facts.pricing = "stand_in"
        return
    facts.cost = None
    if counted:
        facts.cost = own if own is not None else prices.price(facts, endpoint, at=output.created_at)
    facts.pricing = "unpriced" if facts.cost is None else "priced"


def _answered(output: RunOutput) -> bool:
    """Whether a model did, as far as can be seen: messages may have been left out of the record."""
    if any(message.role == "assistant" for message in output.messages):
        return True
    # What a cancelled run was told until then has been sold, and nobody says how much it was.
    return output.metrics.model_calls > 0 and output.status in (RunStatus.COMPLETED, RunStatus.CANCELLED)


def _by_tool(executions: list[ToolExecution], known: Collection[str] | None) -> dict[str, ToolFacts]:
    found: dict[str, ToolFacts] = {}
    for execution in executions:
        # A name that the model made up would be a row of its own for ever.
        name = execution.tool_name if known is None or execution.tool_name in known else OTHER
        facts = found.setdefault(name, ToolFacts())
        facts.calls += 1
        facts.errors += execution.error is not None
        if execution.duration is not None:
            facts.seconds += execution.duration
            bucket = bucket_of(execution.duration)
            facts.latency[bucket] = facts.latency.get(bucket, 0) + 1
    return found
