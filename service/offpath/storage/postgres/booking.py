"""Counting what happened, each booking once, on PostgreSQL; in the open transaction of a connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from offpath.ledger.amendment import withdrawn
from offpath.ledger.booking import Batch, Booking, Change
from offpath.ledger.plan import RunPlan, encode_entries
from offpath.ledger.rollup import merged
from offpath.runs.job import HookJob
from offpath.storage.postgres import ledger_statements as statements
from offpath.storage.postgres.errors import sqlstate
from offpath.storage.postgres.ledger_rows import booking_of, check_sums, evaluation_columns, notice_columns, sums_key
from offpath.storage.postgres.rows import Values, arrays, plan_columns, plan_of
from offpath.storage.postgres.statements import ADD_PLANS
from offpath.storage.postgres.text import stored
from offpath.storage.store import AsyncEnqueue

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]

T = TypeVar("T")
Work = Callable[[Batch], Change]
logger = logging.getLogger("offpath.storage")

_ERROR_CHARACTERS: Final = 500
_REFUSED: Final = ("22", "23", "54")
"""Classes of PostgreSQL's errors that are the fault of a value."""
_HELD: Final = "an earlier booking of the run could not be counted"


class WorkError(ValueError):
    """What the caller's own function raised, to be raised to the caller as it is.

    A ValueError, which the pool takes neither for the database's fault nor for a reason to try again.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class RefusedError(ValueError):
    """A value of what the bookings change cannot be stored."""

    def __init__(self, bookings: Sequence[int], error: Exception) -> None:
        super().__init__(str(error))
        self.bookings = bookings
        self.error = error


async def book(connection: Connection, work: Work, limit: int) -> int:
    """See `Ledger.book`. A booking that `work` raises for is set aside, with those that the run has later.

    Raises:
        RefusedError: What changes cannot be stored.
    """
    await connection.execute(statements.BOOK_ALONE)
    rows = await connection.fetch(statements.TAKE_BOOKINGS, limit)
    if not rows:
        return 0
    plans = await connection.fetch(statements.LOCK_PLANS, list({row[1] for row in rows}))
    try:
        writes, back = _counted(work, rows, plans)
        if back:
            await connection.execute(statements.GIVE_BOOKINGS_BACK, *arrays(back))
        await writes.execute(connection)
    except Exception as error:
        if _is_refused(error):
            raise RefusedError([row[0] for row in rows], error) from error
        raise
    return len(rows)


async def set_aside(connection: Connection, booking: int, error: Exception) -> None:
    """Leave a booking out from now on."""
    run_id = await connection.fetchval(statements.SET_ASIDE, booking, _words(error))
    if run_id is not None:
        _tell(booking, run_id, error)


async def amend(
    connection: Connection,
    run_id: str,
    work: Callable[[RunPlan | None], Change],
    jobs: Sequence[HookJob],
    enqueue: AsyncEnqueue,
) -> RunPlan | None:
    """See `Ledger.amend`. None, and nothing is done, if there is no such run.

    While the run's own booking waits, the change of its evaluations' states is left out of the sums: that booking will
    count the plan as it is then.

    Raises:
        WorkError: `work` raised.
    """
    key = stored(run_id)
    if await connection.fetchval(statements.LOCK_RUN, key) is None:
        return None
    row = await connection.fetchrow(statements.LOCK_PLANS, [key])
    before = None if row is None else plan_of(row)
    change = called(work, before)
    after = change.plans.get(run_id, before)
    if before is None and after is not None:
        after = change.plans[run_id] = msgspec.structs.replace(after, counted=True)
        await connection.execute(statements.NOT_BOOKED)
        await connection.execute(ADD_PLANS, *arrays([plan_columns(after)]))
    uncounted = await connection.fetchval(statements.UNCOUNTED, key)
    await Writes(change, leave_out="evaluation" if uncounted else "").execute(connection)
    if jobs:
        await enqueue(connection, jobs)
    return after


async def withdraw(connection: Connection, run_ids: Sequence[str]) -> Writes:
    """What deleting runs takes out of the sums: what waits for evaluation. To be executed last in the transaction.

    Args:
        run_ids: As they are stored.
    """
    await connection.execute(statements.LOCK_RUNS, run_ids)
    rows = await connection.fetch(statements.LOCK_PLANS, run_ids)
    return Writes(withdrawn(plan_of(row) for row in rows))


def called(work: Callable[..., T], *arguments: Any) -> T:
    """
    Raises:
        WorkError: It raised.
    """
    try:
        return work(*arguments)
    except Exception as error:
        raise WorkError(error) from error


class Writes:
    """A change as values of statements.

    Args:
        leave_out: A measure whose sums stay as they are.

    Raises:
        TypeError, ValueError: It cannot be stored.
    """

    __slots__ = ("_deltas", "_keys", "_values")

    def __init__(self, change: Change, *, leave_out: str = "") -> None:
        plans = [(stored(key), encode_entries(plan.entries), plan.counted) for key, plan in change.plans.items()]
        self._values: list[Any] = []
        if change.plans or change.notices or change.evaluations:
            self._values += _columns(plans, 3)
            self._values += _columns(notice_columns(change.notices), 4)
            self._values += _columns(evaluation_columns(change.evaluations), 7)
        self._deltas = {key: delta for key, delta in change.deltas.items() if key.measure != leave_out}
        self._keys = sorted(self._deltas, key=sums_key)
        for key in self._keys:
            check_sums(key, self._deltas[key])

    async def execute(self, connection: Connection) -> None:
        """Store it in the open transaction. The sums come last, since others wait for them.

        All who add to sums lock them in the same order, and make new ones first.
        """
        if self._values:
            await connection.execute(statements.STORE, *self._values)
        if self._keys:
            columns = arrays([sums_key(key) for key in self._keys])
            await connection.execute(statements.ADD_SUMS, *columns)
            found = dict(await connection.fetch(statements.LOCK_SUMS, *columns))
            sums = [merged(found.get(place), self._deltas[key]) for place, key in enumerate(self._keys, 1)]
            await connection.execute(statements.STORE_SUMS, *columns, sums)


def _counted(work: Work, rows: Sequence[Any], plans: Sequence[Any]) -> tuple[Writes, list[Values]]:
    """What the bookings change, and the rows of those that are to be stored again, with the reason if there is one.

    The last call of `work` is the one whose change is taken. Each gets plans of its own.
    """
    aside: dict[int, Exception | None] = {}
    held = {row[1] for row in rows if row[4]}
    if not held:
        try:
            return Writes(work(_batch(rows, plans))), []
        except Exception:
            logger.debug("bookings cannot be counted together", exc_info=True)
    for row in rows:
        if row[1] in held:
            aside[row[0]] = None
            continue
        try:
            Writes(work(_batch([row], plans)))
        except Exception as error:  # noqa: BLE001  # whatever counting it does, the queue goes on
            aside[row[0]] = error
            held.add(row[1])
    good = [row for row in rows if row[0] not in aside]
    later: list[Any] = []
    try:
        writes = Writes(work(_batch(good, plans)))
    except Exception as error:  # each passes alone, but not all together
        logger.warning("bookings that cannot be counted together are counted one by one", exc_info=error)
        good, later = good[:1], good[1:]
        writes = Writes(work(_batch(good, plans)))
    for row in rows:
        if row[0] in aside:
            _tell(row[0], row[1], aside[row[0]])
    back = [(*row[:4], _words(aside[row[0]])) for row in rows if row[0] in aside]
    return writes, [*back, *((*row[:4], None) for row in later)]


def _batch(rows: Sequence[Any], plans: Sequence[Any]) -> Batch:
    runs = {row[1] for row in rows}
    found = {plan.run_id: plan for plan in (plan_of(row) for row in plans if row[0] in runs)}
    bookings: list[Booking] = [booking_of(row) for row in rows]
    return Batch([booking for booking in bookings if booking.run_id in found], found)


def _columns(rows: Sequence[Values], count: int) -> Sequence[Any]:
    return arrays(rows) if rows else [()] * count


def _is_refused(error: Exception) -> bool:
    if state := sqlstate(error):
        return state[:2] in _REFUSED
    return isinstance(error, (ValueError, TypeError))


def _words(error: Exception | None) -> str:
    return _HELD if error is None else stored(f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS])


def _tell(booking: int, run_id: str, error: Exception | None) -> None:
    logger.error(
        "what happened is not in the sums: booking %d of run %s is set aside until a worker starts anew: %s",
        booking,
        run_id,
        _HELD if error is None else "counting it failed",
        exc_info=error,
    )
