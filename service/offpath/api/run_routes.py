"""Runs: start one, read it, cancel it, delete it."""

# No `from __future__ import annotations`: FastAPI reads the annotations of routes, some of which name local values.

import asyncio
import logging
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from offpath.api import idempotency, wire
from offpath.api.answer import failure_answer, json_answer
from offpath.api.body import read_fields
from offpath.api.context import ServiceContext
from offpath.api.documents import RUN_BODY, RUN_STREAM, RunDocument, SessionRunDocument, problems
from offpath.api.events import replay_frames
from offpath.api.link import root_of
from offpath.api.principal import RUN_ID_KEY, Principal, principal_of
from offpath.api.route import direct
from offpath.api.run_form import RunForm, run_form
from offpath.api.run_stream import RunStream, stream_answer
from offpath.errors import ConflictError, InvalidInputError, NotFoundError, OffpathError
from offpath.runner.runner import start
from offpath.runs.output import RunOutput
from offpath.runs.record import RunRecord
from offpath.runs.status import ComponentKind, RunStatus

logger = logging.getLogger("offpath.api")

STATUS_WORDS: Final = {status.value: status for status in RunStatus}
MOST_RUNS: Final = 100
"""Runs of one answer unless the caller asks for another number."""

RunId = Annotated[str, Path(description="The run's id.")]
SessionQuery = Annotated[str | None, Query(description="Only a run of this session.")]


