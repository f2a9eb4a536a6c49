"""PlanRule: what decides whether a run is evaluated by one evaluator. Plain data, which processes send each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from offpath.ledger.plan import PlanEntry
from offpath.posthooks.evaluation.filters import RunFilter
from offpath.posthooks.evaluation.sampling import draw
from offpath.runs.status import ComponentKind, RunStatus

Scope = Literal["run", "session"]

QUIET: Final = 600.0
"""Seconds after its last run at which a session counts as over, unless a rule says otherwise."""


class PlanRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One enabled evaluator, as far as the choice of runs goes."""

    name: str
    """The evaluation's."""
    hook: str
    """Name of the hook that evaluates: `offpath.evaluate` or `offpath.evaluate.{name}`."""
    judged: bool = False
    """Whether it asks a model, which costs money."""
    rate: float = 1.0
    """The share of runs that are chosen; above 0."""
    group: str = ""
    """Rules of one group share their draws, see `sampling.draw`."""
    filter: RunFilter = RunFilter()
    run_on: tuple[RunStatus, ...] = (RunStatus.COMPLETED,)
    nested: bool = False
    """Whether runs that other runs started are meant, too."""
    scope: Scope = "run"
    quiet: float = QUIET
    """Of scope "session": seconds without a run after which it is evaluated."""


class _Prepared(NamedTuple):
    """A rule for the runs of one component that ended in one way."""

    name: str
    hook: str
    judged: bool
    rate: float
    group: str
    filter: RunFilter | None
    """If it asks for users."""
    filtered: bool


class PlanRules:
    """All rules of a service. Makes a run's plan: a few microseconds, on the response path."""

    def __init__(self, rules: Iterable[PlanRule]) -> None:
        self.rules: Final = tuple(rules)
        self.run_on: Final = frozenset(status for rule in self.rules for status in rule.run_on)
        """Ends of a run that any rule wants."""
        self.of_runs: Final = tuple(rule for rule in self.rules if rule.scope == "run")
        self.of_sessions: Final = tuple(rule for rule in self.rules if rule.scope == "session")
        self._prepared: dict[tuple[ComponentKind, str, str, bool, Scope], tuple[_Prepared, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.rules)

    @property
    def quiet(self) -> float:
        """Seconds after which a session is evaluated; the longest of all rules, since a session is seen to once."""
        return max((rule.quiet for rule in self.of_sessions), default=QUIET)

    def entries(
        self,
        *,
        run_id: str,
        session_id: str,
        kind: ComponentKind,
        component_id: str,
        user_id: str | None,
        status: str,
        nested: bool,
        overload: bool = False,
        judges_pressed: bool = False,
        budget_used_up: bool = False,
        scope: Scope = "run",
    ) -> dict[str, PlanEntry]:
        """The plan of a run that has ended: one entry for each evaluator that such a run can have.

        The reasons for which it is left out count in this order: filtered, sampled_out, overload, budget. A run that
        another one started has entries of the evaluators that want nested runs only, since the others have no say
        about it.

        Args:
            status: How the run ended.
            overload: Too many jobs wait.
            judges_pressed: Too many jobs wait that ask judges.
            budget_used_up: Nothing is left for judges.
            scope: "session": `run_id` is the last run of a session that has been quiet; the draw is the session's.
        """
        # Of an enumeration's member the plain text: its hash is Python code.
        key = (kind, component_id, str.__str__(status), nested, scope)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = self._prepare(*key)
        subject = run_id if scope == "run" else session_id
        draws: dict[str, float] = {}
        found: dict[str, PlanEntry] = {}
        for name, hook, judged, rate, group, wanted, filtered in prepared:
            if filtered or (wanted is not None and not wanted.takes_user(user_id)):
                found[name] = PlanEntry("filtered")
                continue
            if rate < 1.0:
                drawn = draws.get(group)
                if drawn is None:
                    drawn = draws[group] = draw(subject, group)
                if drawn >= rate:
                    found[name] = PlanEntry("sampled_out", rate)
                    continue
            if overload or (judged and judges_pressed):
                found[name] = PlanEntry("overload", rate)
            elif budget_used_up and judged:
                found[name] = PlanEntry("budget", rate)
            else:
                found[name] = PlanEntry("pending", rate, hook)
        return found

    def _prepare(
        self, kind: ComponentKind, component_id: str, status: str, nested: bool, scope: Scope
    ) -> tuple[_Prepared, ...]:
        return tuple(
            _Prepared(
                rule.name,
                rule.hook,
                rule.judged,
                rule.rate,
                rule.group,
                rule.filter if rule.filter.users else None,
                status not in rule.run_on or not rule.filter.takes_component(kind, component_id),
            )
            for rule in (self.of_runs if scope == "run" else self.of_sessions)
            if rule.nested or not nested
        )


def pending_hooks(entries: dict[str, PlanEntry]) -> set[str]:
    """Names of the hooks that have something to evaluate."""
    return {entry.hook for entry in entries.values() if entry.state == "pending"}
