"""The hooks that evaluate: one for all deterministic evaluators of a run, one for each judged one."""

from __future__ import annotations

import asyncio
import hashlib
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from offpath.errors import ConfigurationError, Retry, StorageError
from offpath.hooks.arguments import JobView
from offpath.hooks.hook import OPTIONS_ATTRIBUTE, PRELOAD_ATTRIBUTE, HookFunction, HookOptions
from offpath.hooks.parent import ask
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry, pending_of
from offpath.ledger.question import FetchPlan
from offpath.posthooks import names
from offpath.posthooks.evaluation.budget_gate import BudgetGate
from offpath.posthooks.evaluation.context import run_context as context_of_run
from offpath.posthooks.evaluation.context import session_context
from offpath.posthooks.evaluation.enabled import EnabledEvaluator
from offpath.posthooks.evaluation.judge_settings import Judges, JudgeSettings
from offpath.posthooks.evaluation.plan_rule import PlanRules
from offpath.posthooks.evaluation.rows import bounded, evaluation_row
from offpath.posthooks.evaluation.session import session_records
from offpath.posthooks.evaluation.spans import observed, tell
from offpath.posthooks.evaluation.suspension import Suspensions
from offpath.runs.context import RunContext, Session
from offpath.runs.input import RunInput
from offpath.runs.job import occasion_of
from offpath.runs.output import RunOutput
from offpath.runs.record import RunRecord
from offpath.runs.status import RunStatus
from offpath.settings import Settings
from offpath.telemetry.tracing import purpose
from offpath_evaluators.context import EvaluationContext
from offpath_evaluators.evaluation import Evaluation
from offpath_evaluators.execution import Observe, assess
from offpath_evaluators.instance import Instance
from offpath_evaluators.judge.endpoint import preload

RULES_LANE: Final = "offpath.rules"
JUDGED_LANE: Final = "offpath.judged"
"""One for all judged evaluators: OFFPATH_JUDGE_CONCURRENCY and _RATE hold in each process that asks."""
RULES_RETRIES: Final = 3
JUDGED_RETRIES: Final = 100
"""With the waits below, a judge may be away for a day before its jobs become dead letters."""
FIRST_WAIT: Final = 30.0
"""Seconds after a first attempt that met a judge that was away; twice as many after each further one."""
LONGEST_WAIT: Final = 900.0
DAY: Final = 86_400.0
JUDGED_TIMEOUT: Final = 900.0
"""Seconds of an attempt: most of them are spent waiting for one's turn to ask."""
_AT_ONCE: Final = 8
"""Runs that one process assesses by rules side by side. They compute: more of them would only slow each other down, and
meet their time limits."""


def evaluation_hooks(enabled: Sequence[EnabledEvaluator], settings: Settings) -> list[HookFunction]:
    """The hooks of all enabled evaluators, for every component of a service.

    Raises:
        ConfigurationError: The judge's settings are wrong.
    """
    rules = [each for each in enabled if not each.judged]
    judged = [each for each in enabled if each.judged]
    hooks: list[HookFunction] = []
    if rules:
        seconds = sum(each.instance.timeout for each in rules)
        options = HookOptions(
            name=names.EVALUATE,
            run_in_background=True,
            kind="evaluation",
            lane=RULES_LANE,
            run_on=_run_on(rules),
            retries=RULES_RETRIES,
            # They wait for each other, and each may use up its own limit.
            timeout=seconds + 120.0,
            version=_version(rules),
        )
        hooks.append(EvaluationHook(rules, options, None))
    if not judged:
        return hooks
    judge = JudgeSettings.of(settings)
    judges = Judges(judge, BudgetGate())
    for each in judged:
        options = HookOptions(
            name=each.hook,
            run_in_background=True,
            kind="evaluation",
            lane=JUDGED_LANE,
            run_on=each.run_on,
            retries=JUDGED_RETRIES,
            # Enough to keep the judge busy; more would wait in memory, with their time running.
            concurrency=2 * judge.concurrency,
            timeout=max(JUDGED_TIMEOUT, 2 * each.instance.timeout),
            version=_version([each]),
        )
        hooks.append(EvaluationHook([each], options, judges))
    return hooks


class _Chosen(NamedTuple):
    enabled: EnabledEvaluator
    probability: float


