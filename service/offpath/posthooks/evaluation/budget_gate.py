"""BudgetGate: lets a judge's requests through while its budget lasts, which all workers share."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any, Final

from offpath.errors import StorageError
from offpath.hooks.parent import Parent, current_parent
from offpath.ledger.question import Reserve, Reserved, Settle, Settled
from offpath.storage.ledger import NANO

LONGEST_REQUEST: Final = 35.0
"""Seconds after which a request is over, whether or not anybody says so; a judge's own limit is 30."""
_PAUSE: Final = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """So much of a window's budget."""

    window: str
    amount: int
    """Nano-USD."""
    at: float = 0.0
    """When it was made, in seconds on the monotonic clock."""


class BudgetGate:
    """The `gate` of a `Judge` whose spending is limited.

    Args:
        parent: Who has the database; None: whoever runs the hook that asks the judge.
    """

    def __init__(self, parent: Parent | None = None) -> None:
        self._parent = parent
        self._under_way: set[Reservation] = set()

    async def reserve(self, usd: float) -> Reservation | None:
        """Set so much aside; None if the budget has too little left.

        What is set aside is the most that a request can cost, and most of it comes back: while requests of this process
        are under way, one that finds no room waits for them.

        Raises:
            StorageError: That cannot be said now. Whatever came of it counts as spent.
        """
        amount = _nano(usd)
        while True:
            answer = await self._asked.ask(Reserve(amount))
            if not isinstance(answer, Reserved):
                raise StorageError(f"the worker answered a reservation with {type(answer).__name__}")
            now = time.monotonic()
            if answer.window is not None:
                reservation = Reservation(answer.window, amount, now)
                self._under_way.add(reservation)
                return reservation
            # Of some nobody says that they have ended: they took too long, and stay spent.
            self._under_way = {each for each in self._under_way if each.at > now - LONGEST_REQUEST}
            if not self._under_way:
                return None
            await asyncio.sleep(_PAUSE)

    async def settle(self, token: Any, usd: float) -> None:
        """Book what a reservation really took. To be called at most once for each.

        Raises:
            StorageError: It may not be booked; the reservation then counts as spent.
        """
        self._under_way.discard(token)
        answer = await self._asked.ask(Settle(token.window, token.amount, _nano(usd)))
        if not isinstance(answer, Settled):
            raise StorageError(f"the worker answered a settlement with {type(answer).__name__}")

    def keep(self, token: Any) -> None:
        """See `SpendGate`."""
        self._under_way.discard(token)

    @property
    def _asked(self) -> Parent:
        return self._parent or current_parent()


def _nano(usd: float) -> int:
    """Whole nano-USD, rounded up: rounding must not let anything through."""
    return math.ceil(usd * NANO)
