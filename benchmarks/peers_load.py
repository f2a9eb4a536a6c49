"""How many requests a second the open loop sends: so many that the slowest peer has no queue of its own making."""

from __future__ import annotations

import math
from collections.abc import Iterable

from benchmarks.peers_result import Load
from benchmarks.targets.peer_hooks import BURN_SECONDS
from offpath.proof.load import poisson_arrivals

LOAD_SHARE = 0.4
"""Of what the slowest peer serves at full speed. Above it a latency is a queue's, and says little of a request."""
LEAST_RATE, MOST_RATE = 5.0, 40.0
COMPUTING_SHARE = 0.3
"""Of one core, for hooks that compute: with LOAD_SHARE less than a service of one process has."""
LEAD_IN = 0.5
"""Seconds at the start of a block whose requests do not count."""


def bearable(slowest: float | None) -> float:
    """Requests a second for all peers, a whole number.

    Args:
        slowest: Runs a second of the slowest peer in a closed loop; None if that was not measured.
    """
    return LEAST_RATE if slowest is None else max(LEAST_RATE, min(MOST_RATE, math.floor(LOAD_SHARE * slowest)))


def block_seconds(rate: float, blocks: int, requests: int, most: float) -> float:
    """How long each of some blocks is for `requests` in all, but at most `most` seconds."""
    return min(most, requests / blocks / rate)


def counted(rate: float, blocks: int, seconds: float) -> int:
    """How many requests count in blocks 0 to `blocks` - 1, the same for every peer."""
    return sum(sum(arrival >= LEAD_IN for arrival in arrivals(rate, seconds, number)) for number in range(blocks))


def arrivals(rate: float, seconds: float, number: int) -> list[float]:
    """When the requests of a block arrive, in seconds; the same for the same number."""
    return poisson_arrivals(rate, LEAD_IN + seconds, seed=number)


def computing_one_in(rate: float) -> int:
    """Of how many requests one has a hook that computes."""
    return max(2, round(rate * BURN_SECONDS / COMPUTING_SHARE))


def chosen(served: Iterable[float]) -> Load:
    """The load for peers that served so many runs a second at full speed."""
    slowest = min(served, default=None)
    return Load(bearable(slowest), slowest=slowest)
