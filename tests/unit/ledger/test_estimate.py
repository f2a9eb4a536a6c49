"""Rates of all runs from those that were evaluated."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offpath.ledger.estimate import Estimate, rate_points, share_interval, student_t, summarize
from offpath.ledger.evaluation_sums import entry_sums
from offpath.ledger.plan import PlanEntry
from offpath.ledger.rollup import RollupKey, Sums, add
from offpath.ledger.state import STATES, State


def summed(entries: Iterable[PlanEntry]) -> Sums:
    total: Sums = {}
    for entry in entries:
        add(total, entry_sums(entry))
    return total


def scored(passed: bool, probability: float = 1.0, count: int = 1, fingerprint: str = "f", at: float = 0.0) -> Sums:
    return summed([PlanEntry("scored", probability, "", fingerprint, None, passed, None, at)] * count)


def valued(*values: float, probability: float = 1.0) -> Sums:
    return summed(PlanEntry("scored", probability, "", "f", value) for value in values)


def missing(state: State, count: int, probability: float = 1.0) -> Sums:
    return summed([PlanEntry(state, probability)] * count)


def together(*parts: Sums) -> Sums:
    total: Sums = {}
    for part in parts:
        add(total, part)
    return total


def test_with_equal_weights_the_interval_is_wilsons() -> None:
    rate = summarize(together(scored(True, count=80), scored(False, count=20))).pass_rate
    assert rate is not None
    assert (rate.estimate, rate.naive, rate.n) == (0.8, 0.8, 100)
    assert rate.effective_n == pytest.approx(100)
    # From the formula by hand: (p + z2/2n -+ z sqrt(p q / n + z2/4n2)) / (1 + z2/n).
    assert (rate.low, rate.high) == pytest.approx((0.71117, 0.86663), abs=1e-5)
    assert (rate.worst, rate.best) == (rate.low, rate.high)


def test_each_run_weighs_as_many_as_it_stands_for() -> None:
    """100 runs of one kind, all evaluated, and 10 evaluated of 100 of another: together they are 200."""
    sums = together(scored(True, count=100), scored(False, probability=0.1, count=10), missing("sampled_out", 90, 0.1))
    summary = summarize(sums)
    rate = summary.pass_rate
    assert rate is not None
    assert rate.estimate == pytest.approx(0.5)
    assert rate.naive == pytest.approx(100 / 110)
    assert summary.population == pytest.approx(200)
    assert summary.runs == 200
    assert summary.coverage == 1.0
    # Wide, since ten runs speak for a hundred.
    assert rate.effective_n < 40
    assert rate.low < 0.4


def test_the_variance_is_that_of_the_linearised_ratio() -> None:
    draw = random.Random(4)
    runs = [(1 / draw.choice([0.2, 0.5, 1.0]), draw.random() < 0.7) for _ in range(200)]
    rate = summarize(together(*(scored(passed, 1 / weight) for weight, passed in runs))).pass_rate
    assert rate is not None
    total = sum(weight for weight, _ in runs)
    by_hand = sum(weight * passed for weight, passed in runs) / total
    variance = sum(weight**2 * (passed - by_hand) ** 2 for weight, passed in runs) / total**2
    assert rate.estimate == pytest.approx(by_hand)
    assert rate.effective_n == pytest.approx(by_hand * (1 - by_hand) / variance)
    assert (rate.low, rate.high) == pytest.approx(share_interval(by_hand, by_hand * (1 - by_hand) / variance))


@pytest.mark.parametrize("passed", [True, False])
def test_at_the_ends_the_effective_size_is_kishs(passed: bool) -> None:
    rate = summarize(together(scored(passed, 1.0, 10), scored(passed, 0.1, 10))).pass_rate
    assert rate is not None
    assert rate.estimate == float(passed)
    assert rate.effective_n == pytest.approx(110**2 / 1010)
    assert rate.high - rate.low > 0.2
    assert rate.high == 1.0 if passed else rate.low == 0.0


def test_a_few_light_runs_do_not_make_the_others_tell_more_than_they_are() -> None:
    rate = summarize(together(scored(False, 1.0, 1), scored(True, 0.001, 9))).pass_rate
    assert rate is not None
    assert rate.effective_n <= 10


@given(st.lists(st.tuples(st.sampled_from([0.01, 0.2, 1.0]), st.booleans(), st.floats(0, 1)), min_size=1, max_size=40))
def test_whatever_was_seen_the_figures_are_in_order(runs: list[tuple[float, bool, float]]) -> None:
    sums = summed(PlanEntry("scored", p, "", "f", value, passed) for p, passed, value in runs)
    add(sums, missing("budget", 3))
    summary = summarize(sums)
    for found in (summary.pass_rate, summary.mean):
        assert found is not None
        ordered = (0.0, found.worst, found.low, found.estimate, found.high, found.best, 1.0)
        assert all(one <= other + 1e-12 for one, other in pairwise(ordered))
        assert 0 < found.effective_n <= found.n + 1e-9


@given(st.dictionaries(st.sampled_from(STATES), st.integers(1, 5)))
def test_states_add_up_to_the_runs(counts: dict[State, int]) -> None:
    summary = summarize(together(*(missing(state, count) for state, count in counts.items())))
    assert summary.runs == sum(counts.values())
    assert summary.states == counts


def test_runs_without_a_score_widen_the_bounds_and_lower_the_coverage() -> None:
    """80 scored of 100 that were drawn; filtered ones and those it has nothing to say about are not its runs."""
    summary = summarize(
        together(
            scored(True, count=60),
            scored(False, count=20),
            *(missing(state, 4) for state in ("pending", "abstained", "failed", "dead", "budget")),
            missing("filtered", 500),
            missing("not_applicable", 30),
        )
    )
    rate = summary.pass_rate
    assert rate is not None
    assert summary.population == 100
    assert summary.coverage == pytest.approx(0.8)
    assert rate.estimate == pytest.approx(0.75)
    assert rate.worst == pytest.approx(0.8 * rate.low)
    assert rate.best == pytest.approx(0.8 * rate.high + 0.2)


def test_with_no_score_there_is_coverage_and_no_rate() -> None:
    summary = summarize(missing("overload", 7))
    assert (summary.coverage, summary.pass_rate, summary.mean) == (0.0, None, None)
    assert summarize({}).coverage is None
    assert summarize(missing("filtered", 7)).coverage is None


def test_versions_are_not_mixed() -> None:
    """The newest one is what counts; the runs of the old one are runs that it has not scored."""
    summary = summarize(
        together(scored(True, count=30, fingerprint="old", at=100), scored(False, count=10, fingerprint="new", at=200))
    )
    rate = summary.pass_rate
    assert rate is not None
    assert summary.mixed
    assert [version.fingerprint for version in summary.versions] == ["new", "old"]
    assert (rate.estimate, rate.n) == (0.0, 10)
    assert summary.coverage == pytest.approx(0.25)
    assert rate.best > 0.75
    old = summary.versions[1].pass_rate
    assert old is not None
    assert old.estimate == 1.0


def test_a_version_whose_results_were_all_replaced_is_gone() -> None:
    before, after = scored(True, fingerprint="old"), scored(True, fingerprint="new")
    sums = together(before, after)
    add(sums, {"states": {"scored": -1}, "weights": {"scored": -1.0}, "fp": {"old": _negative(before["fp"]["old"])}})
    summary = summarize(sums)
    assert not summary.mixed
    assert summary.states == {"scored": 1}


def _negative(sums: Sums) -> Sums:
    return {name: _negative(value) if isinstance(value, dict) else -value for name, value in sums.items()}


def test_the_mean_has_the_interval_of_students_t() -> None:
    values = [0.1, 0.4, 0.4, 0.5, 0.9, 0.7, 0.3, 0.6]
    mean = summarize(valued(*values)).mean
    assert mean is not None
    average = sum(values) / 8
    deviation = (sum((value - average) ** 2 for value in values) / 7) ** 0.5
    # 2.3646 is the table's value for 7 degrees of freedom.
    assert mean.estimate == pytest.approx(average, abs=1e-6)
    assert mean.high - average == pytest.approx(2.3646 * deviation / 8**0.5, rel=0.005)


def test_equal_or_few_values_do_not_look_certain() -> None:
    for sums in (valued(*[0.9] * 6), valued(0.9, 0.91), valued(1.0)):
        mean = summarize(sums).mean
        assert mean is not None
        assert mean.high - mean.low > 0.3


@pytest.mark.parametrize(("freedom", "table"), [(4, 2.7764), (10, 2.2281), (30, 2.0423), (1e6, 1.96)])
def test_quantiles_of_t_are_those_of_the_table(freedom: float, table: float) -> None:
    assert student_t(freedom) == pytest.approx(table, rel=0.01)


def test_labels_and_values_are_weighted_shares() -> None:
    summary = summarize(
        summed(
            [
                PlanEntry("scored", 1.0, "", "f", 0.95, True, "good"),
                PlanEntry("scored", 0.25, "", "f", 0.2, False, "bad"),
            ]
        )
    )
    assert summary.labels == {"good": pytest.approx(0.2), "bad": pytest.approx(0.8)}
    assert summary.histogram == {"0.2": pytest.approx(0.8), "1.0": pytest.approx(0.2)}


def rows() -> Iterator[tuple[RollupKey, Sums]]:
    for hour in (0, 3_600):
        for agent in ("a", "b"):
            key = RollupKey("evaluation", "hour", hour, "evaluator", "agent", agent, "pii")
            yield key, together(scored(agent == "a", count=5), missing("budget", 5))
    yield RollupKey("evaluation", "hour", 0, "evaluator", "agent", "a", "tone"), missing("budget", 5)


def test_the_gauge_shows_each_agents_rate_with_bounds_and_coverage() -> None:
    points = {(name, agent, bound): value for name, agent, bound, value in rate_points(rows())}
    assert points["pii", "a", "estimate"] == 1.0
    assert points["pii", "b", "estimate"] == 0.0
    assert points["pii", "a", "coverage"] == 0.5
    low, high = share_interval(1.0, 10)
    assert points["pii", "a", "low"] == pytest.approx(low / 2)
    assert points["pii", "a", "high"] == pytest.approx(high / 2 + 0.5)
    assert {key[2] for key in points if key[0] == "tone"} == {"coverage"}


def covers(rate: Estimate | None, truth: float) -> bool:
    return rate is not None and rate.low <= truth <= rate.high


def test_intervals_of_unequally_weighted_runs_cover_the_truth() -> None:
    """Two kinds of run, 0.9 and 0.5 of which pass, drawn with 1 and 0.2; half of the traffic each."""
    covered = naive = 0
    for seed in range(400):
        draw = random.Random(seed)
        sums: Sums = {}
        for _ in range(200):
            for probability, rate in ((1.0, 0.9), (0.2, 0.5)):
                if draw.random() < probability:
                    add(sums, scored(draw.random() < rate, probability))
        found = summarize(sums).pass_rate
        assert found is not None
        covered += covers(found, 0.7)
        low, high = share_interval(found.naive, found.n)
        naive += low <= 0.7 <= high
    # 380 expected, with a standard deviation of 4.4.
    assert 366 <= covered <= 394
    assert naive < 40


def test_the_version_that_scored_last_is_the_one_in_force_though_another_scored_later_on_average() -> None:
    first, second = (
        scored(True, count=100, fingerprint="v1", at=10.0),
        scored(False, count=10, fingerprint="v2", at=20.0),
    )
    back = scored(True, fingerprint="v1", at=30.0)
    summary = summarize(add(add(first, second), back))
    assert [version.fingerprint for version in summary.versions] == ["v1", "v2"]
    assert summary.pass_rate is not None
    assert summary.pass_rate.estimate == 1.0
