"""Backfill: evaluates runs that are stored already, in the process that asks for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from offpath.ledger.amendment import amended, empty_plan
from offpath.ledger.booking import Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import PlanEntry, RunPlan
from offpath.ledger.state import State
from offpath.posthooks.evaluation.context import run_context
from offpath.posthooks.evaluation.enabled import EnabledEvaluator
from offpath.posthooks.evaluation.plan_rule import PlanRules
from offpath.posthooks.evaluation.rows import bounded, evaluation_row
from offpath.runs.content import has_content
from offpath.runs.record import RunRecord, decode_record
from offpath.runs.status import ComponentKind
from offpath.storage.ledger import Ledger, RunQuery
from offpath.storage.store import RunRow
from offpath_evaluators.evaluation import Evaluation
from offpath_evaluators.execution import assess
from offpath_evaluators.judge.judge import Judge
from offpath_evaluators.judge.record import fingerprint_of

PAGE: Final = 50
"""Runs that are read at a time."""
MOST_FAILURES: Final = 20
"""Times in a row that a judge may be away before no judge is asked any more."""
_LEFT_OUT: Final[frozenset[State]] = frozenset({"sampled_out", "filtered"})
_RESULTS: Final[frozenset[State]] = frozenset({"scored", "abstained", "not_applicable"})

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
class _Work:
    """What is to be done about one run."""

    entries: dict[str, PlanEntry]
    """That change without an assessment."""
    chances: dict[str, float]
    """The evaluations that are to be made, with the probability with which such a run is chosen."""


class Backfill:
    """Walks through stored runs, evaluates them, and stores the results.

    Each run is planned as if it ended now: the filters and rates that are in force decide, and where a higher rate
    takes the place of a lower one, the run counts with the higher one. A run with a result of the same fingerprint is
    passed over, so that a backfill that was cut off goes on where it was.

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
        if work.entries or work.chances:
            await self._do(row, plan, work)
        self.progress.runs += 1
        advance(1)

    # What is to be done.

    def _work(self, row: RunRow, plan: RunPlan | None, results: Sequence[EvaluationRow]) -> _Work:
        entries: dict[str, PlanEntry] = {}
        chances: dict[str, float] = {}
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
            if now.state in _LEFT_OUT:
                self.progress.outcomes["left_out"] += 1
                if before is None:
                    entries[name] = now
                continue
            drawn = before is not None and before.state not in _LEFT_OUT
            chance = max(before.probability, now.probability) if before is not None and drawn else now.probability
            if before is not None and before.state == "pending":
                self.progress.outcomes["waiting"] += 1
                entries[name] = msgspec.structs.replace(before, probability=chance)
                continue
            known = None if self._again else self._known(name, results)
            if known is None:
                chances[name] = chance
                continue
            self.progress.outcomes["known"] += 1
            entries[name] = entry_of(known, chance, now.hook)
        if plan is not None:
            entries = {name: entry for name, entry in entries.items() if plan.entries.get(name) != entry}
        return _Work(entries, chances)

    def _known(self, name: str, results: Sequence[EvaluationRow]) -> EvaluationRow | None:
        """A result that another assessment would only repeat."""
        enabled = self._enabled[name]
        for row in reversed(results):
            if row.name == name and row.state in _RESULTS and row.fingerprint == self._fingerprint(enabled, row):
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
            self.progress.outcomes["unreadable"] += max(len(work.chances), 1)
            return
        rows: list[EvaluationRow] = []
        if work.chances and not has_content(record):
            self.progress.outcomes["without_content"] += len(work.chances)
        elif work.chances:
            rows = await self._assessed(row.run_id, record, work.chances)
        entries = {
            **work.entries,
            **{each.name: entry_of(each, each.probability, self._enabled[each.name].hook) for each in rows},
        }
        if not entries:
            return

        seen = {} if plan is None else plan.entries

        def change(plan: RunPlan | None) -> Change:
            now = msgspec.structs.replace(empty_plan(record.output), status=row.status.value) if plan is None else plan
            stale = {name for name, entry in entries.items() if _is_stale(entry, seen.get(name), now.entries.get(name))}
            return amended(now, {name: entry for name, entry in entries.items() if name not in stale}, rows)

        await self._ledger.amend(row.run_id, change)

    async def _assessed(self, run_id: str, record: RunRecord, chances: Mapping[str, float]) -> list[EvaluationRow]:
        """The results that are to be stored."""
        context = run_context(record, self._tools(record.output.kind, record.output.component_id))
        by_model: dict[str | None, list[EnabledEvaluator]] = {}
        for name in chances:
            each = self._enabled[name]
            by_model.setdefault(each.judge_model if each.judged else None, []).append(each)
        rows: list[EvaluationRow] = []
        for model, chosen in by_model.items():
            if model is not None and self.progress.stopped is not None:
                self.progress.outcomes["put_off"] += len(chosen)
                continue
            judge = None if model is None else self._judges[model]
            found = await assess(context, [each.instance for each in chosen], judge)
            now = time.time()
            rows += [
                evaluation_row(run_id, result, probability=chances[result.name], evaluated_at=now)
                for result in found
                if self._counts(result)
            ]
        return bounded(rows)

    def _counts(self, result: Evaluation) -> bool:
        """Whether a result is one: not if the judge was away, or its budget used up."""
        put_off = result.state == "failed" and (result.retry_after is not None or result.reason == "budget")
        if not put_off:
            self._failures = 0
            self.progress.outcomes["evaluated"] += 1
            self._told(result)
            return True
        self.progress.outcomes["put_off"] += 1
        self._failures += 1
        if result.reason == "budget":
            self.progress.stopped = "the judge's budget is used up"
        elif self._failures >= MOST_FAILURES:
            self.progress.stopped = f"the judge could not be asked {MOST_FAILURES} times in a row: {result.explanation}"
        return False


def entry_of(row: EvaluationRow, probability: float, hook: str) -> PlanEntry:
    """The entry of a run whose current result this is."""
    return PlanEntry(
        state=row.state,
        probability=probability,
        hook=hook,
        fingerprint=row.fingerprint,
        value=row.value,
        passed=row.passed,
        label=row.label,
        evaluated_at=row.evaluated_at,
    )


def _is_stale(entry: PlanEntry, seen: PlanEntry | None, now: PlanEntry | None) -> bool:
    """Whether what came in between, such as the end of a job, beats an entry that was made from what was seen."""
    if now is None or now == seen:
        return False
    return not entry.evaluated_at or now.evaluated_at > entry.evaluated_at


async def _some_done(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait for the first; those that are left. Raises what one of them raised."""
    done, left = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left
