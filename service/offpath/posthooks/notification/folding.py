"""Folding: which waiting notices become messages now. Pure.

The promise, to each channel: of one group at most one message in an interval, and at most `NoticeRules.most` messages
of all groups together. What there is no room for is summed up in the last of them. Nothing is lost in between: notices
that are not told yet wait, or, if many of one group wait, are counted.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from offpath.ledger.notice import Delivery, Notice, NoticeEvent
from offpath.posthooks import names
from offpath.posthooks.notification.message import SHOWN_RUNS, Item, Message, RunLink, encode_message
from offpath.posthooks.notification.rules import ONCE, ChannelRules, NoticeRules, channel_of
from offpath.runs.job import HookJob, job_key
from offpath.runs.status import ComponentKind
from offpath.storage.ledger import Folded

SUMMARY: Final = "summary"
"""The group of messages that sum up others."""
BATCH: Final = 2_000
"""Notices that are folded at once."""

_HELD: Final = "#held"
_SINCE: Final = "#since"
"""Ends of keys under which `told` has how many notices of a group are counted and gone, and the time of the first."""
_COUNTED_FROM: Final = 1e10
"""What such a number is added to: no time is so late, and `told` forgets what is long past."""
_KEPT: Final = 20
"""Notices of a group that wait as they are; of more there is a count."""
_URGENCY: Final[tuple[NoticeEvent, ...]] = (
    "budget_exhausted",
    "hook_paused",
    "run_error",
    "hook_dead",
    "guardrail_blocked",
    "below_threshold",
    "evaluation_failed",
    "cost_above",
    "slow_run",
)


def fold(
    rules: NoticeRules,
    notices: Sequence[Notice],
    told: Mapping[tuple[str, str], float],
    *,
    now: float,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> Folded:
    """Decide about waiting notices.

    Args:
        notices: The oldest that wait.
        told: When each (channel, group) was last told, and what else folding keeps there; see `Folded.told`.
        now: Seconds since the epoch. A clock that went back makes everything due.

    Returns:
        Its `told` has the entries that change; the others stay.
    """
    folded = Folded(taken=[], deliveries=[], jobs=[], told={})
    groups: dict[str, dict[str, list[Notice]]] = defaultdict(lambda: defaultdict(list))
    wanted = {channel.name: channel for channel in rules.channels}
    for notice in notices:
        channel = wanted.get(channel_of(notice))
        once = notice.event in ONCE and (channel_of(notice), notice.group) in told
        if channel is None or notice.event not in channel.on or once:
            folded.taken.append(notice.key)
        else:
            groups[channel.name][notice.group].append(notice)
    # So many that a full batch always gets smaller.
    kept = max(1, min(_KEPT, BATCH // 2 // max(1, sum(len(of_channel) for of_channel in groups.values()))))
    for name, of_channel in groups.items():
        _Folding(rules, wanted[name], told, now, kept, new_id, folded).fold(of_channel)
    return folded


class _Folding:
    """The notices of one channel."""

    def __init__(
        self,
        rules: NoticeRules,
        channel: ChannelRules,
        told: Mapping[tuple[str, str], float],
        now: float,
        kept: int,
        new_id: Callable[[], str],
        folded: Folded,
    ) -> None:
        self._rules = rules
        self._channel = channel.name
        self._told = told
        self._now = now
        self._kept = kept
        self._new_id = new_id
        self._folded = folded

    def fold(self, groups: Mapping[str, list[Notice]]) -> None:
        room = self._rules.most - 1 - self._recent()
        crowded: list[list[Notice]] = []
        for group, notices in sorted(groups.items(), key=lambda each: _urgency(each[1])):
            if self._waits(group):
                self._hold(group, notices)
            elif room > 0:
                room -= 1
                self._tell(group, [notices])
            else:
                crowded.append(notices)
        if crowded and not self._waits(SUMMARY):
            self._tell(SUMMARY, crowded)
        else:
            for notices in crowded:
                self._hold(notices[0].group, notices)

    def _recent(self) -> int:
        """Groups that were told in the last interval: no fewer than messages were sent, but for a summary."""
        return sum(
            channel == self._channel
            and group != SUMMARY
            and not group.endswith((_HELD, _SINCE))
            and self._is_recent(at)
            for (channel, group), at in self._told.items()
        )

    def _held(self, group: str) -> int:
        return max(0, round(self._told.get((self._channel, group + _HELD), 0.0) - _COUNTED_FROM))

    def _is_recent(self, at: float) -> bool:
        return 0 <= self._now - at < self._rules.interval

    def _waits(self, group: str) -> bool:
        at = self._told.get((self._channel, group))
        return at is not None and self._is_recent(at)

    def _hold(self, group: str, notices: Sequence[Notice]) -> None:
        """Keep some for the next message, and the number of the others."""
        counted = notices[self._kept :]
        if not counted:
            return
        self._folded.taken += [notice.key for notice in counted]
        before, since = self._held(group), (self._channel, group + _SINCE)
        first = min(notice.created_at for notice in counted)
        self._folded.told[self._channel, group + _HELD] = _COUNTED_FROM + before + len(counted)
        self._folded.told[since] = min(first, self._told[since]) if before and since in self._told else first

    def _tell(self, group: str, groups: Sequence[Sequence[Notice]]) -> None:
        """Make a message of some groups, and its job."""
        delivery_id = self._new_id()
        items = tuple(self._item(notices) for notices in groups)
        run_id = items[0].runs[0].id if len(items) == 1 and items[0].count == 1 and items[0].runs else ""
        message = Message(delivery_id, self._now, items)
        first = groups[0][0]
        # A paused hook's component may be gone from the code, which a run's is not.
        home = not first.component_id or first.event == "hook_paused"
        key = job_key(run_id, "post", names.NOTIFY, delivery_id)
        self._folded.deliveries.append(
            Delivery(
                id=delivery_id,
                channel=self._channel,
                group=group,
                created_at=self._now,
                message=encode_message(message),
                run_id=run_id,
                job_key=key,
            )
        )
        self._folded.jobs.append(
            HookJob(
                key=key,
                run_id=run_id,
                component_kind=self._rules.home_kind if home else cast("ComponentKind", first.component_kind),
                component_id=self._rules.home_id if home else first.component_id,
                phase="post",
                hook=names.NOTIFY,
                kind="notification",
                version="1",
                priority=0,
                queued_at=self._now,
                traceparent=first.traceparent if run_id else "",
            )
        )
        self._folded.told[self._channel, group] = self._now
        for notices in groups:
            self._folded.taken += [notice.key for notice in notices]
            self._folded.told[self._channel, notices[0].group] = self._now
            if self._held(notices[0].group):
                self._folded.told[self._channel, notices[0].group + _HELD] = 0.0

    def _item(self, notices: Sequence[Notice]) -> Item:
        first = notices[0]
        held = self._held(first.group)
        since = min(notice.created_at for notice in notices)
        if held:
            since = min(since, self._told.get((self._channel, first.group + _SINCE), since))
        count = len(notices) + held
        runs = {notice.run_id: RunLink(notice.run_id, notice.traceparent) for notice in notices if notice.run_id}
        subjects = Counter(notice.subject for notice in notices if notice.subject)
        return Item(
            event=first.event,
            count=count,
            since=since,
            until=max(notice.created_at for notice in notices) if not held else self._now,
            component_kind=first.component_kind,
            component_id=first.component_id,
            component_name=first.component_name,
            subjects=tuple(subject for subject, _ in subjects.most_common(3)),
            number=first.number if count == 1 else None,
            limit=first.limit,
            runs=tuple(runs.values())[:SHOWN_RUNS],
        )


def _urgency(notices: Sequence[Notice]) -> tuple[int, float]:
    return _URGENCY.index(notices[0].event), notices[0].created_at
