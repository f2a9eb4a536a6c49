"""Backfill: evaluates runs that are stored already, in the process that asks for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from offpath.ledger.amendment import LEFT_OUT, RESULTS, amended, empty_plan, entry_of, settled
from offpath.ledger.booking import Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.posthooks.evaluation.context import run_context
from offpath.posthooks.evaluation.enabled import EnabledEvaluator
from offpath.posthooks.evaluation.plan_rule import PlanRules
from offpath.posthooks.evaluation.rows import bounded, evaluation_row
from offpath.runs.content import has_content
from offpath.runs.record import RunRecord, decode_record
from offpath.runs.status import ComponentKind
from offpath.storage.ledger import Ledger, RunQuery
from offpath.storage.store import RunRow
from offpath_evaluators.evaluation import Evaluation, Provenance
from offpath_evaluators.execution import assess
from offpath_evaluators.judge.judge import Judge
from offpath_evaluators.judge.record import fingerprint_of

PAGE: Final = 50
"""Runs that are read at a time."""
MOST_FAILURES: Final = 20
"""Times in a row that a judge may be away before no judge is asked any more."""
_NOT_KEPT: Final = "the run's content is not kept (OFFPATH_STORE_CONTENT), so there is nothing to evaluate"
_UNREADABLE: Final = "the run's record cannot be read; a newer version of offpath may have written it"

Outcome = Literal["evaluated", "known", "left_out", "waiting", "without_content", "unreadable", "put_off"]
"""What becomes of one evaluation of one run. known: there is such a result. left_out: by a filter, or by chance.
waiting: its job is queued. put_off: a judge was away, or its budget used up."""


@dataclass
class Progress:
    """How far a backfill has come."""

    runs: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    stopped: str | None = None
    """Why judges are not asked any more, in a sentence."""


@dataclass(frozen=True)
class _Due:
    """An evaluation that is to be made of a run."""

    probability: float
    """With which such a run is chosen."""
    otherwise: PlanEntry | None
    """The entry if nothing comes of it; None: the run is newly drawn, and counts as one without a score."""


@dataclass(frozen=True)
class _Work:
    """What is to be done about one run."""

    entries: dict[str, PlanEntry]
    """That change without an assessment."""
    due: dict[str, _Due]
    stored: frozenset[tuple[str, str]]
    """Name and fingerprint of the results that there are."""


@dataclass
class _Found:
    """What came of it."""

    entries: dict[str, PlanEntry] = field(default_factory=dict)
    rows: list[EvaluationRow] = field(default_factory=list)


class Backfill:
    """Walks through stored runs, evaluates them, and stores the results.

    Each run is planned as if it ended now: the filters and rates that are in force decide, and where a higher rate
    takes the place of a lower one, the run counts with the higher one. That holds whether it can be evaluated now or
    not: one that is drawn and cannot be counts as one without a score, until a later backfill evaluates it. A run with
    a result of the same fingerprint is passed over, so that a backfill that was cut off goes on where it was.

    Args:
        ledger: Open.
        enabled: Evaluators; those of whole sessions are left out.
        judges: By model, for those that ask one.
        again: Evaluate also where there is such a result.
        tools: The tools that a component offers its model; None if they are not known.
        told: Called with each new evaluation.
    """

    def __init__(
        self,
        ledger: Ledger,
        enabled: Sequence[EnabledEvaluator],
        judges: Mapping[str, Judge],
        *,
        again: bool = False,
        concurrency: int = 8,
        tools: Callable[[ComponentKind, str], Sequence[Mapping[str, Any]] | None] = lambda kind, component_id: None,
        told: Callable[[Evaluation], None] = lambda _: None,
    ) -> None:
        self.progress: Final = Progress()
        self._ledger = ledger
        self._enabled = {each.name: each for each in enabled if each.scope == "run"}
        self._rules = PlanRules(each.rule for each in self._enabled.values())
        self._judges = judges
        self._again = again
        self._concurrency = concurrency
        self._tools = tools
        self._told = told
        self._failures = 0
        self._away: Evaluation | None = None
        """What the judge that is away left of the last assessment; None: it is not away, as far as is known."""

    async def run(self, query: RunQuery, advance: Callable[[int], None] = lambda _: None) -> None:
        """Evaluate the runs that a query finds, oldest first.

        Args:
            advance: Called with 1 when a run is done.

        Raises:
            StorageError: The database cannot be reached. What was stored until then stays.
        """
        under_way: set[asyncio.Task[None]] = set()
        try:
            async for rows in self._pages(query):
                run_ids = [row.run_id for row in rows]
                plans = await self._ledger.plans(run_ids)
                results = await self._ledger.evaluations(run_ids)
                for row in rows:
                    while len(under_way) >= self._concurrency:
                        under_way = await _some_done(under_way)
                    one = self._one(row, plans.get(row.run_id), results.get(row.run_id, ()), advance)
                    under_way.add(asyncio.ensure_future(one))
            while under_way:
                under_way = await _some_done(under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _pages(self, query: RunQuery) -> AsyncIterator[list[RunRow]]:
        after = (-1.0, "")
        while rows := await self._ledger.ended_runs(query, after=after, limit=PAGE):
            yield rows
            after = (rows[-1].created_at, rows[-1].run_id)

    async def _one(
        self, row: RunRow, plan: RunPlan | None, results: Sequence[EvaluationRow], advance: Callable[[int], None]
    ) -> None:
        work = self._work(row, plan, results)
        if work.entries or work.due:
            await self._do(row, plan, work)
        self.progress.runs += 1
        advance(1)

    # What is to be done.

    def _work(self, row: RunRow, plan: RunPlan | None, results: Sequence[EvaluationRow]) -> _Work:
        entries: dict[str, PlanEntry] = {}
        due: dict[str, _Due] = {}
        planned = self._rules.entries(
            run_id=row.run_id,
            session_id=row.session_id,
            kind=row.kind,
            component_id=row.component_id,
            user_id=row.user_id,
            status=row.status,
            nested=row.parent_run_id is not None,
        )
        for name, now in planned.items():
            before = None if plan is None else plan.entries.get(name)
            if now.state in LEFT_OUT:
                self.progress.outcomes["left_out"] += 1
                if before is None or (before.state == "filtered" and now.state == "sampled_out"):
                    entries[name] = now
                continue
            if before is None or before.state in LEFT_OUT:
                stays, chance = None, now.probability
            else:
                chance = max(before.probability, now.probability)
                stays = msgspec.structs.replace(before, probability=chance)
            if stays is not None and stays.state == "pending":
                self.progress.outcomes["waiting"] += 1
                entries[name] = stays
                continue
            known = self._known(name, results)
            if known is not None and not self._again:
                self.progress.outcomes["known"] += 1
                entries[name] = entry_of(known, chance, now.hook)
                continue
            if known is not None and (stays is None or stays.state not in RESULTS):
                stays = entry_of(known, chance, now.hook)
            due[name] = _Due(chance, stays)
        if plan is not None:
            entries = {name: entry for name, entry in entries.items() if plan.entries.get(name) != entry}
        stored = frozenset((each.name, each.fingerprint) for each in results if each.state in RESULTS)
        return _Work(entries, due, stored)

    def _known(self, name: str, results: Sequence[EvaluationRow]) -> EvaluationRow | None:
        """A result that another assessment would only repeat."""
        enabled = self._enabled[name]
        for row in reversed(results):
            if row.name == name and row.state in RESULTS and row.fingerprint == self._fingerprint(enabled, row):
                return row
        return None

    def _fingerprint(self, enabled: EnabledEvaluator, row: EvaluationRow) -> str:
        """The one that a result has if nothing but the run was another; the prompt is taken to be the same."""
        judge = None if enabled.judge_model is None else self._judges.get(enabled.judge_model)
        if judge is None:
            return enabled.instance.settings_hash
        return fingerprint_of(enabled.instance, row.prompt_hash, judge)

    # Doing it.

    async def _do(self, row: RunRow, plan: RunPlan | None, work: _Work) -> None:
        try:
            record = decode_record(row.record)
        except ValueError:  # msgspec's errors are ones
            record = None
        if not work.due:
            found = _Found()
        elif record is None:
            found = self._in_vain(row.run_id, work.due, "unreadable", _UNREADABLE)
        elif not has_content(record):
            found = self._in_vain(row.run_id, work.due, "without_content", _NOT_KEPT)
        else:
            found = await self._assessed(row.run_id, record, work)
        entries, rows = work.entries | found.entries, bounded(found.rows)
        seen = {} if plan is None else plan.entries
        if not rows and all(seen.get(name) == entry for name, entry in entries.items()):
            return

        def change(plan: RunPlan | None) -> Change:
            now = _new_plan(row, record) if plan is None else plan
            written = {name: settled(entry, seen.get(name), now.entries.get(name)) for name, entry in entries.items()}
            return amended(now, written, [each for each in rows if _is_stored(each, written[each.name])])

        await self._ledger.amend(row.run_id, change)

    async def _assessed(self, run_id: str, record: RunRecord, work: _Work) -> _Found:
        context = run_context(record, self._tools(record.output.kind, record.output.component_id))
        by_model: dict[str | None, list[EnabledEvaluator]] = {}
        for name in work.due:
            each = self._enabled[name]
            by_model.setdefault(each.judge_model if each.judged else None, []).append(each)
        found = _Found()
        for model, chosen in by_model.items():
            if model is not None and self.progress.stopped is not None:
                self._put_off(run_id, {each.name: work.due[each.name] for each in chosen}, found)
                continue
            judge = None if model is None else self._judges[model]
            for result in await assess(context, [each.instance for each in chosen], judge):
                self._take(run_id, result, work, found)
        return found

    def _take(self, run_id: str, result: Evaluation, work: _Work, found: _Found) -> None:
        """Note one result; no result is one that the budget or a judge that is away kept from being made."""
        name, due, enabled = result.name, work.due[result.name], self._enabled[result.name]
        judged, hook = enabled.judged, enabled.hook
        row = evaluation_row(
            run_id,
            result,
            probability=due.probability,
            evaluated_at=time.time(),
            asked_model=enabled.judge_model,
        )
        if result.state == "failed" and (result.retry_after is not None or row.state == "budget"):
            self.progress.outcomes["put_off"] += 1
            if judged:
                self._note_failure(result)
            if due.otherwise is not None:
                found.entries[name] = due.otherwise
            elif row.state == "budget":
                found.entries[name] = PlanEntry("budget", due.probability, hook)
            else:
                found.entries[name] = entry_of(row, due.probability, hook)
                found.rows.append(row)
            return
        if judged and result.provenance.judge_calls:
            self._failures = 0
        self.progress.outcomes["evaluated"] += 1
        self._told(result)
        found.entries[name] = entry_of(row, due.probability, hook)
        if row.state == "failed" and due.otherwise is not None and due.otherwise.state in RESULTS:
            # Another attempt that came to nothing takes no score away.
            found.entries[name] = due.otherwise
        if row.state in RESULTS or (name, row.fingerprint) not in work.stored:
            found.rows.append(row)

    def _note_failure(self, result: Evaluation) -> None:
        self._failures += 1
        if self.progress.stopped is not None:
            return
        if result.reason == "budget":
            self.progress.stopped = "the judge's budget is used up"
        elif self._failures >= MOST_FAILURES:
            self._away = result
            self.progress.stopped = f"the judge could not be asked {MOST_FAILURES} times in a row: {result.explanation}"

    def _put_off(self, run_id: str, due: Mapping[str, _Due], found: _Found) -> None:
        """What is not tried any more, once the budget is used up or the judge has been away for too long."""
        self.progress.outcomes["put_off"] += len(due)
        if self._away is None:
            found.entries |= {
                name: each.otherwise or PlanEntry("budget", each.probability, self._enabled[name].hook)
                for name, each in due.items()
            }
            return
        self._missing(run_id, due, self._away.reason or "judge_unavailable", self.progress.stopped or "", found)

    def _in_vain(
        self, run_id: str, due: Mapping[str, _Due], outcome: Literal["unreadable", "without_content"], why: str
    ) -> _Found:
        self.progress.outcomes[outcome] += len(due)
        found = _Found()
        self._missing(run_id, due, outcome, why, found)
        return found

    def _missing(self, run_id: str, due: Mapping[str, _Due], reason: str, why: str, found: _Found) -> None:
        """Those that are newly drawn and cannot be evaluated now have failed; the others stay as they are."""
        for name, each in due.items():
            if each.otherwise is not None:
                found.entries[name] = each.otherwise
                continue
            enabled = self._enabled[name]
            evaluator = enabled.instance.evaluator
            provenance = Provenance(evaluator.name, evaluator.version, enabled.instance.settings_hash, 0.0)
            failed = Evaluation(name, "failed", evaluator.subject, None, reason, provenance, explanation_of_reason=why)
            row = evaluation_row(run_id, failed, probability=each.probability, evaluated_at=time.time())
            found.entries[name] = entry_of(row, each.probability, enabled.hook)
            found.rows.append(row)


def _new_plan(row: RunRow, record: RunRecord | None) -> RunPlan:
    """A plan for a run that ended without one."""
    if record is not None:
        return msgspec.structs.replace(empty_plan(record.output), status=row.status.value)
    return RunPlan(
        run_id=row.run_id,
        session_id=row.session_id,
        component_kind=row.kind,
        component_id=row.component_id,
        component_name=row.component_name,
        nested=row.parent_run_id is not None,
        created_at=row.created_at,
        status=row.status.value,
        duration=0.0,
        error_type="",
        traceparent="",
        entries={},
        counted=True,
    )


def _is_stored(row: EvaluationRow, entry: PlanEntry) -> bool:
    """Whether a result is kept beside the entry that is written: not if it took the place of that entry's own."""
    return row.fingerprint != entry.fingerprint or row.evaluated_at == entry.evaluated_at


async def _some_done(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait for the first; those that are left. Raises what one of them raised."""
    done, left = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left
