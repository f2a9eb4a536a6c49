"""Whom the end of an executor throws suspicion on: few are tried alone at once, hundreds not before a second time."""

from __future__ import annotations

from typing import Any

from offpath.worker.pool import Ticket
from offpath.worker.process_pool import _MOST_SUSPECTS, _suspect


def tickets(count: int) -> list[Ticket]:
    nothing: Any = None
    return [Ticket(number, nothing, nothing, True, b"", 1.0) for number in range(1, count + 1)]


def test_few_are_tried_alone_at_once() -> None:
    few = tickets(_MOST_SUSPECTS)
    _suspect(few)
    assert all(ticket.alone for ticket in few)


def test_many_go_on_together_and_those_that_meet_a_second_end_alone() -> None:
    many = tickets(400)
    _suspect(many)
    assert not any(ticket.alone for ticket in many)
    # Most of them end well; some are there when the next executor goes.
    left = many[:100]
    others = tickets(50)
    _suspect([*left, *others])
    assert all(ticket.alone for ticket in left)
    assert not any(ticket.alone for ticket in others)


def test_one_that_is_tried_alone_stays_alone() -> None:
    (one,) = tickets(1)
    one.alone = True
    _suspect([one, *tickets(99)])
    assert one.alone
