"""Runs attempts on an event loop and on threads, and reports how they ended."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from typing import Any, Final

from offpath.hooks.bound import BoundHook
from offpath.hooks.parent import Parent, set_parent
from offpath.hooks.registry import HookRegistry
from offpath.telemetry.tracing import HookSpan, HookTraces, hook_span
from offpath.worker.admission import Admission
from offpath.worker.failure import HookExit, failed, short, text_of, timed_out
from offpath.worker.hook_call import bound_hook, prepared, succeeded
from offpath.worker.messages import Call, Ended
from offpath.worker.slot import Slot
from offpath.worker.stepping import current_attempt, mark_tasks
from offpath.worker.threads import DaemonThreads

BEAT: Final = 0.1
"""Seconds between heartbeats while there is work."""

_log = logging.getLogger("offpath.hooks")


class JobRunner:
    """The part of an executor that runs hooks. Lives on one event loop.

    Args:
        threads: Most plain functions at a time.
        slot: Where to show what is going on; None if nobody watches.
        deliver: Takes what ended; called on the loop, at most once a turn.
        held: Told the numbers of attempts that have to wait before they begin.
        begun: Told the number of one of these when it begins.
        traces: See `hook_span`.
        parent: Whom hooks may ask.
    """

    def __init__(
        self,
        registry: HookRegistry,
        *,
        threads: int,
        slot: Slot | None,
        deliver: Callable[[list[Ended]], None],
        held: Callable[[list[int]], None],
        begun: Callable[[int], None],
        traces: HookTraces = "link",
        parent: Parent | None = None,
    ) -> None:
        self._parent = parent
        self._traces = traces
        self._registry = registry
        self._slot = slot
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._threads = DaemonThreads(threads)
        self._ended: deque[Ended] = deque()
        self._flushing = False
        self._running = 0
        self._beating = False
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._admission: Admission[tuple[Call, bytes]] = Admission(
            self._start,
            held=lambda attempts: held([call.number for call, _ in attempts]),
            begun=lambda attempt: begun(attempt[0].number),
        )
        if slot is not None:
            mark_tasks(self._loop, slot.step)

    def begin(self, records: Sequence[bytes], calls: Sequence[Call]) -> None:
        """Start attempts, or let them wait if those under way compute a lot."""
        self._running += len(calls)
        self._admission.add([(call, records[call.record]) for call in calls])
        if not self._beating and self._slot is not None:
            self._beating = True
            self._beat()

    def _start(self, attempt: tuple[Call, bytes]) -> None:
        """Start one; it decodes the record of its run for itself."""
        call, record = attempt
        started_at = time.time()
        try:
            hook = bound_hook(self._registry, call.hook_id)
            arguments, session_id = prepared(self._registry, hook, call, record)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this job's failure
            self._end(self._unprepared(call, error, started_at))
            return
        if hook.is_async:
            self._start_task(hook, call, session_id, hook.function, arguments, started_at)
        else:
            self._start_thread(hook, call, session_id, arguments)

    def cancel_all(self) -> None:
        """Cancel what runs on the loop; threads cannot be stopped."""
        for task in self._tasks.values():
            task.cancel()

    def _unprepared(self, call: Call, error: Exception, started_at: float) -> Ended:
        text = f"the hook could not be called: {type(error).__name__}: {text_of(error)}"
        return Ended(call.number, "error", started_at, time.time(), error=short(text), error_type=type(error).__name__)

    def _start_task(
        self,
        hook: BoundHook,
        call: Call,
        session_id: str,
        function: Callable[..., Any],
        arguments: dict[str, Any],
        started_at: float,
    ) -> None:
        context = self._context(call)
        work = self._call(hook, call, session_id, function, arguments, started_at)
        task = self._loop.create_task(work, context=context)
        # The loop itself keeps weak references only.
        self._tasks[call.number] = task

    async def _call(
        self,
        hook: BoundHook,
        call: Call,
        session_id: str,
        function: Callable[..., Any],
        arguments: dict[str, Any],
        started_at: float,
    ) -> None:
        limit = asyncio.timeout(call.limit)
        try:
            with self._span(hook, call, session_id) as span:
                try:
                    async with limit:
                        value = await function(**arguments)
                except TimeoutError as error:
                    if limit.expired():
                        span.ended("timeout", error)
                    raise
        except TimeoutError as error:
            if limit.expired():
                ended = timed_out(call.number, call.limit, error, started_at, time.time())
            else:
                ended = self._failed(hook, call, error, started_at)
        except (SystemExit, KeyboardInterrupt) as exit_:
            error_ = HookExit(f"the hook tried to end its process with {exit_!r}")
            ended = self._failed(hook, call, error_, started_at)
        except BaseException as error:  # noqa: BLE001  # no hook may end the loop of the others
            ended = self._failed(hook, call, error, started_at)
        else:
            ended = succeeded(call.number, value, started_at, time.time())
        del self._tasks[call.number]
        self._end(ended)

    def _start_thread(self, hook: BoundHook, call: Call, session_id: str, arguments: dict[str, Any]) -> None:
        slot = self._slot

        def work(index: int) -> None:
            if slot is not None:
                slot.thread_begins(index, call.number, threading.get_ident(), threading.get_native_id())
            started_at = time.time()
            try:
                value = self._context(call).run(self._traced, hook, call, session_id, arguments)
                if inspect.isawaitable(value):
                    self._loop.call_soon_threadsafe(self._continue, hook, call, session_id, value, started_at)
                    return
                ended = succeeded(call.number, value, started_at, time.time())
            except (SystemExit, KeyboardInterrupt) as exit_:
                error = HookExit(f"the hook tried to end its process with {exit_!r}")
                ended = self._failed(hook, call, error, started_at)
            except BaseException as error:  # noqa: BLE001  # reported as this job's failure
                ended = self._failed(hook, call, error, started_at)
            finally:
                if slot is not None:
                    slot.thread_ends(index)
            self._ended.append(ended)
            if not self._flushing:
                self._flushing = True
                self._loop.call_soon_threadsafe(self._flush)

        self._threads.submit(work)

    def _context(self, call: Call) -> Context:
        """What is known within one attempt, and in whatever it starts."""
        context = copy_context()
        context.run(current_attempt.set, call.number)
        context.run(set_parent, self._parent)
        return context

    def _span(self, hook: BoundHook, call: Call, session_id: str) -> HookSpan:
        run_id = call.key.partition(":")[0]
        return hook_span(
            hook.name,
            hook.id,
            hook.kind,
            run_id=run_id,
            session_id=session_id,
            job_key=call.key,
            attempt=call.attempt,
            traceparent=call.traceparent,
            mode=self._traces,
        )

    def _traced(self, hook: BoundHook, call: Call, session_id: str, arguments: dict[str, Any]) -> Any:
        with self._span(hook, call, session_id):
            return hook.function(**arguments)

    def _continue(self, hook: BoundHook, call: Call, session_id: str, value: Awaitable[Any], started_at: float) -> None:
        """A plain callable gave an awaitable (a partial of a coroutine function, a lambda)."""

        async def wait() -> Any:
            return await value

        self._start_task(hook, call, session_id, wait, {}, started_at)

    def _failed(self, hook: BoundHook, call: Call, error: BaseException, started_at: float) -> Ended:
        _log.debug('hook "%s" raised', hook.id, exc_info=error)
        return failed(hook, call.number, error, started_at, time.time())

    def _end(self, ended: Ended) -> None:
        self._ended.append(ended)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        # Cleared first: a thread that appends after the loop below has seen nothing schedules another flush.
        self._flushing = False
        ended: list[Ended] = []
        while self._ended:
            ended.append(self._ended.popleft())
        self._running -= len(ended)
        self._admission.ended(len(ended))
        if ended:
            self._deliver(ended)

    def _beat(self) -> None:
        if self._slot is None:
            return
        self._slot.beat()
        if self._running:
            self._loop.call_later(BEAT, self._beat)
        else:
            self._beating = False
