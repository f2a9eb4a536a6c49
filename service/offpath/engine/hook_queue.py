"""What a claim knows of the queue without reading it again: a short read-ahead for each hook."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Any, Final

import msgspec

from offpath.engine.protocol import ClaimedJob
from offpath.runs.job import HookJob

READ_AHEAD: Final = 64
"""Jobs kept in memory for a hook that has no free slot; the rest stays in the table."""
Row = Sequence[Any]
"""A row of `statements.CLAIM_COLUMNS`."""


class HookQueue:
    """The read-ahead of one hook."""

    __slots__ = ("cursor", "due_taken", "id", "more", "next_due", "ready", "scheduled_meanwhile")

    def __init__(self, hook_id: str) -> None:
        self.id = hook_id
        self.ready: deque[ClaimedJob] = deque()
        self.more = False
        """Whether the table may hold jobs above `cursor` that are not in `ready`."""
        self.cursor = 0
        self.next_due = math.inf
        """When its next scheduled job falls due; in the past if there are some to be read."""
        self.due_taken = 0
        """Jobs in memory whose rows still say "scheduled"."""
        self.scheduled_meanwhile = math.inf
        """The earliest time that was set while a read was under way."""


class Reads(msgspec.Struct):
    """What a claim has to read."""

    scan: int | None = None
    """Look for new jobs above this id."""
    ready: list[tuple[str, int, int]] = []
    """Hook, cursor, how many at most."""
    due: list[tuple[str, int]] = []
    """Hook, how many at most."""

    def __bool__(self) -> bool:
        return self.scan is not None or bool(self.ready) or bool(self.due)


class Found(msgspec.Struct):
    """What was read."""

    new: list[Row] = []
    present: list[str] | None = None
    """Too much is new to be read: the hooks that have anything queued."""
    last_id: int = 0
    """With `present`: the last id of the table."""
    ready: list[tuple[str, int, list[Row]]] = []
    """Hook, how many were asked for, rows."""
    due: list[tuple[str, int, float, list[Row]]] = []
    """Hook, how many were asked for, the next time after now, rows."""


class HookQueues:
    """All hooks' read-aheads. Used on one event loop only; plans and digests reads, does none.

    Args:
        placement: Jobs of other placements are left alone.
    """

    def __init__(self, placement: str) -> None:
        self._placement = placement
        self._queues: dict[str, HookQueue] = {}
        self._cursor = 0
        self._known: set[int] = set()
        """Ids that are in a read-ahead, in flight, or whose end is not stored yet."""
        self._due_ids: set[int] = set()
        self._settled: set[int] = set()
        """Ids that left `_known` while a read was under way: the read may still show them."""

    def reset(self, found: Found, due: Mapping[str, float]) -> None:
        """Start from a table of which nothing is known."""
        self._queues.clear()
        self._known.clear()
        self._due_ids.clear()
        self._cursor = found.last_id
        for hook_id in found.present or ():
            queue = self._queue(hook_id)
            queue.more = True
            queue.next_due = due.get(hook_id, math.inf)

    def plan(self, free: Mapping[str, int], limit: int, now: float, *, scan: bool) -> Reads:
        """What must be read before `limit` jobs can be picked."""
        reads = Reads(scan=self._cursor if scan else None)
        for hook_id, slots in free.items():
            queue = self._queues.get(hook_id)
            if slots <= 0 or queue is None:
                continue
            wanted = min(slots, limit)
            if len(queue.ready) >= wanted:
                continue
            count = max(wanted, READ_AHEAD) - len(queue.ready)
            if queue.more:
                reads.ready.append((hook_id, queue.cursor, count))
            if queue.next_due <= now:
                reads.due.append((hook_id, count + queue.due_taken))
        return reads

    def bring_forward(self, seconds: float) -> None:
        """The times of all scheduled jobs are so much earlier now."""
        for queue in self._queues.values():
            queue.next_due -= seconds
            queue.scheduled_meanwhile -= seconds

    def reading(self) -> None:
        """A read begins."""
        self._settled.clear()
        for queue in self._queues.values():
            queue.scheduled_meanwhile = math.inf

    def digest(self, reads: Reads, found: Found) -> None:
        """Take in what was read."""
        for hook_id, asked, rows in found.ready:
            queue = self._queue(hook_id)
            if rows:
                queue.cursor = rows[-1][0]
            queue.more = len(rows) >= asked
            for row in rows:
                self._take(queue, row)
        for hook_id, asked, following, rows in found.due:
            queue = self._queue(hook_id)
            if len(rows) < asked:
                queue.next_due = min(following, queue.scheduled_meanwhile)
            for row in rows:
                if self._take(queue, row):
                    self._due_ids.add(row[0])
                    queue.due_taken += 1
        if found.present is not None:
            for hook_id in found.present:
                self._fall_behind(self._queue(hook_id), self._cursor)
            self._cursor = max(self._cursor, found.last_id)
            return
        for row in found.new:
            self._cursor = row[0]
            if row[12] != self._placement or row[15] != "ready":
                continue
            queue = self._queue(row[3])
            if queue.more or len(queue.ready) >= READ_AHEAD:
                self._fall_behind(queue, row[0] - 1)
            else:
                self._take(queue, row)

    def pick(self, free: Mapping[str, int], limit: int) -> list[ClaimedJob]:
        """Up to `limit` jobs that may start: lowest priority number first, then the oldest."""
        picked: list[ClaimedJob] = []
        heads: list[tuple[int, int, HookQueue, int]] = []
        for hook_id, slots in free.items():
            queue = self._queues.get(hook_id)
            if queue is not None and queue.ready and slots > 0:
                head = queue.ready[0]
                heads.append((head.job.priority, head.id, queue, slots))
        heapify(heads)
        while heads and len(picked) < limit:
            _, _, queue, slots = heads[0]
            picked.append(queue.ready.popleft())
            if slots > 1 and queue.ready:
                head = queue.ready[0]
                heapreplace(heads, (head.job.priority, head.id, queue, slots - 1))
            else:
                heappop(heads)
        return picked

    def settle(self, claimed: ClaimedJob, due_at: float | None = None) -> None:
        """The end of an attempt is stored; with `due_at` there will be another one."""
        self._known.discard(claimed.id)
        self._settled.add(claimed.id)
        queue = self._queue(claimed.job.hook_id)
        if claimed.id in self._due_ids:
            self._due_ids.discard(claimed.id)
            queue.due_taken -= 1
        if due_at is not None:
            queue.next_due = min(queue.next_due, due_at)
            queue.scheduled_meanwhile = min(queue.scheduled_meanwhile, due_at)

    def put_back(self, jobs: Iterable[ClaimedJob]) -> None:
        """Jobs that were picked and did not start; they keep their place."""
        for claimed in sorted(jobs, key=lambda job: job.id, reverse=True):
            self._queue(claimed.job.hook_id).ready.appendleft(claimed)

    def adopted(self, rows: Iterable[tuple[int, str, str, float | None]]) -> None:
        """Jobs of another placement are ours now: id, hook, state, time that they fall due."""
        for job_id, hook_id, state, due_at in rows:
            queue = self._queue(hook_id)
            if state == "scheduled" and due_at is not None:
                queue.next_due = min(queue.next_due, due_at)
            else:
                self._fall_behind(queue, job_id - 1)

    def next_due(self, after: float) -> float:
        """The earliest time later than `after` at which a scheduled job falls due; infinity without one."""
        return min((queue.next_due for queue in self._queues.values() if queue.next_due > after), default=math.inf)

    def _queue(self, hook_id: str) -> HookQueue:
        queue = self._queues.get(hook_id)
        if queue is None:
            queue = self._queues[hook_id] = HookQueue(hook_id)
        return queue

    def _fall_behind(self, queue: HookQueue, cursor: int) -> None:
        """Leave the hook's jobs above `cursor` in the table until it has room."""
        queue.cursor = min(queue.cursor, cursor) if queue.more else cursor
        queue.more = True

    def _take(self, queue: HookQueue, row: Row) -> bool:
        if row[0] in self._known or row[0] in self._settled:
            return False
        self._known.add(row[0])
        queue.ready.append(ClaimedJob(row[0], _job(row), row[14] + 1))
        return True


def _job(row: Row) -> HookJob:
    return HookJob(
        key=row[1],
        run_id=row[2],
        component_kind=row[4],
        component_id=row[5],
        phase=row[6],
        hook=row[7],
        kind=row[8],
        version=row[9],
        priority=row[10],
        queued_at=row[11],
        placement=row[12],
        traceparent=row[13],
    )
