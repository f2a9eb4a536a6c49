"""A run's evaluations: how each stands, evaluating again by hand, and what people say of the run."""

# No `from __future__ import annotations`: FastAPI reads the annotations of routes.

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import FastAPI, Path
from starlette.requests import Request
from starlette.responses import Response

from offpath.api.answer import json_answer
from offpath.api.body import FieldError, json_type, read_object
from offpath.api.context import ServiceContext
from offpath.api.documents import problems
from offpath.api.evaluation_documents import (
    EVALUATIONS_BODY,
    FEEDBACK_BODY,
    FeedbackDocument,
    RequestedEvaluationsDocument,
    RunEvaluationsDocument,
)
from offpath.api.link import evaluations_url, hooks_url, root_of
from offpath.api.principal import Principal, principal_of
from offpath.errors import AccessDeniedError, ConflictError, NotFoundError
from offpath.ledger.amendment import amended, empty_plan
from offpath.ledger.booking import Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.state import State
from offpath.posthooks import names
from offpath.posthooks.evaluation.plan_rule import PlanRule
from offpath.runner.jobs import count_queued
from offpath.runs.content import has_content
from offpath.runs.job import HookJob, job_key
from offpath.runs.record import decode_record
from offpath.runs.status import RunStatus
from offpath.storage.store import RunRow
from offpath.telemetry.instruments import instruments
from offpath_evaluators.registry import near

MOST_LABEL: Final = 200
MOST_COMMENT: Final = 10_000
_MOST_BODY: Final = 100_000
_FEEDBACK: Final = ("score", "thumb", "label", "comment")
_THUMBS: Final[Mapping[Any, float]] = {"up": 1.0, "down": 0.0}
_LEFT_OUT: Final[frozenset[State]] = frozenset({"sampled_out", "filtered"})
_REASONS: Final[Mapping[State, str]] = {
    "pending": "its hook has not ended yet",
    "dead": "its hook failed for good; GET /runs/{id}/hooks has the error",
    "sampled_out": "left out by chance: such a run is chosen with this probability",
    "filtered": "the evaluator is not for such runs, or was not enabled when it ended",
    "budget": "the judge's budget was used up",
    "overload": "too many jobs were waiting",
}
"""Why there is no result, where none says so itself."""
RunId = Annotated[str, Path(description="The run's id.")]


