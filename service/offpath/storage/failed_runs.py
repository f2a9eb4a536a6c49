"""FailedRuns: finds the newest runs that did not pass, on a walk through failed results from the newest backwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from offpath.ledger.plan import decode_entries
from offpath.ledger.rollup import DAY, HOUR

MOST: Final = 50_000
"""Results that are looked at, at most: those of one component may be few among very many."""


class Span(NamedTuple):
    """Results with `since <= evaluated_at < until`."""

    since: float
    until: float


class FailedRuns:
    """The newest runs of a window whose current result under a name did not pass, of each component as many as wanted.

    An index has failed results by the time of evaluation, and what is asked for are times of runs. A run begins before
    it is evaluated, so the walk may end where results are older than the runs that were found.

    Args:
        name: The evaluation's.
        since: Seconds since the epoch, as all times here; runs with `since <= created_at < until` are meant.
        wanted: How many of each component (kind and id); None stands for all runs together.
    """

    def __init__(self, name: str, since: float, until: float, wanted: Mapping[tuple[str, str] | None, int]) -> None:
        self.name: Final = name
        self.since: Final = since
        self.until: Final = until
        self._wanted = {component: count for component, count in wanted.items() if count > 0}
        self._newest: dict[tuple[str, str] | None, dict[str, float]] = {component: {} for component in self._wanted}
        self._oldest: dict[tuple[str, str] | None, float] = {}
        """When the oldest run of each component began that has as many as are wanted."""
        self._looked_at = 0
        self._end = float("-inf")
        """Results that are older belong to runs that are too old."""

    def spans(self) -> tuple[Span, ...]:
        """The results to be walked through, each span from the newest backwards.

        Of a window that is long past most were made in it or soon after, and some when the judge was back; what was
        evaluated later comes after those, and is looked at only if there are not enough.
        """
        ends = (self.since, self.until + HOUR, self.until + DAY, float("inf"))
        return tuple(map(Span, ends, ends[1:]))

    @property
    def enough(self) -> bool:
        """Whether no component lacks a run."""
        return len(self._oldest) == len(self._wanted)

    def take(
        self, run_id: str, evaluated_at: float, component: tuple[str, str], created_at: float, entries: str | None
    ) -> bool:
        """Look at the next failed result.

        Args:
            entries: Of the run's plan, as they are stored; None: the run began outside of the window.

        Returns:
            Whether to go on.
        """
        self._looked_at += 1
        if evaluated_at < self._end:
            return False
        if entries is not None:
            wanting = [key for key in (component, None) if self._wants(key, run_id, created_at)]
            if wanting and self._failed(entries):
                for key in wanting:
                    self._add(key, run_id, created_at)
        return self._looked_at < MOST

    def found(self) -> dict[tuple[str, str] | None, list[str]]:
        """Ids by component, the newest first."""
        return {component: sorted(runs, key=runs.__getitem__, reverse=True) for component, runs in self._newest.items()}

    def _wants(self, component: tuple[str, str] | None, run_id: str, created_at: float) -> bool:
        runs = self._newest.get(component)
        return runs is not None and run_id not in runs and created_at > self._oldest.get(component, float("-inf"))

    def _failed(self, entries: str) -> bool:
        """Whether the current result is one that did not pass: another version may have said otherwise."""
        entry = decode_entries(entries).get(self.name)
        return entry is not None and entry.state == "scored" and entry.passed is False

    def _add(self, component: tuple[str, str] | None, run_id: str, created_at: float) -> None:
        runs = self._newest[component]
        runs[run_id] = created_at
        if len(runs) > self._wanted[component]:
            del runs[min(runs, key=lambda each: runs[each])]
        if len(runs) == self._wanted[component]:
            self._oldest[component] = min(runs.values())
            if self.enough:
                self._end = min(self._oldest.values())
