"""All components of a service with their hooks, found by walking teams and workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from offpath.errors import ConfigurationError
from offpath.hooks.bound import BoundHook, HookSet, bind_hooks
from offpath.hooks.component import Component
from offpath.hooks.hook import HookFunction
from offpath.hooks.info import HookInfo, hook_info
from offpath.runs.status import ComponentKind


class HookRegistry:
    """The components of a service and their hooks; built once at start, the same in every process.

    Args:
        components: Those given to the service; members and steps are found from them.
        in_background: The service's `run_hooks_in_background`. It reaches every component that is found.
        extra_post_hooks: The built-in hooks, which run after the component's own.
        plan: What the built-in hooks tell the worker's parent; opaque here.
        allow_background: False makes every hook a foreground one (a run without a service).

    Raises:
        ConfigurationError: Two components of one kind have one id, or a component contains itself.
        HookSignatureError: See `bind_hooks`.
    """

    def __init__(
        self,
        components: Iterable[Component],
        *,
        in_background: bool,
        extra_post_hooks: Sequence[HookFunction] = (),
        plan: bytes = b"",
        allow_background: bool = True,
    ) -> None:
        self.components: Final[Mapping[tuple[ComponentKind, str], Component]] = MappingProxyType(_walk(components))
        self.plan: Final = plan
        self._sets = {
            key: bind_hooks(
                component.kind,
                component.id,
                component.pre_hooks,
                [*component.post_hooks, *extra_post_hooks],
                in_background=in_background,
                allow_background=allow_background,
            )
            for key, component in self.components.items()
        }
        self.hooks: Final[Mapping[str, BoundHook]] = MappingProxyType(
            {hook.id: hook for hook_set in self._sets.values() for hook in hook_set}
        )

    def __iter__(self) -> Iterator[Component]:
        return iter(self.components.values())

    def component(self, kind: ComponentKind, component_id: str) -> Component | None:
        """The component of that kind and id, nested ones included."""
        return self.components.get((kind, component_id))

    def hook_set(self, component: Component) -> HookSet:
        """The hooks of one of the registry's components.

        Raises:
            KeyError: If the component is none of the registry's.
        """
        return self._sets[component.kind, component.id]

    def infos(self) -> list[HookInfo]:
        """All hooks as data."""
        return [hook_info(hook) for hook in self.hooks.values()]


def _walk(components: Iterable[Component]) -> dict[tuple[ComponentKind, str], Component]:
    found: dict[tuple[ComponentKind, str], Component] = {}

    def visit(component: Component, path: tuple[Component, ...]) -> None:
        if any(component is ancestor for ancestor in path):
            chain = " > ".join(f'"{c.id}"' for c in (*path, component))
            raise ConfigurationError(f"{component.kind} {chain} contains itself; remove it from its own members")
        key = (component.kind, component.id)
        known = found.setdefault(key, component)
        if known is not component:
            raise ConfigurationError(
                f'two different {component.kind}s have the id "{component.id}"; give one of them another id'
            )
        for child in component.children():
            visit(child, (*path, component))

    for component in components:
        visit(component, ())
    return found
