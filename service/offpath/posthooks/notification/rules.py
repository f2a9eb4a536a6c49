"""Rules: which events become notices, and for which channel. Pure, plain data, and light to import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from offpath.engine.pause import HookPause
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.notice import Notice, NoticeEvent
from offpath.ledger.plan import RunPlan
from offpath.runs.job import JobInfo, JobState
from offpath.runs.status import ComponentKind, RunStatus

MOST_MESSAGES: Final = 10
"""Messages to one channel in one interval, whatever happens; the last one sums up what the others have no room for."""
TOO_OLD: Final = 86_400.0
"""Seconds after a run in which an evaluation of it is news; what a backfill finds out is not."""
LIMITED: Final[frozenset[NoticeEvent]] = frozenset({"slow_run", "cost_above"})
"""Events with a limit: seconds, USD."""
ONCE: Final[frozenset[NoticeEvent]] = frozenset({"hook_paused", "budget_exhausted"})
"""Events that last: each group of them is told once for good."""

_FAILED: Final = frozenset({RunStatus.ERROR, RunStatus.INTERRUPTED})


class ChannelRules(msgspec.Struct, frozen=True):
    """What one channel wants."""

    name: str
    on: dict[NoticeEvent, float | None]
    """The events, those of `LIMITED` with the value above which they are told."""


class NoticeRules(msgspec.Struct, frozen=True):
    """What people want to be told, without the secrets that telling them takes."""

    channels: tuple[ChannelRules, ...]
    interval: float = 300.0
    """Seconds in which a group of notices becomes one message at most."""
    most: int = MOST_MESSAGES
    home_kind: ComponentKind = "agent"
    home_id: str = ""
    """The component whose `offpath.notify` sends messages that are about no component."""


def channel_of(notice: Notice) -> str:
    """The channel that a notice is for. Each channel has a notice of its own, whose key ends in its name: one that is
    overwhelmed does not hold up the others."""
    return notice.key.rpartition("@")[2]


def run_notices(rules: NoticeRules, plan: RunPlan) -> list[Notice]:
    """What the end of a run is worth. Runs that other runs started are part of those."""
    if plan.nested:
        return []
    found: list[Notice] = []
    if plan.status in _FAILED:
        found += _about(rules, plan, "run_error", subject=plan.error_type or plan.status)
    if plan.status == RunStatus.BLOCKED:
        found += _about(rules, plan, "guardrail_blocked", part=plan.blocked_by, subject=plan.blocked_by)
    found += _about(rules, plan, "slow_run", number=plan.duration)
    return found


def evaluation_notices(rules: NoticeRules, plan: RunPlan, row: EvaluationRow) -> list[Notice]:
    """What a result is worth: that there is none, or that it does not pass. Scores of the offline stand-in are none."""
    if row.evaluated_at - plan.created_at > TOO_OLD:
        return []
    event: NoticeEvent
    if row.state == "failed":
        event = "evaluation_failed"
    elif row.state == "scored" and row.passed is False and not row.stand_in:
        event = "below_threshold"
    else:
        return []
    about = f"{plan.run_id}:{row.name}:{row.fingerprint}"
    return list(
        _about(
            rules,
            plan,
            event,
            about=about,
            part=row.name,
            subject=row.name,
            number=row.value if event == "below_threshold" else None,
            at=row.evaluated_at,
        )
    )


def job_notices(rules: NoticeRules, plan: RunPlan, job: JobInfo) -> list[Notice]:
    """What the end of a job is worth: that it is a dead letter. Those of notifications would tell of themselves."""
    if job.state != JobState.DEAD or job.kind == "notification":
        return []
    hook_id = f"{job.component_kind}:{job.component_id}:{job.phase}:{job.hook}"
    return [
        msgspec.structs.replace(notice, group=f"hook_dead:{hook_id}")
        for notice in _about(
            rules,
            plan,
            "hook_dead",
            about=job.key,
            subject=hook_id,
            number=float(job.attempts),
            at=job.finished_at or job.queued_at,
        )
    ]


def cost_notices(rules: NoticeRules, plan: RunPlan, cost: float | None) -> list[Notice]:
    """What the price of a run's model calls is worth.

    Args:
        cost: USD; None if it is not known.
    """
    if cost is None or plan.nested:
        return []
    return list(_about(rules, plan, "cost_above", number=cost))


def pause_notices(rules: NoticeRules, pauses: Sequence[HookPause]) -> list[Notice]:
    """What paused hooks are worth. A hook that was told of as paused is told of again after it is paused again."""
    found: list[Notice] = []
    for pause in pauses:
        if pause.paused_at is None:
            continue
        parts = pause.hook_id.split(":", 3)
        since = f"{pause.paused_at:.3f}"
        notice = Notice(
            key=f"hook_paused:{pause.hook_id}:{since}",
            event="hook_paused",
            group=f"hook_paused:{pause.hook_id}:{since}",
            created_at=pause.paused_at,
            component_kind=parts[0] if len(parts) == 4 else "",
            component_id=parts[1] if len(parts) == 4 else "",
            component_name=parts[1] if len(parts) == 4 else "",
            subject=pause.hook_id,
            number=float(pause.strikes),
        )
        found += _for_channels(rules, notice)
    return found


def budget_notices(rules: NoticeRules, window: str, *, at: float, limit: float | None = None) -> list[Notice]:
    """What a used-up budget is worth: one message to a channel in each window.

    Args:
        window: The window's name.
        at: When it was found to be used up, in seconds since the epoch.
        limit: The budget in USD.
    """
    key = f"budget_exhausted:{window}"
    notice = Notice(key=key, event="budget_exhausted", group=key, created_at=at, subject=window, limit=limit)
    return list(_for_channels(rules, notice))


def _about(
    rules: NoticeRules,
    plan: RunPlan,
    event: NoticeEvent,
    *,
    about: str = "",
    part: str = "",
    subject: str = "",
    number: float | None = None,
    at: float | None = None,
) -> Iterator[Notice]:
    """Notices about a run.

    Args:
        about: What the notice is about, unique within the event; by default the run.
        part: What tells groups apart besides the component.
        at: By default when the run ended.
    """
    place = f"{event}:{plan.component_kind}:{plan.component_id}"
    notice = Notice(
        key=f"{event}:{about or plan.run_id}",
        event=event,
        group=f"{place}:{part}" if part else place,
        created_at=plan.created_at + plan.duration if at is None else at,
        run_id=plan.run_id,
        component_kind=plan.component_kind,
        component_id=plan.component_id,
        component_name=plan.component_name,
        subject=subject,
        number=number,
        traceparent=plan.traceparent,
    )
    return _for_channels(rules, notice)


def _for_channels(rules: NoticeRules, notice: Notice) -> Iterator[Notice]:
    for channel in rules.channels:
        if notice.event not in channel.on:
            continue
        limit = notice.limit
        if notice.event in LIMITED:
            limit = channel.on[notice.event]
            if limit is None or notice.number is None or not notice.number > limit:
                continue
        yield msgspec.structs.replace(notice, key=f"{notice.key}@{channel.name}", limit=limit)
