"""Booker: has what ended booked, and shows it. One of all workers does it at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from offpath.errors import OffpathError
from offpath.ledger.booking import Batch
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.plan import RunPlan
from offpath.posthooks.analytics.metrics import asked_judge, record_judge_metrics, record_usage_metrics
from offpath.posthooks.books import Booked, Books
from offpath.storage.ledger import Ledger
from offpath.telemetry.instruments import instruments
from offpath.telemetry.tracing import under_run

BATCH: Final = 32
"""Bookings of one transaction: on SQLite runs wait for its lock, a few milliseconds."""
_PAUSE: Final = 0.02
"""Between two full batches, for those who wait for that lock."""
_SOON: Final = 0.25
_IDLE: Final = 1.0
_FAULT_WAITS: Final = (1.0, 2.0, 5.0, 15.0)

_log = logging.getLogger("offpath.worker")


class Booker:
    """Books what ended, for ever.

    Args:
        ledger: Open.
        leads: Whether this worker is the one of all that books; asked before each turn.
    """

    def __init__(self, ledger: Ledger, books: Books, leads: Callable[[], Awaitable[bool]]) -> None:
        self._ledger = ledger
        self._books = books
        self._leads = leads

    async def run(self) -> None:
        """Book for ever. A fault of the store is logged; the next turn tries again."""
        faults = 0
        wait = _SOON
        while True:
            await asyncio.sleep(wait)
            try:
                booked = await self.turn() if await self._leads() else 0
            except OffpathError as error:
                wait = _FAULT_WAITS[min(faults, len(_FAULT_WAITS) - 1)]
                faults += 1
                _log.warning("what ended cannot be booked, trying again in %g s: %s", wait, error)
                continue
            faults = 0
            wait = _SOON if booked else _IDLE

    async def turn(self) -> int:
        """Book all that waits; how many bookings that were.

        Raises:
            StorageError: The store cannot be written now.
        """
        total = 0
        while True:
            done: list[Booked] = []

            def work(batch: Batch, done: list[Booked] = done) -> Booked:
                done[:] = [self._books.book(batch)]
                return done[0]

            taken = await self._ledger.book(work, limit=BATCH)
            total += taken
            if done and taken:
                show(done[0])
            if taken < BATCH:
                return total
            await asyncio.sleep(_PAUSE)


def show(booked: Booked) -> None:
    """Record the metrics of what is stored now: never twice, so that they agree with the ledger."""
    shown = instruments()
    for name, reason in booked.skipped:
        shown.evaluation_skipped.add(1, evaluation_name=name, reason=reason)
    for row, plan in booked.results:
        with under_run(plan.traceparent or None):
            _show_result(row, plan)
    for facts, plan in booked.usage:
        with under_run(plan.traceparent or None):
            record_usage_metrics(facts)


def _show_result(row: EvaluationRow, plan: RunPlan) -> None:
    shown = instruments()
    record_judge_metrics(row)
    for direction, tokens in (("input", row.input_tokens), ("output", row.output_tokens)):
        if tokens:
            shown.evaluation_judge_tokens.add(
                tokens, evaluation_name=row.name, request_model=asked_judge(row), token_type=direction
            )
    if row.state in ("not_applicable", "abstained", "budget"):
        shown.evaluation_skipped.add(1, evaluation_name=row.name, reason=row.state)
        return
    shown.evaluation_results.add(
        1,
        evaluation_name=row.name,
        subject=row.subject,
        evaluation_score_label=_label(row),
        evaluation_passed=row.passed,
        agent_name=plan.component_name,
        error_type=(row.reason or "error") if row.state == "failed" else None,
    )
    if row.value is not None:
        shown.evaluation_score.record(
            row.value, evaluation_name=row.name, subject=row.subject, agent_name=plan.component_name
        )


def _label(row: EvaluationRow) -> str | None:
    if row.label is None:
        return None
    return row.label if row.label_closed else "other"


def zero_evaluations(
    evaluations: Iterable[tuple[str, str]], agents: Iterable[str], judges: Iterable[tuple[str, str]] = ()
) -> None:
    """Show the counters of these evaluations at 0, so that `increase()` sees the first.

    Args:
        evaluations: Name and subject of each.
        agents: Names of the agents, teams and workflows.
        judges: Name of each evaluation that asks a judge, and the model that it asks.
    """
    shown = instruments()
    listed = list(agents)
    for name, subject in evaluations:
        for reason in ("sampled_out", "filtered", "budget", "overload", "not_applicable", "abstained"):
            shown.evaluation_skipped.bind(evaluation_name=name, reason=reason)
        for agent in listed:
            shown.evaluation_score.bind(evaluation_name=name, subject=subject, agent_name=agent)
    for name, model in judges:
        for direction in ("input", "output"):
            shown.evaluation_judge_tokens.bind(evaluation_name=name, request_model=model, token_type=direction)
