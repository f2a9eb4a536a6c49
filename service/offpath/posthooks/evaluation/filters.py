"""RunFilter: which agents, teams, workflows and users an evaluator is for."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from offpath.runs.status import ComponentKind


class RunFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Ids, or patterns with `*`, `?` and `[...]`. Small and capital letters differ.

    Whoever names agents, teams or workflows means these alone: `agents=("support",)` leaves out all teams and
    workflows. Naming none of the three means all.
    """

    agents: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """Empty: everybody's runs, also those of nobody; else a run without a user is left out."""

    def patterns(self, kind: ComponentKind) -> tuple[str, ...]:
        """Those for components of a kind."""
        return {"agent": self.agents, "team": self.teams, "workflow": self.workflows}[kind]

    def takes_component(self, kind: ComponentKind, component_id: str) -> bool:
        """Whether runs of that component are meant."""
        if not (self.agents or self.teams or self.workflows):
            return True
        return matches(component_id, self.patterns(kind))

    def takes_user(self, user_id: str | None) -> bool:
        """Whether runs of that user are meant."""
        return not self.users or (user_id is not None and matches(user_id, self.users))


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits the whole text."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def is_pattern(text: str) -> bool:
    """Whether it is more than an id."""
    return any(sign in text for sign in "*?[")
