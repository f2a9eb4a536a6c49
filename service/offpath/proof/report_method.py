"""How it was measured, on which machine, and how to measure it again."""

from __future__ import annotations

from offpath.proof.findings import Findings
from offpath.proof.plots.markup import Element, tag
from offpath.proof.progress import spell_seconds

_STARTED = (
    "Each arm is a service of its own with the same agents, model and load. “Off” lacks the background hooks; “off "
    "again” is off once more"
)
_RUNNING = (
    "Two services that ran already are asked, and nothing of them is started or switched: “off” was deployed without "
    "background hooks, “on” with them, and “off again” is the service without hooks asked once more. Whatever else "
    "differs between the two deployments is in the ratio, and the A/A check cannot see it."
)
_STEPS = (
    (
        "Arrivals",
        "Requests arrive at random (a Poisson process), whether or not earlier ones have been answered. A response "
        "time counts from the moment at which the request was due, so that waiting for a free connection counts too.",
    ),
    (
        "Blocks",
        "In each round every arm has one block of requests, in random order, with the same arrivals. Hooks run beside "
        "the requests of their own block and have ended before the next block begins. A round's blocks of two arms are "
        "a pair.",
    ),
    (
        "Intervals",
        "A ratio is the quantile of all requests of one arm over that of the other. Its 95 % interval comes from a "
        "bootstrap: whole pairs are drawn again and again with replacement, since the requests of a block depend "
        "on each other.",
    ),
    (
        "A/A check",
        "Off against off again must give 1. The width of its interval says which difference this machine can tell from "
        "none; an assertion about a smaller one is not resolved, never kept.",
    ),
    ("Judgement", "The upper end of the interval is held against the limit, and the first result counts."),
)


def method_section(findings: Findings) -> Element:
    """The section that lets a reader doubt, and repeat."""
    steps = [tag("p", tag("strong", f"{title}. "), words) for title, words in (("Arms", _arms(findings)), *_STEPS)]
    facts = [("target", findings.target), ("offpath", findings.offpath), ("began", findings.began)]
    facts.append(("took", spell_seconds(findings.seconds)))
    facts += [(name.replace("_", " "), _fact(value)) for name, value in findings.machine.items()]
    rows = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in facts)
    return tag(
        "section",
        tag("h2", "How it was measured"),
        steps,
        tag("h3", "Machine and versions"),
        tag("div", tag("table", tag("tbody", rows), class_="facts"), class_="scroll"),
        tag("h3", "Measure it again"),
        tag("pre", tag("code", findings.command)),
    )


def _arms(findings: Findings) -> str:
    if findings.running:
        return _RUNNING
    unsaved = any(case.comparison("no storage", "off") for case in findings.cases)
    return _STARTED + ("; “no storage” is off and stores neither session nor run." if unsaved else ".")


def _fact(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.6g}"
