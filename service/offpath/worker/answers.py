"""Answers: what the worker's parent knows for hooks that ask."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from offpath.errors import ConfigurationError, OffpathError
from offpath.hooks.parent import Parent
from offpath.ledger.budget import window_of, zone_of
from offpath.ledger.question import (
    Answer,
    FetchDelivery,
    FetchedDelivery,
    FetchedPlan,
    FetchedSession,
    FetchPlan,
    FetchSession,
    Question,
    Reserve,
    Reserved,
    Settle,
    Settled,
    decode_question,
    encode_answer,
)
from offpath.storage.ledger import NANO
from offpath.worker.messages import Ask, Reply
from offpath.worker.options import WorkerOptions
from offpath.worker.shared_ledger import SharedLedger

LARGEST_ANSWER: Final = 32 * 2**20
"""Bytes of a session's records that one answer carries: the newest ones."""

_log = logging.getLogger("offpath.worker")


class Answers:
    """Answers hooks from the database. Implements `offpath.hooks.parent.Parent` on the worker's event loop.

    Args:
        ledger: Opened at the first question.
        options: Those of the judge's budget count.
        clock: Seconds since the epoch.
    """

    def __init__(self, ledger: SharedLedger, options: WorkerOptions, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock
        budget = options.judge_budget_usd
        self._limit = None if budget is None else round(budget * NANO)
        self._length = options.judge_budget_window
        self._zone = zone_of(options.timezone)

    async def ask(self, question: Question) -> Answer:
        """
        Raises:
            StorageError: The database cannot be reached now.
            ConfigurationError: A budget is asked for, and there is none.
        """
        match question:
            case Reserve():
                return await self._reserve(question)
            case Settle(window, amount, spent):
                await (await self._ledger.opened()).settle(window, amount, spent)
                return Settled()
            case FetchDelivery(delivery_id):
                return FetchedDelivery(await (await self._ledger.opened()).delivery(delivery_id))
            case FetchSession(session_id, limit):
                records = await (await self._ledger.opened()).session_records(session_id, limit=limit)
                return FetchedSession(_newest(records))
            case FetchPlan(run_id):
                return FetchedPlan((await (await self._ledger.opened()).plans([run_id])).get(run_id))

    async def _reserve(self, question: Reserve) -> Reserved:
        if self._limit is None:
            raise ConfigurationError(
                "a hook asks for the judge's budget, and this worker was started without OFFPATH_JUDGE_BUDGET_USD; "
                "start it with the environment of the service"
            )
        if question.amount > self._limit:
            return Reserved(None)  # whatever is left
        window = window_of(self._clock(), self._length, self._zone)
        granted = await (await self._ledger.opened()).reserve(window, self._limit, question.amount)
        return Reserved(window if granted else None)


async def reply_to(ask: Ask, parent: Parent | None) -> Reply:
    """What an executor is told; never raises."""
    if parent is None:
        return Reply(ask.number, b"", "this worker answers no questions of hooks")
    try:
        answer = await parent.ask(decode_question(ask.body))
        return Reply(ask.number, encode_answer(answer))
    except OffpathError as error:
        return Reply(ask.number, b"", str(error))
    except msgspec.MsgspecError:
        return Reply(ask.number, b"", "the worker cannot read the question: it runs another version of offpath")
    except Exception as error:  # noqa: BLE001  # the hook must hear of it, and the worker go on
        _log.exception("a question of a hook could not be answered")
        return Reply(ask.number, b"", f"the worker could not answer: an internal error, a {type(error).__name__}")


def _newest(records: list[bytes]) -> list[bytes]:
    """As many of the last ones as fit."""
    size = 0
    for place in range(len(records) - 1, -1, -1):
        size += len(records[place])
        if size > LARGEST_ANSWER:
            return records[place + 1 :]
    return records
