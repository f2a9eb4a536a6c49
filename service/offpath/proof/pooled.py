"""Quantiles of blocks of values that are pooled again and again, each block so many times: the bootstrap's inner loop.

All values are sorted once. How many values of each block are among the first so many is known at steps of the sorted
order, so a weighted order statistic is a search over the steps and a short walk, and no resample is ever sorted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

_STEP = 64
"""Sorted values between two known counts: a longer step is a longer walk, a shorter one more memory."""


class PooledBlocks:
    """Blocks of values of one setting, sorted together."""

    def __init__(self, blocks: Sequence[Sequence[float]]) -> None:
        """Sort the values of all blocks.

        Raises:
            ValueError: A block has no values.
        """
        if not blocks or not all(blocks):
            raise ValueError("a block without values: nothing was measured")
        marked = sorted((value, number) for number, block in enumerate(blocks) for value in block)
        self._values = [value for value, _ in marked]
        self._owners = [number for _, number in marked]
        self._sizes = [len(block) for block in blocks]
        counts = [0] * len(blocks)
        self._counts = [tuple(counts)]
        for position, owner in enumerate(self._owners, 1):
            counts[owner] += 1
            if position % _STEP == 0:
                self._counts.append(tuple(counts))

    @property
    def values(self) -> Sequence[float]:
        """All of them, ascending."""
        return self._values

    def quantiles(self, weights: Sequence[int], qs: Sequence[float]) -> list[float]:
        """Quantiles, as `estimates.quantile` defines them, of each block repeated as often as its weight says.

        Raises:
            ValueError: All weights are 0.
        """
        total = sum(map(mul, weights, self._sizes))
        if not total:
            raise ValueError("no values: nothing was drawn")
        found = []
        for q in qs:
            position = q * (total - 1)
            below = math.floor(position)
            low, high = self._neighbours(weights, below, total)
            found.append(low + (high - low) * (position - below))
        return found

    def _neighbours(self, weights: Sequence[int], rank: int, total: int) -> tuple[float, float]:
        """The values of a rank, from 0, and of the next one; the last one twice."""
        first, last = 0, len(self._counts) - 1
        while first < last:  # the last step with at most `rank` values before it
            middle = (first + last + 1) // 2
            if sum(map(mul, weights, self._counts[middle])) <= rank:
                first = middle
            else:
                last = middle - 1
        passed = sum(map(mul, weights, self._counts[first]))
        position = first * _STEP
        while (passed := passed + weights[self._owners[position]]) <= rank:
            position += 1
        low = self._values[position]
        if rank + 1 < passed or rank + 1 == total:
            return low, low
        position += 1
        while not weights[self._owners[position]]:
            position += 1
        return low, self._values[position]
