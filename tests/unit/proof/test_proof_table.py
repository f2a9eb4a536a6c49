"""Findings on a terminal, and how far an experiment is."""

from __future__ import annotations

import io
import math

import msgspec
import pytest
from rich.console import Console

from offpath.proof.findings import FORMAT, Case, Estimate, Findings, HookTrace, RunTrace, encode_findings, read_findings
from offpath.proof.progress import Bar, Lines, Reporter, reporter, spell_seconds
from offpath.proof.table import print_case, print_outcome
from offpath.proof.verdict import judge
from offpath.proof.words import answer, resolving, spell_share, spell_time
from unit.proof.case_making import case


def findings(*cases: Case, limits: dict[float, float] | None = None) -> Findings:
    verdicts = tuple(verdict for each in cases for verdict in judge(each, limits or {}))
    return Findings(
        FORMAT, "1.0", "2026-01-01T00:00:00+00:00", 130.0, "demo", {"cores": 2}, "offpath prove", cases, verdicts
    )


def shown(found: Findings) -> str:
    text = io.StringIO()
    console = Console(file=text, width=200)
    for each in found.cases:
        print_case(each, console)
    print_outcome(found, console)
    return text.getvalue()


def test_the_table_has_both_arms_their_ratio_and_the_check() -> None:
    text = shown(findings(case((0.992, 1.008), (0.998, 1.006)), limits={0.5: 1.01}))
    for part in ("seed, model 0 ms", "2.00 ms", "1.002 [0.998, 1.006]", "+4 µs [-4, +12]", "1.000 [0.992, 1.008]"):
        assert part in text
    for part in ("no difference at the median", "Saving the run itself", "1,000 requests an arm, 10 rounds"):
        assert part in text
    assert "a single run answers in 2.00 ms, its last hook ends after 2.00 s" in text
    assert "kept: seed, model 0 ms, p50 at most 1.01" in text
    assert "All assertions are kept." in text
    assert "2 min 10 s in all." in text


def test_nothing_is_cut_off_on_a_narrow_terminal() -> None:
    text = io.StringIO()
    noisy = case((0.064, 10.008), (0.066, 2.499))
    print_case(noisy, Console(file=text, width=80, force_terminal=True, color_system=None))
    for part in ("hooks on", "[0.066, 2.499]", "[0.064, 10.008]", "[-1,868, +2,998]"):
        assert part in text.getvalue()
    assert "…" not in text.getvalue()


def test_a_difference_is_said_with_its_size() -> None:
    said = answer(case((0.99, 1.01), (1.10, 1.14)))
    assert "12 % slower" in said
    assert "between +200 and +280 µs" in said
    assert "12 % faster" in answer(case((0.99, 1.01), (0.86, 0.90)))


def test_what_cannot_be_resolved_is_said_with_what_it_would_take() -> None:
    noisy = case((0.94, 1.06), (0.998, 1.006), {0.5: 1.01})
    first, second = resolving(noisy)
    assert "6.00 % at p50" in first
    assert "1.00 % at p50: --requests 150000 (about 2 h 30 min)" in second
    assert "5.00 % at p99: --requests 5800 (about 5 min 48 s)" in second
    assert "9 of 10 measurements if hooks cost nothing" in second
    assert resolving(case((0.1, 1.9), (1, 1), {0.5: 1.01}))[-1].endswith("as it is now: 1.00 % at p50.")
    assert "NOT RESOLVED" in shown(findings(noisy, limits={0.5: 1.01}))
    assert len(resolving(case((0.999, 1.001), (1, 1)))) == 1
    told = resolving(case((0.991, 1.009), (1, 1), {0.5: 1.01}))[1]
    assert "1.00 % at p50: --requests 3300" in told, "it can be resolved, but would be kept by luck only"
    assert "p99" not in told


def test_names_cannot_rule_the_terminal() -> None:
    hostile = msgspec.structs.replace(case((0.99, 1.01), (1, 1)), profile="[red]\x1b[2Jx", notes=("[/nope]",))
    text = shown(findings(hostile))
    assert "[red]" in text
    assert "[/nope]" in text
    assert "\x1b" not in text


def test_nothing_and_interrupted_findings_are_shown() -> None:
    text = shown(msgspec.structs.replace(findings(), interrupted=True))
    assert "Interrupted before two rounds were complete: nothing was measured." in text
    assert "what is shown" not in text


def test_findings_are_read_as_they_were_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = findings(case((0.99, 1.01), (0.998, 1.006)), limits={0.5: 1.01})
    path = tmp_path / "found.json"
    path.write_bytes(encode_findings(found))
    assert read_findings(path) == found
    path.write_bytes(encode_findings(msgspec.structs.replace(found, version=99)))
    with pytest.raises(ValueError, match="format 99"):
        read_findings(path)


def test_figures_that_json_cannot_hold_are_read_as_they_were_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    check, *others = case((0.99, 1.01), (0.998, 1.006)).comparisons
    endless = msgspec.structs.replace(check.quantiles[0], ratio=Estimate(math.inf, -math.inf, 2.0))
    odd = msgspec.structs.replace(
        case((0.99, 1.01), (1, 1)),
        profile="inf",
        comparisons=(msgspec.structs.replace(check, quantiles=(endless,)), *others),
        waterfall=(RunTrace("nan", 0.1, (HookTrace("inf", 0.1, 0.2, math.inf, "-inf", 1),)),),
    )
    path = tmp_path / "found.json"
    path.write_bytes(encode_findings(findings(odd)))
    assert read_findings(path) == findings(odd)
    unknown = msgspec.structs.replace(findings(), planted=math.nan)
    path.write_bytes(encode_findings(unknown))
    assert math.isnan(read_findings(path).planted)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min"), (150, "2 min 30 s"), (3_900, "1 h 5 min"), (7_200, "2 h"), (-1, "0 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert spell_seconds(seconds) == text


def test_times_and_shares() -> None:
    assert [spell_time(value) for value in (0.00085, 0.00241, 1.2)] == ["850 µs", "2.41 ms", "1.20 s"]
    assert [spell_share(value) for value in (0.0042, 0.163)] == ["0.42 %", "16 %"]


def told(kind: type[Lines] | type[Bar], *, terminal: bool) -> str:
    text = io.StringIO()
    with reporter(Console(file=text, width=100, force_terminal=terminal)) as made:
        assert isinstance(made, kind)
        _measure(made)
    return text.getvalue()


def _measure(made: Reporter) -> None:
    made.begin("seed", 90.0)
    made.advance(45.0)
    made.say("a [red]word")
    made.advance(60.0)
    made.end()


def test_lines_where_there_is_no_terminal() -> None:
    text = told(Lines, terminal=False)
    assert "seed: about 1 min 30 s" in text
    assert "a [red]word" in text
    assert "\x1b" not in text


def test_a_bar_on_a_terminal() -> None:
    text = told(Bar, terminal=True)
    assert "45 s left" in text
    assert "0 s left" in text
    assert "a [red]word" in text
