"""Parent: whom a hook in the background asks for what only the worker's own process has."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, Protocol, overload

from offpath.errors import ConfigurationError
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
)

_parent: Final[ContextVar[Parent | None]] = ContextVar("offpath_parent", default=None)


class Parent(Protocol):
    """Answers questions of hooks. May be asked from any event loop."""

    async def ask(self, question: Question) -> Answer:
        """
        Raises:
            StorageError: There is no answer now: the database cannot be reached, or the worker ends. A hook that lets
                it through is tried again.
        """


def current_parent() -> Parent:
    """Whom the hook that runs now can ask.

    Raises:
        ConfigurationError: No worker runs it: it was called directly, or runs in the foreground.
    """
    parent = _parent.get()
    if parent is None:
        raise ConfigurationError(
            "this hook asks the worker that runs it, and no worker does; let it run in the background of a service, "
            "or, in a test, call it within offpath.hooks.parent.answered_by(parent)"
        )
    return parent


class answered_by:  # noqa: N801  # reads as a statement: `with answered_by(parent):`
    """Within the block, `parent` is whom hooks ask."""

    def __init__(self, parent: Parent) -> None:
        self._asked = parent
        self._token: Token[Parent | None] | None = None

    def __enter__(self) -> None:
        self._token = _parent.set(self._asked)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _parent.reset(self._token)


def set_parent(parent: Parent | None) -> None:
    """For the context of one attempt."""
    _parent.set(parent)


@overload
async def ask(question: Reserve) -> Reserved: ...
@overload
async def ask(question: Settle) -> Settled: ...
@overload
async def ask(question: FetchDelivery) -> FetchedDelivery: ...
@overload
async def ask(question: FetchSession) -> FetchedSession: ...
@overload
async def ask(question: FetchPlan) -> FetchedPlan: ...
async def ask(question: Question) -> Answer:
    """Ask whoever `current_parent` is; raises what it and `Parent.ask` do."""
    return await current_parent().ask(question)
