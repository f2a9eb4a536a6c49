"""The picture of README and documentation."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from offpath.proof.findings import Findings, Verdict, encode_findings
from offpath.proof.picture import NoSuchCaseError, main, picture_of
from unit.proof.report_making import SEED_RUN, case, findings, trace


def words(found: Findings, name: str | None = None) -> str:
    root = ElementTree.fromstring(picture_of(found, name))
    return re.sub(r"\s+", " ", " ".join(root.itertext())).replace("\xa0", " ")


def test_it_shows_the_response_the_hooks_and_the_ratio() -> None:
    verdict = Verdict("seed, model 200 ms", 0.5, 1.01, 1.001, True, "")
    text = words(findings(case("cpu", 0.0), case(), case(model=0.0), verdicts=[verdict]))
    assert "The answer is there after 203 ms, the hooks go on until 3.21 s" in text
    assert "log_analytics" in text
    assert "95 % interval [" in text
    assert "120 requests each" in text
    assert "offpath prove 1.2.3, 2026-11-20: profile seed, model 200 ms, 150 requests/s" in text
    assert "dashed: the limit" in text


def test_many_hooks_are_counted() -> None:
    hooks = [(f"evaluator:{n}", 0.1, 0.2, 0.5 + n, "succeeded", 1) for n in range(15)]
    text = words(findings(case(waterfall=(trace(*hooks),))))
    assert "and 7 more hooks" in text


def test_it_needs_nothing_from_elsewhere_and_escapes() -> None:
    run = trace(("<script>alert(1)</script>", 0.1, 0.2, 9.0, "dead", 3))
    svg = picture_of(findings(case("<b>&", waterfall=(run,))))
    assert "<script" not in svg
    assert "prefers-color-scheme:dark" in svg
    assert not re.findall(r"https?:|url\(|@import", svg.replace('xmlns="http://www.w3.org/2000/svg"', ""))
    ElementTree.fromstring(svg)


def test_a_case_without_a_run_cannot_be_drawn() -> None:
    with pytest.raises(NoSuchCaseError, match="those that have it: none"):
        picture_of(findings(case(waterfall=())))
    with pytest.raises(NoSuchCaseError, match="'other'.*those that have it: seed, model 200 ms"):
        picture_of(findings(case()), "other")


def test_the_tool_writes_what_the_findings_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "findings.json", tmp_path / "proof.svg"
    found = findings(case(), case("cpu", 0.0, waterfall=(SEED_RUN,)))
    source.write_bytes(encode_findings(found))
    assert main([str(source), str(target), "--case", "cpu, model 0 ms"]) == 0
    assert target.read_text(encoding="utf-8") == picture_of(found, "cpu, model 0 ms")
    assert main([str(source), str(target), "--case", "none"]) == 2
    assert "no case 'none'" in capsys.readouterr().err
    source.write_text("{}")
    assert main([str(source), str(target)]) == 2
