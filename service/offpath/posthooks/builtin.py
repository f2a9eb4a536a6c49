"""The built-in hooks of a service: which are on, and what they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from offpath.errors import ConfigurationError
from offpath.hooks.component import Component
from offpath.hooks.hook import HookFunction
from offpath.settings import Settings

if TYPE_CHECKING:
    from offpath.posthooks.evaluation.enabled import EnabledEvaluator
    from offpath.posthooks.notification.configuration import Notifications
    from offpath.posthooks.planner import Planner

EvaluatorChoice = Any
"""A name, a function with @evaluator, what `configure` gave, or what `enable` gave."""


@dataclass(frozen=True)
class Builtins:
    """The built-in hooks that are on. Empty by default: then runs have no plan, and nothing is booked."""

    hooks: tuple[HookFunction, ...] = ()
    plan: bytes = b""
    """What planning needs, encoded; see `planner.PlannerData`."""
    evaluators: tuple[EnabledEvaluator, ...] = ()
    analytics: bool = False
    notification: Notifications | None = None

    def planner(self) -> Planner | None:
        """What plans the runs of one process; None if nothing is on."""
        if not self.plan:
            return None
        from offpath.posthooks.planner import Planner, decode_planner

        return Planner(decode_planner(self.plan))


def builtin_hooks(
    settings: Settings, evaluators: Sequence[EvaluatorChoice], components: Sequence[Component] = ()
) -> Builtins:
    """The built-in hooks that settings and code switch on. Imports only what is on.

    Args:
        components: Of the service: each has all of these hooks.

    Raises:
        ConfigurationError: There is no such evaluator, option, event or channel, or no judge; the text names the
            variable and the nearest names.
    """
    evaluated = bool(evaluators or settings.evaluators or settings.evaluator_options)
    told = bool(settings.notify_urls or settings.notify_webhook_url)
    strip = settings.store_content == "until_hooks_done"
    if not (evaluated or settings.analytics or told or strip):
        return Builtins()
    hooks: list[HookFunction] = []
    enabled = _enabled(settings, evaluators, components, hooks) if evaluated else ()
    if settings.analytics:
        from offpath.posthooks.analytics.hook import analytics_hook

        hooks.append(analytics_hook(settings))
    notification = _notification(settings, hooks) if told else None
    return Builtins(
        hooks=tuple(hooks),
        plan=_plan(settings, enabled, notification, components, strip=strip),
        evaluators=enabled,
        analytics=settings.analytics,
        notification=notification,
    )


def _enabled(
    settings: Settings,
    evaluators: Sequence[EvaluatorChoice],
    components: Sequence[Component],
    hooks: list[HookFunction],
) -> tuple[EnabledEvaluator, ...]:
    """The evaluators that are on; adds their hooks."""
    from offpath.posthooks.evaluation.configuration import check_filters, enabled_evaluators
    from offpath.posthooks.evaluation.hook import evaluation_hooks

    enabled = enabled_evaluators(settings, evaluators)
    check_filters(enabled, [(each.kind, each.id) for each in components])
    hooks += evaluation_hooks(enabled, settings)
    return enabled


def _notification(settings: Settings, hooks: list[HookFunction]) -> Notifications | None:
    """The channels that people are told through; adds the hook that sends."""
    from offpath.posthooks.notification.configuration import notifications
    from offpath.posthooks.notification.hook import notification_hook

    found = notifications(settings)
    if found is not None:
        _check_cost(found, settings)
        hooks.append(notification_hook(found))
    return found


def _plan(
    settings: Settings,
    enabled: Sequence[EnabledEvaluator],
    notification: Notifications | None,
    components: Sequence[Component],
    *,
    strip: bool,
) -> bytes:
    from offpath.posthooks.planner import EvaluatorInfo, PlannerData, encode_planner

    home = next(((each.kind, each.id) for each in components), ("agent", ""))
    data = PlannerData(
        rules=tuple(each.rule for each in enabled),
        analytics=settings.analytics,
        notices=None if notification is None else notification.rules(*home),
        evaluators=tuple(
            EvaluatorInfo(
                each.name,
                each.instance.evaluator.subject,
                each.instance.evaluator.version,
                each.sample_rate,
                each.judge_model,
            )
            for each in enabled
        ),
        models=tuple(sorted({model for component in components if (model := _model(component))})),
        components=tuple((component.kind, component.id, component.name) for component in components),
        strip=strip,
    )
    return encode_planner(data) if data.anything else b""


def _check_cost(notification: Notifications, settings: Settings) -> None:
    """
    Raises:
        ConfigurationError: Somebody wants to be told of costs, and nobody counts them.
    """
    if not settings.analytics and any("cost_above" in channel.on for channel in notification.channels):
        raise ConfigurationError(
            "cost_above is to be told of, and what a run costs is known with OFFPATH_ANALYTICS=true only: set it, or "
            "take cost_above out of OFFPATH_NOTIFY_ON"
        )


def _model(component: Component) -> str:
    return str(getattr(getattr(component, "model", None), "id", None) or "")
