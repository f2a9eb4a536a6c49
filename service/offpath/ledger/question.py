"""Question: what a hook in an executor asks the worker's parent, which has the database; and the answers."""

from __future__ import annotations

from typing import Final

import msgspec

from offpath.ledger.notice import Delivery
from offpath.ledger.plan import RunPlan


class Reserve(msgspec.Struct, array_like=True, tag="reserve", frozen=True):
    """May so much of the judge's budget be spent? Answered by `Reserved`."""

    amount: int
    """Nano-USD: the most that the request may take."""


class Reserved(msgspec.Struct, array_like=True, tag="reserved", frozen=True):
    """Whether the budget has it."""

    window: str | None
    """The window that it was taken from, for `Settle`; None: the budget has too little left."""


class Settle(msgspec.Struct, array_like=True, tag="settle", frozen=True):
    """What a reservation really took. Asked at most once for each; answered by `Settled`.

    A reservation that is never settled counts as spent.
    """

    window: str
    amount: int
    """Nano-USD that were reserved."""
    spent: int
    """Nano-USD; more than `amount` if the endpoint took more than it was allowed."""


class Settled(msgspec.Struct, array_like=True, tag="settled", frozen=True):
    """It is booked."""


class FetchDelivery(msgspec.Struct, array_like=True, tag="delivery", frozen=True):
    """The message that a notification's job is to send. Answered by `FetchedDelivery`."""

    id: str


class FetchedDelivery(msgspec.Struct, array_like=True, tag="fetched_delivery", frozen=True):
    delivery: Delivery | None
    """None: it is not stored any more."""


class FetchSession(msgspec.Struct, array_like=True, tag="session", frozen=True):
    """The records of a session's newest outermost ended runs. Answered by `FetchedSession`."""

    session_id: str
    limit: int
    """Runs at most."""


class FetchedSession(msgspec.Struct, array_like=True, tag="fetched_session", frozen=True):
    records: list[bytes]
    """Encoded, oldest first; see `offpath.runs.record.decode_record`."""


class FetchPlan(msgspec.Struct, array_like=True, tag="plan", frozen=True):
    """What is planned for a run. Answered by `FetchedPlan`."""

    run_id: str


class FetchedPlan(msgspec.Struct, array_like=True, tag="fetched_plan", frozen=True):
    plan: RunPlan | None
    """None: the run was deleted, or has none."""


Question = Reserve | Settle | FetchDelivery | FetchSession | FetchPlan
Answer = Reserved | Settled | FetchedDelivery | FetchedSession | FetchedPlan

_encoder: Final = msgspec.msgpack.Encoder()
_questions: Final[msgspec.msgpack.Decoder[Question]] = msgspec.msgpack.Decoder(Question)
_answers: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)


def encode_question(question: Question) -> bytes:
    """For the way between processes."""
    return _encoder.encode(question)


def decode_question(body: bytes) -> Question:
    """
    Raises:
        msgspec.MsgspecError: It is none.
    """
    return _questions.decode(body)


def encode_answer(answer: Answer) -> bytes:
    """For the way between processes."""
    return _encoder.encode(answer)


def decode_answer(body: bytes) -> Answer:
    """
    Raises:
        msgspec.MsgspecError: It is none.
    """
    return _answers.decode(body)
