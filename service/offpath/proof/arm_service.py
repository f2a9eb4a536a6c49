"""ArmService: what an arm of the experiment makes of `AgentService`, without a change of the code that makes one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import offpath
from offpath import app as app_module
from offpath.app import AgentService
from offpath.hooks.component import Component
from offpath.hooks.hook import HookFunction
from offpath.hooks.registry import HookRegistry
from offpath.posthooks.builtin import Builtins
from offpath.process import ServiceProcess
from offpath.runs.status import ComponentKind
from offpath.storage.database import Database


class ArmService(AgentService):
    """An `AgentService` as one arm serves it.

    Without hooks it has neither the background hooks of its agents, teams, members, workflows and their steps nor the
    built-in ones. Foreground hooks stay in every arm: guardrails and other hooks that a run waits for are part of its
    answer, may change or refuse it, and would be there if nothing ran in the background.
    """

    database: ClassVar[Database | None] = None
    """Beats whatever database the code names."""
    with_hooks: ClassVar[bool] = True
    with_storage: ClassVar[bool] = True

    @property
    def db(self) -> Database:
        return self.database or super().db

    @property
    def builtins(self) -> Builtins:
        return super().builtins if self.with_hooks else Builtins()

    @property
    def registry(self) -> HookRegistry:
        if self._registry is None and not self.with_hooks:
            self._registry = foreground_registry(HookRegistry(self._served, in_background=self.run_hooks_in_background))
        return super().registry

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ServiceProcess]:
        async with super().running() as process:
            if not self.with_storage:
                # As when an agent runs without a service: nothing is encoded, queued or awaited. What the difference
                # to the other arms shows is all that keeping a run costs, not only the write.
                process.environment.store = None
            yield process


@dataclass(frozen=True, slots=True)
class _Stripped:
    """A component without its background hooks."""

    component: Component
    kind: ComponentKind
    id: str
    name: str
    pre_hooks: Sequence[HookFunction]
    post_hooks: Sequence[HookFunction]

    @property
    def output_schema(self) -> Any:
        return self.component.output_schema

    def children(self) -> Iterable[Component]:
        """None: the registry is given all components, nested ones too."""
        return ()

    def __getattr__(self, name: str) -> Any:
        # Such as its model, which is checked at the start.
        return getattr(self.component, name)


def foreground_registry(registry: HookRegistry) -> HookRegistry:
    """The same components with their foreground hooks only, and without a plan for built-in ones."""
    stripped: list[Component] = []
    for component in registry:
        hooks = registry.hook_set(component)
        stripped.append(
            _Stripped(
                component,
                component.kind,
                component.id,
                component.name,
                [hook.function for hook in hooks.foreground_pre],
                [hook.function for hook in hooks.foreground_post],
            )
        )
    return HookRegistry(stripped, in_background=False)


def substitute(*, database: Database | None, with_hooks: bool, with_storage: bool) -> None:
    """Have modules that are imported from now on build their services as an arm needs them.

    It is done to the class and not to a service, since most modules build their app while they are imported, and the
    app has the hooks and the database of that moment. For a process that serves an arm and nothing else.
    """
    ArmService.database, ArmService.with_hooks, ArmService.with_storage = database, with_hooks, with_storage
    app_module.AgentService = ArmService  # type: ignore[misc]
    offpath.AgentService = ArmService  # type: ignore[misc]
