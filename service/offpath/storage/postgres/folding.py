"""Making messages of notices, on PostgreSQL; in the open transaction of a connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from offpath.storage.ledger import Fold
from offpath.storage.ledger_notices import REMEMBERED
from offpath.storage.ledger_rows import notice_of
from offpath.storage.postgres import ledger_statements as statements
from offpath.storage.postgres.booking import called
from offpath.storage.postgres.ledger_rows import delivery_columns
from offpath.storage.postgres.rows import arrays
from offpath.storage.postgres.text import restored, stored
from offpath.storage.store import AsyncEnqueue

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any]


async def fold(connection: Connection, work: Fold, limit: int, enqueue: AsyncEnqueue) -> tuple[int, bool]:
    """See `Ledger.fold`. Gives how many deliveries there are more, and whether there are jobs.

    Raises:
        WorkError: `work` raised.
    """
    notices = [notice_of(row[0]) for row in await connection.fetch(statements.WAITING_NOTICES, limit)]
    if not notices:
        return 0, False
    rows = await connection.fetch(statements.TOLD_GROUPS)
    folded = called(work, notices, {(restored(row[0]), restored(row[1])): row[2] for row in rows})
    now = time.time()
    if folded.taken:
        await connection.execute(statements.TAKE_NOTICES, [stored(key) for key in folded.taken], now)
        await connection.execute(statements.FORGET_NOTICES, now - REMEMBERED)
    if folded.told:
        told = [(stored(channel), stored(group), at) for (channel, group), at in folded.told.items()]
        await connection.execute(statements.TELL, *arrays(told))
    added = 0
    if folded.deliveries:
        made = {delivery.id: delivery_columns(delivery) for delivery in folded.deliveries}
        added = len(await connection.fetch(statements.ADD_DELIVERIES, *arrays(made.values())))
        await connection.execute(statements.FORGET_TOLD, now - REMEMBERED)
    if folded.jobs:
        await enqueue(connection, folded.jobs)
    return added, bool(folded.jobs)
