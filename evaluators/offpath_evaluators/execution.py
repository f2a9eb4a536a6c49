"""Runs evaluators over one context; whatever goes wrong is a value."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offpath_evaluators.context import EvaluationContext
from offpath_evaluators.errors import MissingJudgeError
from offpath_evaluators.evaluation import Evaluation, Provenance, State
from offpath_evaluators.instance import Choice, Instance, configure_all
from offpath_evaluators.judge.gate import BudgetUsedUp
from offpath_evaluators.score import Abstained, Failed, NotApplicable, Result, Score

if TYPE_CHECKING:
    from offpath_evaluators.judge.judge import Judge, JudgeRecord

Observe = Callable[[Instance], AbstractContextManager[Callable[[Evaluation], None]]]
"""Makes what is around one assessment, such as a span: entered before it, told the result, left after it. Plain
functions are observed on their thread; what is around one that overran its time is told nothing."""

_logger = logging.getLogger(__name__)


async def evaluate(
    context: EvaluationContext,
    evaluators: Iterable[Choice],
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    judge: Judge | None = None,
) -> list[Evaluation]:
    """Assess one run.

    Args:
        context: The run.
        evaluators: Names ("refusal", "tone=guidelines"), functions with @evaluator, or what `configure` returned.
        options: Options by the evaluation's name: {"refusal": {"threshold": 0.7}}.
        judge: Whom judged evaluators ask; if None, what OFFPATH_JUDGE_MODEL and its companions name.

    Returns:
        One evaluation for each evaluator, in order. Failures and not-applicable are among them, never raised.

    Raises:
        EvaluatorError: Before anything is assessed, if an evaluator or an option does not exist or there is no judge.
    """
    instances = configure_all(evaluators, options)
    judged = [instance.name for instance in instances if instance.evaluator.kind == "judged"]
    if judge is not None or not judged:
        return await assess(context, instances, judge)
    async with judge_of_environment(judged) as own:
        return await assess(context, instances, own)


async def assess(
    context: EvaluationContext, instances: Sequence[Instance], judge: Judge | None, *, observe: Observe | None = None
) -> list[Evaluation]:
    """`evaluate` for evaluators that are configured already."""
    rules = [instance for instance in instances if not instance.evaluator.is_async]
    others = [instance for instance in instances if instance.evaluator.is_async]
    pending = [asyncio.ensure_future(_assess_async(context, instance, judge, observe)) for instance in others]
    try:
        found = dict(zip(map(id, rules), await _assess_rules(context, rules, observe), strict=True))
        for instance, task in zip(others, pending, strict=True):
            found[id(instance)] = await task
    except BaseException:
        for task in pending:
            task.cancel()
        raise
    return [found[id(instance)] for instance in instances]


def judge_of_environment(names: Sequence[str]) -> Judge:
    """The judge that OFFPATH_JUDGE_MODEL and its companions name.

    Args:
        names: Who asks it, for the error.

    Raises:
        MissingJudgeError: There is none.
    """
    from offpath_evaluators.judge.judge import Judge

    judge = Judge.from_environment()
    if judge is None:
        raise MissingJudgeError(
            f"{', '.join(names)}: a judge is asked and there is none; set OFFPATH_JUDGE_MODEL (and "
            "OFFPATH_JUDGE_API_KEY, OFFPATH_JUDGE_BASE_URL) or pass judge=Judge(MODEL)"
        )
    return judge


# Plain functions: one thread takes them one after the other, since a thread each would cost more than most of them do.


class _Rules:
    """The plain functions of one assessment, and how far a thread has come with them."""

    def __init__(self, context: EvaluationContext, instances: Sequence[Instance], observe: Observe | None) -> None:
        self.context = context
        self.observe = observe
        self.instances = instances
        self.results: list[Evaluation | None] = [None] * len(instances)
        self.began = time.monotonic()
        self.at = 0
        self.lock = threading.Lock()
        self.turn = 0
        """Which thread's results count: one that overran its time is left behind."""

    def work(self, turn: int, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        while True:
            with self.lock:
                if turn != self.turn or self.at >= len(self.instances):
                    break
                at, self.began = self.at, time.monotonic()
            result = _assess_plain(self.context, self.instances[at], self.observe)
            with self.lock:
                if turn != self.turn:
                    return
                self.results[at] = result
                self.at += 1
        if turn == self.turn:
            _tell(loop, ended)

    def abandon(self) -> None:
        """Have the thread end after the function that it is in."""
        with self.lock:
            self.turn += 1

    def overran(self) -> float:
        """Give the function up that takes too long; returns the seconds until there may be one."""
        with self.lock:
            if self.at >= len(self.instances):
                return 0.0
            instance = self.instances[self.at]
            left = self.began + instance.timeout - time.monotonic()
            if left > 0:
                return left
            self.results[self.at] = _timed_out(instance, None)
            self.at += 1
            self.turn += 1
            return 0.0


def _tell(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    try:
        loop.call_soon_threadsafe(ended.set)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more


async def _assess_rules(
    context: EvaluationContext, instances: Sequence[Instance], observe: Observe | None
) -> list[Evaluation]:
    if not instances:
        return []
    rules = _Rules(context, instances, observe)
    loop = asyncio.get_running_loop()
    while rules.at < len(instances):
        ended = asyncio.Event()
        turn = rules.turn
        rules.began = time.monotonic()
        context_vars = contextvars.copy_context()
        # A daemon: a function that never returns must not keep the program from ending.
        threading.Thread(
            target=context_vars.run, args=(rules.work, turn, loop, ended), name="offpath-evaluators", daemon=True
        ).start()
        try:
            while turn == rules.turn and not ended.is_set():
                try:
                    # Not wait_for: in Python 3.11 it drops a cancellation that comes together with the result.
                    async with asyncio.timeout(max(0.001, _left(rules))):
                        await ended.wait()
                except TimeoutError:
                    rules.overran()
        except BaseException:
            rules.abandon()
            raise
    return [result for result in rules.results if result is not None]


def _left(rules: _Rules) -> float:
    if rules.at >= len(rules.instances):
        return 1.0
    return rules.began + rules.instances[rules.at].timeout - time.monotonic()


def _assess_plain(context: EvaluationContext, instance: Instance, observe: Observe | None = None) -> Evaluation:
    if observe is None:
        return _assessed(context, instance)
    with observe(instance) as told:
        result = _assessed(context, instance)
        told(result)
    return result


def _assessed(context: EvaluationContext, instance: Instance) -> Evaluation:
    began = time.monotonic()
    missing = context.missing(instance.evaluator.needs)
    if missing:
        return _missing(instance, missing, began)
    try:
        result = instance.evaluator.function(*_arguments(context, instance, None))
    except BaseException as error:  # noqa: BLE001  # a failure is a value; nobody else sees what ends this thread
        result = _raised(instance, error)
    return _evaluation(instance, result, began, None)


async def _assess_async(
    context: EvaluationContext, instance: Instance, judge: Judge | None, observe: Observe | None
) -> Evaluation:
    if observe is None:
        return await _assessed_async(context, instance, judge)
    with observe(instance) as told:
        result = await _assessed_async(context, instance, judge)
        told(result)
    return result


async def _assessed_async(context: EvaluationContext, instance: Instance, judge: Judge | None) -> Evaluation:
    began = time.monotonic()
    missing = context.missing(instance.evaluator.needs)
    if missing:
        return _missing(instance, missing, began)
    asked = None if judge is None or instance.evaluator.kind != "judged" else judge.record()
    try:
        async with asyncio.timeout(instance.timeout) as limit:
            if asked is not None:
                asked.within(limit)  # which stands still while its calls wait for their turn
            result = await instance.evaluator.function(*_arguments(context, instance, asked))
    except TimeoutError:
        return _timed_out(instance, asked)
    except BudgetUsedUp:
        result = Failed("budget", "the judge's budget has too little left for another request")
    except Exception as error:  # noqa: BLE001  # a failure is a value
        result = _raised(instance, error)
    return _evaluation(instance, result, began, asked)


def _arguments(context: EvaluationContext, instance: Instance, judge: JudgeRecord | None) -> list[Any]:
    arguments: list[Any] = [context]
    if instance.evaluator.takes_options:
        arguments.append(instance.options)
    if judge is not None:
        arguments.append(judge)
    return arguments


# Results.


def _missing(instance: Instance, missing: Sequence[str], began: float) -> Evaluation:
    names = ", ".join(missing)
    return _evaluation(
        instance, NotApplicable(f"missing_{missing[0]}", f"needs {names}, which this run has not"), began, None
    )


def _raised(instance: Instance, error: BaseException) -> Failed:
    # The type and the place only: an exception's text may quote what was assessed.
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__]
    where = f" in line {own[-1].lineno} of {Path(own[-1].filename).name}" if own else ""
    _logger.debug("evaluator %s failed", instance.name, exc_info=error)
    return Failed("error", f"the evaluator raised {type(error).__name__}{where}")


def _timed_out(instance: Instance, judge: JudgeRecord | None) -> Evaluation:
    began = time.monotonic() - instance.timeout
    return _evaluation(instance, Failed("timeout", f"no result within {instance.timeout:g} s"), began, judge)


def _evaluation(instance: Instance, result: Result, began: float, judge: JudgeRecord | None) -> Evaluation:
    checked = _checked(instance, result)
    provenance = _provenance(instance, time.monotonic() - began, judge)
    contested = judge is not None and judge.contested
    evaluator = instance.evaluator
    if isinstance(checked, Score):
        return Evaluation(instance.name, "scored", evaluator.subject, checked, None, provenance, contested)
    states: dict[type, State] = {NotApplicable: "not_applicable", Abstained: "abstained", Failed: "failed"}
    return Evaluation(
        instance.name,
        states[type(checked)],
        evaluator.subject,
        None,
        checked.reason,
        provenance,
        contested,
        checked.explanation,
        checked.retry_after if isinstance(checked, Failed) else None,
    )


def _checked(instance: Instance, result: object) -> Score | NotApplicable | Abstained | Failed:
    if isinstance(result, NotApplicable | Abstained | Failed):
        return result
    if isinstance(result, bool):
        result = Score(1.0 if result else 0.0, passed=result)
    elif isinstance(result, int | float):
        result = Score(float(result))
    if not isinstance(result, Score):
        return Failed("no_score", f"the evaluator returned {type(result).__name__}, which is no score")
    if result.value is not None and not 0.0 <= result.value <= 1.0:
        return Failed("invalid_value", f"the evaluator gave the value {result.value!r}, which is not from 0 to 1")
    if result.raw is not None and not math.isfinite(result.raw):
        return Failed("invalid_value", f"the evaluator measured {result.raw!r}, which is no finite number")
    if result.label is not None and result.label not in instance.evaluator.labels:
        return Failed("unknown_label", "the evaluator gave a label that it does not declare")
    threshold = instance.options.threshold
    if threshold is not None and result.value is not None:
        return _with_passed(result, result.value >= threshold)
    return result


def _with_passed(score: Score, passed: bool) -> Score:
    if score.passed is passed:
        return score
    return Score(score.value, passed, score.label, score.explanation, score.details, score.raw, score.unit)


def _provenance(instance: Instance, duration: float, judge: JudgeRecord | None) -> Provenance:
    evaluator = instance.evaluator
    if judge is None:
        return Provenance(evaluator.name, evaluator.version, instance.settings_hash, duration)
    return judge.provenance(instance, duration)
