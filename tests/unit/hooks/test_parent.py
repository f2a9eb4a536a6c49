"""Whom a hook can ask."""

from __future__ import annotations

import pytest

from offpath.errors import ConfigurationError
from offpath.hooks.parent import answered_by, ask, current_parent
from offpath.ledger.question import Answer, FetchDelivery, FetchedDelivery, Question


class Told:
    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        return FetchedDelivery(None)


async def test_a_hook_that_no_worker_runs_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match="no worker"):
        await ask(FetchDelivery("d1"))


async def test_within_a_block_a_parent_answers() -> None:
    parent = Told()
    with answered_by(parent):
        assert current_parent() is parent
        assert (await ask(FetchDelivery("d1"))).delivery is None
    assert parent.asked == [FetchDelivery("d1")]
    with pytest.raises(ConfigurationError):
        current_parent()
