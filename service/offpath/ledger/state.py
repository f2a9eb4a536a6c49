"""How an evaluation stands: one state for every run and enabled evaluator."""

from __future__ import annotations

from typing import Final, Literal, get_args

State = Literal[
    "pending",
    "scored",
    "abstained",
    "failed",
    "dead",
    "not_applicable",
    "sampled_out",
    "filtered",
    "budget",
    "overload",
]
"""pending: its job has not ended. scored: there is a score. abstained: the judge could not tell. failed: the assessment
went wrong for good, or could not be made of a stored run yet. dead: its job is a dead letter. not_applicable: it has
nothing to say about such a run. sampled_out: left out by chance. filtered: the evaluator is not for such runs. budget:
the judge's budget was used up. overload: too many jobs were waiting."""

STATES: Final[tuple[State, ...]] = get_args(State)
SKIPPED: Final[frozenset[State]] = frozenset({"sampled_out", "filtered", "not_applicable", "budget", "overload"})
"""Not evaluated, for a reason that is no failure."""
MISSING: Final[frozenset[State]] = frozenset({"pending", "abstained", "failed", "dead", "budget", "overload"})
"""Was to be evaluated, and there is no score. Not missing at random: rates are given with bounds for them."""
