"""Planner: decides, when a run ends, what is evaluated of it and which built-in hooks get a job."""

from __future__ import annotations

from typing import Final

import msgspec

from offpath.ledger.plan import RunPlan
from offpath.posthooks import names
from offpath.posthooks.evaluation.plan_rule import PlanRule, PlanRules, pending_hooks
from offpath.posthooks.notification.rules import NoticeRules
from offpath.runner.environment import Planned
from offpath.runs.output import RunOutput

_EVALUATION, _ANALYTICS = 1, 2


class EvaluatorInfo(msgspec.Struct, frozen=True):
    """An enabled evaluator, as metrics show it."""

    name: str
    subject: str
    version: int
    rate: float
    judge_model: str | None = None


class PlannerData(msgspec.Struct, frozen=True):
    """All that planning needs, as plain data: the worker's parent plans runs that a crash cut off."""

    rules: tuple[PlanRule, ...] = ()
    analytics: bool = False
    notices: NoticeRules | None = None
    """What people are told of; None: nothing."""
    evaluators: tuple[EvaluatorInfo, ...] = ()
    components: tuple[tuple[str, str, str], ...] = ()
    """Kind, id and name of all agents, teams and workflows."""
    models: tuple[str, ...] = ()
    """Ids of the models that they ask."""
    strip: bool = False
    """Whether content goes when the hooks have ended (`OFFPATH_STORE_CONTENT=until_hooks_done`)."""

    @property
    def anything(self) -> bool:
        """Whether any built-in is on; without one no run has a plan."""
        return bool(self.rules) or self.analytics or self.notices is not None or self.strip


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PlannerData).decode


def encode_planner(data: PlannerData) -> bytes:
    return _encode(data)


def decode_planner(encoding: bytes) -> PlannerData:
    """b"" means that no built-in hook is on."""
    return _decode(encoding) if encoding else PlannerData()


class Planner:
    """Implements the runner's `Planner`. Works on the response path: no waiting, no reading."""

    def __init__(self, data: PlannerData) -> None:
        self.data: Final = data
        self.rules: Final = PlanRules(data.rules)
        self.pressure = 0
        """0: all is well. 1: too many jobs wait, and runs are not evaluated. 2: nor accounted for. The process keeps it
        up to date."""
        self.judges_pressed = False
        """Whether too many jobs wait that ask judges; kept up to date by the process."""
        self.budget_used_up = False
        """Whether the judge's budget is spent; kept up to date by the process."""

    def plan(self, output: RunOutput, *, blocked_by: str = "") -> Planned | None:
        """The plan of a run that has just ended, without its trace; None if no built-in hook is on.

        Args:
            output: With its final status.
            blocked_by: The guardrail that refused it.
        """
        data = self.data
        if not data.anything:
            return None
        entries = self.rules.entries(
            run_id=output.run_id,
            session_id=output.session_id,
            kind=output.kind,
            component_id=output.component_id,
            user_id=output.user_id,
            status=output.status,
            nested=output.parent_run_id is not None,
            overload=self.pressure >= _EVALUATION,
            judges_pressed=self.judges_pressed,
            budget_used_up=self.budget_used_up,
        )
        hooks = pending_hooks(entries)
        shed: tuple[str, ...] = ()
        if data.analytics:
            if self.pressure >= _ANALYTICS:
                shed = (names.ANALYTICS,)
            else:
                hooks.add(names.ANALYTICS)
        plan = RunPlan(
            run_id=output.run_id,
            session_id=output.session_id,
            component_kind=output.kind,
            component_id=output.component_id,
            component_name=output.component_name,
            nested=output.parent_run_id is not None,
            created_at=output.created_at,
            status=output.status.value,
            duration=output.metrics.duration or 0.0,
            error_type=output.error.type if output.error is not None else "",
            traceparent="",
            entries=entries,
            blocked_by=blocked_by,
            strip=data.strip,
        )
        return Planned(plan, frozenset(hooks), shed)
