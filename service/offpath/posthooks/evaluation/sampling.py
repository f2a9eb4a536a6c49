"""Sampling: whether a run, or a session, is chosen by chance; the same answer in every process and at every time."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_BITS: Final = 53
"""Of a float's fraction: each draw is a multiple of 2**-53, exactly."""


def draw(subject: str, group: str = "") -> float:
    """A number from [0, 1) that hangs on nothing but the subject and the group, and is uniform over subjects.

    Of one group all compare the same number with their rates, so what a lower rate chooses a higher one chooses, too.
    Groups draw independently of each other.

    Args:
        subject: Id of a run or a session.
    """
    # The group's length goes first: no group and subject together read like another pair.
    text = f"{len(group)}:{group}:{subject}".encode("utf-8", "surrogatepass")
    digest = blake2b(text, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) * 2.0**-_BITS


def chosen(subject: str, rate: float, group: str = "") -> bool:
    """Whether a subject belongs to the share `rate` that is chosen."""
    return rate >= 1.0 or draw(subject, group) < rate
