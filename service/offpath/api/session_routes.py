"""Sessions: list, read, rename and delete conversations; delete what belongs to a user."""

# No `from __future__ import annotations`: FastAPI reads the annotations of routes.

import asyncio
import time
from typing import Annotated, Any, Final, Literal

from fastapi import Body, FastAPI, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from offpath.api import wire
from offpath.api.answer import json_answer
from offpath.api.body import FieldError
from offpath.api.documents import (
    DeletedDocument,
    Kind,
    RunPreviewDocument,
    SessionDetailDocument,
    SessionIdsDocument,
    SessionNameDocument,
    SessionPageDocument,
    SessionRunDocument,
    problems,
)
from offpath.api.link import root_of
from offpath.api.principal import Principal, principal_of
from offpath.api.run_routes import MOST_RUNS, RunRoutes, status_of
from offpath.errors import AccessDeniedError, NotFoundError, RequestError
from offpath.runs.context import Session
from offpath.runs.record import RunRecord

MOST_DETAIL_RUNS: Final = 1_000
"""Runs whose messages a session's detail holds: the last ones."""

SessionId = Annotated[str, Path(description="The session's id.")]
TypeQuery = Annotated[Kind | None, Query(alias="type", description="What the session belongs to.")]
UserQuery = Annotated[str | None, Query(description="Only what belongs to this user.")]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]
Order = Literal["created_at", "updated_at", "session_name", "name"]


