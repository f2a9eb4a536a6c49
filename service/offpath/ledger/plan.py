"""Plan: what is to be evaluated of one run, and what became of it. The ledger is all plans together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from offpath.ledger.state import State
from offpath.runs.status import ComponentKind


class PlanEntry(msgspec.Struct, array_like=True, omit_defaults=True):
    """One evaluator of a run. Kept short: a run has one for each enabled evaluator."""

    state: State
    probability: float = 1.0
    """With which such a run is chosen by chance; above 0."""
    hook: str = ""
    """Name of the hook whose job evaluates it: `offpath.evaluate`; "" if there is none."""
    fingerprint: str = ""
    """Of the current result: see `EvaluationRow`."""
    value: float | None = None
    passed: bool | None = None
    label: str | None = None
    evaluated_at: float = 0.0
    """When the current result was made, in seconds since the epoch."""
    stand_in: bool = False
    """Whether the offline stand-in was the judge: the score says nothing about the answer."""


class RunPlan(msgspec.Struct):
    """A row of `run_plans`: written in the commit that ends the run, if any built-in hook is on."""

    run_id: str
    session_id: str
    component_kind: ComponentKind
    component_id: str
    component_name: str
    nested: bool
    """Whether another run started it."""
    created_at: float
    """Of the run, in seconds since the epoch: the time that sums count it under."""
    status: str
    """How the run ended."""
    duration: float
    """Seconds that the run took."""
    error_type: str
    """The class of the error that ended it; "" if none did."""
    traceparent: str
    """Of the run's span, as its jobs have it; "" without one."""
    entries: dict[str, PlanEntry]
    """By the evaluation's name; the column `plan` holds them as JSON."""
    blocked_by: str = ""
    """The guardrail that refused it."""
    strip: bool = False
    """Whether the run's content goes when all of its hooks have ended."""
    counted: bool = False
    """Whether the sums know its entries: set when its own booking is booked. Until then changes of entries are no
    changes of sums."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, PlanEntry]).decode


def encode_entries(entries: dict[str, PlanEntry]) -> str:
    """As they are stored."""
    return _encode(entries).decode()


def decode_entries(text: str | bytes) -> dict[str, PlanEntry]:
    """
    Raises:
        msgspec.ValidationError: The text holds no entries.
    """
    return _decode(text)


def pending_of(plan: RunPlan, hook: str) -> Iterable[str]:
    """Names of the evaluations that wait for a hook's job."""
    return [name for name, entry in plan.entries.items() if entry.hook == hook and entry.state in ("pending", "dead")]