class RunRoutes:
    """What the routes of runs do."""

    def __init__(self, context: ServiceContext) -> None:
        self.context = context
        self.environment = context.environment
        self._users: dict[str, str | None] = {}
        """The users of runs under way, since their rows may not be written yet."""

    # -- starting ---------------------------------------------------------------------------------------------

    async def create(self, request: Request, kind: ComponentKind, component_id: str) -> Response:
        """`POST /agents/{id}/runs` and its like."""
        context = self.context
        context.check_started()
        runnable = context.component(kind, component_id)
        principal = principal_of(request)
        fields = await read_fields(request, context.settings.max_body_bytes)
        form = run_form(fields, context.settings, user_id_for=principal.acting_for)
        if principal.user is not None:
            await self._check_session(principal, form.request.session_id)
        claim = None
        if idempotency.HEADER in request.headers:
            claim = await idempotency.claim(request, form, principal, context.store, self.environment.instance)
            if claim is not None and claim.replayed:
                return await self._replay(claim.run_id, form, root_of(request.scope))
        headers = {"offpath-ignored-fields": _header_list(form.ignored)} if form.ignored else {}
        run_id = form.request.run_id
        request.scope[RUN_ID_KEY] = run_id
        if principal.user is not None:
            self._users[run_id] = principal.user
        if form.stream:
            stream = RunStream(self.environment, root_of(request.scope), headers)
            task = stream.start(runnable, form.request)
            self._watch(task, run_id, claim)
            await stream.begin()
            return stream
        task = start(runnable, form.request, self.environment)
        if claim is not None or principal.user is not None:
            self._watch(task, run_id, claim)
        return run_answer(await task, root_of(request.scope), headers)

    def _watch(self, task: asyncio.Task[RunOutput], run_id: str, claim: idempotency.Claim | None) -> None:
        """Forget the run's user when it ends, and its key if nothing was stored."""

        def ended(task: asyncio.Task[RunOutput]) -> None:
            self._users.pop(run_id, None)
            if claim is not None and (task.cancelled() or task.exception() is not None):
                self.environment.spawn(_release(claim))

        task.add_done_callback(ended)

    async def _check_session(self, principal: Principal, session_id: str | None) -> None:
        """A session that belongs to nobody is not taken over by the first user who names it."""
        session = await self.context.store.session(session_id) if session_id is not None else None
        if session is not None and not principal.may_see(session.user_id):
            raise ConflictError(f'session "{session_id}" is in use; choose another session_id')

    async def _replay(self, run_id: str, form: RunForm, root: str) -> Response:
        record = await self.context.store.run(run_id)
        if record is None:
            raise NotFoundError(
                "the run that this Idempotency-Key belongs to was deleted; use a new key to run it again"
            )
        if form.stream:
            return stream_answer(replay_frames(record.output, root), idempotency.REPLAYED)
        return run_answer(record.output, root, idempotency.REPLAYED)

    # -- reading ----------------------------------------------------------------------------------------------

    async def record(self, principal: Principal, run_id: str) -> RunRecord:
        """A stored run that the caller may see.

        Raises:
            NotFoundError: There is none.
        """
        record = await self.context.store.run(run_id)
        if record is None or not principal.may_see(record.output.user_id):
            raise NotFoundError(f'no run has the id "{run_id[:100]}"')
        return record

    async def one_of(
        self, request: Request, kind: ComponentKind, component_id: str, run_id: str, session_id: str | None
    ) -> Response:
        """`GET /agents/{id}/runs/{run_id}` and its like."""
        self.context.component(kind, component_id)
        record = await self.record(principal_of(request), run_id)
        output = record.output
        if (output.kind, output.component_id) != (kind, component_id) or session_id not in (None, output.session_id):
            raise NotFoundError(f'{kind} "{component_id}" has no run with the id "{run_id[:100]}"')
        return json_answer(stored_run_json(record, root_of(request.scope)))

    async def list_of(
        self,
        request: Request,
        kind: ComponentKind,
        component_id: str,
        session_id: str | None,
        status: str | None,
        limit: int,
        page: int,
    ) -> Response:
        """`GET /agents/{id}/runs` and its like: oldest first within a session, else newest first."""
        self.context.component(kind, component_id)
        principal = principal_of(request)
        store = self.context.store
        if session_id is not None:
            session = await store.session(session_id)
            if session is None or not principal.may_see(session.user_id):
                raise NotFoundError(f'no session has the id "{session_id[:100]}"')
        records, total = await store.runs(
            session_id=session_id,
            kind=kind,
            component_id=component_id,
            user_id=principal.user,
            status=status_of(status),
            sort_order="desc" if session_id is None else "asc",
            limit=limit,
            page=page,
        )
        root = root_of(request.scope)
        found = [wire.session_run_json(record, root) for record in records]
        return json_answer(found, headers={"x-total-count": str(total)})

    # -- ending -----------------------------------------------------------------------------------------------

    async def cancel(self, request: Request, kind: ComponentKind, component_id: str, run_id: str) -> Response:
        """`POST .../cancel`: 200 also for a run that is not under way, as AgentOS has it."""
        self.context.component(kind, component_id)
        principal = principal_of(request)
        if principal.user is None or await self._is_users(principal, run_id):
            await self.stop(run_id)
        return json_answer(b"{}")

    async def stop(self, run_id: str) -> bool:
        """Cancel a run, wherever it is under way. False if it is nowhere."""
        if self.environment.cancel(run_id):
            return True
        elsewhere = self.context.cancel_elsewhere
        return elsewhere is not None and await elsewhere(run_id)

    async def delete(self, request: Request, run_id: str) -> Response:
        """`DELETE /runs/{run_id}`."""
        record = await self.record(principal_of(request), run_id)
        if run_id in self.environment.active or record.output.status is RunStatus.RUNNING:
            raise ConflictError(f'run "{run_id}" is still under way; cancel it first')
        if not await self.context.store.delete_run(run_id):
            raise NotFoundError(f'no run has the id "{run_id[:100]}"')
        return Response(status_code=204)

    async def stop_all(self, *, session_id: str | None = None, user_id: str | None = None) -> None:
        """Cancel what is under way in a session or for a user, so that no commit follows their deletion."""
        records, _ = await self.context.store.runs(
            session_id=session_id, user_id=user_id, status=RunStatus.RUNNING, limit=MOST_RUNS
        )
        here = []
        for record in records:
            run_id = record.output.run_id
            task = self.environment.active.get(run_id)
            if await self.stop(run_id) and task is not None:
                here.append(task)
        if here:
            await asyncio.wait(here, timeout=self.context.settings.storage_timeout)

    async def _is_users(self, principal: Principal, run_id: str) -> bool:
        if run_id in self._users:
            return principal.may_see(self._users[run_id])
        row = await self.context.store.run_row(run_id)
        return row is not None and principal.may_see(row.user_id)


def run_answer(output: RunOutput, root: str, headers: dict[str, str] | None = None) -> Response:
    """The answer to a run that was not streamed: the run, or why there is no answer.

    Args:
        root: What comes before the links in it; see `link`.
    """
    if output.error is not None and output.status is not RunStatus.COMPLETED:
        return failure_answer(output.error, output.run_id, output.session_id, root, headers)
    return json_answer(wire.run_json(output, root), headers=headers)


def stored_run_json(record: RunRecord, root: str) -> dict[str, Any]:
    """A run that was read from the store, with the session state as it left it."""
    return {**wire.run_json(record.output, root, record.input), "session_state": record.context.session_state}


