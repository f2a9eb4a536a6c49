"""The analytics hook: what a run used and cost, for the sums that `GET /analytics` answers from."""

from __future__ import annotations

from typing import Any

from offpath.hooks.hook import OPTIONS_ATTRIBUTE, HookFunction, HookOptions
from offpath.ledger.run_facts import RunFacts
from offpath.posthooks import names
from offpath.posthooks.analytics.facts import facts_of
from offpath.posthooks.analytics.prices import Endpoint, PriceList
from offpath.runs.output import RunOutput
from offpath.runs.status import ENDED, RunStatus
from offpath.settings import Settings


def analytics_hook(settings: Settings) -> HookFunction:
    """The hook, for every component. Its result is `{"usage": facts}`: see `posthooks.job_result`.

    Raises:
        ConfigurationError: OFFPATH_PRICES is wrong.
    """
    prices = PriceList.parse(settings.prices)

    async def analytics(
        run_output: RunOutput, agent: Any = None, team: Any = None, workflow: Any = None
    ) -> dict[str, RunFacts]:
        """Account for a run, however it ended."""
        component = agent or team or workflow
        model = getattr(component, "model", None)
        facts = facts_of(
            run_output,
            prices,
            requested_model=str(getattr(model, "id", "")),
            endpoint=Endpoint.of(model),
            tools=_tools(component),
        )
        return {"usage": facts}

    options = HookOptions(
        name=names.ANALYTICS,
        run_in_background=True,
        run_on=tuple(status for status in RunStatus if status in ENDED),
        lane=names.ANALYTICS,
        kind="analytics",
    )
    setattr(analytics, OPTIONS_ATTRIBUTE, options)
    return analytics


def _tools(component: Any) -> frozenset[str] | None:
    """The names of a component's tools; None if it does not tell."""
    describe = getattr(component, "describe", None)
    described = describe() if callable(describe) else {}
    tools = described.get("tools")
    if not isinstance(tools, dict):
        return frozenset() if callable(describe) else None
    return frozenset(str(tool.get("name")) for tool in tools.get("tools", ()))
