"""One run over time: the response, and the hooks that went on after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from offpath.proof.findings import HookTrace, RunTrace
from offpath.proof.plots.canvas import bottom_axis, fitted, hover, line, rectangle, sheet, text, width_of
from offpath.proof.plots.markup import Element, tag
from offpath.proof.plots.scales import Linear, linear_ticks
from offpath.proof.plots.words import tick_text, time_text, unit_of

LABELS = 170.0
GAP = 34.0
ROW = 24.0
BAR = 12.0
HEAD = 26.0
FOOT = 26.0
ZOOM_FROM = 4.0
"""How many responses long the hooks are before the response has an axis of its own beside."""
BAD = frozenset({"dead", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a run's time, drawn on an axis of its own."""

    title: str
    scale: Linear
    top: float

    @property
    def left(self) -> float:
        return self.scale.start

    @property
    def right(self) -> float:
        return self.scale.end


def end_of(run: RunTrace) -> float:
    """When the last of a run's hooks had ended, or the response, in seconds from the request."""
    return max([run.responded, *(hook.ended for hook in run.hooks if math.isfinite(hook.ended))], default=0.0)


def zoom_of(run: RunTrace) -> float | None:
    """Until when the response is drawn enlarged: long enough to see hooks start; None if one axis shows everything."""
    if not 0 < ZOOM_FROM * run.responded < end_of(run):
        return None
    starts = [hook.started for hook in run.hooks if 0 <= hook.started < ZOOM_FROM * run.responded]
    return max(2 * run.responded, 1.25 * max(starts, default=0.0))


def timeline(run: RunTrace, width: float, title: str) -> Element:
    """Response and hooks, on two linear axes if one cannot show both: the first moments, and the whole."""
    height = HEAD + (1 + len(run.hooks)) * ROW + FOOT
    end = end_of(run) or 1e-3
    zoom = zoom_of(run)
    narrow = width < 600
    left = 0.0 if narrow else LABELS
    windows: list[Window] = []
    if zoom is None:
        windows.append(Window("The whole run", Linear(0, end * 1.02, left, width - 6), 0))
    else:
        split = width - 6 if narrow else left + (width - left - GAP) * 0.42
        first = f"The first {time_text(zoom, 2)}"
        windows.append(Window(first, Linear(0, zoom, left, split), 0))
        start, top = (0.0, height + 14) if narrow else (split + GAP, 0.0)
        whole = f"The whole run, {time_text(end, 2)}"
        windows.append(Window(whole, Linear(0, end * 1.02, start, width - 6), top))
    if narrow:
        # Each bar has its name above it.
        return _narrow(run, windows, width, title, zoom)
    marks = [_name(hook.name, HEAD + (index + 1) * ROW) for index, hook in enumerate(run.hooks)]
    marks.insert(0, _name("response", HEAD, "strong"))
    for window in windows:
        marks += _window(run, window, ROW, HEAD, zoom if window is windows[-1] else None)
    return sheet(width, height, title, _described(run), marks)


def _narrow(run: RunTrace, windows: Sequence[Window], width: float, title: str, zoom: float | None) -> Element:
    row = ROW + 16
    height = HEAD + (1 + len(run.hooks)) * row + FOOT
    marks: list[Element] = []
    for index, window in enumerate(windows):
        placed = Window(window.title, window.scale, index * (height + 16))
        marks += _window(run, placed, row, HEAD, zoom if index == len(windows) - 1 else None)
        names = ["response", *(hook.name for hook in run.hooks)]
        for place, name in enumerate(names):
            y = placed.top + HEAD + place * row + 11
            marks.append(text(0, y, fitted(name, width - 10), "start small" + (" strong" if not place else "")))
    return sheet(width, len(windows) * (height + 16), title, _described(run), marks)


def _name(name: str, top: float, class_: str = "") -> Element:
    return hover(name, text(0, top + 16, fitted(name, LABELS - 14), f"start {class_}".strip()))


