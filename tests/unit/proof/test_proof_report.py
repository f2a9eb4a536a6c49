"""The report says everything that was found, to everybody, and lets nothing of what it shows act."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from offpath.proof.findings import Case, Estimate, Findings, Resolution, Verdict
from offpath.proof.plots.words import difference_text, ratio_text, time_text
from offpath.proof.report import html_of, write_html
from offpath.proof.report_case import rows_of
from unit.proof.report_making import bare, case, comparisons, findings, trace

HOSTILE = "</style><script>alert(1)</script>\"'&<svg onload=x>\x00\x1b[31m\u202e\ud800"


def page(found: Findings) -> ElementTree.Element:
    """The page as an XML parser reads it: it must be well-formed to be read alike by all."""
    return ElementTree.fromstring(html_of(found).removeprefix("<!DOCTYPE html>\n"))


def words(found: Findings) -> str:
    """All that is written on the page, without styles and tooltips."""
    root = page(found)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("style", "title", "desc"):
                parent.remove(child)
    return re.sub(r"\s+", " ", " ".join(text for text in root.itertext() if text.strip())).replace("\xa0", " ")


def spoken(text: str) -> str:
    return text.replace("\xa0", " ")


def test_every_case_and_every_figure_is_there() -> None:
    cases = (case(), case("cpu", 0.0), case("failing", 0.0, hooks_failed=1203, notes=("the arms were late",)))
    text = words(findings(*cases))
    for each in cases:
        assert each.name in text
        for comparison in each.comparisons:
            for at in comparison.quantiles:
                assert spoken(ratio_text(at.ratio)) in text
                if comparison.b != "off again":
                    assert spoken(difference_text(at.difference_us)) in text
                    assert spoken(time_text(at.b_seconds)) in text
    assert "1,203 hooks failed" in text
    assert "The arms were late." in text
    assert "257, about" in text  # requests needed, with the time they take
    assert "7.3 %" in text
    for fact in ("Linux 6", "offpath prove --pairs 4", "1.2.3", "3.4 %", "5 min 18 s", "120 requests an arm"):
        assert fact in text


def test_one_case_says_its_result_first() -> None:
    text = words(findings(case(comparisons=comparisons(0.0, slower=1.3), model=0.0)))
    assert re.search(r"Hooks on: p50 \+[\d.]+ % \[\+[\d.]+, \+[\d.]+\] , \+\d", text)
    assert "with hooks on, p50 of the response is slower" in text
    assert text.index("Hooks on: p50") < text.index("How it was measured")


def test_of_several_cases_the_worst_is_said_first_and_counted() -> None:
    slow = case("cpu", 0.0, comparisons=comparisons(0.0, slower=1.3))
    text = words(findings(case(), slow))
    assert "Hooks on, worst of 2 cases: p50 +" in text
    assert "(cpu, model 0 ms)" in text
    assert "In 1 of 2 cases the p50 interval holds no change. It lies above" in text


def test_what_could_not_be_seen_is_said_before_figures() -> None:
    unresolved = (Resolution(0.5, 0.01, 8.41, 90_000, False),)
    noisy = case(comparisons=(comparisons()[0], bare(Estimate(0.86, 0.5, 1.9))), resolutions=unresolved)
    text = words(findings(noisy))
    assert "Hooks on: no difference seen at p50, but less than 841 % could not be seen here" in text
    assert text.index("could not be seen here") < text.index("p50 −14 %")
    both = words(findings(noisy, case()))
    assert "Hooks on, worst of 2 cases: no difference seen at p50, but less than 841 %" in both
    slower = case(comparisons=(comparisons()[0], bare(Estimate(1.3, 1.2, 1.4))), resolutions=unresolved)
    assert "Hooks on: p50 +30.0 %" in words(findings(slower))


def test_the_band_is_what_cannot_be_told_from_1() -> None:
    check, *others = comparisons()
    uneven = replace(check, quantiles=(replace(check.quantiles[0], ratio=Estimate(0.85, 0.58, 1.12)),))
    row = rows_of(findings(), case(comparisons=(uneven, *others)), 0.5, "", "")
    assert row.reference is not None
    assert row.reference.high == pytest.approx(1.27)
    assert row.reference.low == pytest.approx(1 / 1.27)
    assert rows_of(findings(), case(comparisons=tuple(others)), 0.5, "", "").reference is None
    assert "cannot tell these ratios from 1" in words(findings(case()))


def test_a_planted_slowdown_is_said_at_the_top() -> None:
    text = words(findings(case(), planted=0.02))
    assert "With answers made 2.0 % later on purpose. Hooks on: " in text
    assert "on purpose" not in words(findings(case()))


def test_the_method_is_that_of_the_services_that_were_asked() -> None:
    started, running = words(findings(case())), words(findings(case(), running=True))
    assert "Each arm is a service of its own" in started
    assert "“no storage” is off" in started
    assert "Two services that ran already are asked" in running
    assert "a service of its own" not in running
    assert "no storage” is off" not in words(findings(case(comparisons=comparisons()[:2])))


def test_an_error_is_shown() -> None:
    assert "what came after was not measured: it broke" in words(findings(case(), error="it broke"))


def test_a_faster_response_is_not_praised() -> None:
    text = words(findings(case(comparisons=(bare(Estimate(0.9, 0.88, 0.92)),))))
    assert "Hooks cannot speed up a response" in text


def test_verdicts() -> None:
    name = case().name
    verdicts = (
        Verdict(name, 0.5, 1.01, 1.004, True, "within"),
        Verdict(name, 0.95, 1.05, 1.2345, False, "reaches above"),
        Verdict(name, 0.99, 1.1, 0.0, False, "cannot be told", resolved=False),
    )
    text = words(findings(case(), verdicts=verdicts))
    assert "p50 ≤ 1.01 1.004 kept within" in text
    assert "p95 ≤ 1.05 1.234 missed reaches above" in text
    assert "p99 ≤ 1.1 — not resolved cannot be told" in text
    assert "limit 1.01" in text
    assert "No limit was asserted" in words(findings(case()))


def test_what_disturbs_is_said_at_the_top() -> None:
    check, *others = comparisons()
    uneven = replace(check, quantiles=(replace(check.quantiles[0], ratio=Estimate(1.03, 1.02, 1.04)),))
    text = words(findings(case(comparisons=(uneven, *others), others_cpu_share=0.91), interrupted=True))
    assert "Other programs used up to 91 % of the machine" in text
    assert "The experiment was interrupted" in text
    assert "disturbed the arms unequally" in text
    assert "seed, model 200 ms, p50: 1.030 [1.020, 1.040]" in text
    assert "Other programs used up to" not in words(findings(case()))
    unchecked = words(findings(case(comparisons=tuple(others))))
    assert "Without an A/A check" in unchecked
    assert "A/A: off again / off" not in unchecked


def test_nothing_of_the_findings_can_act() -> None:
    run = trace((HOSTILE, 0.1, 0.2, 0.3, HOSTILE, 2), run=HOSTILE)
    hostile = case(HOSTILE, description=HOSTILE, waterfall=(run,), notes=(HOSTILE,))
    verdict = Verdict(hostile.name, 0.5, 1.01, 1.0, True, HOSTILE)
    found = findings(
        hostile, case(), verdicts=[verdict], target=HOSTILE, command=HOSTILE, offpath=HOSTILE, began=HOSTILE
    )
    found = Findings(
        **{name: getattr(found, name) for name in found.__struct_fields__} | {"machine": {HOSTILE: HOSTILE}}
    )
    html = html_of(found)
    assert "<script" not in html
    assert "<svg onload" not in html
    assert not set(html) & {"\x00", "\x1b", "\u202e", "\ud800"}
    assert html.count("<style>") == 1
    html.encode()  # half a character cannot be written
    assert "alert(1)" in words(found)  # shown, as text


def test_it_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(findings(case(), case("cpu", 0.0)), path)
    html = path.read_text(encoding="utf-8")
    assert "default-src 'none'" in unescape(html)
    assert "<script" not in html
    left = html.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.findall(r"https?:|//|url\(|@import|src=", left)
    links = set(re.findall(r'href="([^"]*)"', html))
    assert links == {"#case-1", "#case-2"}
    assert all(f'id="{link[1:]}"' in html for link in links)


def test_each_plot_has_words_and_two_widths() -> None:
    root = page(findings(case(), case("cpu", 0.0)))
    plots = [each for each in root.iter("{http://www.w3.org/2000/svg}svg") if each.get("role") == "img"]
    assert len(plots) == 2 * (1 + 2 * 3)  # in all cases: ratios; in each: ratios, distribution, run over time
    for plot in plots:
        title, description = plot[0].text, plot[1].text
        assert title
        assert description
        assert plot[0].tag.endswith("title")
        assert {"wide", "narrow"} & set((plot.get("class") or "").split())


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param((), id="no case"),
        pytest.param((case(comparisons=()),), id="no comparison"),
        pytest.param((case(comparisons=comparisons()[:1]),), id="A/A only"),
        pytest.param((case(comparisons=comparisons()[2:]),), id="no hooks on"),
        pytest.param((case(waterfall=(), resolutions=()),), id="no run, no resolution"),
        pytest.param((case(waterfall=(trace(),)),), id="a run without hooks"),
        pytest.param((case(comparisons=(bare(Estimate(30.0, 25.0, 40.0)),)), case()), id="thirty times"),
        pytest.param((case(comparisons=(bare(Estimate(float("inf"), 1.0, float("inf"))),)),), id="no ratio"),
        pytest.param((case(comparisons=(bare(Estimate(1.0, 1.0, 1.0)),)),), id="no width"),
        pytest.param((case(comparisons=(bare(Estimate(0.0, -1.0, 0.0), a=0.0),)),), id="zero"),
        pytest.param((case(rate=0, own_model=True, others_cpu_share=0.0),), id="closed loop, own model"),
    ],
)
def test_odd_findings_have_a_report_all_the_same(odd: tuple[Case, ...]) -> None:
    text = words(findings(*odd))
    assert "How it was measured" in text
    assert "nan" not in html_of(findings(*odd)).replace("finance", "")
    if not any(each.comparison("off", "on") for each in odd):
        assert "Nothing was compared" in text
