"""The shapes of evaluations and feedback, for the OpenAPI document only: nothing is checked against them."""

# No `from __future__ import annotations`: pydantic reads the annotations.

from typing import Any, Final, Literal

from pydantic import Field

from offpath.api.documents import Document, Kind

EvaluationState = Literal[
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


class ResultDocument(Document):
    """What an evaluator found. Times in seconds."""

    name: str
    fingerprint: str = Field(description="Results with different ones are not comparable.")
    state: EvaluationState
    subject: Literal["input", "output", "tools"]
    evaluator: str
    version: int
    evaluated_at: float
    duration: float
    value: float | None = Field(None, description="From 0 to 1, where 1 is good.")
    passed: bool | None = None
    label: str | None = None
    explanation: str | None = None
    judge_model: str | None = None
    cost: float | None = Field(None, description="USD of the judge's tokens, if their price is known.")
    stand_in: bool = Field(False, description="The offline stand-in judged: the score says nothing about the answer.")


class EvaluationDocument(Document):
    """How one evaluator stands with a run."""

    name: str
    state: EvaluationState
    probability: float = Field(description="With which such a run is chosen.")
    reason: str | None = Field(None, description="Why there is no score.")
    result: ResultDocument | None = None


class FeedbackDocument(Document):
    """What a person says of a run."""

    id: str
    run_id: str
    created_at: float
    author: str | None
    name: str
    score: float | None = None
    label: str | None = None
    comment: str | None = None


class RunEvaluationsDocument(Document):
    """All that is known of a run's quality."""

    run_id: str
    status: str
    evaluations: list[EvaluationDocument]
    earlier: list[ResultDocument] = Field(description="Results of other versions of the evaluators.")
    feedback: list[FeedbackDocument]


class RequestedEvaluationsDocument(Document):
    """What will be evaluated again."""

    run_id: str
    evaluators: list[str]
    already_pending: list[str] = Field(description="Asked for, and under way already.")
    jobs: list[str] = Field(description="Keys of the jobs; GET /runs/{id}/hooks shows how they stand.")
    evaluations_url: str
    hooks_url: str


class EstimateDocument(Document):
    """A rate or mean of all runs, estimated from those that were evaluated."""

    estimate: float = Field(description="Each run weighs 1 / probability.")
    low: float = Field(description="Lower end of the interval of 95 %.")
    high: float
    worst: float = Field(description="The lower end if all runs without a score had failed.")
    best: float = Field(description="The upper end if all runs without a score had passed.")
    naive: float = Field(description="Without weights.")
    n: int = Field(description="Runs that it rests on.")
    effective_n: float = Field(description="As many runs of equal weight would tell as much.")


class VersionDocument(Document):
    """The results of one version of an evaluator."""

    fingerprint: str
    scored: int
    evaluated_at: float = Field(description="The last of them, in seconds since the epoch.")
    coverage: float
    stand_in: int = Field(0, description="Scores that are the offline stand-in's: they say nothing of the answers.")
    pass_rate: EstimateDocument | None = None
    mean: EstimateDocument | None = None
    labels: dict[str, float] = Field({}, description="Weighted shares.")
    histogram: dict[str, float] = Field({}, description="Weighted shares.")


class SummaryGroupDocument(Document):
    """One evaluator, perhaps of one agent, team or workflow and of one hour or day."""

    evaluation: str
    component_kind: Kind | None = None
    component_id: str | None = None
    start: str | None = Field(None, description="Beginning of the hour or day.")
    runs: int = Field(description="All runs, whatever became of them; the states add up to it.")
    states: dict[str, int]
    population: float = Field(description="How many runs the evaluator is for, as the weights estimate it.")
    fingerprint: str | None = Field(None, description="The newest version.")
    coverage: float | None = Field(None, description="Weighted share of them that the newest version has scored.")
    stand_in: int = Field(0, description="Scores that are the offline stand-in's: they say nothing of the answers.")
    pass_rate: EstimateDocument | None = None
    mean: EstimateDocument | None = None
    labels: dict[str, float] = Field({}, description="Weighted shares among the scored runs.")
    histogram: dict[str, float] = Field({}, description="Weighted shares of values by tenth, by its upper bound.")
    mixed: bool = Field(False, description="Several versions have scored runs; the figures are of the newest alone.")
    versions: list[VersionDocument] = Field([], description="Each version by itself, newest first, where it is mixed.")
    examples: list[str] = Field([], description="The newest runs that did not pass.")


class EvaluationSummaryDocument(Document):
    """What the evaluators say of all runs in a window."""

    window: dict[str, str] = Field(description="since and until.")
    as_of: str
    unbooked: int = Field(description="Ended runs and jobs that are not in the figures yet, at most 10,000.")
    group_by: list[str]
    groups_total: int = Field(description="How many there are; narrow the request if that is more than are listed.")
    groups: list[SummaryGroupDocument]


class EnabledEvaluatorDocument(Document):
    """An evaluator that is on."""

    name: str
    evaluator: str
    kind: str
    version: int
    sample_rate: float
    filters: dict[str, list[str]]
    run_on: list[str]
    judge_model: str | None = None


def _body(properties: dict[str, Any], required: bool) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


EVALUATIONS_BODY: Final = _body(
    {
        "evaluators": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "Names of enabled evaluators. Left out: all that evaluate single runs.",
        }
    },
    required=True,
)
FEEDBACK_BODY: Final = _body(
    {
        "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "1 is good."},
        "thumb": {"type": "string", "enum": ["up", "down"], "description": "In place of a score."},
        "label": {"type": "string", "minLength": 1, "maxLength": 200, "description": "A category: wrong, too long."},
        "comment": {"type": "string", "minLength": 1, "maxLength": 10_000},
        "name": {"type": "string", "minLength": 1, "maxLength": 200, "description": "What is rated."},
        "author": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Default: the key's user."},
    },
    required=True,
)
