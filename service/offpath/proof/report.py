"""The report of `offpath prove --html`: one file that is read offline, without a script, on screen or on paper."""

from __future__ import annotations

from pathlib import Path

from offpath.proof.findings import Findings, Verdict
from offpath.proof.plots.forest import Panel, forest
from offpath.proof.plots.markup import Child, Element, tag
from offpath.proof.plots.words import NONE, plain_number, quantile_name, tick_text
from offpath.proof.report_case import AXIS, both, case_section, forest_caption, rows_of, table
from offpath.proof.report_method import method_section
from offpath.proof.report_style import STYLE
from offpath.proof.report_words import (
    across,
    answer,
    headline,
    meaning,
    model_of,
    quantiles_of,
    sentence,
    unseen,
    warnings,
)

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_html(findings: Findings, path: Path) -> None:
    """Write the report; a file of that name is replaced.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(html_of(findings), encoding="utf-8")


def html_of(findings: Findings) -> str:
    """The whole page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        Element("meta", (("http-equiv", "Content-Security-Policy"), ("content", POLICY))),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"offpath prove: {findings.target}"),
        tag("style", STYLE),
    )
    main = tag(
        "main",
        tag("header", _heading(findings)),
        _verdicts(findings),
        _overview(findings),
        (case_section(findings, case, number) for number, case in enumerate(findings.cases, 1)),
        method_section(findings),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', main), lang='en').render()}\n"


def _heading(findings: Findings) -> list[Element]:
    began = findings.began.replace("T", " ")[:16]
    found = [
        tag("h1", "What background hooks cost the response"),
        tag("p", f"{findings.target}, offpath {findings.offpath}, {began} UTC", class_="meta"),
        tag("p", headline(findings), class_="result"),
    ]
    cases = [case for case in findings.cases if case.comparison("off", "on")]
    if len(cases) == 1:
        at = answer(cases[0], 0.5)
        others = [
            sentence(each)
            for q in quantiles_of(cases)
            if (q != 0.5 or unseen(cases[0])) and (each := answer(cases[0], q))
        ]
        found.append(tag("p", "; ".join(others), class_="lead") if others else tag("p"))
        found += [tag("p", meaning(at))] if at else []
    elif cases:
        found.append(tag("p", across(cases), class_="lead"))
    found += [tag("p", words, class_="note", role="note") for words in warnings(findings)]
    return found


def _verdicts(findings: Findings) -> list[Element]:
    if not findings.verdicts:
        words = "No limit was asserted. With --assert-p50 1.01, the interval's upper end is judged."
        return [tag("p", words, class_="muted")]
    heads = [("case", ""), ("assertion", "c"), ("upper end", "n"), ("verdict", ""), ("", "reason")]
    rows: list[list[Child]] = [
        [
            each.case,
            f"{quantile_name(each.q)} \N{LESS-THAN OR EQUAL TO} {tick_text(each.limit)}",
            plain_number(each.upper, 4) if each.upper else NONE,
            tag("span", verdict_name(each), class_=f"badge {_BADGES[verdict_name(each)]}"),
            each.reason,
        ]
        for each in findings.verdicts
    ]
    return [table(heads, rows, "Assertions and their verdicts", "verdicts")]


_BADGES = {"kept": "kept", "missed": "missed", "not resolved": "unresolved"}


def verdict_name(verdict: Verdict) -> str:
    """What became of an assertion, in a word or two."""
    if not verdict.resolved:
        return "not resolved"
    return "kept" if verdict.kept else "missed"


def _overview(findings: Findings) -> Element | None:
    cases = [case for case in findings.cases if case.comparison("off", "on")]
    qs = quantiles_of(cases)
    panels = [
        Panel(
            f"{quantile_name(q)} of the response",
            tuple(rows_of(findings, case, q, case.profile, model_of(case)) for case in cases),
        )
        for q in qs
    ]
    if not panels:
        return None
    links = (tag("li", tag("a", case.name, href=f"#case-{number}")) for number, case in enumerate(findings.cases, 1))
    return tag(
        "section",
        both(
            lambda width: forest(panels, width, "Ratio of response times in all cases", AXIS), forest_caption(findings)
        ),
        tag("nav", tag("ul", links), aria_label="Cases") if len(findings.cases) > 1 else None,
    )