class EvaluationHook:
    """A post-hook that evaluates. What it returns is all that it does: `{"evaluations": [EvaluationRow, ...]}`.

    A judge that is away, or has too much to do, makes the job wait and try again. What another try would not mend is
    a result: failed, and why.

    Args:
        enabled: Its evaluators.
        options: How it runs.
        judges: Whom they ask; None for those that ask nobody.
    """

    def __init__(self, enabled: Sequence[EnabledEvaluator], options: HookOptions, judges: Judges | None) -> None:
        self.enabled: Final = {each.name: each for each in enabled}
        self._options = options
        self._judges = judges
        self._rules = PlanRules(each.rule for each in enabled)
        self._of_sessions = frozenset(rule.name for rule in self._rules.of_sessions)
        self._suspensions = Suspensions()
        self._tools: dict[tuple[str, str], Sequence[Mapping[str, Any]] | None] = {}
        self._places: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )
        self.__name__ = options.name or names.EVALUATE
        setattr(self, OPTIONS_ATTRIBUTE, options)
        if judges is not None:
            setattr(self, PRELOAD_ATTRIBUTE, preload)

    def __repr__(self) -> str:
        return f"<hook {self.__name__}: {', '.join(self.enabled)}>"

    async def __call__(
        self,
        run_input: RunInput,
        run_output: RunOutput,
        run_context: RunContext,
        session: Session,
        job: JobView,
        agent: Any = None,
        team: Any = None,
        workflow: Any = None,
    ) -> dict[str, list[EvaluationRow]]:
        """Evaluate a run.

        Raises:
            Retry: The judge could not be asked now.
            StorageError: The conversation, or the budget, could not be had now.
        """
        record = RunRecord(run_input, run_output, run_context, session)
        chosen, unknown = await self._chosen(record, job)
        component = agent or team or workflow
        rows = [_unknown(name, run_output.run_id, probability) for name, probability in unknown.items()]
        for scope in ("run", "session"):
            each = [one for one in chosen if one.enabled.scope == scope]
            if not each:
                continue
            tools = self._tools_of(component)
            if scope == "run":
                context = context_of_run(record, tools)
            else:
                records = await session_records(record)
                context = session_context(run_output.session_id, records, tools)
            rows += await self._evaluated(context, each, run_output, job)
        return {"evaluations": bounded(rows)}

    async def _evaluated(
        self, context: EvaluationContext, chosen: Sequence[_Chosen], output: RunOutput, job: JobView
    ) -> list[EvaluationRow]:
        results = await self._assessed(context, [each.enabled for each in chosen], output.response_id, job)
        self._retry(results, job)
        now = time.time()
        rows: list[EvaluationRow] = []
        for each, result in zip(chosen, results, strict=True):
            tell(result, output.response_id)
            row = evaluation_row(
                output.run_id,
                result,
                probability=each.probability,
                evaluated_at=now,
                asked_model=each.enabled.judge_model,
            )
            rows.append(row)
        return rows

    async def _assessed(
        self, context: EvaluationContext, enabled: Sequence[EnabledEvaluator], response_id: str | None, job: JobView
    ) -> list[Evaluation]:
        # Hooks of judged evaluators have one each.
        instances = [each.instance for each in enabled]
        observe = observed(response_id)
        model = enabled[0].judge_model
        if self._judges is None or model is None:
            async with self._place():
                return await self._by_rules(context, instances, observe)
        outage = self._judges.outage(model)
        if wait := outage.wait():
            raise Retry(after=max(wait, self._backoff(job)), reason=f"no result yet: the judge {model} does not answer")
        with purpose("judge"):
            results = await assess(context, instances, self._judges.judge(model), observe=observe)
        outage.note(results)
        return results

    async def _by_rules(
        self, context: EvaluationContext, instances: Sequence[Instance], observe: Observe | None
    ) -> list[Evaluation]:
        """In the order of the instances."""
        able = [each for each in instances if not self._suspensions.holds(each.name)]
        found = dict(zip((each.name for each in able), await assess(context, able, None, observe=observe), strict=True))
        for each in able:
            self._suspensions.note(each, found[each.name])
        return [found.get(each.name) or self._suspensions.evaluation(each) for each in instances]

    def _place(self) -> asyncio.Semaphore:
        return self._places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))

    def _retry(self, results: Iterable[Evaluation], job: JobView) -> None:
        """Have the job wait and be done again, if that may help. The last attempt keeps what there is."""
        waits = [result for result in results if result.state == "failed" and result.retry_after is not None]
        if not waits:
            return
        last = job.attempt > (self._options.retries or 0)
        if last and self._judges is None:
            return  # the results of the others must not be lost with it
        # An evaluator of one's own may ask for anything.
        asked_for = max((each for result in waits if 0 <= (each := result.retry_after or 0.0) <= DAY), default=0.0)
        said = "; ".join(f"{result.name}: {result.reason}: {result.explanation}" for result in waits)
        raise Retry(after=max(asked_for, self._backoff(job)), reason=f"no result yet, will be tried again: {said}")

    def _backoff(self, job: JobView) -> float:
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(job.attempt - 1, 30))

    # What is to be evaluated.

    async def _chosen(self, record: RunRecord, job: JobView) -> tuple[list[_Chosen], dict[str, float]]:
        """Those that the run's plan has for this hook, or those that the job names.

        Returns:
            They, and those of the plan that this process does not know, with their probabilities.
        """
        occasion = occasion_of(job.key)
        if occasion:
            found = self._named(occasion)
            return [_Chosen(each, each.sample_rate if each.scope == "session" else 1.0) for each in found], {}
        # What was planned is done, whatever the rates and filters of this process are by now.
        planned = {name: entry.probability for name, entry in (await self._planned(record.output, job)).items()}
        return (
            [_Chosen(self.enabled[name], planned[name]) for name in planned if name in self.enabled],
            {name: probability for name, probability in planned.items() if name not in self.enabled},
        )

    async def _planned(self, output: RunOutput, job: JobView) -> Mapping[str, PlanEntry]:
        try:
            plan = (await ask(FetchPlan(output.run_id))).plan
        except ConfigurationError:
            return self._drawn(output)  # called without a worker, as in a test
        except StorageError as error:
            raise Retry(after=self._backoff(job), reason="no result yet: the run's plan cannot be read") from error
        if plan is None:
            return {}
        waiting = pending_of(plan, self.__name__)
        return {name: plan.entries[name] for name in waiting if name not in self._of_sessions}

    def _drawn(self, output: RunOutput) -> Mapping[str, PlanEntry]:
        entries = self._rules.entries(
            run_id=output.run_id,
            session_id=output.session_id,
            kind=output.kind,
            component_id=output.component_id,
            user_id=output.user_id,
            status=output.status,
            nested=output.parent_run_id is not None,
        )
        return {name: entry for name, entry in entries.items() if entry.state == "pending"}

    def _named(self, occasion: str) -> list[EnabledEvaluator]:
        if self._judges is not None:
            return list(self.enabled.values())
        wanted = occasion.partition(".")[0].split("+")
        # One that the code no longer has is left out; the worker notes that.
        return [self.enabled[name] for name in dict.fromkeys(wanted) if name in self.enabled]

    def _tools_of(self, component: Any) -> Sequence[Mapping[str, Any]] | None:
        """The tools that a component offers its model; it never changes."""
        key = (getattr(component, "kind", ""), getattr(component, "id", ""))
        if key not in self._tools:
            self._tools[key] = offered_tools(component)
        return self._tools[key]


