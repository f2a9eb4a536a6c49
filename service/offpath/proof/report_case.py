"""One case of the report: ratios, distributions, the run over time, what saving costs, what can be resolved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from offpath.proof.findings import ArmName, Case, Comparison, Findings, Resolution, RunTrace
from offpath.proof.plots.canvas import NARROW, WIDE
from offpath.proof.plots.distribution import Latencies, distribution, swatch
from offpath.proof.plots.forest import Panel, Row, forest
from offpath.proof.plots.markup import Child, Element, tag
from offpath.proof.plots.timeline import end_of, timeline, zoom_of
from offpath.proof.plots.words import (
    NONE,
    difference_text,
    quantile_name,
    ratio_text,
    share_text,
    tick_text,
    time_text,
)
from offpath.proof.report_words import answer, as_sentence, band, load, meaning, quantiles_of, sentence, verdict_of

AXIS = "response time, hooks on / off"
_DRAWN: Sequence[ArmName] = ("off", "no storage", "on")
"""From the lowest layer to the highest."""


def case_section(findings: Findings, case: Case, number: int) -> Element:
    """All about one case."""
    many = len(findings.cases) > 1
    return tag(
        "section",
        tag("h2", case.name),
        tag("p", as_sentence(case.description)) if case.description else None,
        tag("p", load(case), class_="muted"),
        (tag("p", as_sentence(note), class_="note") for note in case.notes),
        _response_times(case, many=many),
        _ratios(findings, case) if many else None,
        _distributions(case),
        _timeline(case),
        _saving(case),
        _resolutions(case),
        id=f"case-{number}",
    )


def both(draw: Callable[[float], Element | None], *caption: Child, keys: Child = None) -> Element | None:
    """A plot for wide and for narrow screens; the page's style shows one of them."""
    wide, narrow = draw(WIDE), draw(NARROW)
    if wide is None or narrow is None:
        return None
    words = tag("figcaption", *caption) if caption else None
    return tag("figure", keys, _classed(wide, "wide"), _classed(narrow, "narrow"), words)


def _classed(plot: Element, class_: str) -> Element:
    pairs = tuple((name, f"{value} {class_}" if name == "class" else value) for name, value in plot.attributes)
    return Element(plot.tag, pairs, plot.children)


def table(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[Child]], label: str, class_: str = "") -> Element:
    """Rows under heads, each of which is a title and the class of its column; the first cell names its row."""
    head = tag("tr", (tag("th", title, scope="col", class_=class_ or None) for title, class_ in heads))
    body = (
        tag("tr", tag("th", row[0], scope="row"), (_cell(cell, heads[n][1]) for n, cell in enumerate(row[1:], 1)))
        for row in rows
    )
    inner = tag("table", tag("thead", head), tag("tbody", body), aria_label=label, class_=class_ or None)
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=label)


def _cell(content: Child, class_: str) -> Element:
    return tag("td", content, class_=class_ or None)


def rows_of(findings: Findings, case: Case, q: float, label: str, detail: str) -> Row:
    """A row of a forest plot: the answer, what cannot be told from 1 behind it, and its limit."""
    at, verdict = answer(case, q), verdict_of(findings, case, q)
    return Row(
        label,
        detail,
        at.ratio if at else None,
        band(case, q),
        verdict.limit if verdict else None,
        missed=bool(verdict and verdict.resolved and not verdict.kept),
    )


def _response_times(case: Case, *, many: bool) -> list[Element]:
    comparison = case.comparison("off", "on")
    again = case.comparison("off", "off again")
    if comparison is None:
        return [tag("p", "Hooks on and hooks off were not compared in this case.", class_="note")]
    heads = [("", ""), ("hooks off", "n"), ("hooks on", "n"), ("on / off [95 %]", "n"), ("difference [95 %]", "n")]
    heads += [("A/A: off again / off", "n")] if again else []
    rows: list[list[Child]] = []
    for at in comparison.quantiles:
        same = again.quantile(at.q) if again else None
        row: list[Child] = [quantile_name(at.q), time_text(at.a_seconds), time_text(at.b_seconds), ratio_text(at.ratio)]
        row.append(difference_text(at.difference_us))
        row += [ratio_text(same.ratio) if same else NONE] if again else []
        rows.append(row)
    found = [tag("h3", "Response time with hooks on and off"), table(heads, rows, f"{case.name}: response time")]
    if many:  # a single case has it at the top of the page
        found += [tag("p", meaning(at)) for at in comparison.quantiles if at.q == 0.5]
    if case.hooks_failed:
        attempts = "hook failed" if case.hooks_failed == 1 else "hooks failed"
        found.append(tag("p", f"{case.hooks_failed:,} {attempts} while this was measured.", class_="note"))
    return found


def _ratios(findings: Findings, case: Case) -> Element | None:
    qs = [q for q in quantiles_of([case]) if answer(case, q)]
    if not qs:
        return None
    panel = Panel("", tuple(rows_of(findings, case, q, quantile_name(q), _limit(findings, case, q)) for q in qs))
    title = f"{case.name}: ratio of response times"
    return both(lambda width: forest([panel], width, title, AXIS))


def _limit(findings: Findings, case: Case, q: float) -> str:
    verdict = verdict_of(findings, case, q)
    return f"limit {tick_text(verdict.limit)}" if verdict else ""


def forest_caption(findings: Findings) -> str:
    limits = " Dashed: the limit that was asserted." if findings.verdicts else ""
    return (
        "Dot and line: ratio with its 95 % interval. Grey band: by the A/A check, this machine "
        f"cannot tell these ratios from 1. Thin line: 1, no difference.{limits}"
    )