def status_of(word: str | None) -> RunStatus | None:
    """A status by our name or AgentOS's, in upper or lower case.

    Raises:
        InvalidInputError: It is neither.
    """
    if word is None:
        return None
    status = STATUS_WORDS.get(word.lower())
    if status is None:
        raise InvalidInputError(f"status {word[:40]!r} is unknown; send one of: {', '.join(STATUS_WORDS)}")
    return status


async def _release(claim: idempotency.Claim) -> None:
    try:
        await claim.release()
    except OffpathError as error:
        logger.warning("the Idempotency-Key of run %s stays claimed, since storing failed: %s", claim.run_id, error)


def _header_list(names: tuple[str, ...]) -> str:
    return ", ".join(ascii(name)[1:-1][:80] for name in names[:20])


def add_run_routes(app: FastAPI, routes: RunRoutes) -> None:
    """Add the routes of runs."""
    for kind in ("agent", "team", "workflow"):
        _add_component_routes(app, routes, kind)

    @app.get(
        "/runs/{run_id}", tags=["runs"], summary="Get a run", responses={200: {"model": RunDocument}, **problems(404)}
    )
    async def get_run(request: Request, run_id: RunId) -> Response:
        record = await routes.record(principal_of(request), run_id)
        return json_answer(stored_run_json(record, root_of(request.scope)))

    @app.delete(
        "/runs/{run_id}",
        tags=["runs"],
        summary="Delete a run",
        status_code=204,
        response_class=Response,
        responses=problems(404, 409),
    )
    async def delete_run(request: Request, run_id: RunId) -> Response:
        """Its content goes from everywhere it was copied to, and its queued hook jobs are cancelled."""
        return await routes.delete(request, run_id)


def _add_component_routes(app: FastAPI, routes: RunRoutes, kind: ComponentKind) -> None:
    name = f"{kind}_id"
    base = f"/{kind}s/{{{name}}}/runs"
    a_kind = f"{'an' if kind == 'agent' else 'a'} {kind}"
    component = Annotated[str, Path(alias=name, description=f"The {kind}'s id.")]

    async def create_run(request: Request, component_id: component) -> Response:
        """Answers with the run, or with a stream of server-sent events if `stream` is true, as it is by default."""
        return await routes.create(request, kind, component_id)

    async def list_runs(
        request: Request,
        component_id: component,
        session_id: SessionQuery = None,
        status: Annotated[str | None, Query(description="Only runs that ended so.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = MOST_RUNS,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> Response:
        return await routes.list_of(request, kind, component_id, session_id, status, limit, page)

    async def get_run(
        request: Request,
        component_id: component,
        run_id: RunId,
        session_id: SessionQuery = None,
    ) -> Response:
        return await routes.one_of(request, kind, component_id, run_id, session_id)

    async def cancel_run(request: Request, component_id: component, run_id: RunId) -> Response:
        """What the run produced is stored, and its hooks run. A run that is not under way is no error."""
        return await routes.cancel(request, kind, component_id, run_id)

    started = {
        200: {"model": RunDocument, "content": RUN_STREAM},
        **problems(404, 409, 413, 415, 422, 500, 502, 503, 504, 403),
    }
    direct(
        app,
        base,
        create_run,
        {name: "component_id"},
        responses=started,
        tags=["runs"],
        summary=f"Run {a_kind}",
        operation_id=f"create_{kind}_run",
        openapi_extra=RUN_BODY,
    )
    app.add_api_route(
        base,
        list_runs,
        methods=["GET"],
        tags=["runs"],
        summary=f"List {a_kind}'s runs",
        operation_id=f"list_{kind}_runs",
        response_class=Response,
        responses={200: {"model": list[SessionRunDocument]}, **problems(404, 422)},
    )
    app.add_api_route(
        f"{base}/{{run_id}}",
        get_run,
        methods=["GET"],
        tags=["runs"],
        summary=f"Get {a_kind}'s run",
        operation_id=f"get_{kind}_run",
        response_class=Response,
        responses={200: {"model": RunDocument}, **problems(404, 422)},
    )
    app.add_api_route(
        f"{base}/{{run_id}}/cancel",
        cancel_run,
        methods=["POST"],
        tags=["runs"],
        summary=f"Cancel {a_kind}'s run",
        operation_id=f"cancel_{kind}_run",
        response_class=Response,
        responses={200: {"model": dict[str, Any]}, **problems(404)},
    )