def _window(run: RunTrace, window: Window, row: float, head: float, zoom: float | None) -> list[Element]:
    scale, top = window.scale, window.top + head
    bottom = top + (1 + len(run.hooks)) * row
    name, size = unit_of(scale.high)
    ticks = [tick * size for tick in linear_ticks(0, scale.high / size, max(2, int((window.right - window.left) / 58)))]
    marks = [text(window.left, window.top + 14, window.title, "start strong")]
    if zoom:
        marks.append(rectangle(scale(0), top, scale(zoom) - scale(0), bottom - top, "zone"))
    marks += bottom_axis(
        scale,
        ticks,
        lambda tick: f"{tick_text(tick / size)} {name}",
        max(3.0, window.left - 8),
        window.right + 6,
        top,
        bottom,
    )
    marks.append(line(window.left, bottom, window.right, bottom, "axis"))
    responded = scale(run.responded)
    marks.append(line(responded, top + row / 2, responded, bottom, "responded"))
    y = top + row - BAR - 6
    words = time_text(run.responded)
    bar = rectangle(scale(0), y, max(2.0, responded - scale(0)), BAR, "response", 2)
    marks.append(hover(f"response after {words}", bar))
    marks += _beside(scale(0), max(responded, scale(0) + 2), y, f"response {words}", window)
    for index, hook in enumerate(run.hooks):
        marks.append(_hook(hook, window, y + (index + 1) * row))
    return marks


def _hook(hook: HookTrace, window: Window, y: float) -> Element:
    scale = window.scale
    bad = " bad" if hook.state in BAD else ""
    queued, started, ended = (
        max(0.0, each) if math.isfinite(each) else 0.0 for each in (hook.queued, hook.started, hook.ended)
    )
    marks: list[Element] = []
    begin = min(started, scale.high)
    if queued < begin:
        marks.append(line(scale(queued), y + BAR / 2, scale(begin), y + BAR / 2, f"wait{bad}"))
    label = hook_label(hook)
    if started < scale.high:
        x, end = scale(started), scale(max(started, ended))
        marks.append(rectangle(x, y, max(2.0, end - x), BAR, f"hook{bad}", 2))
        if ended > scale.high:
            marks.append(_onward(window.right, y, bad))
            if end - x > 70:
                marks.append(text(end - 8, y + BAR - 2.5, "goes on", "end small within"))
        else:
            marks += _beside(x, max(end, x + 2), y, label, window)
    return hover(f"{hook.name}: {hook_sentence(hook)}", marks)


def _onward(x: float, y: float, bad: str) -> Element:
    """An arrow's head: it goes on beyond the axis."""
    return tag(
        "polygon", points=f"{x:g},{y - 2:g} {x + 6:g},{y + BAR / 2:g} {x:g},{y + BAR + 2:g}", class_=f"hook{bad}"
    )


def _beside(start: float, end: float, y: float, words: str, window: Window) -> list[Element]:
    """Words right of a bar; within it, or left of it, where there is no room."""
    size, base = width_of(words, 11), y + BAR - 2.5
    if end + 5 + size <= window.right + 6:
        return [text(end + 5, base, words, "start small over")]
    if size + 10 <= end - start:
        return [text(end - 6, base, words, "end small within")]
    if start - 5 - size >= window.left:
        # The line of the hook's waiting ends before the words.
        blank = rectangle(start - 8 - size, y - 1, size + 6, BAR + 2, "blank")
        return [blank, text(start - 5, base, words, "end small")]
    return [text(window.right, y - 2, words, "end small over")]


def hook_label(hook: HookTrace) -> str:
    """What a hook's bar says."""
    duration = time_text(max(0.0, hook.ended - hook.started), 2)
    parts = [duration]
    if hook.state != "succeeded":
        parts.append(hook.state)
    if hook.attempts > 1:
        parts.append(f"{hook.attempts} attempts")
    return ", ".join(parts)


def hook_sentence(hook: HookTrace) -> str:
    """All about a hook's time, for a tooltip and for those who do not see the bars."""
    return (
        f"queued {time_text(hook.queued)}, started {time_text(hook.started)}, ended {time_text(hook.ended)} "
        f"after the request; {hook.state}, {hook.attempts} attempt{'' if hook.attempts == 1 else 's'}"
    )


def _described(run: RunTrace) -> str:
    hooks = " ".join(f"{hook.name}: {hook_sentence(hook)}." for hook in run.hooks)
    return f"The response ended {time_text(run.responded)} after the request. {hooks}".strip()
