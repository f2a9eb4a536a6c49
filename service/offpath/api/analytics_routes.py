"""Analytics: usage by agent, team, workflow, model, user, tool and time, from sums."""

# No `from __future__ import annotations`: FastAPI reads the annotations of routes.

import asyncio
import time
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query
from starlette.requests import Request
from starlette.responses import Response

from offpath.api.analytics_documents import AnalyticsDocument
from offpath.api.answer import json_answer
from offpath.api.context import ServiceContext
from offpath.api.documents import problems
from offpath.api.principal import principal_of
from offpath.api.usage_query import UsageQuery, usage_query
from offpath.ledger.histogram import RELATIVE_ERROR
from offpath.ledger.moment import moment
from offpath.ledger.rollup import RollupKey, Sums
from offpath.ledger.usage_report import OrderBy, describe, grouped, size_names, total, usage_report

OFF: Final = (
    "OFFPATH_ANALYTICS is off: runs are not accounted for, and the sums are those of the time when it was on. "
    "Set OFFPATH_ANALYTICS=true and restart the service."
)

Rows = list[tuple[RollupKey, Sums]]
Described = tuple[int, list[dict[str, Any]], dict[str, Any]]
"""How many groups there are, the largest, and the total."""


class AnalyticsRoutes:
    """What the route of analytics does."""

    def __init__(self, context: ServiceContext) -> None:
        self.context = context

    async def usage(self, query: UsageQuery) -> dict[str, Any]:
        """`GET /analytics`. Only sums are read, however many runs there are."""
        now = time.time()
        described = await (self._users(query) if query.facet == "user" else self._groups(query))
        count, groups, total_of_all = described
        return {
            **({"analytics": "on"} if self.context.builtins.analytics else {"analytics": "off", "note": OFF}),
            "window": {"since": moment(query.start), "until": moment(min(query.end, now))},
            "as_of": moment(now),
            "unbooked": await self.context.ledger.unbooked(),
            "quantile_error": round(RELATIVE_ERROR, 4),
            "group_by": list(query.group_by),
            "groups": groups,
            "groups_total": count,
            "total": total_of_all,
        }

    async def _groups(self, query: UsageQuery) -> Described:
        rows: Rows = []
        for grain, start, end in query.stretches:
            rows += await self.context.ledger.rollups(
                "usage", grain, query.facet, start, end, component=query.component
            )
        # On a thread: with many groups it takes long enough to hold up runs.
        return await asyncio.to_thread(_described, rows, query)

    async def _users(self, query: UsageQuery) -> Described:
        """The database chooses the users, of whom there may be very many. All of them together are all components."""
        ledger = self.context.ledger
        names = size_names(query.order_by, query.facet)
        count, rows = await ledger.leading("usage", "user", query.stretches, by=names, limit=query.limit)
        everything = await ledger.rollups("usage", "day", "component", query.start, query.end)
        _, groups, _ = await asyncio.to_thread(_described, rows, query._replace(limit=len(rows) or 1))
        return count, groups, describe(total(grouped(everything, ())), "component")


def _described(rows: Rows, query: UsageQuery) -> Described:
    groups = grouped(rows, query.group_by)
    described = usage_report(groups, query.group_by, order_by=query.order_by, limit=query.limit)
    return len(groups), described, describe(total(groups), query.facet)


def add_analytics_routes(app: FastAPI, routes: AnalyticsRoutes) -> None:
    """Add the route of analytics."""

    @app.get(
        "/analytics",
        tags=["analytics"],
        summary="Usage and cost",
        response_class=Response,
        responses={200: {"model": AnalyticsDocument}, **problems(422)},
    )
    async def analytics(
        request: Request,
        window: Annotated[str | None, Query(description="Up to now: 24h (the default), 7d, 30d.")] = None,
        since: Annotated[
            str | None, Query(description="In place of a window: ISO 8601, or seconds since 1970. Widened to hours.")
        ] = None,
        until: Annotated[str | None, Query(description="The same; by default now.")] = None,
        group_by: Annotated[
            str,
            Query(
                description="Names with commas between: component (or agent, team, workflow: those alone), then one of "
                "model, user, tool, then day or hour. All that are left out are summed up."
            ),
        ] = "component",
        agent: Annotated[str | None, Query(description="Only this agent.")] = None,
        team: Annotated[str | None, Query(description="Only this team, without its members.")] = None,
        workflow: Annotated[str | None, Query(description="Only this workflow, without its steps.")] = None,
        order_by: Annotated[OrderBy, Query(description="What is largest comes first, unless times are asked for.")] = (
            "runs"
        ),
        limit: Annotated[int, Query(ge=1, le=10_000, description="Most groups.")] = 100,
    ) -> Response:
        """Runs, errors, latency, tokens, cost, tools and time of hooks, summed up by group.

        Everything is counted where it happened: a team's usage is its leader's, and its members' is their own.
        """
        principal_of(request).require_unbound("analytics")
        named = (("agent", agent), ("team", team), ("workflow", workflow))
        query = usage_query(
            time.time(),
            window=window,
            since=since,
            until=until,
            group_by=group_by,
            components=[(kind, component_id) for kind, component_id in named if component_id is not None],
            order_by=order_by,
            limit=limit,
        )
        return json_answer(await routes.usage(query))
