"""Sampling: uniform, the same everywhere, nested within a group, independent between groups."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from offpath.posthooks.evaluation.sampling import chosen, draw

IDS = [f"{random.Random(1).getrandbits(64):x}-{number}" for number in range(4_000)]
rates = st.floats(min_value=1e-6, max_value=1.0)


@given(st.text(), st.text())
def test_a_draw_is_a_share_and_always_the_same(subject: str, group: str) -> None:
    found = draw(subject, group)
    assert 0.0 <= found < 1.0
    assert draw(subject, group) == found


def test_draws_are_the_same_in_every_version() -> None:
    """Stored probabilities speak of these draws: another formula would make two samples of one."""
    assert [round(draw(subject, group), 6) for subject, group in (("run-1", ""), ("run-1", "tone"), ("run-2", ""))] == [
        0.284338,
        0.96529,
        0.228863,
    ]


@given(st.text(min_size=1), rates, rates, st.text())
def test_what_a_lower_rate_chooses_a_higher_one_chooses_too(subject: str, one: float, other: float, group: str) -> None:
    low, high = sorted((one, other))
    assert not chosen(subject, low, group) or chosen(subject, high, group)


@given(st.text())
def test_the_rate_1_chooses_everything(subject: str) -> None:
    assert chosen(subject, 1.0)


def test_draws_are_uniform() -> None:
    counts = [0] * 20
    for subject in IDS:
        counts[int(draw(subject) * 20)] += 1
    expected = len(IDS) / 20
    chi_square = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_square < 45  # 19 degrees of freedom: above it once in 1,500 samples, and the sample never changes


def test_groups_are_independent() -> None:
    both = sum(chosen(subject, 0.5, "a") and chosen(subject, 0.5, "b") for subject in IDS)
    assert abs(both - len(IDS) / 4) < 5 * (len(IDS) * 3 / 16) ** 0.5


def test_a_group_and_an_id_are_not_taken_for_another_pair() -> None:
    assert draw("b", "a") != draw("ab", "") != draw("", "ab")
