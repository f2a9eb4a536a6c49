"""What the tests of notifications share: plans, rules, and a ledger's fold without a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.notice import Delivery, Notice
from offpath.ledger.plan import RunPlan
from offpath.posthooks.notification.folding import BATCH, fold
from offpath.posthooks.notification.message import Message, decode_message
from offpath.posthooks.notification.rules import ChannelRules, NoticeRules
from offpath.runs.job import HookJob, JobInfo, JobState

TRACEPARENT = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
ALL: dict[Any, float | None] = {
    "run_error": None,
    "evaluation_failed": None,
    "below_threshold": None,
    "hook_dead": None,
    "hook_paused": None,
    "budget_exhausted": None,
    "guardrail_blocked": None,
    "slow_run": 10.0,
    "cost_above": 0.5,
}


def rules(*channels: str, interval: float = 300.0, most: int = 10, **on: float | None) -> NoticeRules:
    """Rules of some channels ("ops" by default), which want all events, or those named."""
    wanted: dict[Any, float | None] = dict(on) or ALL
    return NoticeRules(
        tuple(ChannelRules(name, wanted) for name in channels or ("ops",)),
        interval,
        most,
        home_kind="agent",
        home_id="home",
    )


def plan(run_id: str = "r1", *, status: str = "completed", **changes: Any) -> RunPlan:
    given: dict[str, Any] = {
        "run_id": run_id,
        "session_id": "s1",
        "component_kind": "agent",
        "component_id": "support",
        "component_name": "Support",
        "nested": False,
        "created_at": 1_000.0,
        "status": status,
        "duration": 2.0,
        "error_type": "",
        "traceparent": TRACEPARENT,
        "entries": {},
    }
    return RunPlan(**(given | changes))


def row(state: Any = "scored", **changes: Any) -> EvaluationRow:
    given: dict[str, Any] = {
        "run_id": "r1",
        "name": "tone",
        "fingerprint": "f1",
        "state": state,
        "subject": "output",
        "evaluator": "guidelines",
        "version": 1,
        "evaluated_at": 1_010.0,
        "duration": 0.1,
    }
    return EvaluationRow(**(given | changes))


def dead_job(kind: Any = "post", hook: str = "notify") -> JobInfo:
    return JobInfo(
        key=f"r1:post:{hook}",
        run_id="r1",
        component_kind="agent",
        component_id="support",
        phase="post",
        hook=hook,
        kind=kind,
        version="1",
        state=JobState.DEAD,
        attempts=4,
        queued_at=1_002.0,
        finished_at=1_030.0,
    )


def failure(number: int, *, channel: str = "ops", agent: str = "support", at: float = 1_000.0) -> Notice:
    """The notice of a failed run."""
    return Notice(
        key=f"run_error:r{number}@{channel}",
        event="run_error",
        group=f"run_error:agent:{agent}",
        created_at=at,
        run_id=f"r{number}",
        component_kind="agent",
        component_id=agent,
        component_name=agent.title(),
        subject="ModelError",
        traceparent=TRACEPARENT,
    )


class Folds:
    """What a ledger does with notices, in memory."""

    def __init__(self, wanted: NoticeRules) -> None:
        self.rules = wanted
        self.waiting: list[Notice] = []
        self.told: dict[tuple[str, str], float] = {}
        self.deliveries: list[Delivery] = []
        self.jobs: list[HookJob] = []
        self._seen: set[str] = set()

    def add(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            if notice.key not in self._seen:
                self._seen.add(notice.key)
                self.waiting.append(notice)

    def turn(self, now: float) -> list[Message]:
        """Fold what waits, as a turn of the worker does; the messages that this makes."""
        before = len(self.deliveries)
        for _ in range(100):
            batch = sorted(self.waiting, key=lambda notice: notice.created_at)[:BATCH]
            folded = fold(self.rules, batch, dict(self.told), now=now)
            taken = set(folded.taken)
            assert len(taken) == len(folded.taken)
            assert taken <= {notice.key for notice in batch}
            self.waiting = [notice for notice in self.waiting if notice.key not in taken]
            self.told |= folded.told
            self.deliveries += folded.deliveries
            self.jobs += folded.jobs
            if len(batch) < BATCH or not taken:
                break
        return [decode_message(delivery.message) for delivery in self.deliveries[before:]]


def total(messages: Sequence[Message]) -> int:
    """How many notices messages tell of."""
    return sum(item.count for message in messages for item in message.items)
