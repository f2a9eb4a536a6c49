"""Plant: a slowdown put on the response path, to show that the experiment finds it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TIMER: Final = 0.002
"""Seconds by which an event loop may wake up late: the rest of a pause is spun."""


class Plant:
    """Makes the answer to every run later by a share of the time that it took.

    Args:
        app: What answers.
        share: 0.02 for an answer that takes 2 % longer.
    """

    def __init__(self, app: ASGIApp, share: float) -> None:
        self.app = app
        self.share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith("/runs"):
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_later(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = time.perf_counter()
                await pause_until(now + self.share * (now - began))
            await send(message)

        await self.app(scope, receive, send_later)


async def pause_until(moment: float) -> None:
    """Return at a time of `time.perf_counter`, to some microseconds."""
    left = moment - time.perf_counter()
    if left > _TIMER:
        await asyncio.sleep(left - _TIMER)
    while time.perf_counter() < moment:
        pass
