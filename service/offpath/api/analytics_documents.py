"""The shape of `GET /analytics`, for the OpenAPI document only."""

# No `from __future__ import annotations`: pydantic reads the annotations.

from datetime import datetime
from typing import Literal

from pydantic import Field

from offpath.api.documents import Document, Kind


class WindowDocument(Document):
    """The time that is summed up: whole hours of UTC, and whole days where users are asked for."""

    since: datetime
    until: datetime


class ComponentIdDocument(Document):
    """An agent, team or workflow."""

    kind: Kind
    id: str


class TimesDocument(Document):
    """Times in seconds. Quantiles are estimated: off by at most `quantile_error`, as a share of themselves."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


class TokensDocument(Document):
    """Tokens of the runs' own model calls."""

    input: int = Field(description="Cached ones included.")
    output: int = Field(description="Reasoning included.")
    cached: int | None = None
    reasoning: int | None = None


class CostDocument(Document):
    """What is known of the price; the calls say of how many model calls that is."""

    usd: float = Field(description="Of the priced calls.")
    priced_calls: int | None = None
    unpriced_calls: int = Field(description="Calls whose price is not known: not in `usd`.")
    stand_in_calls: int | None = Field(None, description="Calls that the offline stand-in answered.")


class ToolUseDocument(Document):
    """Calls of tools."""

    calls: int
    errors: int
    error_rate: float | None = None
    seconds: float | None = None
    latency: TimesDocument | None = None


class HookTimeDocument(Document):
    """Jobs of hooks of one kind."""

    jobs: int
    attempts: int
    outcomes: dict[str, int]
    seconds: float = Field(description="That the last attempts took, together.")


class JudgeUseDocument(Document):
    """What evaluators' judges used."""

    calls: int
    tokens: TokensDocument
    cost: CostDocument


class UsageDocument(Document):
    """Runs and what they used themselves. Which fields there are follows from `group_by`."""

    component: ComponentIdDocument | None = None
    model: str | None = None
    user: str | None = None
    tool: str | None = None
    day: datetime | None = None
    hour: datetime | None = None
    runs: int | None = None
    nested_runs: int | None = Field(None, description="Those of the runs that other runs started.")
    accounted_runs: int | None = Field(None, description="Those of the runs whose usage is known by now.")
    status: dict[str, int] | None = None
    error_rate: float | None = Field(None, description="Share of the runs with the status error or interrupted.")
    errors: dict[str, int] | int | None = Field(None, description="By type of error; of tools, how many.")
    latency: TimesDocument | None = None
    time_to_first_token: TimesDocument | None = Field(None, description="Of streamed runs.")
    seconds: float | None = Field(None, description="That the runs took, together.")
    model_calls: int | None = None
    tokens: TokensDocument | None = None
    cost: CostDocument | None = None
    tools: ToolUseDocument | None = None
    hooks: dict[str, HookTimeDocument] | None = Field(None, description="By kind: your own are pre and post.")
    judge: JudgeUseDocument | None = None


class AnalyticsDocument(Document):
    """Usage by group."""

    analytics: Literal["on", "off"] = Field(description="Whether runs are accounted for now.")
    note: str | None = Field(None, description="What to know about the figures.")
    window: WindowDocument
    as_of: datetime = Field(description="When the sums were read.")
    unbooked: int = Field(description="Runs and jobs that ended and are not in the sums yet; 10000 and more: 10000.")
    quantile_error: float
    group_by: list[str]
    groups: list[UsageDocument]
    groups_total: int = Field(description="How many groups there are; `limit` may leave some out.")
    total: UsageDocument = Field(description="All groups together, those that were left out too.")
