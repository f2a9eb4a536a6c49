"""What runs, their usage and their hooks add to the sums of the measure "usage".

A run is counted in steps, each exactly once: `run_deltas` when it has ended, `usage_deltas` when its analytics job has,
`hook_deltas` and `judge_deltas` when one of its jobs has. So all runs are there even where analytics failed, and
`accounted` says of how many of them the usage is known. By facet the sums are:

component (hour and day): runs, nested, status, errors, seconds, latency; accounted, first, calls, tokens, cost,
    pricing, tools; hooks, judge.
model (hour and day): runs, nested, status, seconds, latency, first, calls, tokens, cost, pricing.
tool (hour and day): calls, errors, seconds, latency.
user (day and week): runs, nested, failed, seconds, calls, input, output, cost, unpriced.

Users are summed over all components together: with one row for each user, day and component, there would be almost as
many rows as runs. Weeks are there so that a month of many users is few rows. Money is in nano-USD, whole numbers, so
that sums are exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.histogram import histogram
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import Grain, RollupKey, Sums, bucket
from offpath.ledger.run_facts import RunFacts
from offpath.runs.job import JobInfo

NANO: Final = 1_000_000_000
"""Parts of a US dollar."""
FAILED: Final = frozenset({"error", "interrupted"})
"""Ends of a run that are failures; a blocked or cancelled run is none."""
LONGEST_VALUE: Final = 200
"""Characters of a model's, user's or tool's name in a key."""

Deltas = dict[RollupKey, Sums]


def run_deltas(plan: RunPlan) -> Deltas:
    """What a run that ended adds, whether or not its usage will be known."""
    sums: Sums = {"runs": 1, "status": {plan.status: 1}, **_latency(plan.duration)}
    if plan.nested:
        sums["nested"] = 1
    if plan.error_type:
        sums["errors"] = {plan.error_type: 1}
    return _rows(plan, "component", "", sums)


def usage_deltas(facts: RunFacts, plan: RunPlan) -> Deltas:
    """What the usage of a run adds; the run itself is in `run_deltas`."""
    sums: Sums = {"accounted": 1, **_use(facts)}
    if facts.tools:
        sums["tools"] = {
            "calls": sum(each.calls for each in facts.tools.values()),
            "errors": sum(each.errors for each in facts.tools.values()),
            "seconds": sum(each.seconds for each in facts.tools.values()),
        }
    deltas = _rows(plan, "component", "", sums)
    if facts.model:
        deltas |= _rows(plan, "model", facts.model, _model_sums(facts, plan))
    for name, tool in facts.tools.items():
        tool_sums: Sums = {"calls": tool.calls, "errors": tool.errors}
        if tool.latency:
            tool_sums |= {"seconds": tool.seconds, "latency": dict(tool.latency)}
        deltas |= _rows(plan, "tool", name, tool_sums)
    return deltas | _rows(plan, "user", facts.user_id or "", _user_sums(facts, plan), ("day", "week"))


def hook_deltas(plan: RunPlan, job: JobInfo) -> Deltas:
    """What an ended job adds, under the time of its run. Kinds are kept apart: users' own hooks are pre and post."""
    sums: Sums = {"jobs": 1, "attempts": job.attempts, "outcomes": {job.outcome or job.state: 1}}
    if job.duration is not None:
        sums["seconds"] = job.duration
    return _rows(plan, "component", "", {"hooks": {job.kind: sums}})


def judge_deltas(plan: RunPlan, row: EvaluationRow) -> Deltas:
    """What a judge took for an evaluation; nothing without a judge."""
    if not row.judge_calls:
        return {}
    sums: Sums = {"calls": row.judge_calls, "input": row.input_tokens, "output": row.output_tokens}
    if row.stand_in and not row.cost:  # unless a price was given for it, which its budget then counts too
        sums["pricing"] = {"stand_in": row.judge_calls}
    elif row.cost is None:
        if row.input_tokens or row.output_tokens:  # without an answer there is nothing to price
            sums["pricing"] = {"unpriced": row.judge_calls}
    else:
        sums |= {"cost": round(row.cost * NANO), "pricing": {"priced": row.judge_calls}}
    return _rows(plan, "component", "", {"judge": sums})


def _use(facts: RunFacts) -> Sums:
    sums: Sums = {"calls": facts.model_calls}
    tokens = {
        "input": facts.input_tokens,
        "output": facts.output_tokens,
        "cached": facts.cached_tokens,
        "reasoning": facts.reasoning_tokens,
    }
    if any(tokens.values()):
        sums["tokens"] = {name: count for name, count in tokens.items() if count}
    if facts.cost is not None:
        sums["cost"] = round(facts.cost * NANO)
    if facts.pricing != "none":
        sums["pricing"] = {facts.pricing: facts.model_calls}
    if facts.time_to_first_token is not None:
        sums["first"] = {"seconds": facts.time_to_first_token, "latency": histogram((facts.time_to_first_token,))}
    return sums


def _model_sums(facts: RunFacts, plan: RunPlan) -> Sums:
    sums: Sums = {"runs": 1, "status": {facts.status: 1}, **_latency(facts.duration), **_use(facts)}
    if plan.nested:
        sums["nested"] = 1
    return sums


def _user_sums(facts: RunFacts, plan: RunPlan) -> Sums:
    """Flat and short: there are as many of these rows as users on a day."""
    sums: Sums = {"runs": 1, "input": facts.input_tokens, "output": facts.output_tokens}
    if plan.nested:
        sums["nested"] = 1
    if facts.status in FAILED:
        sums["failed"] = 1
    if facts.duration is not None:
        sums["seconds"] = round(facts.duration, 3)
    if facts.model_calls:
        sums["calls"] = facts.model_calls
    if facts.cost is not None:
        sums["cost"] = round(facts.cost * NANO)
    if facts.pricing == "unpriced":
        sums["unpriced"] = facts.model_calls
    return sums


def _latency(seconds: float | None) -> Sums:
    return {} if seconds is None else {"seconds": seconds, "latency": histogram((seconds,))}


def _rows(plan: RunPlan, facet: str, value: str, sums: Sums, grains: Iterable[Grain] = ("hour", "day")) -> Deltas:
    # Every row its own object: they are added to.
    return {_key(plan, grain, facet, value): _copy(sums) for grain in grains}


def _copy(sums: Sums) -> Sums:
    return {name: _copy(value) if isinstance(value, dict) else value for name, value in sums.items()}


def _key(plan: RunPlan, grain: Grain, facet: str, value: str) -> RollupKey:
    kind, component_id = ("", "") if facet == "user" else (plan.component_kind, plan.component_id)
    start = bucket(plan.created_at, grain)
    return RollupKey("usage", grain, start, facet, kind, component_id, value[:LONGEST_VALUE])
