"""From a figure to a place on an axis, and the round figures to write beneath it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Scale(Protocol):
    """Where a value is drawn; values outside the axis are drawn at its ends."""

    def __call__(self, value: float) -> float: ...

    def holds(self, value: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal distances for equal differences, from `low` at `start` to `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.0
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Log:
    """Equal distances for equal ratios. Both ends are above 0."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if value <= self.low or self.high <= self.low:
            return self.start
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + min(1.0, share) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within the axis, at most `most`.

    >>> linear_ticks(0, 3.2, 5)
    [0.0, 1.0, 2.0, 3.0]
    """
    if not high > low:
        return [low]
    for step in _steps((high - low) / max(1, most)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            # Twelve digits drop what binary fractions add: 3 * 0.1 is not 0.3.
            return [float(f"{index * step:.12g}") for index in range(first, last + 1)]
    return [low]


def _steps(least: float) -> list[float]:
    power = 10.0 ** math.floor(math.log10(least))
    return [factor * power for factor in (1, 2, 5, 10, 20, 50, 100)]


_MANTISSAS: Sequence[Sequence[int]] = ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Round figures on an axis of ratios: within a factor of four they are evenly spaced, beyond it 1, 2, 5, 10.

    >>> log_ticks(0.001, 0.1, 7)
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
    """
    if not high > low:
        return [low]
    if high / low < 4:
        return linear_ticks(low, high, most)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for mantissas in _MANTISSAS:
        ticks = [float(f"{mantissa}e{power}") for power in range(first, last + 1) for mantissa in mantissas]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) <= most:
            return ticks
    decades = [float(f"1e{power}") for power in range(first, last + 1) if low <= 10.0**power <= high]
    return decades[:: -(-len(decades) // most)]
