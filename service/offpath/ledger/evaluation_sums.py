"""What one run adds to the sums of evaluations, and what a change of its state adds.

The sums of an evaluator, of one hour or day and one component:

    states                  runs by state
    weights                 the same, each run counted 1 / probability times; without runs that were not drawn
    fp                      by fingerprint, of scored runs only:
      n, latest               how many; when the last of them was evaluated, in whole seconds since the epoch
      cw                      the sum of their w
      s                       how many of them the offline stand-in judged
      j, y                    how many passed or failed; how many passed
      w, w2, wy, w2y          over the same: the sums of w, w^2, w y and w^2 y, with w = 1 / probability and y = passed
      nv, v                   how many have a value; the sum of the values
      vw, vw2, wv, w2v, w2v2  over the same: the sums of w, w^2, w v, w^2 v and w^2 v^2
      labels                  by label: n and w
      hist                    by the upper bound of the tenth that the value lies in ("0.0" to "1.0"): w
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.rollup import LATEST, RollupKey, Sums, add, bucket
from offpath.ledger.state import State

FACET: Final = "evaluator"
UNDRAWN: Final[frozenset[State]] = frozenset({"sampled_out", "filtered"})
"""Nothing is known of such a run: it has no weight. Those that were drawn stand for the sampled-out ones."""
MOST_LABEL: Final = 64
"""Characters of a label: a name in a row of sums should not be a text."""
_GRAIN: Final = 2.0**-30


def evaluation_keys(plan: RunPlan, name: str) -> tuple[RollupKey, RollupKey]:
    """The rows that a run's evaluation is counted in: of the hour and of the day in which the run was created."""
    kind, component_id = plan.component_kind, plan.component_id
    hour, day = bucket(plan.created_at, "hour"), bucket(plan.created_at, "day")
    return (
        RollupKey("evaluation", "hour", hour, FACET, kind, component_id, name),
        RollupKey("evaluation", "day", day, FACET, kind, component_id, name),
    )


def entry_sums(entry: PlanEntry) -> Sums:
    """What a run adds to the sums of one evaluator, as it stands now.

    Raises:
        ValueError: The probability is not above 0 and at most 1.
    """
    if not 0.0 < entry.probability <= 1.0:
        raise ValueError(f"an inclusion probability must be above 0 and at most 1, and is {entry.probability!r}")
    sums: Sums = {"states": {entry.state: 1}}
    if entry.state not in UNDRAWN:
        weight = 1.0 / entry.probability
        sums["weights"] = {entry.state: _exact(weight)}
        if entry.state == "scored":
            sums["fp"] = {entry.fingerprint: _result_sums(entry, weight)}
    return sums


def transition(before: PlanEntry | None, after: PlanEntry | None) -> Sums:
    """What is to be added to the sums when a run's entry changes: a new result replaces the old one in them.

    Args:
        before: The entry that is counted already; None for a run that is new.
        after: The entry as it is from now on; None for one that is taken away.
    """
    return _difference({} if after is None else entry_sums(after), {} if before is None else entry_sums(before))


def evaluation_deltas(
    plan: RunPlan, name: str, before: PlanEntry | None, after: PlanEntry | None
) -> dict[RollupKey, Sums]:
    """`transition` for each row of sums that the evaluation of a run is counted in."""
    sums = transition(before, after)
    # A copy for each row: whoever adds to one of them must not change the other.
    return {key: add({}, sums) for key in evaluation_keys(plan, name)} if sums else {}


def tenth(value: float) -> str:
    """The bucket of a value from 0 to 1, by its upper bound, which lies inside: 0.2 is in "0.2", 0.21 in "0.3"."""
    # Rounded first, since 0.1 * 3 is a little more than 0.3.
    return f"{min(max(math.ceil(round(value * 10, 9)), 0), 10) / 10:.1f}"


def _result_sums(entry: PlanEntry, weight: float) -> Sums:
    square = weight * weight
    sums: Sums = {"n": 1, "cw": _exact(weight), LATEST: int(entry.evaluated_at)}
    if entry.stand_in:
        sums["s"] = 1
    if entry.passed is not None:
        sums |= {"j": 1, "w": _exact(weight), "w2": _exact(square)}
        if entry.passed:
            sums |= {"y": 1, "wy": _exact(weight), "w2y": _exact(square)}
    if (value := entry.value) is not None and math.isfinite(value):
        sums |= {
            "nv": 1,
            "v": _exact(value),
            "vw": _exact(weight),
            "vw2": _exact(square),
            "wv": _exact(weight * value),
            "w2v": _exact(square * value),
            "w2v2": _exact(square * value * value),
            "hist": {tenth(value): _exact(weight)},
        }
    if entry.label is not None:
        sums["labels"] = {entry.label[:MOST_LABEL]: {"n": 1, "w": _exact(weight)}}
    return sums


def _exact(number: float) -> float:
    """A number that adds up without rounding errors: a multiple of 2^-30, so that sums below 2^23 are exact in any
    order, and what was added can be taken away again without a trace."""
    return round(number / _GRAIN) * _GRAIN


def _difference(after: Mapping[str, Any], before: Mapping[str, Any]) -> Sums:
    """What has to be added to `before` to get `after`; without zeros."""
    found: Sums = {}
    for name in _names(after, before):
        new, old = after.get(name, 0), before.get(name, 0)
        if isinstance(new, dict) or isinstance(old, dict):
            inner = _difference(new or {}, old or {})
            if inner:
                found[name] = inner
        elif name == LATEST:
            if name in after and new != old:
                found[name] = new
        elif new != old:
            found[name] = new - old
    return found


def _names(after: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    yield from after
    for name in before:
        if name not in after:
            yield name
