"""EnabledEvaluator: an evaluator with its options, and which runs it is for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from offpath.errors import ConfigurationError
from offpath.posthooks import names
from offpath.posthooks.evaluation.filters import RunFilter
from offpath.posthooks.evaluation.plan_rule import QUIET, PlanRule, Scope
from offpath.posthooks.evaluation.terms import TERMS, TermError
from offpath.runs.status import RunStatus
from offpath_evaluators.errors import EvaluatorError
from offpath_evaluators.instance import Choice, Instance, configure

LONGEST_NAME: Final = 64
SHOWN: Final = 120
"""Characters of an option's value that are shown."""
_SECRET: Final = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_NO_SECRET: Final = re.compile(r"(?:min|max)_.*tokens?|max_tokens|tokens|api_key_env", re.IGNORECASE)


@dataclass(frozen=True)
class EnabledEvaluator:
    """One evaluator of a service. Made by `enable`, or from a name."""

    instance: Instance
    """The evaluator with its options and its time limit."""
    sample_rate: float = 1.0
    """The share of runs that it gets, by chance; above 0."""
    sample_group: str | None = None
    """Evaluators of one group get the same runs, as far as their rates allow; None is a group, too."""
    agents: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    run_on: tuple[RunStatus, ...] = (RunStatus.COMPLETED,)
    nested: bool = False
    judge_model: str | None = None
    """The model that it asks; None for one that asks none, and, before `enabled_evaluators`, for the service's."""
    scope: Scope = "run"
    quiet: float = QUIET

    @property
    def name(self) -> str:
        """The evaluation's: gen_ai.evaluation.name."""
        return self.instance.name

    @property
    def judged(self) -> bool:
        """Whether it asks a model."""
        return self.instance.evaluator.kind == "judged"

    @property
    def hook(self) -> str:
        """Name of the hook that runs it."""
        return names.judged(self.name) if self.judged else names.EVALUATE

    @property
    def rule(self) -> PlanRule:
        """What decides which runs it gets, as plain data."""
        return PlanRule(
            name=self.name,
            hook=self.hook,
            judged=self.judged,
            rate=self.sample_rate,
            group=self.sample_group or "",
            filter=RunFilter(self.agents, self.teams, self.workflows, self.users),
            run_on=self.run_on,
            nested=self.nested,
            scope=self.scope,
            quiet=self.quiet,
        )

    def describe(self) -> dict[str, Any]:
        """As JSON values, for `offpath check`, the banner, the API and the metric evaluator.info; without secrets."""
        evaluator = self.instance.evaluator
        filters = {name: list(getattr(self, name)) for name in ("agents", "teams", "workflows", "users")}
        return {
            "name": self.name,
            "evaluator": evaluator.name,
            "kind": evaluator.kind,
            "version": evaluator.version,
            "subject": evaluator.subject,
            "labels": list(evaluator.labels),
            "needs": list(evaluator.needs),
            "options": shown_options(self.instance),
            "threshold": self.instance.options.threshold,
            "timeout": self.instance.timeout,
            "judge_model": self.judge_model,
            "sample_rate": self.sample_rate,
            "sample_group": self.sample_group,
            "filters": {name: found for name, found in filters.items() if found},
            "run_on": [status.value for status in self.run_on],
            "nested": self.nested,
            "scope": self.scope,
            "quiet": self.quiet if self.scope == "session" else None,
            "hook": self.hook,
        }

    def summary(self) -> str:
        """The same in a line for people: `tone (guidelines, asks gpt-4o-mini): 10 % of runs, agents support`."""
        evaluator = self.instance.evaluator
        what = [] if evaluator.name == self.name else [evaluator.name]
        if self.judged:
            what.append(f"asks {self.judge_model or 'the judge'}")
        of = "sessions" if self.scope == "session" else "runs"
        terms = [f"all {of}" if self.sample_rate >= 1 else f"{self.sample_rate * 100:.3g} % of {of}"]
        for name in ("agents", "teams", "workflows", "users"):
            if found := getattr(self, name):
                terms.append(f"{name} {' '.join(found)}")
        if self.run_on != (RunStatus.COMPLETED,):
            terms.append(f"that ended as {' '.join(self.run_on)}")
        if self.nested:
            terms.append("nested ones, too")
        described = f" ({', '.join(what)})" if what else ""
        return f"{self.name}{described}: {', '.join(terms)}"