def _unknown(name: str, run_id: str, probability: float) -> EvaluationRow:
    return EvaluationRow(
        run_id=run_id,
        name=name,
        fingerprint="",
        state="failed",
        subject="output",
        evaluator=name,
        version=0,
        evaluated_at=time.time(),
        duration=0.0,
        reason="unknown_evaluator",
        explanation="the worker that ran the job has no evaluator of that name: start services and workers with the "
        "same OFFPATH_EVALUATORS, then `offpath evaluate --from-store`",
        probability=probability,
    )


def offered_tools(component: Any) -> Sequence[Mapping[str, Any]] | None:
    """Name, description and parameters of the tools of an agent or team; None if they are not known."""
    describe = getattr(component, "describe", None)
    if not callable(describe):
        return None
    try:
        tools = describe()["tools"]["tools"]
    except (KeyError, TypeError, AttributeError):
        return None  # it has none
    return tuple(each for each in tools if isinstance(each, Mapping)) or None


def _run_on(enabled: Iterable[EnabledEvaluator]) -> tuple[RunStatus, ...]:
    wanted = {status for each in enabled for status in each.run_on}
    return tuple(status for status in RunStatus if status in wanted)


def _version(enabled: Iterable[EnabledEvaluator]) -> str:
    """Of the evaluators and their options."""
    text = "\n".join(sorted(f"{each.name} {each.instance.settings_hash} {each.judge_model}" for each in enabled))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
