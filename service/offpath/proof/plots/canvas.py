"""What all plots share: the sheet, texts, lines, axes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from offpath.proof.plots.markup import Child, Element, tag
from offpath.proof.plots.scales import Scale

WIDE = 860
NARROW = 350
"""Pixels. Each plot is drawn for both, since a wide one that is scaled to a phone cannot be read."""


def sheet(width: float, height: float, title: str, description: str, *children: Child, class_: str = "") -> Element:
    """An SVG element that scales with its frame, with words for those who do not see it."""
    return tag(
        "svg",
        tag("title", title),
        tag("desc", description),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        class_=f"plot {class_}".strip(),
        role="img",
    )


def text(x: float, y: float, words: str, class_: str = "start") -> Element:
    """Words whose baseline is at `y`; the class says which end is at `x`."""
    return tag("text", words, x=x, y=y, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Element:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str, radius: float = 0) -> Element:
    return tag("rect", x=x, y=y, width=max(0.0, width), height=height, rx=radius or None, class_=class_)


def dot(x: float, y: float, radius: float, class_: str) -> Element:
    return tag("circle", cx=x, cy=y, r=radius, class_=class_)


def hover(words: str, *children: Child) -> Element:
    """Marks that show words under the pointer."""
    return tag("g", tag("title", words), *children)


def bottom_axis(
    scale: Scale,
    ticks: Sequence[float],
    label: Callable[[float], str],
    left: float,
    right: float,
    top: float,
    bottom: float,
) -> list[Element]:
    """Grid lines from `top` to `bottom` with their figures beneath; a figure that would touch another is left out."""
    marks: list[Element] = []
    free = -1e9
    for tick in ticks:
        x = scale(tick)
        marks.append(line(x, top, x, bottom, "grid"))
        words = label(tick)
        half = width_of(words, 11) / 2
        if x - half < free:
            continue
        # At the ends, the figure is kept within the sheet.
        shift = min(0.0, right - x - half) + max(0.0, left - (x - half))
        marks.append(text(x + shift, bottom + 15, words, "middle muted small"))
        free = x + shift + half + 5
    return marks


def width_of(words: str, size: float) -> float:
    """About how wide words are, in pixels: no font is at hand when a report is written, so rather too wide."""
    return size * sum(map(_em, words))


def _em(char: str) -> float:
    if unicodedata.east_asian_width(char) in "WF" or char in "mwMW%":
        return 1.0
    return 0.32 if char in " .,:;il|'!" else 0.62


def fitted(words: str, room: float, size: float = 12) -> str:
    """Words cut in their middle so that they fit: both ends of a name tell more than its beginning."""
    if width_of(words, size) <= room:
        return words
    keep = len(words) - 1
    while keep > 2:
        head = (keep + 1) // 2
        shorter = f"{words[:head].rstrip()}\N{HORIZONTAL ELLIPSIS}{words[len(words) - (keep - head) :].lstrip()}"
        if width_of(shorter, size) <= room:
            return shorter
        keep -= 1
    return words[:1] + "\N{HORIZONTAL ELLIPSIS}"