def enable(
    evaluator: Choice,
    /,
    *,
    name: str | None = None,
    sample_rate: float = 1.0,
    sample_group: str | None = None,
    agents: Iterable[str] | None = None,
    teams: Iterable[str] | None = None,
    workflows: Iterable[str] | None = None,
    users: Iterable[str] | None = None,
    run_on: Iterable[str] = (RunStatus.COMPLETED,),
    nested: bool = False,
    judge_model: str | None = None,
    scope: Scope = "run",
    quiet: float | str = QUIET,
    timeout: float | str | None = None,
    **options: Any,
) -> EnabledEvaluator:
    """An evaluator for the runs of a service, with options: `AgentService(evaluators=[enable("pii", agents=["a"])])`.

    Args:
        evaluator: "refusal", "tone=guidelines", "polite=my_package.evals:politeness", a function with @evaluator, or
            what `offpath_evaluators.configure` gave.
        name: What its results are called, if not as `evaluator` says.
        sample_rate: The share of runs that it gets. The choice hangs on the run's id, so that a lower rate's runs are
            among a higher one's.
        sample_group: Draws for itself, or for those with the same word, in place of sharing everybody's draw.
        agents: Ids, or patterns with `*`: runs of these agents only. Without `teams` and `workflows` no runs of those.
        teams: The same for teams.
        workflows: The same for workflows.
        users: Ids or patterns: runs of these users only.
        run_on: Ends of a run: completed, error, cancelled, interrupted, blocked.
        nested: Runs of members and steps, too, which other runs started.
        judge_model: The model that it asks, in place of OFFPATH_JUDGE_MODEL.
        scope: "session" evaluates a conversation as a whole, once it has been quiet.
        quiet: Of sessions: seconds since the last run, or "10m".
        timeout: Seconds that one assessment may take.
        options: The evaluator's own.

    Raises:
        ConfigurationError: There is no such evaluator or option, or a value that cannot be; the text says which.
    """
    given = {
        "sample_rate": sample_rate,
        "sample_group": sample_group,
        "agents": agents,
        "teams": teams,
        "workflows": workflows,
        "users": users,
        "run_on": run_on,
        "nested": nested,
        "judge_model": judge_model,
        "scope": scope,
        "quiet": quiet,
        "timeout": timeout,
    }
    terms: dict[str, Any] = {}
    for term, value in given.items():
        if value is None:
            continue
        try:
            terms[term] = TERMS[term](value)
        except (TermError, ValueError) as error:
            raise ConfigurationError(f"enable({evaluator!r}, {term}={value!r}): {term} {error}") from None
    try:
        instance = configure(evaluator, name=name, timeout=terms.pop("timeout", None), **options)
    except EvaluatorError as error:
        raise ConfigurationError(f"enable({evaluator!r}, ...): {error}") from None
    return checked(EnabledEvaluator(instance, **terms))


def checked(enabled: EnabledEvaluator) -> EnabledEvaluator:
    """The same, if its parts fit together.

    Raises:
        ConfigurationError: They do not.
    """
    name = enabled.name
    if len(name) > LONGEST_NAME:
        raise ConfigurationError(f"the evaluator's name {name[:SHOWN]!r} has more than {LONGEST_NAME} characters")
    if enabled.judge_model is not None and not enabled.judged:
        raise ConfigurationError(
            f"evaluator {name!r} asks no model, so judge_model={enabled.judge_model!r} has no meaning; leave it out"
        )
    if enabled.scope == "session" and enabled.nested:
        raise ConfigurationError(
            f"evaluator {name!r} has scope=session and nested=true; a conversation is made of outermost runs: "
            f"leave out one of the two"
        )
    return enabled


def shown_options(instance: Instance) -> dict[str, Any]:
    """The options that were given, as a person may see them."""
    given = instance.options.model_dump(mode="json", exclude_unset=True)
    return {name: shown_option(name, value) for name, value in given.items()}


def shown_option(name: str, value: Any) -> Any:
    """An option's value without what may be secret, and not too long."""
    if is_secret(name):
        return "***"
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= SHOWN:
        return value
    return text[:SHOWN] + "..."


def is_secret(name: str) -> bool:
    """Whether an option's name says that its value is nobody's business."""
    return _SECRET.search(name) is not None and _NO_SECRET.fullmatch(name) is None