class EvaluationRoutes:
    """What the routes of a run's evaluations and feedback do."""

    def __init__(self, context: ServiceContext) -> None:
        self.context = context

    async def of_run(self, request: Request, run_id: str) -> Response:
        """`GET /runs/{run_id}/evaluations`."""
        row = await self._row(principal_of(request), run_id)
        ledger = self.context.ledger
        plan = (await ledger.plans([run_id])).get(run_id)
        results = (await ledger.evaluations([run_id])).get(run_id, [])
        feedback = (await ledger.feedback([run_id])).get(run_id, [])
        return json_answer(
            {
                "run_id": run_id,
                "status": row.status,
                **run_evaluations_json({} if plan is None else plan.entries, results),
                "feedback": feedback,
            }
        )

    async def evaluate(self, request: Request, run_id: str) -> Response:
        """`POST /runs/{run_id}/evaluations`."""
        body = await read_object(request, _MOST_BODY)
        principal_of(request).require_unbound("evaluating again")
        row = await self._ended(principal_of(request), run_id)
        rules = self._rules(body)
        record = decode_record(row.record)
        if not has_content(record):
            raise ConflictError(
                f'the content of run "{run_id}" is not kept (OFFPATH_STORE_CONTENT), so there is nothing to evaluate'
            )
        known = await self.context.ledger.plans([run_id])
        waiting = [rule.name for rule in rules if _waits(known.get(run_id), rule.name)]
        asked = [rule for rule in rules if rule.name not in waiting]
        jobs = self._jobs(row, asked, known.get(run_id))
        if asked:
            await self.context.ledger.amend(
                run_id, lambda plan: reopened(plan or empty_plan(record.output), asked), jobs
            )
            count_queued(jobs)
        root = root_of(request.scope)
        return json_answer(
            {
                "run_id": run_id,
                "evaluators": [rule.name for rule in asked],
                "already_pending": waiting,
                "jobs": [job.key for job in jobs],
                "evaluations_url": evaluations_url(root, run_id),
                "hooks_url": hooks_url(root, run_id),
            },
            202,
        )

    async def add_feedback(self, request: Request, run_id: str) -> Response:
        """`POST /runs/{run_id}/feedback`."""
        body = await read_object(request, _MOST_BODY)
        principal = principal_of(request)
        feedback = read_feedback(body, run_id, principal)
        row = await self._row(principal, run_id)
        if not await self.context.ledger.add_feedback(feedback):
            raise _no_run(run_id)
        if feedback.score is not None:
            label = "positive" if feedback.score >= 0.5 else "negative"
            instruments().feedback.add(1, feedback_label=label, agent_name=row.component_name)
        return json_answer(feedback, 201)

    # -- parts ------------------------------------------------------------------------------------------------

    async def _row(self, principal: Principal, run_id: str) -> RunRow:
        row = await self.context.store.run_row(run_id)
        if row is None or not principal.may_see(row.user_id):
            raise _no_run(run_id)
        return row

    async def _ended(self, principal: Principal, run_id: str) -> RunRow:
        # The row of a run that has just begun may not be written yet.
        active = run_id in self.context.environment.active
        row = None if active else await self._row(principal, run_id)
        if row is None or row.status is RunStatus.RUNNING:
            raise ConflictError(f'run "{run_id}" is still under way; evaluate it once it has ended')
        return row

    def _rules(self, body: Mapping[str, Any]) -> list[PlanRule]:
        """The rules of the evaluators that a request names; all that are enabled for runs if it names none.

        Raises:
            ConflictError: No evaluator is enabled.
            FieldError: One is not enabled.
        """
        enabled = {each.name: each.rule for each in self.context.builtins.evaluators}
        if not enabled:
            raise ConflictError("no evaluator is enabled; set OFFPATH_EVALUATORS and start the service again")
        for name in body:
            if name != "evaluators":
                raise FieldError(f"{name[:80]!r} is unknown here; send evaluators", ("body", name[:80]), "extra")
        named = body.get("evaluators")
        if named is None:
            return [rule for rule in enabled.values() if rule.scope == "run"]
        where = ("body", "evaluators")
        if not isinstance(named, list) or not named or not all(isinstance(name, str) for name in named):
            raise FieldError('evaluators must be an array of names, such as ["pii", "refusal"]', where, "list_type")
        found: dict[str, PlanRule] = {}
        for name in named:
            if name not in enabled:
                hint = near(name[:80], sorted(enabled))
                raise FieldError(f"the evaluator {name[:80]!r} is not enabled{hint}", where, "unknown_evaluator")
            if enabled[name].scope == "session":
                raise FieldError(f"{name!r} evaluates whole sessions, not single runs; leave it out", where)
            found[name] = enabled[name]
        return list(found.values())

    def _jobs(self, row: RunRow, rules: Sequence[PlanRule], plan: RunPlan | None) -> list[HookJob]:
        """One job for all deterministic evaluators, and one for each judged one."""
        plain = [rule.name for rule in rules if not rule.judged]
        wanted = [(names.EVALUATE, f"{'+'.join(plain)}.{_nonce()}")] if plain else []
        wanted += [(rule.hook, _nonce()) for rule in rules if rule.judged]
        return [self._job(row, hook, occasion, plan) for hook, occasion in wanted]

    def _job(self, row: RunRow, name: str, occasion: str, plan: RunPlan | None) -> HookJob:
        environment = self.context.environment
        hook = environment.registry.hooks.get(f"{row.kind}:{row.component_id}:post:{name}")
        if hook is None:
            raise ConflictError(
                f'the service has no {row.kind} "{row.component_id}" any more, so its runs cannot be evaluated here; '
                "`offpath evaluate --from-store` can"
            )
        return HookJob(
            key=job_key(row.run_id, "post", name, occasion),
            run_id=row.run_id,
            component_kind=row.kind,
            component_id=row.component_id,
            phase="post",
            hook=name,
            kind=hook.kind,
            version=hook.options.version,
            priority=hook.priority,
            queued_at=time.time(),
            placement=environment.instance if hook.id in environment.local_hooks else "",
            traceparent="" if plan is None else plan.traceparent,
        )


