"""BudgetGate: lets a judge's requests through while its budget lasts, which all workers share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from offpath.errors import StorageError
from offpath.hooks.parent import Parent, current_parent
from offpath.ledger.question import Reserve, Reserved, Settle, Settled
from offpath.storage.ledger import NANO


@dataclass(frozen=True, slots=True)
class Reservation:
    """So much of a window's budget."""

    window: str
    amount: int
    """Nano-USD."""


class BudgetGate:
    """The `gate` of a `Judge` whose spending is limited.

    Args:
        parent: Who has the database; None: whoever runs the hook that asks the judge.
    """

    def __init__(self, parent: Parent | None = None) -> None:
        self._parent = parent

    async def reserve(self, usd: float) -> Reservation | None:
        """Set so much aside; None if the budget has too little left.

        Raises:
            StorageError: That cannot be said now. Whatever came of it counts as spent.
        """
        amount = _nano(usd)
        answer = await self._asked.ask(Reserve(amount))
        if not isinstance(answer, Reserved):
            raise StorageError(f"the worker answered a reservation with {type(answer).__name__}")
        return None if answer.window is None else Reservation(answer.window, amount)

    async def settle(self, token: Any, usd: float) -> None:
        """Book what a reservation really took. To be called at most once for each.

        Raises:
            StorageError: It may not be booked; the reservation then counts as spent.
        """
        answer = await self._asked.ask(Settle(token.window, token.amount, _nano(usd)))
        if not isinstance(answer, Settled):
            raise StorageError(f"the worker answered a settlement with {type(answer).__name__}")

    @property
    def _asked(self) -> Parent:
        return self._parent or current_parent()


def _nano(usd: float) -> int:
    """Whole nano-USD, rounded up: rounding must not let anything through."""
    return math.ceil(usd * NANO)
