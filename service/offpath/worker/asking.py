"""Asking: how hooks put questions to the worker's parent, wherever they run."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

import msgspec

from offpath.errors import StorageError
from offpath.ledger.question import Answer, Question, decode_answer, encode_question
from offpath.worker.messages import Ask, Reply

PARENT_GONE: Final = "the worker that runs this hook ends, and answers no more"


class Asking:
    """The hooks' side of questions; implements `offpath.hooks.parent.Parent` on every event loop of its process.

    Args:
        send: Passes a question on; called on the event loop that this was made on. False: nobody will answer.
    """

    def __init__(self, send: Callable[[Ask], bool]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Reply]] = {}
        self._lock = threading.Lock()
        self._closed = False

    async def ask(self, question: Question) -> Answer:
        """The answer.

        Raises:
            StorageError: The parent cannot give one now, or is gone.
        """
        message = Ask(next(self._numbers), encode_question(question))
        reply: Future[Reply] = Future()
        with self._lock:
            if self._closed:
                raise StorageError(PARENT_GONE)
            self._waiting[message.number] = reply
        try:
            if asyncio.get_running_loop() is self._loop:
                self._pass_on(message)
            else:
                self._from_elsewhere(message)
            found = await asyncio.wrap_future(reply)
        finally:
            # Also when the attempt has ended: a reply that comes later is meant for nobody.
            with self._lock:
                self._waiting.pop(message.number, None)
        if found.error is not None:
            raise StorageError(found.error)
        try:
            return decode_answer(found.body)
        except msgspec.MsgspecError as error:
            raise StorageError(f"the worker's answer to {type(question).__name__} cannot be read") from error

    def take(self, reply: Reply) -> None:
        """An answer has come; one that nobody waits for any more is dropped."""
        with self._lock:
            waiting = self._waiting.pop(reply.number, None)
        if waiting is not None and waiting.set_running_or_notify_cancel():
            waiting.set_result(reply)

    def close(self) -> None:
        """Nobody answers any more."""
        with self._lock:
            self._closed = True
            numbers = list(self._waiting)
        for number in numbers:
            self.take(Reply(number, b"", PARENT_GONE))

    def _pass_on(self, message: Ask) -> None:
        if not self._send(message):
            self.take(Reply(message.number, b"", PARENT_GONE))

    def _from_elsewhere(self, message: Ask) -> None:
        """From a hook on a thread that runs an event loop of its own."""
        try:
            self._loop.call_soon_threadsafe(self._pass_on, message)
        except RuntimeError:  # the loop is closed
            self.take(Reply(message.number, b"", PARENT_GONE))