def _latencies(case: Case) -> list[Latencies]:
    found = []
    for arm in _DRAWN:
        for each in case.comparisons:
            if arm in (each.a, each.b) and each.edges_seconds:
                found.append(_arm(each, arm))
                break
    return found


def _arm(comparison: Comparison, arm: ArmName) -> Latencies:
    first = comparison.a == arm
    counts = comparison.a_counts if first else comparison.b_counts
    quantiles = tuple((at.q, at.a_seconds if first else at.b_seconds) for at in comparison.quantiles)
    return Latencies(arm, comparison.edges_seconds, counts, quantiles)


ARM_NAMES: dict[ArmName, str] = {
    "on": "hooks on",
    "off": "hooks off",
    "off again": "hooks off again",
    "no storage": "hooks off, nothing stored",
}


def _distributions(case: Case) -> list[Element]:
    arms = [arm for arm in _latencies(case) if arm.usable]
    keys = tag("div", (tag("span", swatch(arm.arm), ARM_NAMES[arm.arm]) for arm in reversed(arms)), class_="keys")
    title = f"{case.name}: distribution of response times"
    figure = both(
        lambda width: distribution(arms, width, title),
        "Dotted: p50 of each arm. Where a line of the tail crosses p99, one request in a hundred took longer.",
        keys=keys,
    )
    return [tag("h3", "Distribution"), figure] if figure else []


def _timeline(case: Case) -> list[Element]:
    if not case.waterfall:
        return []
    runs = sorted(case.waterfall, key=lambda run: run.responded)
    run = runs[len(runs) // 2]
    end = end_of(run)
    text = [f"The response ended {time_text(run.responded)} after the request"]
    text.append(f", the last hook after {time_text(end)}. " if end > run.responded else ". ")
    if len(runs) > 1:
        text.append(f"Of {len(runs)} traced runs this is the one with the median response. ")
    text.append("All axes are linear and begin at the request. Thin line: the hook waits to be started. ")
    text.append("Shaded: what the other axis shows enlarged." if zoom_of(run) else "")
    title = f"{case.name}: one run over time"
    figure = both(lambda width: timeline(run, width, title), "".join(text))
    return [tag("h3", "One run over time"), *([figure] if figure else []), _traces(case, runs)]


def _traces(case: Case, runs: Sequence[RunTrace]) -> Element:
    heads = [("run", ""), ("response", "n"), ("hook", ""), ("queued", "n"), ("started", "n"), ("ended", "n")]
    heads += [("state", ""), ("attempts", "n")]
    rows: list[list[Child]] = []
    for run in runs:
        first: list[Child] = [tag("code", run.run_id), time_text(run.responded)]
        if not run.hooks:
            rows.append([*first, "no hooks", *[NONE] * 5])
        for hook in run.hooks:
            times = [time_text(each) for each in (hook.queued, hook.started, hook.ended)]
            rows.append([*first, hook.name, *times, hook.state, str(hook.attempts)])
            first = ["", ""]
    words = f"The figures of {len(runs)} traced runs" if len(runs) > 1 else "The figures"
    return tag("details", tag("summary", words), table(heads, rows, f"{case.name}: traced runs"))


def _saving(case: Case) -> list[Element]:
    comparison = case.comparison("no storage", "off")
    if comparison is None:
        return []
    heads = [
        ("", ""),
        ("nothing stored", "n"),
        ("stored, hooks off", "n"),
        ("ratio [95 %]", "n"),
        ("difference [95 %]", "n"),
    ]
    rows: list[list[Child]] = [
        [
            quantile_name(at.q),
            time_text(at.a_seconds),
            time_text(at.b_seconds),
            ratio_text(at.ratio),
            difference_text(at.difference_us),
        ]
        for at in comparison.quantiles
    ]
    words = "An arm without hooks whose runs are answered and not stored shows what storing session and run costs"
    at = comparison.quantile(0.5)
    words += f": {sentence(at)}." if at else "."
    return [
        tag("h3", "What saving the run costs"),
        tag("p", words),
        table(heads, rows, f"{case.name}: what saving the run costs"),
    ]


def _resolutions(case: Case) -> list[Element]:
    if not case.resolutions:
        return []
    comparison = case.comparison("off", "off again") or case.comparison("off", "on")
    measured = f"{comparison.requests:,}" if comparison else NONE
    heads = [("", ""), ("difference asked for", "n"), ("resolved here", "n"), ("requests an arm", "n")]
    heads += [("needed", "n"), ("resolved", "")]
    measuring = case.seconds / comparison.requests if comparison and comparison.requests else 0.0
    rows: list[list[Child]] = [
        [
            quantile_name(each.q),
            share_text(each.wanted),
            share_text(each.resolved),
            measured,
            _needed(each, comparison.requests if comparison else 0, measuring),
            tag("span", "yes", class_="kept") if each.enough else tag("span", "no", class_="unresolved"),
        ]
        for each in case.resolutions
    ]
    words = "The A/A check shows which differences there are without a reason: no smaller one can be told from none. "
    words += (
        "With the number needed, an assertion is kept in some 9 of 10 measurements if hooks cost nothing; it is taken "
    )
    words += "for granted that noise shrinks with the square root of the number of requests."
    title = tag("h3", "What these measurements can resolve")
    return [title, tag("p", words), table(heads, rows, f"{case.name}: resolution")]


def _needed(resolution: Resolution, measured: int, seconds: float) -> str:
    """Requests an arm, and how long they would take at `seconds` a request if they are more than were measured."""
    needed = f"{resolution.requests_needed:,}"
    if resolution.requests_needed <= measured or not seconds:
        return needed
    return f"{needed}, about {time_text(seconds * resolution.requests_needed, 2)}"
