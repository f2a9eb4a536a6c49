"""Notifying: turns waiting notices into messages, a few times a minute at most for each kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from offpath.engine.pause import HookPause
from offpath.ledger.notice import Notice
from offpath.posthooks.notification.folding import BATCH, fold
from offpath.posthooks.notification.rules import NoticeRules, pause_notices
from offpath.storage.ledger import Folded, Ledger

_PAUSES_EVERY: Final = 5.0
"""Seconds between two looks at which hooks are paused."""
_MOST_BATCHES: Final = 100
"""Full batches in one turn; a turn has to end."""


class Pausing(Protocol):
    """The engine, as far as it is asked."""

    async def pauses(self) -> list[HookPause]: ...


class Notifying:
    """Part of what the worker that leads does.

    Args:
        engine: Says which hooks are paused.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, ledger: Ledger, rules: NoticeRules, engine: Pausing, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._engine = engine
        self._clock = clock
        self._told_pauses: set[tuple[str, float | None]] = set()
        self._next_pauses = 0.0
        self._pauses_wanted = any("hook_paused" in channel.on for channel in rules.channels)

    async def turn(self) -> int:
        """Make the messages that are due; how many there were. To be called every second or so.

        Raises:
            StorageError: They cannot be made now; what is waiting still waits.
        """
        await self._look_for_pauses()
        made = 0
        for _ in range(_MOST_BATCHES):
            batch = _Batch(self._rules, self._clock)
            made += await self._ledger.fold(batch.work, limit=BATCH)
            if not batch.more:
                break
        return made

    async def _look_for_pauses(self) -> None:
        now = time.monotonic()
        if not self._pauses_wanted or now < self._next_pauses:
            return
        paused = [pause for pause in await self._engine.pauses() if pause.paused_at is not None]
        fresh = [pause for pause in paused if (pause.hook_id, pause.paused_at) not in self._told_pauses]
        if fresh:
            # The keys are unique: of what another leader has told already there is no second notice.
            await self._ledger.add_notices(pause_notices(self._rules, fresh))
        self._told_pauses = {(pause.hook_id, pause.paused_at) for pause in paused}
        self._next_pauses = now + _PAUSES_EVERY


class _Batch:
    """One call of `Ledger.fold`, and whether another would find more."""

    def __init__(self, rules: NoticeRules, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self.more = False

    def work(self, notices: Sequence[Notice], told: Mapping[tuple[str, str], float]) -> Folded:
        folded = fold(self._rules, notices, told, now=self._clock())
        self.more = len(notices) >= BATCH and bool(folded.taken)
        return folded
