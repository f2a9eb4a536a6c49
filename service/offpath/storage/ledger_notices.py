"""Notices and what is made of them; calls on a connection."""

from __future__ import annotations

import sqlite3
from typing import Final

from offpath.ledger.notice import Delivery
from offpath.storage import ledger_statements as statements
from offpath.storage.ledger import Fold
from offpath.storage.ledger_rows import delivery_of, delivery_values, document, notice_of
from offpath.storage.store import Enqueue

REMEMBERED: Final = 40 * 86_400.0
"""Seconds for which the key of a notice is kept that was told: longer than the longest window of a budget."""


def waiting(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute(statements.NOTICES_WAIT).fetchone()[0])


def fold(
    connection: sqlite3.Connection,
    work: Fold,
    limit: int,
    enqueue: Enqueue,
    now: float,
) -> tuple[int, bool]:
    """See `Ledger.fold`; on the open transaction. Gives how many deliveries there are more, and whether jobs."""
    notices = [notice_of(data) for (data,) in connection.execute(statements.WAITING_NOTICES, (limit,)).fetchall()]
    told = {(channel, group): at for channel, group, at in connection.execute(statements.TOLD).fetchall()}
    folded = work(notices, told)
    if folded.taken:
        connection.execute(statements.TAKE_NOTICES, (now, document(folded.taken)))
        connection.execute(statements.FORGET_NOTICES, (now - REMEMBERED,))
    for (channel, group), at in folded.told.items():
        connection.execute(statements.TELL, (channel, group, at))
    added = 0
    for made in folded.deliveries:
        added += connection.execute(statements.ADD_DELIVERY, delivery_values(made)).rowcount
    if added:
        connection.execute(statements.FORGET_TOLD, (now - REMEMBERED,))
    if folded.jobs:
        enqueue(connection, folded.jobs)
    return added, bool(folded.jobs)


def delivery(connection: sqlite3.Connection, delivery_id: str) -> Delivery | None:
    row = connection.execute(statements.DELIVERY, (delivery_id,)).fetchone()
    return None if row is None else delivery_of(row)
