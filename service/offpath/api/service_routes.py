"""What the service is and how it is: its components, configuration, health and readiness."""

# No `from __future__ import annotations`: FastAPI reads the annotations of routes.

import logging
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Path
from starlette.requests import Request
from starlette.responses import Response

from offpath.api.answer import json_answer
from offpath.api.context import ServiceContext
from offpath.api.documents import ComponentDocument, ConfigDocument, Document, HealthDocument, ReadyDocument, problems
from offpath.api.link import root_of
from offpath.runner.runnable import Runnable
from offpath.runs.status import ComponentKind

logger = logging.getLogger("offpath.api")

DATABASE_ID = "offpath"
"""Clients name a database by an id; there is one, and its address is nobody's business."""


def description_of(component: Runnable) -> dict[str, Any]:
    """A component as `GET /agents/{id}` shows it."""
    describe = getattr(component, "describe", None)
    described: dict[str, Any] = describe() if callable(describe) else {}
    return {"id": component.id, "name": component.name, "db_id": DATABASE_ID, **described}


def summary_of(component: Runnable) -> dict[str, Any]:
    """A component as `/config` lists it."""
    described = description_of(component)
    summary = {name: described.get(name) for name in ("id", "name", "description", "db_id", "mode")}
    model = described.get("model")
    if isinstance(model, dict):
        summary["model"] = {"id": model.get("model"), "provider": model.get("provider")}
    return {name: value for name, value in summary.items() if value is not None}


def config_of(context: ServiceContext) -> dict[str, Any]:
    """`GET /config`."""
    summaries = {
        kind: [summary_of(component) for component in context.served(kind).values()]
        for kind in ("agent", "team", "workflow")
    }
    body: dict[str, Any] = {
        "os_id": context.os_id,
        "name": context.name,
        "description": context.description,
        "databases": [DATABASE_ID],
        "available_models": _models(context),
        "session": {"dbs": [{"db_id": DATABASE_ID, "domain_config": {"display_name": "Sessions"}}]},
        "agents": summaries["agent"],
        "teams": summaries["team"],
        "workflows": summaries["workflow"],
        "interfaces": [],
        "chat": {"quick_prompts": {}},
    }
    return {name: value for name, value in body.items() if value is not None}


def _models(context: ServiceContext) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for component in context.environment.registry:
        model = description_of(component).get("model")  # type: ignore[arg-type]  # the registry's are all runnable
        if isinstance(model, dict) and model.get("model"):
            found[str(model["model"]), str(model.get("provider"))] = {
                "id": model["model"],
                "provider": model.get("provider"),
            }
    return list(found.values())


def add_service_routes(app: FastAPI, context: ServiceContext) -> None:
    """Add the routes that describe the service."""
    for kind in ("agent", "team", "workflow"):
        _add_component_routes(app, context, kind)
    started = datetime.fromtimestamp(context.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    @app.get("/", tags=["service"], summary="Where to look", responses={200: {"model": Document}})
    async def root(request: Request) -> Response:
        below = root_of(request.scope)
        links = {name: f"{below}/{name}" for name in ("health", "info", "docs")}
        return json_answer({"name": context.name, **links})

    @app.get(
        "/health", tags=["service"], summary="Whether the process is alive", responses={200: {"model": HealthDocument}}
    )
    async def health() -> Response:
        return json_answer({"status": "ok", "instantiated_at": started})

    @app.get(
        "/ready",
        tags=["service"],
        summary="Whether runs can be taken",
        responses={200: {"model": ReadyDocument}, 503: {"model": ReadyDocument, "description": "It cannot."}},
    )
    async def ready() -> Response:
        components = await context.readiness()
        is_ready = all(state == "ok" for state in components.values())
        return json_answer(
            {"status": "ready" if is_ready else "not ready", "components": components},
            200 if is_ready else 503,
            {"cache-control": "no-store"} | ({} if is_ready else {"retry-after": "1"}),
        )

    @app.get("/config", tags=["service"], summary="What is served", responses={200: {"model": ConfigDocument}})
    async def config() -> Response:
        return json_answer(config_of(context))

    @app.get("/info", tags=["service"], summary="What the service is", responses={200: {"model": Document}})
    async def info() -> Response:
        return json_answer(
            {
                "os_id": context.os_id,
                "name": context.name,
                "description": context.description,
                "os_version": context.version,
                "agent_count": len(context.agents),
                "team_count": len(context.teams),
                "workflow_count": len(context.workflows),
                "mcp": {"enabled": False},
                "auth_mode": "security_key" if context.key_ring else "none",
                "user_isolation": False,
            }
        )


def _add_component_routes(app: FastAPI, context: ServiceContext, kind: ComponentKind) -> None:
    name = f"{kind}_id"

    async def list_components() -> Response:
        return json_answer([description_of(component) for component in context.served(kind).values()])

    async def get_component(
        component_id: Annotated[str, Path(alias=name, description=f"The {kind}'s id.")],
    ) -> Response:
        return json_answer(description_of(context.component(kind, component_id)))

    app.add_api_route(
        f"/{kind}s",
        list_components,
        methods=["GET"],
        tags=["service"],
        summary=f"List {kind}s",
        operation_id=f"list_{kind}s",
        response_class=Response,
        responses={200: {"model": list[ComponentDocument]}},
    )
    app.add_api_route(
        f"/{kind}s/{{{name}}}",
        get_component,
        methods=["GET"],
        tags=["service"],
        summary=f"Get {'an' if kind == 'agent' else 'a'} {kind}",
        operation_id=f"get_{kind}",
        response_class=Response,
        responses={200: {"model": ComponentDocument}, **problems(404)},
    )
