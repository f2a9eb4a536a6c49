"""How long requests took: where nearly all of them lie, and beside it the tail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from offpath.proof.findings import ArmName
from offpath.proof.plots.canvas import bottom_axis, dot, hover, line, rectangle, sheet, text
from offpath.proof.plots.markup import Element, number, tag
from offpath.proof.plots.scales import Log, log_ticks
from offpath.proof.plots.words import quantile_name, tick_text, time_text, unit_of

CLASSES: Mapping[ArmName, str] = {"on": "on", "off": "off", "off again": "off", "no storage": "unsaved"}
TOP, HEIGHT, FOOT = 40.0, 190.0, 42.0
LEFT = 44.0
"""Room for the names of the quantiles."""
BARS = 48
"""Of the histogram, at most: finer ones show the chance of a sample rather than its shape."""
MARKED = (0.5, 0.95, 0.99, 0.999, 0.9999)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Response times of one arm: a histogram with one more edge than counts, and the exact quantiles, in seconds."""

    arm: ArmName
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    quantiles: tuple[tuple[float, float], ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def usable(self) -> bool:
        """Whether there is something to draw."""
        ascending = all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        return len(self.edges) == len(self.counts) + 1 >= 2 and self.total > 0 and self.edges[0] > 0 and ascending

    @property
    def slower(self) -> list[float]:
        """The share of requests that took longer, by edge."""
        return [1.0, *(1 - passed / self.total for passed in accumulate(self.counts))]

    def reaches(self, q: float) -> float:
        """The first edge below which the share `q` lies."""
        return next(edge for edge, share in zip(self.edges, self.slower, strict=True) if share <= 1 - q + 1e-12)


def distribution(arms: Sequence[Latencies], width: float, title: str) -> Element | None:
    """The arms over each other; None if no arm has a histogram."""
    arms = [arm for arm in arms if arm.usable]
    if not arms:
        return None
    if width < 600:
        below = TOP + HEIGHT + FOOT + 8
        marks = [*_densities(arms, 0, width, 0), *_tails(arms, LEFT, width, below)]
        return sheet(width, below + TOP + HEIGHT + FOOT, title, _described(arms), marks)
    half = width * 0.47
    marks = [*_densities(arms, 0, half, 0), *_tails(arms, half + 22 + LEFT, width, 0)]
    return sheet(width, TOP + HEIGHT + FOOT, title, _described(arms), marks)


def _described(arms: Sequence[Latencies]) -> str:
    return " ".join(
        f"{arm.arm}: {arm.total} requests, "
        + ", ".join(f"{quantile_name(q)} {time_text(seconds)}" for q, seconds in arm.quantiles)
        + "."
        for arm in arms
    )


def _time_axis(scale: Log, top: float) -> list[Element]:
    """Grid, figures and their meaning."""
    ticks = log_ticks(scale.low, scale.high, max(3, int((scale.end - scale.start) / 64)))
    bottom = top + HEIGHT
    return [
        *bottom_axis(scale, ticks, _tick, max(0.0, scale.start - 8), scale.end + 4, top, bottom),
        line(scale.start, bottom, scale.end, bottom, "axis"),
        text((scale.start + scale.end) / 2, bottom + 34, "response time, logarithmic", "middle muted small"),
    ]


def _tick(seconds: float) -> str:
    name, size = unit_of(seconds)
    return f"{tick_text(seconds / size)} {name}"


def _scale(low: float, high: float, start: float, end: float) -> Log:
    if high / low < 1.02:  # all alike: a bar in the middle, not a wall
        low, high = low / 1.01, high * 1.01
    return Log(low, high, start, end)


def _densities(arms: Sequence[Latencies], left: float, right: float, offset: float) -> list[Element]:
    """A histogram up to p99 of the slowest arm, so that the tail does not squeeze it."""
    low = min(arm.reaches(0) for arm in arms)
    scale = _scale(low, max(arm.reaches(0.99) for arm in arms), left, right - 4)
    top = offset + TOP
    floor = top + HEIGHT
    shapes = [(arm, _bars(arm, scale)) for arm in arms]
    highest = max(height for _, bars in shapes for _, _, height in bars)
    marks = [text(left, offset + 12, "Nearly all: how often, up to p99", "start strong"), *_time_axis(scale, top)]
    for arm, bars in shapes:
        points = [(scale(bars[0][0]), floor)]
        for start, end, height in bars:
            y = floor - height / highest * (HEIGHT - 8)
            points += [(scale(start), y), (scale(end), y)]
        points.append((scale(bars[-1][1]), floor))
        style = "area" if arm.arm == "off" else f"line {CLASSES[arm.arm]}"
        marks.append(tag("path", d=_path(points), class_=style))
    return marks + _median_marks(arms, scale, top)


def _bars(arm: Latencies, scale: Log) -> list[tuple[float, float, float]]:
    """Start, end and height of bars: neighbouring bins put together until few enough are seen."""
    seen = [n for n in range(len(arm.counts)) if scale.low < arm.edges[n + 1] and arm.edges[n] < scale.high]
    # Rice's rule, so that few requests make no comb.
    each = -(-len(seen) // min(BARS, max(6, round(2 * arm.total ** (1 / 3)))))
    bars = []
    # Counted from the first bin, not from the first seen, so that arms with the same bins have the same bars.
    for first in range(seen[0] // each * each, seen[-1] + 1, each):
        last = min(first + each, len(arm.counts))
        start, end = arm.edges[first], arm.edges[last]
        bars.append((start, end, sum(arm.counts[first:last]) / arm.total / math.log(end / start)))
    return bars


def _median_marks(arms: Sequence[Latencies], scale: Log, top: float) -> list[Element]:
    places = [(arm, at) for arm in arms for q, at in arm.quantiles if q == 0.5 and scale.holds(at)]
    marks = [line(scale(at), top - 6, scale(at), top + HEIGHT, f"mark {CLASSES[arm.arm]}") for arm, at in places]
    for arm, at in places:
        if arm.arm == "off":
            marks.append(text(max(scale(at), scale.start + 10), top - 10, "p50", "middle muted small"))
    return marks


def _tails(arms: Sequence[Latencies], left: float, right: float, offset: float) -> list[Element]:
    """The share of requests that took longer than a time, so that each quantile has a height of its own."""
    low = min(arm.reaches(0) for arm in arms)
    # The last bin holds all that is slower too: the lines end where they are still exact.
    high = max(arm.edges[-2] if arm.counts[-1] else arm.reaches(1) for arm in arms)
    high = max([high, *(at for arm in arms for q, at in arm.quantiles if q in MARKED)])
    scale = _scale(low, high, left, right - 6)
    least = min(0.005, 0.7 / max(arm.total for arm in arms))
    top = offset + TOP
    y = Log(least, 1.0, top + HEIGHT, top)
    marks = [text(left - LEFT, offset + 12, "The tail: share of requests that took longer", "start strong")]
    marks += _time_axis(scale, top)
    for share, words in ((1.0, "all"), *((1 - q, quantile_name(q)) for q in MARKED)):
        if share >= least:
            marks.append(line(left, y(share), right - 6, y(share), "grid"))
            marks.append(text(left - 8, y(share) + 4, words, "end muted small"))
    for arm in arms:
        marks.append(tag("path", d=_path(_tail(arm, scale, y)), class_=f"line {CLASSES[arm.arm]}"))
    for arm in arms:
        for q, seconds in arm.quantiles:
            if 1 - q >= least and scale.holds(seconds):
                words = f"{arm.arm}: {quantile_name(q)} {time_text(seconds, 4)}"
                marks.append(hover(words, dot(scale(seconds), y(1 - q), 3.5, f"dot {CLASSES[arm.arm]}")))
    return marks


def _tail(arm: Latencies, scale: Log, y: Log) -> list[tuple[float, float]]:
    slower = arm.slower
    last = len(arm.edges) - (2 if arm.counts[-1] and len(arm.counts) > 1 else 1)
    points = []
    for n in range(last + 1):
        if scale.holds(arm.edges[n]):
            points.append((scale(arm.edges[n]), y(slower[n])))
        if slower[n] <= 0:
            break
    return points or [(scale.start, y(1)), (scale.start, y(0))]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Straight lines between points, without those that change nothing."""
    kept: list[tuple[float, float]] = []
    for point in points:
        if len(kept) > 1 and kept[-1][1] == kept[-2][1] == point[1]:
            kept[-1] = point
        else:
            kept.append(point)
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in kept)


def swatch(arm: ArmName) -> Element:
    """A piece of an arm's line, for a legend."""
    marks = [line(1, 6, 25, 6, f"line {CLASSES[arm]}")]
    if arm == "off":
        marks.insert(0, rectangle(1, 2, 24, 9, "area"))
    return tag("svg", marks, viewBox="0 0 26 12", class_="plot swatch", aria_hidden="true")
