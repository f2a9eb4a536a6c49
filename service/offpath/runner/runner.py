"""Executes a run with its hooks and commits it. The only place where a run's life is written down.

A run goes: session -> foreground pre-hooks -> row of the starting run with the background pre-hooks' jobs, which nobody
waits for -> body -> foreground post-hooks -> one commit of run, session and the background post-hooks' jobs -> answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext

import msgspec

from offpath.errors import (
    CheckError,
    ConflictError,
    HookError,
    InputCheckError,
    OffpathError,
    OutputCheckError,
    RunError,
)
from offpath.hooks.arguments import JobView, hook_arguments
from offpath.hooks.bound import BoundHook, HookSet
from offpath.hooks.call import call_hook
from offpath.models.message import Message
from offpath.runner.active import ActiveRun, Listener, make_event
from offpath.runner.buffer import CheckedStream
from offpath.runner.direct import direct_environment
from offpath.runner.encoding import encode_run, encode_storable_part
from offpath.runner.environment import Environment, Planned
from offpath.runner.failure import failure_of
from offpath.runner.jobs import count_queued, hook_jobs
from offpath.runner.request import RunRequest
from offpath.runner.runnable import Runnable
from offpath.runner.session import check_session, messages_of, new_session
from offpath.runs.context import RunContext, Session
from offpath.runs.event import EventKind, RunEvent
from offpath.runs.input import RunInput
from offpath.runs.job import HookJob, Phase, job_key
from offpath.runs.output import RunOutput
from offpath.runs.record import RunRecord
from offpath.runs.status import RunStatus
from offpath.storage.store import RunRow
from offpath.telemetry.error_text import content_of, without_content
from offpath.telemetry.instruments import instruments
from offpath.telemetry.tracing import producer_span, run_span

logger = logging.getLogger("offpath.runner")


async def run(runnable: Runnable, request: RunRequest, environment: Environment | None = None) -> RunOutput:
    """Run to the end and return the output, completed and stored.

    Raises:
        OffpathError: What ended the run, if it was not completed; the run is stored all the same.
        StorageError: The run could not be stored.
    """
    return await _Execution(runnable, request, environment or direct_environment(runnable)).run_or_raise()


def start(
    runnable: Runnable, request: RunRequest, environment: Environment, listener: Listener | None = None
) -> asyncio.Task[RunOutput]:
    """Start a run in a task of its own, which can be cancelled by `environment.cancel`.

    The task's result is the stored output, whatever its status; it raises only what kept the run from being stored
    or begun (`RequestError`, `StorageError`).
    """
    execution = _Execution(runnable, request, environment, listener)
    task = asyncio.get_running_loop().create_task(execution.run_detached())
    environment.active[request.run_id] = task
    task.add_done_callback(lambda _: environment.active.pop(request.run_id, None))
    return task


async def stream(
    runnable: Runnable, request: RunRequest, environment: Environment | None = None
) -> AsyncIterator[RunEvent]:
    """Run, and yield what happens as it happens.

    The last event is COMPLETED, ERROR or CANCELLED, and comes after the run was stored. Closing the iterator before
    that cancels the run, which is then stored with what was produced, and its hooks run.

    Raises:
        RequestError: The run was refused before it began.
        StorageError: It could not be stored.
    """
    events: asyncio.Queue[RunEvent | None] = asyncio.Queue()
    task = start(runnable, request, environment or direct_environment(runnable), events.put_nowait)
    task.add_done_callback(lambda _: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        await task
    finally:
        if not task.done():
            task.cancel()


class _Execution:
    """One run, from the request to the commit."""

    def __init__(
        self,
        runnable: Runnable,
        request: RunRequest,
        environment: Environment,
        listener: Listener | None = None,
        parent: ActiveRun | None = None,
    ) -> None:
        self.runnable = runnable
        self.request = request
        self.environment = environment
        self.listener = listener
        self.parent = parent
        self.hooks: HookSet = environment.registry.hook_set(runnable)
        self.error: BaseException | None = None
        self.cancelled_late = False
        self.new_session = False
        self.blocked_by = ""
        """The guardrail that refused the run."""
        self.began = time.perf_counter()

    async def run_or_raise(self) -> RunOutput:
        """In the caller's task: what ends the run, and a cancellation, is the caller's to see."""
        output = await self.run()
        if self.error is not None:
            raise self.error
        if self.cancelled_late:
            raise asyncio.CancelledError
        return output

    async def run_detached(self) -> RunOutput:
        """In a task of its own: a cancellation ends the run, and the task still returns what was stored."""
        try:
            return await self.run()
        except asyncio.CancelledError:
            raise ConflictError("the run was cancelled before it began; nothing was stored") from None

    async def run(self) -> RunOutput:
        run = await self._open()
        output = run.output
        with run_span(
            output.kind,
            output.component_name,
            output.component_id,
            run_id=output.run_id,
            session_id=output.session_id,
            parent_run_id=output.parent_run_id,
            streamed=self.listener is not None,
            description=getattr(self.runnable, "description", None),
        ) as span:
            await self._run(run)
            usage = output.metrics.usage
            span.ended(
                output.status,
                error=self.error,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
            )
        return output

    async def _run(self, run: ActiveRun) -> None:
        output = run.output
        checked = self._check_stream(run)
        run.emit(EventKind.STARTED)
        try:
            await self.runnable.prepare(run)
            await self._call_hooks(self.hooks.foreground_pre, run)
            self._begin(run)
            await self.runnable.execute(run)
            output.context = [*output.context, *run.context.context]
            output.status = RunStatus.COMPLETED
            output.metrics.duration = time.perf_counter() - self.began
            await self._call_hooks(self.hooks.foreground_post, run)
        except asyncio.CancelledError as error:
            self._end(run, RunStatus.CANCELLED, error)
        except CheckError as error:
            self._end(run, RunStatus.BLOCKED, error)
        except Exception as error:  # noqa: BLE001  # a run that failed is stored, and its caller told why
            self._end(run, RunStatus.ERROR, error)
        output.metrics.duration = time.perf_counter() - self.began
        if checked is not None and output.status is RunStatus.COMPLETED:
            checked.release(output)
        await self._commit(run)
        self._announce_end(run)

    # -- opening ----------------------------------------------------------------------------------------------

    async def _open(self) -> ActiveRun:
        request, runnable, now = self.request, self.runnable, time.time()
        run_input = request.run_input()
        session, history = await self._conversation(now)
        state = session.state if self.parent else {**session.state, **(request.session_state or {})}
        session.state = state
        context = RunContext(
            run_id=request.run_id,
            session_id=session.session_id,
            user_id=session.user_id,
            session_state=state,
            dependencies={**(runnable.dependencies or {}), **(request.dependencies or {})},
            metadata=request.metadata or {},
            debug_mode=request.debug_mode,
        )
        output = RunOutput(
            run_id=request.run_id,
            kind=runnable.kind,
            component_id=runnable.id,
            component_name=runnable.name,
            session_id=session.session_id,
            user_id=session.user_id,
            parent_run_id=self.parent.output.run_id if self.parent else None,
            metadata=request.metadata,
            created_at=now,
        )
        return ActiveRun(
            input=run_input,
            output=output,
            context=context,
            session=session,
            history=history,
            listener=self.listener,
            run_nested=self._run_nested,
            commits=self.parent.commits if self.parent else [],
        )

    async def _conversation(self, now: float) -> tuple[Session, Sequence[Message]]:
        request, runnable = self.request, self.runnable
        if self.parent is not None:
            return self.parent.session, ()
        found: Session | None = None
        records: Sequence[RunRecord] = ()
        if request.session_id is not None and self.environment.store is not None:
            found, records = await self.environment.store.conversation(request.session_id, runnable.history_runs)
        if found is None:
            self.new_session = True
            session_id = request.session_id or request.run_id
            named = self.environment.keeps == "full"
            return new_session(runnable, session_id, request, now, named=named), ()
        check_session(found, runnable, request)
        found.user_id = found.user_id or request.user_id
        found.updated_at = now
        return found, [message for record in records for message in messages_of(record)]

    def _check_stream(self, run: ActiveRun) -> CheckedStream | None:
        """Hold the answer back while there are foreground post-hooks, which may still change or refuse it."""
        if run.listener is None or not self.hooks.foreground_post or not self.environment.buffer_checked_streams:
            return None
        checked = CheckedStream(run.listener, run.output.run_id)
        run.listener = checked.receive
        return checked

    # -- hooks and nested runs --------------------------------------------------------------------------------

    async def _call_hooks(self, hooks: Sequence[BoundHook], run: ActiveRun) -> None:
        if not hooks:
            return
        for hook in hooks:
            job = JobView(key=job_key(run.output.run_id, hook.phase, hook.name))
            try:
                await call_hook(hook, hook_arguments(run.record, self.runnable, job))
            except CheckError:
                self.blocked_by = hook.name
                instruments().guardrail_blocked.add(1, guardrail=hook.name, agent_name=self.runnable.name)
                raise
            except Exception as error:
                if hook.options.run_in_background and not hook.options.guardrail:
                    # It runs here only because there is no service to take it away: it never was to stop a run.
                    logger.exception('hook "%s" of %s "%s" failed', hook.name, self.runnable.kind, self.runnable.id)
                    continue
                # The error's own text goes to the log only: it may hold what callers must not see.
                logger.error(
                    'foreground %s-hook "%s" failed, so the run does. Mend it%s',
                    hook.phase,
                    hook.name,
                    "" if hook.options.guardrail else ", or mark it @hook(run_in_background=True) if no run needs it",
                    exc_info=error,
                )
                raise HookError(
                    f'{hook.phase}-hook "{hook.name}" of {self.runnable.kind} "{self.runnable.id}" raised '
                    f"{type(error).__name__}, and foreground hooks fail closed; the service's log has the details"
                ) from error

    async def _run_nested(
        self, parent: ActiveRun, runnable: Runnable, run_input: RunInput | str, listener: Listener | None
    ) -> RunOutput:
        request = RunRequest(
            input=run_input,
            user_id=parent.context.user_id,
            dependencies=self.request.dependencies,
            metadata=self.request.metadata,
            debug_mode=self.request.debug_mode,
        )
        parent.output.children.append(request.run_id)
        execution = _Execution(runnable, request, self.environment, listener, parent)
        output = await execution.run()
        parent.context.context.extend(output.context)
        if isinstance(execution.error, asyncio.CancelledError):
            raise execution.error
        return output

    # -- ending -----------------------------------------------------------------------------------------------

    def _end(self, run: ActiveRun, status: RunStatus, error: BaseException) -> None:
        self.error = error
        output = run.output
        if output.status is RunStatus.RUNNING:
            output.context = [*output.context, *run.context.context]
        output.status = status
        if status is RunStatus.BLOCKED and isinstance(error, InputCheckError) and self.new_session:
            # Named after its first message, which was refused.
            run.session.name = None
        unchecked = isinstance(error, HookError) or any(hook.options.guardrail for hook in self.hooks.foreground_post)
        if isinstance(error, OutputCheckError) or unchecked:
            # Refused, or never checked: it stays in the messages of the stored run and goes to nobody.
            output.content = None
        if status is not RunStatus.CANCELLED:
            output.error = failure_of(error)
        if isinstance(error, RunError) and not isinstance(error, HookError):
            logger.warning(
                'run %s of %s "%s" failed: %s',
                output.run_id,
                output.kind,
                output.component_id,
                without_content(error),
                extra=content_of(error),
            )
        if not isinstance(error, OffpathError | asyncio.CancelledError):
            logger.error('run %s of %s "%s" failed', output.run_id, output.kind, output.component_id, exc_info=error)

    def _announce_end(self, run: ActiveRun) -> None:
        kinds = {RunStatus.COMPLETED: EventKind.COMPLETED, RunStatus.CANCELLED: EventKind.CANCELLED}
        kind = kinds.get(run.output.status, EventKind.ERROR)
        if self.listener is not None:
            self.listener(
                make_event(run.output, kind, content=run.output.content, output=run.output, error=run.output.error)
            )

    # -- storing ----------------------------------------------------------------------------------------------

    def _begin(self, run: ActiveRun) -> None:
        store = self.environment.store
        if store is None:
            return
        hooks = self.hooks.background_pre
        if not hooks:
            store.begin(self._row(run), self._session(run), ())
            return
        with producer_span(len(hooks), run_id=run.output.run_id) as hand_over:
            jobs = self._jobs(hooks, run, "pre", hand_over.traceparent)
            store.begin(self._row(run), self._session(run), jobs)
        count_queued(jobs)

    async def _commit(self, run: ActiveRun) -> None:
        environment = self.environment
        if environment.store is None:
            return
        run.session.updated_at = time.time()
        began = time.perf_counter()
        row = self._row(run)
        encoded = time.perf_counter()
        planned = (
            None if environment.planner is None else environment.planner.plan(run.output, blocked_by=self.blocked_by)
        )
        hooks = self._wanted(run, planned)
        with producer_span(len(hooks), run_id=run.output.run_id) if hooks or planned else nullcontext() as hand_over:
            jobs = self._jobs(hooks, run, "post", hand_over.traceparent) if hand_over is not None else []
            if planned is not None and hand_over is not None:
                row.plan = planned.plan
                row.plan.traceparent = hand_over.traceparent
            chosen = time.perf_counter()
            stored = environment.spawn(environment.store.finish(row, self._session(run), jobs))
            if self.parent is not None:
                # Nobody can see this run before the outermost one is answered, so only that one waits.
                run.commits.append(stored)
                stored.add_done_callback(lambda stored: None if _failed(stored) else count_queued(jobs))
                return
            for commit in (*run.commits, stored):
                await self._stored(commit)
        overhead = instruments().response_overhead
        overhead.record(encoded - began, stage="encode")
        overhead.record(chosen - encoded, stage="plan")
        overhead.record(time.perf_counter() - chosen, stage="commit")
        count_queued(jobs)
        if jobs and environment.inline_jobs is not None:
            await environment.inline_jobs(row.record, jobs)

    async def _stored(self, commit: asyncio.Future[None]) -> None:
        """Wait for a commit, whatever happens to the caller meanwhile."""
        while not commit.done():
            try:
                await asyncio.shield(commit)
            except asyncio.CancelledError:
                if commit.cancelled():
                    raise
                self.cancelled_late = True
        commit.result()

    def _wanted(self, run: ActiveRun, planned: Planned | None) -> list[BoundHook]:
        """The background post-hooks that run after such an end; the others are counted as skipped.

        Of the built-in ones those that the plan names: it knows better than `run_on` which of them have work.
        """
        wanted: list[BoundHook] = []
        for hook in self.hooks.background_post:
            if hook.options.kind is not None:
                if planned is not None and hook.name in planned.hooks:
                    wanted.append(hook)
                elif planned is not None and hook.name in planned.shed:
                    instruments().hooks_skipped.add(1, hook=hook.id, hook_kind=hook.kind, reason="overload")
            elif run.output.status in hook.options.run_on:
                wanted.append(hook)
            else:
                instruments().hooks_skipped.add(1, hook=hook.id, hook_kind=hook.kind, reason="run_status")
        return wanted

    def _jobs(self, hooks: Sequence[BoundHook], run: ActiveRun, phase: Phase, traceparent: str) -> list[HookJob]:
        environment = self.environment
        return hook_jobs(
            hooks,
            run.output,
            phase,
            local=environment.local_hooks,
            placement=environment.instance,
            traceparent=traceparent,
        )

    def _row(self, run: ActiveRun) -> RunRow:
        output = run.output
        return RunRow(
            run_id=output.run_id,
            session_id=output.session_id,
            kind=output.kind,
            component_id=output.component_id,
            component_name=output.component_name,
            user_id=output.user_id,
            parent_run_id=output.parent_run_id,
            status=output.status,
            created_at=output.created_at,
            updated_at=time.time(),
            owner=self.environment.instance,
            record=self._encode(run),
        )

    def _session(self, run: ActiveRun) -> Session:
        """The session as it is stored: its state is memory, too."""
        return run.session if self.environment.keeps != "none" else msgspec.structs.replace(run.session, state={})

    def _encode(self, run: ActiveRun) -> bytes:
        try:
            content = self.environment.keeps != "none"
            return encode_run(run, self.runnable.dependencies, self.request.dependencies, content=content)
        except RunError as error:
            self._end(run, RunStatus.ERROR, error)
            return encode_storable_part(run, content=self.environment.keeps != "none")


def _failed(commit: asyncio.Future[None]) -> bool:
    return commit.cancelled() or commit.exception() is not None
