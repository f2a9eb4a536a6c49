"""Ledger: the seam between the built-in hooks and the database that keeps what they know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from offpath.ledger.booking import Batch, Change
from offpath.ledger.evaluation_row import EvaluationRow
from offpath.ledger.feedback import Feedback
from offpath.ledger.notice import Delivery, Notice
from offpath.ledger.plan import RunPlan
from offpath.ledger.rollup import Grain, Measure, RollupKey, Sums
from offpath.ledger.window import Stretch
from offpath.runs.job import HookJob
from offpath.storage.store import RunRow

NANO: Final = 1_000_000_000
"""Parts of a US dollar that budgets are counted in: whole numbers never drift."""


class RunQuery(msgspec.Struct, frozen=True):
    """Which ended runs are wanted. Times in seconds since the epoch; None is no limit."""

    since: float | None = None
    until: float | None = None
    component_kind: str | None = None
    component_id: str | None = None
    nested: bool = False
    """Runs that other runs started, too."""


class Folded(msgspec.Struct):
    """What becomes of notices."""

    taken: list[str]
    """Keys of notices that are told or wanted by nobody; the others wait."""
    deliveries: list[Delivery]
    jobs: list[HookJob]
    told: dict[tuple[str, str], float]
    """When each (channel, group) was told, in seconds since the epoch."""


Fold = Callable[[Sequence[Notice], dict[tuple[str, str], float]], Folded]


class Ledger(Protocol):
    """What the built-in hooks know. All methods raise StorageError when the database cannot be reached now."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    # Booking.

    async def book(self, work: Callable[[Batch], Change], *, limit: int) -> int:
        """Take the oldest bookings, have them counted, and write what changed, all in one transaction: each booking
        counts exactly once, whoever else books.

        Args:
            work: Pure; may be called again, and the last call gives what is written (with nothing to write, that is a
                call with an empty batch). Called on a thread or on the event loop. A booking that it cannot count is
                set aside with the later ones of its run, and tried again when a ledger is opened anew.
            limit: Bookings at most.

        Returns:
            How many were taken; fewer than `limit`: there are no more for now.
        """

    async def amend(
        self, run_id: str, work: Callable[[RunPlan | None], Change], jobs: Sequence[HookJob] = ()
    ) -> RunPlan | None:
        """Change a run's plan and what hangs on it, and add jobs, in one transaction; wakes the worker after it.

        Args:
            work: Gets the plan as it is now; None for a run without one. Pure; may be called again. A plan that the run
                did not have is added (and not booked: what it adds to the sums is in the change). While a plan is not
                counted, what the change would do to the sums of evaluations is left out.

        Returns:
            The plan as it is then; None, without a call of `work`, if there is no such run.
        """

    async def plans(self, run_ids: Sequence[str]) -> dict[str, RunPlan]: ...

    async def evaluations(self, run_ids: Sequence[str]) -> dict[str, list[EvaluationRow]]:
        """All stored results by run, oldest first; runs without any are missing."""

    async def failed_runs(
        self, name: str, since: float, until: float, wanted: Mapping[tuple[str, str] | None, int]
    ) -> dict[tuple[str, str] | None, list[str]]:
        """The newest runs with `since <= created_at < until` whose current result under this name did not pass, as far
        as they are found among 50,000 results that failed (see `FailedRuns`).

        Args:
            wanted: How many at most of each component (kind and id); None stands for all runs together.

        Returns:
            Their ids, the newest first.
        """

    # People.

    async def add_feedback(self, feedback: Feedback) -> bool:
        """False if there is no such run."""

    async def feedback(self, run_ids: Sequence[str]) -> dict[str, list[Feedback]]: ...

    # Sums.

    async def rollups(
        self,
        measure: Measure,
        grain: Grain,
        facet: str,
        start: int,
        end: int,
        *,
        component: tuple[str, str] | None = None,
        value: str | None = None,
    ) -> list[tuple[RollupKey, Sums]]:
        """The sums of all buckets with `start <= key.start < end`."""

    async def leading(
        self, measure: Measure, facet: str, stretches: Sequence[Stretch], *, by: Sequence[str], limit: int
    ) -> tuple[int, list[tuple[RollupKey, Sums]]]:
        """The rows of the values with the most, chosen in the database: for a facet with very many values.

        Args:
            stretches: The rows that make up a window.
            by: Names of numbers at the top of the sums, which are added up.
            limit: Values at most.

        Returns:
            How many values there are, and all rows of the leading ones.
        """

    async def unbooked(self) -> int:
        """How many bookings wait, at most 10,000."""

    # Runs.

    async def ended_runs(self, query: RunQuery, *, after: tuple[float, str], limit: int) -> list[RunRow]:
        """Ended runs in the order of (created_at, run_id), those after `after` only: pages of a walk through all."""

    async def count_runs(self, query: RunQuery) -> int: ...

    async def strip_content(self, strip: Callable[[bytes], bytes], *, limit: int) -> int:
        """Replace the records of ended runs all of whose hooks have ended, and that are marked for it, by what `strip`
        makes of them; how many there were. See OFFPATH_STORE_CONTENT."""

    # Sessions.

    async def quiet_sessions(self, before: float, *, limit: int) -> list[tuple[str, str]]:
        """Sessions whose last run ended before that time, and that were not marked since; the longest quiet first.
        Those with a run under way are not among them.

        Returns:
            Each session with its last outermost ended run.
        """

    async def mark_sessions(self, session_ids: Sequence[str], at: float) -> None:
        """Note that these have been seen to; one counts as quiet again only after a later run."""

    async def session_records(self, session_id: str, *, limit: int) -> list[bytes]:
        """The encoded records of the newest outermost ended runs of a session, oldest first."""

    # The judge's budget.

    async def reserve(self, window: str, limit: int, amount: int) -> bool:
        """Add `amount` (nano-USD) to what a window has spent, if it then is at most `limit`; one conditional update.

        Args:
            window: Sorts by time: "2026-11-20", "2026-11-20T15:00Z". A clock that went back must not open an old one:
                if a later window of the same length exists, that one is meant.

        Returns:
            Whether it was added.
        """

    async def settle(self, window: str, amount: int, spent: int) -> None:
        """A reservation of `amount` took `spent`. Never called twice for one; an unknown outcome counts as spent.

        What is given back goes to the named window, what was spent besides to the latest one.
        """

    async def spent(self, window: str) -> int:
        """Nano-USD, reservations included; of the later window if there is one, as in `reserve`."""

    # Notices.

    async def add_notices(self, notices: Sequence[Notice]) -> None: ...

    async def fold(
        self, work: Callable[[Sequence[Notice], dict[tuple[str, str], float]], Folded], *, limit: int
    ) -> int:
        """Turn waiting notices into deliveries and their jobs, in one transaction; wakes the worker after it.

        Args:
            work: Gets the oldest notices, and when each (channel, group) was last told (seconds since the epoch).
                Pure; may be called again.

        Returns:
            How many deliveries there are more.
        """

    async def delivery(self, delivery_id: str) -> Delivery | None: ...
