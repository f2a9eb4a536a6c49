"""Settings in turns, in a random order that is the same each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def draw_orders(names: Sequence[T], count: int, *, seed: int = 1) -> Iterator[list[T]]:
    """The order of all names in each of `count` rounds."""
    draw = random.Random(seed)  # noqa: S311  # reproducible, no secret
    for _ in range(count):
        yield draw.sample(names, len(names))


def draw_pairs(count: int, *, seed: int = 1) -> Iterator[list[str]]:
    """The order of "a" and "b" in each of `count` pairs."""
    return draw_orders(["a", "b"], count, seed=seed)


def in_turns(count: int, measure: Callable[[str, int], T], *, seed: int = 1) -> list[tuple[T, T]]:
    """Measure "a" and "b" once in each of `count` pairs.

    Args:
        measure: Called with the arm's name and the pair's number, by which both arms can replay the same arrivals.
    """
    pairs: list[tuple[T, T]] = []
    for number, order in enumerate(draw_pairs(count, seed=seed)):
        found = {arm: measure(arm, number) for arm in order}
        pairs.append((found["a"], found["b"]))
    return pairs


def rounds(count: int, arms: Mapping[str, Callable[[], T]], *, seed: int = 1) -> dict[str, list[T]]:
    """Measure every arm once in each of `count` rounds, in a new order each round."""
    found: dict[str, list[T]] = {name: [] for name in arms}
    for order in draw_orders(list(arms), count, seed=seed):
        for name in order:
            found[name].append(arms[name]())
    return found
