"""Notice: something that people may want to be told."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

NoticeEvent = Literal[
    "run_error",
    "evaluation_failed",
    "below_threshold",
    "hook_dead",
    "hook_paused",
    "budget_exhausted",
    "guardrail_blocked",
    "slow_run",
    "cost_above",
]
EVENTS: Final[tuple[NoticeEvent, ...]] = get_args(NoticeEvent)


class Notice(msgspec.Struct, omit_defaults=True):
    """A row of `notices`, until it is folded into a message."""

    key: str
    """Unique for weeks: what was told is not told again. `run_error:{run_id}`."""
    event: NoticeEvent
    group: str
    """Notices of one group become one message: `run_error:agent:support`."""
    created_at: float
    """Seconds since the epoch."""
    run_id: str = ""
    component_kind: str = ""
    component_id: str = ""
    component_name: str = ""
    subject: str = ""
    """The evaluation, hook, guardrail, window or error type that it is about; never content."""
    number: float | None = None
    """The value that was compared: a score, seconds, USD."""
    limit: float | None = None
    """What it was compared with."""
    traceparent: str = ""


class Delivery(msgspec.Struct, omit_defaults=True):
    """A row of `deliveries`: one message for one channel. Its job has the key that ends in its id."""

    id: str
    """Also the idempotency key that the receiver sees."""
    channel: str
    group: str
    created_at: float
    message: bytes
    """JSON; see `offpath.posthooks.notification.message`."""
    run_id: str = ""
    """The run that it is about, if it is about a single one."""
    job_key: str = ""
