"""JudgeRecord: what one evaluation asks of a judge, and what that took."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from offpath_evaluators.context import EvaluationContext
from offpath_evaluators.detect.redaction import Redactor
from offpath_evaluators.evaluation import Provenance
from offpath_evaluators.judge.clock import Clock
from offpath_evaluators.judge.completion import Completion
from offpath_evaluators.judge.criterion import Criterion
from offpath_evaluators.judge.price import cost_of
from offpath_evaluators.judge.prompt import prompt_hash
from offpath_evaluators.judge.question import Outcome, Question
from offpath_evaluators.judge.untrusted import Preparation, estimate_tokens
from offpath_evaluators.judge.verdict import Verdict
from offpath_evaluators.score import Abstained, Failed, NotApplicable, Score

if TYPE_CHECKING:
    from offpath_evaluators.instance import Instance
    from offpath_evaluators.judge.judge import Judge

TIMEOUT: Final = 60.0
"""Seconds for all calls of a record that nobody gave a limit."""
_MANY_TOKENS: Final = 4_000
"""Above these, texts are prepared on a thread."""


class JudgeRecord:
    """What an evaluator asks its judge with. One for each evaluation.

    A judged evaluator of one's own:

        POLITE = Criterion("politeness", "Is `output` polite?\n\n- polite: ...\n- rude: ...", {"polite": 1, "rude": 0})

        @evaluator("politeness", labels=POLITE.labels)
        async def politeness(context: EvaluationContext, judge: JudgeRecord) -> Result:
            return await judge.score(POLITE, context)
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.clock = Clock(TIMEOUT)
        self.preparation = Preparation(Redactor() if judge.redact else None)
        self.calls = 0
        """Requests that were sent, repeated ones too."""
        self.budget_used_up = False
        """Whether the budget had too little left for one of them; no other is sent then."""
        self._redactor = self.preparation.redactor
        self._prepared: dict[tuple[int, tuple[str, ...]], tuple[object, dict[str, Any]]] = {}
        self._preparing = asyncio.Lock()
        self._hashes: set[str] = set()
        self._model: str | None = None
        self._temperature: float | None = None
        self._seed: int | None = None
        self._tokens: dict[str, list[int]] = {}

    @property
    def contested(self) -> bool:
        """Whether what was shown to the judge looks like an attempt to influence it."""
        return self.preparation.contested

    def within(self, limit: asyncio.Timeout) -> None:
        """Keep to this time limit, which is moved while calls wait for their turn."""
        self.clock.within(limit)

    async def ask(
        self,
        criterion: Criterion,
        data: EvaluationContext | Mapping[str, Any],
        *,
        rules: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Put one question.

        Args:
            criterion: The question. Part of the system message.
            data: The run, of which the criterion's fields are shown, or the very fields to show. Not trusted.
            rules: What whoever configured the evaluator adds to the criterion: {"rule": "Name a source."}.

        Returns:
            A verdict; `NotApplicable` if a field is missing ("missing_context"), the data is too long for the judge
            ("too_long") or the verdict says that the question does not arise; `Abstained` if the judge cannot tell;
            `Failed` after all tries. Never raises for data or for what the endpoint does.

        Raises:
            BudgetUsedUp: The judge has a `gate`, which let a request not through. Not to be caught: the evaluation then
                fails with the reason "budget".
        """
        fields = _fields(criterion, data)
        if isinstance(fields, NotApplicable):
            return fields
        size = estimate_tokens(fields) + estimate_tokens(rules or {})
        if size > self.judge.max_input_tokens:
            return NotApplicable(
                "too_long",
                f"about {size} tokens; the judge is shown at most {self.judge.max_input_tokens}, all or none",
            )
        mode = criterion.prefers if self.judge.mode == "auto" else self.judge.mode
        self._hashes.add(prompt_hash(criterion, rules, mode))
        with self.clock.call():
            shown = await self._prepare(data, fields, size)
            given = None if rules is None else self.preparation.prepare(rules)
            return await Question(self, criterion, shown, given, mode).decide()

    async def score(
        self,
        criterion: Criterion,
        data: EvaluationContext | Mapping[str, Any],
        *,
        rules: Mapping[str, Any] | None = None,
    ) -> Score | Abstained | Failed | NotApplicable:
        """`ask`, with the verdict as a score: what most evaluators return."""
        found = await self.ask(criterion, data, rules=rules)
        return found.score() if isinstance(found, Verdict) else found

    def count(self, completion: Completion, body: Mapping[str, Any]) -> None:
        """Note what an answer took."""
        model = completion.model or self.judge.model
        self._model = model
        self._temperature, self._seed = body.get("temperature"), body.get("seed")
        tokens = self._tokens.setdefault(model, [0, 0, 0])
        for place, count in enumerate((completion.input_tokens, completion.cached_tokens, completion.output_tokens)):
            tokens[place] += count

    def cost_of(self, completion: Completion) -> float | None:
        """USD of one answer; None if the price is not known."""
        model = completion.model or self.judge.model
        return self._price(model, completion.input_tokens, completion.cached_tokens, completion.output_tokens)

    def provenance(self, instance: Instance, duration: float) -> Provenance:
        """Where the evaluation's result comes from."""
        prompts = _joined(self._hashes)
        return Provenance(
            instance.evaluator.name,
            instance.evaluator.version,
            fingerprint_of(instance, prompts, self.judge),
            duration,
            prompts,
            self._model,
            self.calls,
            sum(tokens[0] for tokens in self._tokens.values()),
            sum(tokens[2] for tokens in self._tokens.values()),
            self._cost(),
            self._temperature,
            self._seed,
            0 if self._redactor is None else sum(self._redactor.counts.values()),
        )

    def _cost(self) -> float | None:
        costs = [self._price(model, given, cached, written) for model, (given, cached, written) in self._tokens.items()]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known and len(known) == len(costs) else None

    def _price(self, model: str, given: int, cached: int, written: int) -> float | None:
        return cost_of(
            self.judge.prices,
            (model, self.judge.model),
            self.judge.endpoint.base_url,
            input_tokens=given,
            cached_tokens=cached,
            output_tokens=written,
        )

    async def _prepare(self, data: object, fields: Mapping[str, Any], size: int) -> dict[str, Any]:
        key = (id(data), tuple(fields))
        async with self._preparing:
            found = self._prepared.get(key)
            if found is None:
                if size > _MANY_TOKENS:
                    shown = await asyncio.to_thread(self.preparation.prepare, fields)
                else:
                    shown = self.preparation.prepare(fields)
                # With the data, so that its id stays its own.
                found = self._prepared[key] = (data, shown)
        return found[1]


def _fields(criterion: Criterion, data: EvaluationContext | Mapping[str, Any]) -> dict[str, Any] | NotApplicable:
    if not isinstance(data, EvaluationContext):
        return dict(data)
    missing = data.missing(criterion.fields)
    if missing:
        return NotApplicable(f"missing_{missing[0]}", f"needs {', '.join(missing)}, which this run has not")
    there = [name for name in criterion.optional if not data.missing((name,))]
    return {name: _shown(name, getattr(data, name)) for name in (*criterion.fields, *there)}


def _shown(name: str, value: Any) -> Any:
    """A field as a judge reads it best: the arguments of tool calls as objects, not as JSON within JSON."""
    if name in {"tool_calls", "expected_tool_calls"}:
        return [_call(each) for each in value]
    if name == "messages":
        return [_message(each) for each in value]
    return value


def _message(message: Any) -> Any:
    if not isinstance(message, Mapping):
        return message
    shown = dict(message)
    if isinstance(shown.get("tool_calls"), list | tuple):
        shown["tool_calls"] = [_call(each) for each in shown["tool_calls"]]
    if isinstance(shown.get("content"), list | tuple):
        shown["content"] = [_part(each) for each in shown["content"]]
    return shown


def _part(part: Any) -> Any:
    """A part of a message that is no text (an image, a recording) is named, not sent."""
    if not isinstance(part, Mapping) or isinstance(part.get("text"), str):
        return part
    return {"type": str(part.get("type")), "note": "not text, and not shown"}


def _call(call: Any) -> Any:
    if not isinstance(call, Mapping):
        return call
    shown = dict(call)
    if isinstance(shown.get("function"), Mapping):
        shown["function"] = _call(shown["function"])
    if isinstance(shown.get("arguments"), str):
        try:
            shown["arguments"] = json.loads(shown["arguments"])
        except (ValueError, RecursionError):
            return shown
    return shown


def fingerprint_of(instance: Instance, prompts: str | None, judge: Judge) -> str:
    """Of a judged result.

    Args:
        prompts: The hash of what was asked (`Provenance.prompt_hash`); None if nothing was.
    """
    return _digest([instance.settings_hash, prompts, *judge.identity])


def _joined(hashes: set[str]) -> str | None:
    if len(hashes) <= 1:
        return next(iter(hashes), None)
    return _digest(sorted(hashes))


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
