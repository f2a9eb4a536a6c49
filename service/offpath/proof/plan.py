"""How a case is measured: rounds in which each arm has a block, and how long all of it takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from offpath.errors import ConfigurationError
from offpath.proof.findings import ArmName
from offpath.proof.load import poisson_arrivals
from offpath.proof.turns import draw_orders

WARM_SECONDS: Final = 1.0
"""Lead-in of a block that has no hooks: enough for caches and connections to be as in the middle of a block."""
SECONDS: Final = 110.0
"""Time for a case when nothing else is said."""
LEAST_PAIRS: Final = 6
"""Rounds for an interval of 95 %: resampling never leaves the range of what was seen, and of five rounds that range
misses the truth in more than 5 % of cases."""
MOST_PAIRS: Final = 400
BLOCK_SECONDS: Final = (2.0, 8.0)
"""Shortest and longest block that is planned by itself: many short ones give a narrower interval than few long ones,
until the lead-ins take most of the time."""
QUICK: Final = (LEAST_PAIRS, 0.3)
"""Rounds and seconds of a block with `--quick`, which shows how it works and resolves little."""
GOOD_PAIRS: Final = 24
"""Rounds after which longer blocks are worth more than further rounds."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is to be measured, as it was asked for; None where nothing was said."""

    requests: int | None = None
    """An arm."""
    seconds: float | None = None
    """For each case."""
    pairs: int | None = None
    quick: bool = False

    def check(self) -> Amount:
        """Itself.

        Raises:
            ConfigurationError: Two of them contradict each other.
        """
        if self.requests is not None and self.seconds is not None:
            raise ConfigurationError("--requests and --seconds both say how much is measured; give one of them")
        if self.quick and (self.requests is not None or self.seconds is not None):
            raise ConfigurationError("--quick says how much is measured; leave --requests and --seconds out")
        return self


@dataclass(frozen=True, slots=True)
class Plan:
    """The rounds of one case."""

    arms: tuple[ArmName, ...]
    rate: float
    """Arrivals a second, on average."""
    connections: int
    pairs: int
    """Rounds: in each, every arm has one block, in a random order, under the same arrivals."""
    block_seconds: float
    """Measured, of each block."""
    lead_in: float
    """Seconds of load before that where hooks run: as long as hooks take, so that as many end as begin."""
    seed: int = 1

    def lead_in_of(self, arm: ArmName) -> float:
        """Seconds of load before a block is measured."""
        return self.lead_in if arm == "on" else min(self.lead_in, WARM_SECONDS)

    def drain_of(self, arm: ArmName) -> float:
        """Seconds that the hooks of a block take to end after it, as a rule."""
        return self.lead_in if arm == "on" else 0.0

    @property
    def requests(self) -> int:
        """An arm, on average."""
        return round(self.pairs * self.block_seconds * self.rate)

    @property
    def round_seconds(self) -> float:
        """How long a round takes, as a rule."""
        return sum(self.block_seconds + self.lead_in_of(arm) + self.drain_of(arm) for arm in self.arms)

    @property
    def seconds(self) -> float:
        """How long all rounds take, as a rule."""
        return self.pairs * self.round_seconds

    def orders(self) -> Iterator[list[ArmName]]:
        """The arms of each round in the order in which they are measured."""
        return draw_orders(self.arms, self.pairs, seed=self.seed)

    def arrivals(self, number: int, arm: ArmName) -> list[float]:
        """When the requests of a round's block are due, from its start: after the lead-in alike for all arms."""
        lead_in = self.lead_in_of(arm)
        seed = self.seed * 1_000_003 + number * 2
        before = poisson_arrivals(self.rate, lead_in, seed)
        return before + [lead_in + due for due in poisson_arrivals(self.rate, self.block_seconds, seed + 1)]


def plan_case(
    amount: Amount, arms: Sequence[ArmName], *, rate: float, connections: int, lead_in: float, seed: int
) -> Plan:
    """Rounds and blocks for what was asked for, at a rate and with hooks of a length."""
    overhead = Plan(tuple(arms), rate, connections, 1, 0.0, lead_in, seed).round_seconds
    pairs, block = QUICK
    if amount.quick:
        pairs = amount.pairs or pairs
    elif amount.requests is not None:
        measured = amount.requests / rate
        pairs = amount.pairs or min(GOOD_PAIRS, max(LEAST_PAIRS, round(measured / BLOCK_SECONDS[0])))
        block = measured / pairs
    else:
        seconds = amount.seconds or SECONDS
        if amount.pairs:
            pairs, block = amount.pairs, max(BLOCK_SECONDS[0] / 2, (seconds / amount.pairs - overhead) / len(arms))
        else:
            shortest = overhead + len(arms) * BLOCK_SECONDS[0]
            pairs = min(MOST_PAIRS, max(LEAST_PAIRS, math.floor(seconds / shortest)))
            if pairs > GOOD_PAIRS:
                longest = overhead + len(arms) * BLOCK_SECONDS[1]
                pairs = max(GOOD_PAIRS, math.floor(seconds / longest))
                block = (seconds / pairs - overhead) / len(arms)
            else:
                block = BLOCK_SECONDS[0]
    # A block without a request could not be compared.
    return Plan(tuple(arms), rate, connections, pairs, max(block, 10 / rate), lead_in, seed)
