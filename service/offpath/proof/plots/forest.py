"""Ratios with their intervals, one row each, about the line of no difference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from offpath.proof.findings import Estimate
from offpath.proof.plots.canvas import bottom_axis, dot, fitted, hover, line, rectangle, sheet, text, width_of
from offpath.proof.plots.markup import Element
from offpath.proof.plots.scales import Log, log_ticks
from offpath.proof.plots.words import plain_number, ratio_text, tick_text

LABELS = 190.0
GAP = 30.0
ROW = 48.0
HEAD = 38.0
FOOT = 42.0
_LEAST, _MOST = 1e-6, 1e6
"""Ratios beyond these are drawn at these: they are faults of a measurement."""


@dataclass(frozen=True, slots=True)
class Row:
    """One ratio. `reference` is drawn behind it: what cannot be told from 1."""

    label: str
    detail: str
    ratio: Estimate | None
    reference: Estimate | None = None
    limit: float | None = None
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows on an axis of their own."""

    title: str
    rows: tuple[Row, ...]


def forest(panels: Sequence[Panel], width: float, title: str, axis: str) -> Element:
    """Panels side by side, with the rows' labels at the left; one below the other where there is no room."""
    words = f"{axis}. " + " ".join(
        f"{panel.title} {row.label} {row.detail}: {ratio_text(row.ratio)}."
        for panel in panels
        for row in panel.rows
        if row.ratio
    )
    if width < 600:
        return _stacked(panels, width, title, words, axis)
    rows = max((len(panel.rows) for panel in panels), default=0)
    head = _head(panels)
    room = (width - LABELS - GAP * (len(panels) - 1)) / max(1, len(panels))
    marks: list[Element] = []
    for index, row in enumerate(panels[0].rows if panels else ()):
        y = head + index * ROW
        if index:
            marks.append(line(0, y, width, y, "grid"))
        lift = 0 if row.detail else 7
        marks.append(hover(row.label, text(0, y + 21 + lift, fitted(row.label, LABELS - 24), "start strong")))
        marks.append(text(0, y + 37, row.detail, "start muted small"))
    for index, panel in enumerate(panels):
        marks += draw_panel(panel, LABELS + index * (room + GAP), room, 0, axis)
    return sheet(width, head + rows * ROW + FOOT, title, words, marks)


def _head(panels: Sequence[Panel]) -> float:
    """Room for a title and the name of a limit, where there are titles."""
    return HEAD if any(panel.title for panel in panels) else 6.0


def _stacked(panels: Sequence[Panel], width: float, title: str, words: str, axis: str) -> Element:
    marks: list[Element] = []
    top = 0.0
    for panel in panels:
        marks += draw_panel(panel, 0, width, top, axis, labelled=True)
        top += _head([panel]) + len(panel.rows) * ROW + FOOT + 10
    return sheet(width, max(top, 1), title, words, marks)


def draw_panel(
    panel: Panel, left: float, width: float, top: float, axis: str, *, labelled: bool = False, figures: bool = True
) -> list[Element]:
    """The marks of one panel: `labelled` rows have their names within, without `figures` only the marks are drawn."""
    scale = _scale(panel.rows, left + 6, left + width - 6)
    first = top + _head([panel])
    bottom = first + len(panel.rows) * ROW
    ticks = [tick for tick in log_ticks(scale.low, scale.high, min(9, max(4, int(width / 40)))) if scale.holds(tick)]
    marks = [text(left, top + 14, panel.title, "start strong")] if panel.title else []
    marks += bottom_axis(scale, ticks, tick_text, left, left + width, first, bottom)
    marks.append(line(left, bottom, left + width, bottom, "axis"))
    marks.append(line(scale(1), first, scale(1), bottom, "one"))
    marks.append(text(left + width / 2, bottom + 33, axis, "middle muted small"))
    limits = [row.limit for row in panel.rows if row.limit is not None]
    if panel.title and limits and min(limits) == max(limits):
        words = f"limit {tick_text(limits[0])}"
        half = width_of(words, 11) / 2
        x = min(max(scale(limits[0]), left + half), left + width - half)
        marks.append(text(x, first - 4, words, "middle bad-text small"))
    for index, row in enumerate(panel.rows):
        y = first + index * ROW
        figure = _words(row, left, width, y, labelled=labelled) if figures else []
        marks.append(hover(_said(row), _interval(row, scale, y), figure))
    return marks


def _interval(row: Row, scale: Log, top: float) -> list[Element]:
    """The band of what cannot be told from 1, the limit, the interval and its value, in the lower half of a row."""
    middle = top + 33
    marks: list[Element] = []
    if row.reference and _finite(row.reference):
        start, end = scale(row.reference.low), scale(row.reference.high)
        marks.append(rectangle(start, middle - 8, max(2.0, end - start), 16, "band", 3))
        marks.append(line(scale(1), middle - 8, scale(1), middle + 8, "one"))
    if row.limit is not None:
        marks.append(line(scale(row.limit), top + 1, scale(row.limit), top + ROW, "limit"))
    if row.ratio and _finite(row.ratio):
        bad = " bad" if row.missed else ""
        start, end = scale(row.ratio.low), scale(row.ratio.high)
        marks.append(line(start, middle, max(end, start + 1), middle, f"interval{bad}"))
        marks.append(dot(scale(row.ratio.value), middle, 4.5, f"point{bad}"))
    return marks


def _words(row: Row, left: float, width: float, top: float, *, labelled: bool) -> list[Element]:
    """The ratio in figures, in the upper half of a row; the row's name where there is no column of names."""
    figure = _figure(row)
    style = "over small" + (" muted" if row.ratio is None else " bad-text" if row.missed else "")
    if not labelled:
        return [text(left, top + 17, figure, f"start {style}")]
    room = width - width_of(figure, 11) - 12
    return [
        text(left, top + 17, fitted(_name(row), room), "start over"),
        text(left + width, top + 17, figure, f"end {style}"),
    ]


def _said(row: Row) -> str:
    reference = ""
    if row.reference:
        ends = f"{plain_number(row.reference.low)} to {plain_number(row.reference.high)}"
        reference = f"; {ends} cannot be told from 1"
    return f"{_name(row)}: {_figure(row)}{reference}"


def _name(row: Row) -> str:
    return ", ".join(filter(None, (row.label, row.detail)))


def _figure(row: Row) -> str:
    return "not measured" if row.ratio is None else ratio_text(row.ratio)


def _scale(rows: Iterable[Row], start: float, end: float) -> Log:
    values = [1.0]
    for row in rows:
        values += [row.limit] if row.limit is not None else []
        for each in (row.ratio, row.reference):
            values += [each.low, each.value, each.high] if each and _finite(each) else []
    low = max(_LEAST, min(values))
    high = max(low, min(_MOST, max(values)))
    # Never narrower than half a percent either way, else noise of a thousandth would fill the sheet.
    low, high = min(low, 0.995), max(high, 1.005)
    margin = (high / low) ** 0.05
    return Log(low / margin, high * margin, start, end)


def _finite(estimate: Estimate) -> bool:
    return all(math.isfinite(each) for each in (estimate.value, estimate.low, estimate.high))
