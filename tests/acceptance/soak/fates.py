"""Fates: which jobs of `apps/soak_app.py` a run has to have, and how each has to end."""

from __future__ import annotations

from typing import Final, Literal

Fate = Literal["succeeded", "dead", "either"]
"""either: the hook does well, but has no attempt to spare for a kill or for a machine that is busy."""
PRE: Final = "pre"
POST: Final = "post"
_AGENTS: Final = ("support", "helper", "trouble", "failing", "relay")


def fates(component: str, run_id: str, status: str) -> dict[tuple[str, str], Fate]:
    """The jobs of a run that ended, by phase and hook."""
    found: dict[tuple[str, str], Fate] = {}
    if component not in _AGENTS:
        return found
    if status in ("completed", "cancelled"):
        found |= dict.fromkeys(((POST, "counted"), (POST, "filed")), "succeeded")
        if component == "trouble":
            found |= {(POST, name): fate for name, fate in _trouble(int(run_id[-1], 16)).items()}
    elif status == "interrupted":
        found[POST, "cut_off"] = "succeeded"
    else:
        found[POST, "mourned"] = "succeeded"
    if component == "support" and status == "completed":
        found[PRE, "noted"] = "succeeded"
    return found


def may_have(component: str, status: str) -> set[tuple[str, str]]:
    """Jobs that a run may have or not: that of a pre-hook, if the run ended before it was asked for."""
    return {(PRE, "noted")} if component == "support" and status != "completed" else set()


def _trouble(digit: int) -> dict[str, Fate]:
    return {
        "raises": "dead" if digit % 2 else "either",
        "asks_again": "succeeded",
        "overruns": "dead" if digit % 3 == 0 else "either",
        "freezes": "dead" if digit == 4 else "either",
        "swells": "dead" if digit == 5 else "either",
        "exits": "dead" if digit == 6 else "either",
    }
