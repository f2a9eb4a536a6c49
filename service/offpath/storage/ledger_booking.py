"""Counting what happened, each booking once; runs on the thread that writes."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from offpath.errors import StorageError
from offpath.ledger.amendment import withdrawn
from offpath.ledger.booking import Batch, Change
from offpath.ledger.plan import RunPlan, encode_entries
from offpath.ledger.rollup import RollupKey, Sums
from offpath.runs.job import HookJob
from offpath.storage import ledger_statements as statements
from offpath.storage.ledger_rows import (
    booking_of,
    check_sums,
    document,
    evaluation_values,
    notice_values,
    plan_of,
    plan_values,
    sums_values,
)
from offpath.storage.store import Enqueue
from offpath.storage.write_thread import transaction

Work = Callable[[Batch], Change]
logger = logging.getLogger("offpath.storage")

_TRIES: Final = 3
"""Rounds in which the counting is done before the write lock is taken; then it is done while the lock is held."""
_ERROR_CHARACTERS: Final = 500


class _Taken(NamedTuple):
    """Bookings as they were read."""

    ids: list[int]
    batch: Batch
    plans: dict[str, str]
    """The entries of the plans, as they are stored."""


class _ChangedError(Exception):
    """Somebody wrote what had been read."""


def book(connection: sqlite3.Connection, work: Work, limit: int, timeout: float) -> int:
    """See `Ledger.book`. What cannot be counted is set aside, with what comes after it of the same run.

    Of all calls of `work`, the change that the last one gave is the one that is stored.

    Raises:
        sqlite3.Error: The database's own errors; nothing is set aside for them.
    """
    rows = connection.execute(statements.WAITING_BOOKINGS, (limit,)).fetchall()
    count = len(rows)
    rows = _without_held(connection, rows, timeout)
    if not rows:
        return count
    try:
        _book(connection, work, rows, timeout)
    except (sqlite3.OperationalError, StorageError):
        raise
    except Exception:
        logger.debug("bookings cannot be counted together", exc_info=True)
    else:
        return count
    _book_in_part(connection, work, rows, timeout)
    return count


def _book_in_part(connection: sqlite3.Connection, work: Work, rows: list[Any], timeout: float) -> None:
    """Set aside what cannot be counted alone, and book the others; if that fails, too, the first one, or set it aside.

    What is left waits for the next call.
    """
    good = _countable(connection, work, rows, timeout)
    refused: Exception | None = None
    for part in (good[:1],) if len(good) == len(rows) else (good, good[:1]):
        try:
            _book(connection, work, part, timeout)
        except (sqlite3.OperationalError, StorageError):
            raise
        except Exception as error:  # noqa: BLE001  # whatever the counting does, the queue goes on
            refused = error
        else:
            return
    if refused is not None and good:
        _set_aside(connection, good[0], refused, timeout)
    _book(connection, work, [], timeout)


def _countable(connection: sqlite3.Connection, work: Work, rows: list[Any], timeout: float) -> list[Any]:
    """Those of the bookings that can be counted, each alone; the others are set aside."""
    good: list[Any] = []
    held: set[str] = set()
    for row in rows:
        if row[1] in held:
            continue
        try:
            _Writes(work(_taken(connection, [row]).batch))
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001  # as above
            held.add(row[1])
            _set_aside(connection, row, error, timeout)
        else:
            good.append(row)
    return good


def _without_held(connection: sqlite3.Connection, rows: list[Any], timeout: float) -> list[Any]:
    """The bookings of runs of which none is set aside; the others are set aside, too, so that their order is kept."""
    runs = list(dict.fromkeys(row[1] for row in rows))
    held = {run_id for (run_id,) in connection.execute(statements.SET_ASIDE_BEFORE, (document(runs),))}
    for run_id in held:
        first = next(row for row in rows if row[1] == run_id)
        _set_aside(connection, first, "an earlier booking of this run could not be counted", timeout)
    return [row for row in rows if row[1] not in held]


def _book(connection: sqlite3.Connection, work: Work, rows: list[Any], timeout: float) -> None:
    """Count before the lock is taken, and write only if all is still as it was read: commits of runs wait meanwhile."""
    ids = [row[0] for row in rows]
    for _ in range(_TRIES):
        taken = _taken(connection, rows)
        writes = _Writes(work(taken.batch))
        try:
            with transaction(connection, timeout):
                _take(connection, taken)
                writes.execute(connection)
        except _ChangedError:
            rows = _read_again(connection, ids)
        else:
            return
    with transaction(connection, timeout):
        taken = _taken(connection, _read_again(connection, ids))
        _take(connection, taken)
        _Writes(work(taken.batch)).execute(connection)


def _read_again(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Any]:
    return connection.execute(statements.BOOKINGS, (document(ids),)).fetchall()


def _taken(connection: sqlite3.Connection, rows: list[Any]) -> _Taken:
    """The bookings with their plans; those of deleted runs are taken and not counted."""
    runs = list(dict.fromkeys(row[1] for row in rows))
    found = connection.execute(statements.PLANS, (document(runs),)).fetchall()
    plans = {row[0]: plan_of(row) for row in found}
    bookings = [booking_of(row) for row in rows if row[1] in plans]
    return _Taken([row[0] for row in rows], Batch(bookings, plans), {row[0]: row[11] for row in found})


def _take(connection: sqlite3.Connection, taken: _Taken) -> None:
    """Remove the bookings.

    Raises:
        _ChangedError: One of them, or a plan, is no longer as it was read.
    """
    if connection.execute(statements.TAKE_BOOKINGS, (document(taken.ids),)).rowcount != len(taken.ids):
        raise _ChangedError
    if taken.plans:
        same = connection.execute(statements.UNCHANGED_PLANS, (document(list(taken.plans.items())),)).fetchone()[0]
        if same != len(taken.plans):
            raise _ChangedError


def _set_aside(connection: sqlite3.Connection, row: Sequence[Any], why: Exception | str, timeout: float) -> None:
    booking, run_id, key = row[:3]
    text = why if isinstance(why, str) else f"{type(why).__name__}: {why}"[:_ERROR_CHARACTERS]
    with transaction(connection, timeout):
        aside = connection.execute(statements.SET_ASIDE, (text, run_id, booking)).fetchall()
    logger.error(
        "what happened is not in the sums: booking %d (%s), and %d later ones of the run, are set aside until a worker "
        "starts anew: %s",
        booking,
        key or f"the end of run {run_id}",
        max(0, len(aside) - 1),
        text,
        exc_info=why if isinstance(why, Exception) else None,
    )


class _Writes:
    """A change as values of statements, made before the lock is taken."""

    __slots__ = ("_deltas", "_evaluations", "_keys", "_notices", "_plans")

    def __init__(self, change: Change, *, leave_out: str = "") -> None:
        self._plans = [(encode_entries(plan.entries), plan.counted, run_id) for run_id, plan in change.plans.items()]
        self._evaluations = [evaluation_values(row) for row in change.evaluations]
        self._deltas: dict[RollupKey, Sums] = {
            key: delta for key, delta in change.deltas.items() if key.measure != leave_out
        }
        for key, delta in self._deltas.items():
            check_sums(key, delta)
        self._keys = list(self._deltas)
        self._notices = [notice_values(notice) for notice in change.notices]

    def execute(self, connection: sqlite3.Connection) -> None:
        connection.executemany(statements.UPDATE_PLAN, self._plans)
        connection.executemany(statements.STORE_EVALUATION, self._evaluations)
        if self._keys:
            stored = connection.execute(statements.STORED_SUMS, (document(self._keys),)).fetchone()[0]
            connection.executemany(statements.STORE_SUMS, sums_values(self._keys, self._deltas, stored))
        connection.executemany(statements.ADD_NOTICE, self._notices)


def withdraw(connection: sqlite3.Connection, run_ids: Sequence[str]) -> None:
    """Take what waits for evaluation out of the sums, before runs are deleted; on the open transaction."""
    rows = connection.execute(statements.PLANS, (document(run_ids),)).fetchall()
    if rows:
        _Writes(withdrawn(plan_of(row) for row in rows)).execute(connection)


def amend(
    connection: sqlite3.Connection,
    run_id: str,
    work: Callable[[RunPlan | None], Change],
    jobs: Sequence[HookJob],
    enqueue: Enqueue,
) -> RunPlan | None:
    """See `Ledger.amend`; on the open transaction.

    Only a booking makes a plan counted. While the run's own one waits, the change of its evaluations' states is left
    out of the sums: that booking will count the plan as it is then.
    """
    if not connection.execute(statements.RUN_EXISTS, (run_id,)).fetchone()[0]:
        return None
    row = connection.execute(statements.PLANS, (document([run_id]),)).fetchone()
    before = None if row is None else plan_of(row)
    change = work(before)
    uncounted = before is not None and not before.counted
    after = change.plans.get(run_id, before)
    if after is not None:
        after = change.plans[run_id] = msgspec.structs.replace(after, counted=not uncounted)
    if before is None and after is not None:
        connection.execute(statements.add_plans(1), plan_values(after))
        connection.execute(statements.UNBOOK_ADDED, (run_id,))
    _Writes(change, leave_out="evaluation" if uncounted else "").execute(connection)
    if jobs:
        enqueue(connection, jobs)
    return after
