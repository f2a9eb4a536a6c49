"""RunFacts: what a run used, as its analytics job found it."""

from __future__ import annotations

from typing import Literal

import msgspec

from offpath.runs.status import ComponentKind

Pricing = Literal["none", "priced", "unpriced", "stand_in"]
"""none: no model answered. priced: `cost` is known. unpriced: a model answered, and what that cost is not known.
stand_in: the offline model answered, which costs nothing and stands for no price."""


class ToolFacts(msgspec.Struct, omit_defaults=True):
    """What one tool did in a run."""

    calls: int = 0
    errors: int = 0
    seconds: float = 0.0
    """Of all calls that ended."""
    latency: dict[str, int] = {}
    """The same calls by bucket; see `offpath.ledger.histogram`."""


class RunFacts(msgspec.Struct, omit_defaults=True):
    """The run's own use: a team's is its leader's, a workflow has none. What members and steps used is in the facts of
    their own runs, so that sums over all runs count everything once. Seconds, USD.
    """

    component_kind: ComponentKind
    component_id: str
    component_name: str
    status: str
    nested: bool = False
    """Whether another run started it."""
    user_id: str | None = None
    error_type: str = ""
    duration: float | None = None
    time_to_first_token: float | None = None
    model: str = ""
    """That answered, as its endpoint names it; if none did, the one that was asked; "" without any."""
    requested_model: str = ""
    """As it was configured."""
    provider: str = ""
    """As it was configured."""
    model_calls: int = 0
    input_tokens: int = 0
    """Cached ones included."""
    output_tokens: int = 0
    """Reasoning included."""
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None
    """None unless `pricing` is "priced"."""
    pricing: Pricing = "none"
    tools: dict[str, ToolFacts] = {}
    """By name; those that the model made up are together under `_OTHER`."""