class SessionRoutes:
    """What the routes of sessions do."""

    def __init__(self, runs: RunRoutes) -> None:
        self.context = runs.context
        self.runs = runs

    async def page(
        self,
        principal: Principal,
        *,
        kind: Kind | None,
        component_id: str | None,
        user_id: str | None,
        name: str | None,
        sort_by: Order,
        sort_order: Literal["asc", "desc"],
        limit: int,
        page: int,
    ) -> Response:
        """`GET /sessions`."""
        began = time.perf_counter()
        column = "name" if sort_by == "session_name" else sort_by
        sessions, total = await self.context.store.sessions(
            kind=kind,
            component_id=component_id,
            user_id=principal.acting_for(user_id),
            name=name or None,
            sort_by=column,
            sort_order=sort_order,
            limit=limit,
            page=page,
        )
        meta = {
            "page": page,
            "limit": limit,
            "total_pages": -(-total // limit),
            "total_count": total,
            "search_time_ms": round((time.perf_counter() - began) * 1_000, 3),
        }
        return json_answer({"data": [wire.session_json(session) for session in sessions], "meta": meta})

    async def session(
        self, principal: Principal, session_id: str, kind: Kind | None = None, user_id: str | None = None
    ) -> Session:
        """A session that the caller may see.

        Raises:
            NotFoundError: There is none, or none of that kind or user.
        """
        user_id = principal.acting_for(user_id)
        session = await self.context.store.session(session_id)
        if (
            session is None
            or kind not in (None, session.kind)
            or user_id not in (None, session.user_id)
            or not principal.may_see(session.user_id)
        ):
            raise NotFoundError(f"Session with id '{session_id[:100]}' not found")
        return session

    async def detail(self, session: Session) -> Response:
        """A session with its conversation."""
        records, _ = await self.context.store.runs(session_id=session.session_id, limit=MOST_DETAIL_RUNS)
        component = self.context.served(session.kind).get(session.component_id)
        name = component.name if component is not None else None
        return json_answer(wire.session_detail_json(session, name, records[::-1]))

    async def session_runs(self, session: Session, status: str | None, limit: int, page: int) -> list[RunRecord]:
        """A page of a session's runs, oldest first; those of members and steps among them."""
        records, _ = await self.context.store.runs(
            session_id=session.session_id,
            status=status_of(status),
            children=True,
            sort_order="asc",
            limit=limit,
            page=page,
        )
        return records

    async def rename(self, session: Session, name: str) -> Response:
        """Give it a name."""
        if not name.strip() or "\0" in name:
            raise FieldError("session_name must be text that shows", ("body", "session_name"))
        renamed = await self.context.store.rename_session(session.session_id, name)
        if renamed is None:
            raise NotFoundError(f"Session with id '{session.session_id}' not found")
        return await self.detail(renamed)

    async def delete(self, principal: Principal, session_id: str, user_id: str | None) -> None:
        """Delete one; an unknown one is gone already."""
        try:
            session = await self.session(principal, session_id, user_id=user_id)
        except NotFoundError:
            if principal.user is None and user_id is None:
                # Runs of a session that was never written, and an earlier deletion that was cut off.
                await self.context.store.delete_session(session_id)
            return
        await self.runs.stop_all(session_id=session.session_id)
        await self.context.store.delete_session(session.session_id)

    async def delete_many(self, principal: Principal, body: SessionIdsDocument, user_id: str | None) -> None:
        """`DELETE /sessions`."""
        if body.session_types is not None and len(body.session_types) != len(body.session_ids):
            raise RequestError(
                "session_ids and session_types must have the same length; send one type for each session"
            )
        for session_id in dict.fromkeys(body.session_ids):
            await self.delete(principal, session_id, user_id)
            await asyncio.sleep(0)

    async def delete_user(self, principal: Principal, user_id: str) -> Response:
        """`DELETE /users/{id}`."""
        if not principal.may_see(user_id):
            raise AccessDeniedError("this key acts for one user only, and this is another")
        await self.runs.stop_all(user_id=user_id)
        return json_answer(await self.context.store.delete_user(user_id))


def add_session_routes(app: FastAPI, routes: SessionRoutes) -> None:
    """Add the routes of sessions and users."""
    _add_reads(app, routes)
    _add_changes(app, routes)


def _add_reads(app: FastAPI, routes: SessionRoutes) -> None:
    @app.get(
        "/sessions",
        tags=["sessions"],
        summary="List sessions",
        response_class=Response,
        responses={200: {"model": SessionPageDocument}, **problems(422)},
    )
    async def list_sessions(
        request: Request,
        kind: TypeQuery = None,
        component_id: Annotated[str | None, Query(description="Only those of this agent, team or workflow.")] = None,
        user_id: UserQuery = None,
        session_name: Annotated[str | None, Query(description="Text that the name contains.")] = None,
        sort_by: Order = "created_at",
        sort_order: Literal["asc", "desc"] = "desc",
        limit: Limit = 20,
        page: Page = 1,
    ) -> Response:
        return await routes.page(
            principal_of(request),
            kind=kind,
            component_id=component_id,
            user_id=user_id,
            name=session_name,
            sort_by=sort_by,
            sort_order=sort_order,
            limit=limit,
            page=page,
        )

    @app.get(
        "/sessions/{session_id}",
        tags=["sessions"],
        summary="Get a session",
        response_class=Response,
        responses={200: {"model": SessionDetailDocument}, **problems(404, 422)},
    )
    async def get_session(
        request: Request, session_id: SessionId, kind: TypeQuery = None, user_id: UserQuery = None
    ) -> Response:
        return await routes.detail(await routes.session(principal_of(request), session_id, kind, user_id))

    @app.get(
        "/sessions/{session_id}/runs",
        tags=["sessions"],
        summary="List a session's runs",
        response_class=Response,
        responses={200: {"model": list[SessionRunDocument]}, **problems(404, 422)},
    )
    async def list_session_runs(
        request: Request,
        session_id: SessionId,
        kind: TypeQuery = None,
        user_id: UserQuery = None,
        status: Annotated[str | None, Query(description="Only runs that ended so.")] = None,
        limit: Limit = MOST_RUNS,
        page: Page = 1,
    ) -> Response:
        session = await routes.session(principal_of(request), session_id, kind, user_id)
        records = await routes.session_runs(session, status, limit, page)
        return json_answer([wire.session_run_json(record, root_of(request.scope)) for record in records])

    @app.get(
        "/sessions/{session_id}/run-previews",
        tags=["sessions"],
        summary="List a session's runs in short",
        response_class=Response,
        responses={200: {"model": list[RunPreviewDocument]}, **problems(404, 422)},
    )
    async def list_run_previews(
        request: Request,
        session_id: SessionId,
        kind: TypeQuery = None,
        user_id: UserQuery = None,
        limit: Limit = MOST_RUNS,
        page: Page = 1,
    ) -> Response:
        session = await routes.session(principal_of(request), session_id, kind, user_id)
        records = await routes.session_runs(session, None, limit, page)
        return json_answer([wire.run_preview_json(record) for record in records])

    @app.get(
        "/sessions/{session_id}/runs/{run_id}",
        tags=["sessions"],
        summary="Get a session's run",
        response_class=Response,
        responses={200: {"model": SessionRunDocument}, **problems(404, 422)},
    )
    async def get_session_run(
        request: Request,
        session_id: SessionId,
        run_id: Annotated[str, Path(description="The run's id.")],
        kind: TypeQuery = None,
        user_id: UserQuery = None,
    ) -> Response:
        principal = principal_of(request)
        session = await routes.session(principal, session_id, kind, user_id)
        record = await routes.runs.record(principal, run_id)
        if record.output.session_id != session.session_id:
            raise NotFoundError(f'session "{session_id}" has no run with the id "{run_id[:100]}"')
        return json_answer(wire.session_run_json(record, root_of(request.scope)))


def _add_changes(app: FastAPI, routes: SessionRoutes) -> None:
    changed: dict[int | str, dict[str, Any]] = {200: {"model": SessionDetailDocument}, **problems(404, 413, 415, 422)}

    @app.post(
        "/sessions/{session_id}/rename",
        tags=["sessions"],
        summary="Rename a session",
        response_class=Response,
        responses=changed,
    )
    async def rename_session(
        request: Request,
        session_id: SessionId,
        body: SessionNameDocument,
        kind: TypeQuery = None,
        user_id: UserQuery = None,
    ) -> Response:
        session = await routes.session(principal_of(request), session_id, kind, user_id)
        return await routes.rename(session, body.session_name)

    @app.delete(
        "/sessions/{session_id}",
        tags=["sessions"],
        summary="Delete a session",
        status_code=204,
        response_class=Response,
        responses=problems(422),
    )
    async def delete_session(request: Request, session_id: SessionId, user_id: UserQuery = None) -> Response:
        """With its runs, and what was copied from them. An unknown session is no error."""
        await routes.delete(principal_of(request), session_id, user_id)
        return Response(status_code=204)

    @app.delete(
        "/sessions",
        tags=["sessions"],
        summary="Delete several sessions",
        status_code=204,
        response_class=Response,
        responses=problems(413, 415, 422),
    )
    async def delete_sessions(
        request: Request, body: Annotated[SessionIdsDocument, Body()], user_id: UserQuery = None
    ) -> Response:
        await routes.delete_many(principal_of(request), body, user_id)
        return Response(status_code=204)

    @app.delete(
        "/users/{user_id}",
        tags=["sessions"],
        summary="Delete all content of a user",
        response_class=Response,
        responses={200: {"model": DeletedDocument}},
    )
    async def delete_user(request: Request, user_id: Annotated[str, Path(description="The user's id.")]) -> Response:
        """Sessions, runs, and what was copied from them; queued hook jobs are cancelled."""
        return await routes.delete_user(principal_of(request), user_id)
