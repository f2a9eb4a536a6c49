"""A run as a stream of server-sent events, from its first event to its end or its client's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from offpath.api.events import KEEP_ALIVE, error_frame, event_frame
from offpath.errors import OffpathError
from offpath.runner.environment import Environment
from offpath.runner.request import RunRequest
from offpath.runner.runnable import Runnable
from offpath.runner.runner import start
from offpath.runs.event import RunEvent
from offpath.runs.output import RunOutput

logger = logging.getLogger("offpath.api")

KEEP_ALIVE_SECONDS: Final = 15.0
"""Of silence, after which a comment keeps proxies from closing the connection."""
HEADERS: Final = {"cache-control": "no-cache", "x-accel-buffering": "no"}
MEDIA_TYPE: Final = "text/event-stream"


class RunStream(Response):
    """Executes a run and sends what happens. If the client goes away, the run is cancelled, and stored as such.

    Args:
        root: What comes before the links in it; see `link`.
    """

    def __init__(self, environment: Environment, root: str, headers: dict[str, str] | None = None) -> None:
        self.status_code = 200
        self.media_type = MEDIA_TYPE
        self.background = None
        self.init_headers({**HEADERS, **(headers or {})})
        self._environment = environment
        self._root = root
        self._run_id = ""
        self._task: asyncio.Task[RunOutput] | None = None
        self._first: RunEvent | None = None
        self._frames: list[bytes] = []
        self._wake = asyncio.Event()
        self._gone = False

    def start(self, runnable: Runnable, request: RunRequest) -> asyncio.Task[RunOutput]:
        """Start the run; comes first."""
        self._run_id = request.run_id
        self._task = start(runnable, request, self._environment, self._receive)
        self._task.add_done_callback(lambda _: self._wake.set())
        return self._task

    async def begin(self) -> None:
        """Return when there is something to send.

        Raises:
            RequestError: The run was refused before it began.
            StorageError: Its session could not be read.
        """
        try:
            await self._wake.wait()
        except asyncio.CancelledError:
            self._environment.cancel(self._run_id)
            raise
        if not self._frames and self._task is not None:
            await self._task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watcher = asyncio.get_running_loop().create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send_frames(send)
        except OSError:
            self._gone = True
        finally:
            watcher.cancel()
            # Whatever ended the stream: a run that nobody listens to any more is not carried on.
            self._environment.cancel(self._run_id)

    async def _send_frames(self, send: Send) -> None:
        task = self._task
        assert task is not None  # noqa: S101  # start() comes first
        while not self._gone:
            ended = task.done()
            if self._frames:
                frames, self._frames = self._frames, []
                await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})
            elif ended:
                last = self._last_words(task)
                await send({"type": "http.response.body", "body": last, "more_body": False})
                return
            else:
                self._wake.clear()
                try:
                    async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    await send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})

    def _last_words(self, task: asyncio.Task[RunOutput]) -> bytes:
        """Nothing as a rule; an error event if the run could not be stored after its first events were sent."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None or self._first is None:
            return b""
        if not isinstance(error, OffpathError | asyncio.CancelledError):
            logger.error("run %s failed", self._run_id, exc_info=error)
        return error_frame(error, self._first, self._root)

    def _receive(self, event: RunEvent) -> None:
        self._first = self._first or event
        frame = event_frame(event, self._root)
        if frame is not None:
            self._frames.append(frame)
            self._wake.set()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._wake.set()


def stream_answer(frames: Iterable[bytes], headers: dict[str, str] | None = None) -> Response:
    """A stream whose end is known already."""
    return Response(b"".join(frames), 200, {**HEADERS, **(headers or {})}, media_type=MEDIA_TYPE)
