"""Hook profiles: the kinds of hooks that `offpath prove` switches on and off, and the load that each can bear."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from offpath.errors import ConfigurationError

SERVICES: Final = "offpath.proof.profile_services"
MOST_CONNECTIONS: Final = 512
"""As many as `select` and most limits of open files bear."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A service with hooks of one kind, and how it is measured."""

    name: str
    description: str
    rate: float
    """Requests a second that a machine with two cores bears, with all hooks of them."""
    lead_in: float
    """Seconds at the begin of a block that are not counted: as long as the hooks take, so that while the rest is
    measured, hooks of earlier requests end at the rate at which new ones begin."""
    judged: bool = False
    """Whether hooks ask a judge, for which there has to be a model of its own: in the one that answers the runs,
    answers would wait behind verdicts."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the service, with hooks on and off."""

    @property
    def target(self) -> str:
        """Where processes import the service."""
        return f"{SERVICES}:{self.name}"


def connections_for(rate: float, model_seconds: float) -> int:
    """Connections of an open loop that do not run out: three times as many as are busy on average (Little's law).

    Args:
        rate: Requests a second.
        model_seconds: What the model, or the whole service, takes to answer.
    """
    return min(MOST_CONNECTIONS, max(8, round(3 * rate * (model_seconds + 0.01))))


_ALL: Final = (
    Profile(
        name="seed",
        description="a pre-hook that prints, and two post-hooks that take 2 and 3 seconds",
        rate=100,
        lead_in=3.2,
    ),
    Profile(name="none", description="two hooks that do next to nothing", rate=100, lead_in=0.5),
    Profile(name="sleeping", description="three hooks that wait for one second each", rate=100, lead_in=1.2),
    Profile(
        name="blocking",
        description="a hook that blocks a thread for 200 ms, and one that blocks its event loop as long, one run in 40",
        rate=100,
        lead_in=1.0,
    ),
    Profile(name="cpu", description="a hook that computes for 200 ms, one run in 40", rate=100, lead_in=1.0),
    Profile(name="json", description="a hook that parses 1 MB of JSON, one run in four", rate=100, lead_in=1.0),
    Profile(
        name="failing",
        description="a hook that raises at its first attempt, and one run in 20 at its second and last, too",
        rate=50,
        lead_in=1.0,
        # One log line for each failure would be work for the disk that no response has to do with.
        variables={"OFFPATH_HOOK_BACKOFF": "0.5", "OFFPATH_LOG_LEVEL": "critical"},
    ),
    Profile(
        name="evaluators",
        description="ten evaluators that compute and five that ask a judge, with analytics",
        rate=10,
        lead_in=1.0,
        judged=True,
        variables={
            "OFFPATH_ANALYTICS": "true",
            "OFFPATH_JUDGE_MODEL": "gpt-4o-mini",
            "OFFPATH_JUDGE_CONCURRENCY": "2",
        },
    ),
)
PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in _ALL}


def profile_named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ConfigurationError: There is none.
    """
    found = PROFILES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, PROFILES, n=1)
        advice = f"did you mean {near[0]}? " if near else ""
        raise ConfigurationError(f"there is no hook profile {name!r}: {advice}There are {', '.join(PROFILES)}")
    return found
