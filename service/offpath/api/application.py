"""The FastAPI app of a service."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from offpath.api.access import OPEN_PATHS, AccessControl
from offpath.api.analytics_routes import AnalyticsRoutes, add_analytics_routes
from offpath.api.context import ServiceContext
from offpath.api.documents import EVERYWHERE
from offpath.api.evaluation_routes import EvaluationRoutes, add_evaluation_routes
from offpath.api.evaluation_summary import EvaluationSummary, add_evaluation_summary_routes
from offpath.api.faults import UnexpectedErrors, add_error_answers
from offpath.api.hook_routes import HookRoutes, add_hook_routes
from offpath.api.metrics_route import PATH as METRICS
from offpath.api.metrics_route import add_metrics_route
from offpath.api.run_routes import RunRoutes, add_run_routes
from offpath.api.service_routes import add_service_routes
from offpath.api.session_routes import SessionRoutes, add_session_routes

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_EXPOSED: Final = ("Idempotent-Replayed", "Offpath-Ignored-Fields", "Retry-After", "X-Total-Count")
_ALLOWED: Final = ("Authorization", "Content-Type", "Idempotency-Key")


def create_app(context: ServiceContext, *, lifespan: Lifespan | None = None) -> FastAPI:
    """The app, with all routes and the access check. Opens nothing."""
    app = FastAPI(
        title=context.name,
        description=context.description or "",
        version=context.version or "0",
        lifespan=lifespan,
        redoc_url=None,
        responses=EVERYWHERE,
        redirect_slashes=False,
    )
    add_error_answers(app)
    runs = RunRoutes(context)
    add_run_routes(app, runs)
    add_session_routes(app, SessionRoutes(runs))
    add_hook_routes(app, HookRoutes(context))
    add_evaluation_routes(app, EvaluationRoutes(context))
    add_evaluation_summary_routes(app, EvaluationSummary(context))
    add_analytics_routes(app, AnalyticsRoutes(context))
    add_service_routes(app, context)
    add_metrics_route(app, context)
    _document_access(app, context)
    settings = context.settings
    # With a token of its own /metrics asks for that, and for no key.
    open_paths = OPEN_PATHS | {METRICS} if settings.metrics_token else OPEN_PATHS
    # The last one added is the outermost: a browser's preflight comes without a key, and errors need its headers too.
    app.add_middleware(
        AccessControl,
        key_ring=context.key_ring,
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.allowed_origins,
        open_paths=open_paths,
    )
    app.add_middleware(UnexpectedErrors)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=_ALLOWED,
            expose_headers=_EXPOSED,
            max_age=600,
        )
    return app


def _document_access(app: FastAPI, context: ServiceContext) -> None:
    """Say in the OpenAPI document that a key is needed, and where it is not."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            if context.key_ring:
                bearer = {"type": "http", "scheme": "bearer", "description": "A key of the service (OFFPATH_API_KEY)."}
                document.setdefault("components", {})["securitySchemes"] = {"key": bearer}
                document["security"] = [{"key": []}]
                for path in OPEN_PATHS:
                    for operation in document["paths"].get(path, {}).values():
                        operation["security"] = []
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
