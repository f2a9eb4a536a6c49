"""Findings in words: times, ratios, and what a case says to somebody who did not measure it."""

from __future__ import annotations

from typing import Final

from offpath.proof.findings import Case, Estimate
from offpath.proof.progress import spell_seconds

OUT_OF_REACH_SECONDS: Final = 86_400.0
"""Nobody would measure for longer."""


def spell_time(seconds: float) -> str:
    """Such as "850 µs", "2.41 ms" or "1.20 s"."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def spell_ratio(ratio: Estimate) -> str:
    """Such as "1.004 [0.996, 1.011]"."""
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def spell_microseconds(difference: Estimate) -> str:
    """Such as "+10 µs [-9, +28]"."""
    return f"{difference.value:+,.0f} µs [{difference.low:+,.0f}, {difference.high:+,.0f}]"


def spell_quantile(q: float) -> str:
    """Such as "p50"."""
    return f"p{q * 100:g}"


def answer(case: Case) -> str:
    """What hooks cost at the median, in a sentence."""
    compared = case.comparison("off", "on")
    median = compared.quantile(0.5) if compared else None
    if median is None:
        return "Hooks on against off was not measured."
    ratio, difference = median.ratio, median.difference_us
    between = f"between {difference.low:+,.0f} and {difference.high:+,.0f} µs"
    if ratio.low <= 1 <= ratio.high:
        return (
            f"Hooks on or off: no difference at the median that this measurement can tell from none; it lies "
            f"{between} (95 % interval) of {spell_time(median.a_seconds)}."
        )
    slower = "slower" if ratio.value > 1 else "faster"
    return (
        f"With hooks on, the median answer is {spell_share(abs(ratio.value - 1))} {slower}: {between} "
        f"(95 % interval) of {spell_time(median.a_seconds)}."
    )


def saving(case: Case) -> str:
    """What saving the run costs, in a sentence; "" if it was not measured."""
    compared = case.comparison("no storage", "off")
    median = compared.quantile(0.5) if compared else None
    if median is None:
        return ""
    return (
        f"Saving the run itself, which hooks need, costs {spell_microseconds(median.difference_us)} at the median "
        f"({spell_time(median.a_seconds)} without)."
    )


def resolving(case: Case) -> list[str]:
    """What this machine could tell apart, and what it would take to tell more."""
    check = case.comparison("off", "off again")
    if check is None or not case.resolutions:
        return []
    known = ", ".join(f"{spell_share(each.resolved)} at {spell_quantile(each.q)}" for each in case.resolutions)
    lines = [f"Differences that could be told from none here, by the A/A check: {known}."]
    ways, beyond = [], []
    for each in case.resolutions:
        if not each.enough or each.requests_needed > check.requests:
            what = f"{spell_share(each.wanted)} at {spell_quantile(each.q)}"
            seconds = case.seconds * each.requests_needed / check.requests
            if seconds > OUT_OF_REACH_SECONDS:
                beyond.append(what)
            else:
                ways.append(f"{what}: --requests {each.requests_needed} (about {spell_seconds(seconds)})")
    if ways:
        lines.append(
            f"For an assertion that is kept in some 9 of 10 measurements if hooks cost nothing: {', '.join(ways)}. "
            f"It is assumed that noise shrinks with the square root of the requests an arm."
        )
    if beyond:
        lines.append(f"Out of reach on this machine as it is now: {', '.join(beyond)}.")
    return lines


def spell_share(share: float) -> str:
    """Such as "0.82 %"."""
    percent = share * 100
    return f"{percent:.2f} %" if percent < 10 else f"{percent:.0f} %"
