"""Outage: while the judge is away, one job at a time finds out whether it is back; the others wait without asking.

A request without an answer may have cost something, so it counts as spent: hundreds of jobs that all keep asking would
use up a budget for nothing, and hold up a judge that is trying to come back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from offpath_evaluators.evaluation import Evaluation

PATIENCE: Final = 5
"""Assessments in a row without an answer after which the judge counts as away."""
FIRST: Final = 30.0
"""Seconds until it is asked again; each further time twice as many."""
LONGEST: Final = 900.0
_PROBE: Final = 60.0
"""Seconds in which the one that asks should have its answer; then another one does."""
_AWAY: Final = frozenset({"judge_unavailable", "timeout"})
"""A judge that says "too many requests" is there."""

_log = logging.getLogger("offpath.evaluation")


class Outage:
    """What one process knows of one judge.

    Args:
        model: Its model, for the log.
        clock: Gives seconds; never goes back.
    """

    def __init__(self, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._failures = 0
        self._rounds = 0
        """How often it has been found to be away since it answered last; 0: it is not away, as far as is known."""
        self._asking = False
        """Whether one is finding out."""
        self._until = 0.0

    def wait(self) -> float:
        """Seconds to wait before asking; 0: ask now, and `note` what came of it."""
        if not self._rounds:
            return 0.0
        now = self._clock()
        if now < self._until:
            return FIRST if self._asking else self._until - now
        # This one asks. Unless it is heard of, another one does later.
        self._asking = True
        self._until = now + _PROBE
        return 0.0

    def note(self, results: Iterable[Evaluation]) -> None:
        """Note how assessments that asked the judge went."""
        for result in results:
            if result.state == "failed" and result.reason in _AWAY and result.retry_after is not None:
                self._failed()
            elif result.state in ("scored", "abstained") or (result.state == "failed" and result.reason != "budget"):
                self._answered()

    def _failed(self) -> None:
        self._failures += 1
        if self._failures < PATIENCE or (self._rounds and not self._asking):
            return  # too few; or it was under way already when the others gave up
        pause = min(LONGEST, FIRST * 2.0 ** min(self._rounds, 30))
        if not self._rounds:
            _log.warning(
                "the judge %s does not answer: its jobs wait, and one of them asks in %g s", self._model, pause
            )
        self._rounds += 1
        self._asking = False
        self._until = self._clock() + pause

    def _answered(self) -> None:
        if self._rounds:
            _log.warning("the judge %s answers again", self._model)
        self._failures = self._rounds = 0
        self._asking = False
        self._until = 0.0
