"""EvaluationRow: a stored result of one evaluator about one run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from offpath.ledger.state import State


class EvaluationRow(msgspec.Struct, omit_defaults=True):
    """A row of `evaluations`; its key is run, name and fingerprint: a retry updates it, another version adds one.

    Executors return these as the result of a job, so they are JSON. Times in seconds since the epoch.
    """

    run_id: str
    name: str
    """The evaluation's: gen_ai.evaluation.name."""
    fingerprint: str
    """Of evaluator, version, options, prompt and judge: results with different ones are not comparable."""
    state: State
    """scored, abstained, failed, not_applicable or budget."""
    subject: Literal["input", "output", "tools"]
    evaluator: str
    """The evaluator's own name."""
    version: int
    evaluated_at: float
    duration: float
    """Seconds that the assessment took."""
    value: float | None = None
    """From 0 to 1, where 1 is good."""
    passed: bool | None = None
    label: str | None = None
    raw: float | None = None
    unit: str | None = None
    reason: str | None = None
    """Why there is no score: a short fixed word."""
    explanation: str | None = None
    """Content: gone when the run is deleted."""
    details: dict[str, Any] | None = None
    contested: bool = False
    """The judged text looks like an attempt to influence the judge."""
    prompt_hash: str | None = None
    judge_model: str | None = None
    judge_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    """USD of the judge's tokens; None if the price is not known, or nothing was asked."""
    stand_in: bool = False
    """The judge was the offline stand-in: the score says nothing about the answer."""
    probability: float = 1.0
    """With which the run was chosen."""
    redactions: int = 0
    temperature: float | None = None
    seed: int | None = None
    label_closed: bool = True
    """Whether `label` is one that the evaluator declares; others become `other` in metrics."""
    asked_model: str | None = None
    """The judge as it is configured, for metrics; `judge_model` is how its endpoint named itself, often with a date."""