def run_evaluations_json(entries: Mapping[str, PlanEntry], results: Iterable[EvaluationRow]) -> dict[str, Any]:
    """A run's evaluations: each evaluator with its state and its current result, and the results that are not current.

    Args:
        results: Oldest first.
    """
    by_name: dict[str, list[EvaluationRow]] = {}
    for row in results:
        by_name.setdefault(row.name, []).append(row)
    evaluations: list[dict[str, Any]] = []
    earlier: list[dict[str, Any]] = []
    for name, entry in entries.items():
        rows = by_name.pop(name, [])
        current = _current(entry, rows)
        evaluations.append(_evaluation_json(name, entry, current))
        earlier += [_result_json(row) for row in rows if row is not current]
    # Results without a plan: of evaluators that were asked for by hand and are gone since.
    earlier += [_result_json(row) for rows in by_name.values() for row in rows]
    return {"evaluations": evaluations, "earlier": earlier}


def reopened(plan: RunPlan, rules: Iterable[PlanRule]) -> Change:
    """A plan whose evaluations are asked for once more: pending where there is no result yet.

    A result stays until the new one is booked. A run that chance or a filter left out stays left out: chosen by hand,
    it would not stand for others. The same goes for an evaluator that the run has no entry of.
    """
    entries: dict[str, PlanEntry] = {}
    for rule in rules:
        entry = plan.entries.get(rule.name)
        if entry is None:
            entries[rule.name] = PlanEntry("filtered")
        elif entry.state not in _LEFT_OUT and not entry.evaluated_at:
            entries[rule.name] = msgspec.structs.replace(entry, state="pending", hook=rule.hook)
    return amended(plan, entries)


def read_feedback(body: Mapping[str, Any], run_id: str, principal: Principal) -> Feedback:
    """Feedback as it was sent.

    Raises:
        FieldError: Something in it is missing or wrong.
        AccessDeniedError: It names an author that the key may not speak for.
    """
    for name in body:
        if name not in (*_FEEDBACK, "name", "author"):
            known = ", ".join((*_FEEDBACK, "name", "author"))
            raise FieldError(f"{name[:80]!r} is unknown here; send {known}", ("body", name[:80]), "extra")
    score, thumb = _score(body.get("score")), _thumb(body.get("thumb"))
    label, comment = _text(body, "label", MOST_LABEL), _text(body, "comment", MOST_COMMENT)
    if score is not None and thumb is not None:
        raise FieldError("score and thumb say the same thing twice; send one of them", ("body", "thumb"))
    if score is None and thumb is None and label is None and comment is None:
        raise FieldError(f"nothing is said; send one of {', '.join(_FEEDBACK)}", ("body",), "missing")
    author = _text(body, "author", MOST_LABEL)
    if principal.user is not None and author not in (None, principal.user):
        raise AccessDeniedError("this key speaks for one user only; leave author out, or send that user's")
    return Feedback(
        id=f"fb_{secrets.token_hex(12)}",
        run_id=run_id,
        created_at=time.time(),
        author=author or principal.user,
        name=_text(body, "name", MOST_LABEL) or ("thumb" if thumb is not None else "feedback"),
        score=thumb if score is None else score,
        label=label,
        comment=comment,
    )


