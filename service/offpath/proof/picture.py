"""The picture of README and documentation, drawn from what `offpath prove --json` wrote.

    python -m offpath.proof.picture FINDINGS.json docs/assets/proof.svg

The caller's response above, the hooks below, on one linear axis of time; beneath, the ratio of p50 with its interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from offpath.proof.findings import Case, Findings, QuantileComparison, RunTrace, read_findings
from offpath.proof.plots.canvas import bottom_axis, fitted, line, rectangle, sheet, text, width_of
from offpath.proof.plots.forest import Panel, draw_panel
from offpath.proof.plots.markup import Element, tag
from offpath.proof.plots.scales import Linear, linear_ticks
from offpath.proof.plots.theme import DARK, LIGHT, PLOT
from offpath.proof.plots.timeline import BAD, end_of, hook_label
from offpath.proof.plots.words import difference_text, percent_text, ratio_text, tick_text, time_text, unit_of
from offpath.proof.report_case import rows_of
from offpath.proof.report_words import answer, model_of

WIDTH: Final = 800.0
EDGE: Final = 28.0
LABELS: Final = 172.0
ROW: Final = 28.0
BAR: Final = 14.0
TOP: Final = 74.0
HOOKS: Final = 8
"""As many are drawn; of more, the last line gives the number."""

_STYLE: Final = f"""
:root{{{LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{DARK}}}}}
{PLOT}
svg.plot .sheet{{fill:var(--card);stroke:var(--rule)}}
svg.plot text{{font-size:14px}} svg.plot .small{{font-size:12.5px}} svg.plot .heading{{font-size:19px;font-weight:600}}
svg.plot .figure{{font-size:26px;font-weight:600;fill:var(--on)}}
svg.plot .over{{stroke:var(--card)}} svg.plot .blank{{fill:var(--card)}} svg.plot .within{{fill:var(--card)}}
"""


class NoSuchCaseError(ValueError):
    """The findings hold no case of that name with a traced run and a comparison; the message lists those that do."""


def picture_of(findings: Findings, name: str | None = None) -> str:
    """The picture of one case, as the text of an SVG file.

    Raises:
        NoSuchCaseError: No case can be drawn, or not the one named.
    """
    case = _chosen(findings, name)
    runs = sorted(case.waterfall, key=lambda run: run.responded)
    run, at = runs[len(runs) // 2], answer(case, 0.5)
    if at is None:  # `_chosen` has looked
        raise NoSuchCaseError(case.name)
    end = end_of(run)
    shown = sorted(run.hooks, key=lambda hook: (hook.started, hook.ended))
    rows = 1 + min(len(shown), HOOKS) + (len(shown) > HOOKS)
    bottom = TOP + rows * ROW + 8
    scale = Linear(0, (end or 1e-3) * 1.01, EDGE + LABELS, WIDTH - EDGE)
    height = bottom + 190
    title = f"The answer is there after {time_text(run.responded)}, the hooks go on until {time_text(end)}"
    if end <= run.responded:
        title = f"The answer is there after {time_text(run.responded)}"
    words = f"{title}. With hooks on, p50 of the response is {ratio_text(at.ratio)} times that with hooks off."
    marks = [
        tag("style", _STYLE),
        rectangle(0.5, 0.5, WIDTH - 1, height - 1, "sheet", 10),
        text(EDGE, 42, fitted(title, WIDTH - 2 * EDGE, 19), "start heading"),
        *_time(run, scale, bottom),
        *_result(findings, case, at, bottom + 62),
    ]
    return sheet(WIDTH, height, title, words, marks).render() + "\n"


def _chosen(findings: Findings, name: str | None) -> Case:
    cases = [case for case in findings.cases if case.waterfall and answer(case, 0.5)]
    if name is None and cases:
        # The seed's hooks, and a model that takes as long as models do: what most readers will have.
        return max(cases, key=lambda case: (case.profile == "seed", case.model_seconds))
    found = next((case for case in cases if case.name == name), None)
    if found is None:
        names = "; ".join(case.name for case in cases) or "none"
        raise NoSuchCaseError(
            f"no case {name or ''!r} with a traced run, hooks on and hooks off; those that have it: {names}"
        )
    return found


def _time(run: RunTrace, scale: Linear, bottom: float) -> list[Element]:
    """The response and the hooks."""
    name, size = unit_of(scale.high)
    ticks = [tick * size for tick in linear_ticks(0, scale.high / size, 7)]
    marks = bottom_axis(
        scale,
        ticks,
        lambda tick: f"{tick_text(tick / size)} {name}",
        scale.start - 12,
        WIDTH - EDGE + 8,
        TOP - 6,
        bottom,
    )
    marks.append(line(scale.start, bottom, scale.end, bottom, "axis"))
    responded = max(scale(run.responded), scale.start + 3)
    marks.append(line(responded, TOP, responded, bottom, "responded"))
    marks += _row(0, "the caller waits", scale.start, responded, "response", time_text(run.responded), strong=True)
    marks.append(line(EDGE, TOP + ROW + 2, WIDTH - EDGE, TOP + ROW + 2, "axis"))
    hooks = sorted(run.hooks, key=lambda hook: (hook.started, hook.ended))
    for index, hook in enumerate(hooks[:HOOKS], 1):
        start, y = scale(hook.started), TOP + index * ROW + 10
        marks.append(line(scale(hook.queued), y + BAR / 2, start, y + BAR / 2, "wait"))
        bar = "hook bad" if hook.state in BAD else "hook"
        marks += _row(index, hook.name, start, max(scale(hook.ended), start + 3), bar, hook_label(hook))
    if len(hooks) > HOOKS:
        more = f"and {len(hooks) - HOOKS} more hooks"
        marks.append(text(EDGE, TOP + (HOOKS + 1) * ROW + 21, more, "start muted"))
    return marks


def _row(
    index: int, name: str, start: float, end: float, bar: str, label: str, *, strong: bool = False
) -> list[Element]:
    y = TOP + index * ROW + (10 if index else 4)
    marks = [
        text(EDGE, y + 12, fitted(name, LABELS - 16, 14), "start strong" if strong else "start"),
        rectangle(start, y, end - start, BAR, bar, 2),
    ]
    size = width_of(label, 12.5)
    if end + 8 + size <= WIDTH - EDGE:
        marks.append(text(end + 7, y + 11.5, label, "start small over"))
    elif size + 12 <= end - start:
        marks.append(text(end - 7, y + 11.5, label, "end small within"))
    else:
        # The line of the hook's waiting ends before the words.
        marks.append(rectangle(start - 10 - size, y - 2, size + 7, BAR + 4, "blank"))
        marks.append(text(start - 6, y + 11.5, label, "end small"))
    return marks


def _result(findings: Findings, case: Case, at: QuantileComparison, top: float) -> list[Element]:
    """The ratio in words, and drawn."""
    comparison = case.comparison("off", "on")
    requests = comparison.requests if comparison else 0
    value, _, interval = percent_text(at.ratio).partition(" [")
    row = rows_of(findings, case, 0.5, "", "")
    left = WIDTH - EDGE - 300
    axis = "p50 on / off; grey: like 1" + ("; dashed: the limit" if row.limit is not None else "")
    return [
        line(EDGE, top - 22, WIDTH - EDGE, top - 22, "axis"),
        text(EDGE, top + 6, "p50 of the response, hooks on against off", "start strong"),
        tag("text", tag("tspan", value, class_="figure"), _interval_text(interval), x=EDGE, y=top + 42),
        text(EDGE, top + 68, f"{difference_text(at.difference_us)}; {requests:,} requests each", "start small muted"),
        text(EDGE, top + 102, _source(findings, case), "start small muted"),
        *draw_panel(Panel("", (row,)), left, 300, top - 18, axis, figures=False),
    ]


def _interval_text(interval: str) -> Element:
    return tag("tspan", f"95 % interval [{interval}", dx=10)


def _source(findings: Findings, case: Case) -> str:
    words = f"profile {case.profile}, {model_of(case)}, {case.rate:g} requests/s"
    return f"offpath prove {findings.offpath}, {findings.began[:10]}: {words}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw; 2 if the findings cannot be read or hold no such case."""
    parser = argparse.ArgumentParser(
        prog="python -m offpath.proof.picture", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("findings", type=Path, help="what `offpath prove --json` wrote")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    parser.add_argument(
        "--case", help='such as "seed, model 200 ms"; the default is the seed\'s with the slowest model'
    )
    options = parser.parse_args(arguments)
    try:
        drawn = picture_of(read_findings(options.findings), options.case)
        options.picture.write_text(drawn, encoding="utf-8")
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