def _current(entry: PlanEntry, rows: Sequence[EvaluationRow]) -> EvaluationRow | None:
    """The result that an entry is about; of a run that was left out, the newest that somebody asked for."""
    if entry.state in _LEFT_OUT:
        return rows[-1] if rows else None
    if not entry.evaluated_at:
        return None
    return next((row for row in reversed(rows) if row.fingerprint == entry.fingerprint), None)


def _evaluation_json(name: str, entry: PlanEntry, current: EvaluationRow | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "state": entry.state, "probability": entry.probability}
    reason = current.reason if current is not None and current.reason else _REASONS.get(entry.state)
    if entry.state != "scored" and reason is not None:
        found["reason"] = reason
    if current is not None:
        found["result"] = _result_json(current)
    return found


def _result_json(row: EvaluationRow) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(row)
    # The run's id stands above, the state's probability beside it; the rest is for metrics.
    for name in ("run_id", "probability", "label_closed", "asked_model"):
        found.pop(name, None)
    return found


def _waits(plan: RunPlan | None, name: str) -> bool:
    entry = None if plan is None else plan.entries.get(name)
    return entry is not None and entry.state == "pending"


def _nonce() -> str:
    return secrets.token_hex(4)


def _score(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise FieldError("score must be a number from 0 to 1, where 1 is good", ("body", "score"), "number_range")
    return float(value)


def _thumb(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return float(value)
    thumb = _THUMBS.get(value.lower()) if isinstance(value, str) else None
    if thumb is None:
        raise FieldError('thumb must be "up" or "down"', ("body", "thumb"), "enum")
    return thumb


def _text(body: Mapping[str, Any], name: str, limit: int) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise FieldError(f"{name} is {json_type(value)}; send text", ("body", name), "string_type")
    if not value.strip() or len(value) > limit:
        raise FieldError(f"{name} must be a text of 1 to {limit} characters", ("body", name), "string_length")
    if "\0" in value:
        raise FieldError(f"{name} has a character with code 0; leave it out", ("body", name), "string_content")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FieldError(f"{name} is no valid Unicode", ("body", name), "string_unicode") from None
    return value


def _no_run(run_id: str) -> NotFoundError:
    return NotFoundError(f'no run has the id "{run_id[:100]}"')


def add_evaluation_routes(app: FastAPI, routes: EvaluationRoutes) -> None:
    """Add the routes of a run's evaluations and feedback."""

    @app.get(
        "/runs/{run_id}/evaluations",
        tags=["evaluations"],
        summary="List a run's evaluations",
        response_class=Response,
        responses={200: {"model": RunEvaluationsDocument}, **problems(404)},
    )
    async def list_run_evaluations(request: Request, run_id: RunId) -> Response:
        """How each evaluator stands with the run and why, its result, and what people said of the run."""
        return await routes.of_run(request, run_id)

    @app.post(
        "/runs/{run_id}/evaluations",
        tags=["evaluations"],
        summary="Evaluate a run again",
        status_code=202,
        response_class=Response,
        responses={202: {"model": RequestedEvaluationsDocument}, **problems(404, 409, 413, 415)},
        openapi_extra=EVALUATIONS_BODY,
    )
    async def evaluate_run(request: Request, run_id: RunId) -> Response:
        """Queues the jobs and answers at once. A result that there is stays until the new one takes its place."""
        return await routes.evaluate(request, run_id)

    @app.post(
        "/runs/{run_id}/feedback",
        tags=["evaluations"],
        summary="Say what you think of a run",
        status_code=201,
        response_class=Response,
        responses={201: {"model": FeedbackDocument}, **problems(404, 413, 415)},
        openapi_extra=FEEDBACK_BODY,
    )
    async def add_feedback(request: Request, run_id: RunId) -> Response:
        """A thumb, a score, a category or a comment, stored beside the evaluations and never mixed with them."""
        return await routes.add_feedback(request, run_id)
