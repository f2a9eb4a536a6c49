"""Findings on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.table import Table

from offpath.console import plain
from offpath.proof.findings import Case, Comparison, Findings, Verdict
from offpath.proof.progress import spell_seconds
from offpath.proof.verdict import INTERRUPTED, KEPT, MISSED, NOT_RESOLVED, exit_code_of
from offpath.proof.words import (
    answer,
    resolving,
    saving,
    spell_microseconds,
    spell_quantile,
    spell_ratio,
    spell_time,
)

WIDE: Final = 118
"""Columns that a table needs with each interval beside its figure."""
_RESULTS: Final[Mapping[int, str]] = {
    KEPT: "All assertions are kept.",
    MISSED: "An assertion is missed.",
    NOT_RESOLVED: "An assertion cannot be decided on this machine with so few requests; it does not count as kept.",
    INTERRUPTED: "Interrupted: what is shown is of the rounds that were complete.",
}


def print_outcome(findings: Findings, console: Console) -> None:
    """What became of the whole, without its cases: the verdicts, and what they come to."""
    nothing = not findings.cases and not findings.error
    if nothing:
        console.print(plain("Interrupted before two rounds were complete: nothing was measured.", "bold"))
    for verdict in findings.verdicts:
        console.print(plain(_verdict(verdict), _colour(verdict)), soft_wrap=True)
    code = exit_code_of(findings)
    if (findings.verdicts or code == INTERRUPTED) and not findings.error and not nothing:
        console.print(plain(_RESULTS[code], "bold"))
    console.print(plain(f"{spell_seconds(findings.seconds)} in all."))


def print_case(case: Case, console: Console) -> None:
    """A table, and what it says in words."""
    compared, check = case.comparison("off", "on"), case.comparison("off", "off again")
    console.print()
    console.print(plain(case.name, "bold"), plain(f"({case.description})"), soft_wrap=True)
    if compared is None:
        return
    console.print(_table(compared, check, narrow=console.width < WIDE))
    measured = f"{compared.requests:,} requests an arm, {compared.pairs} rounds, {case.rate:g} a second"
    lines = [answer(case), saving(case), *resolving(case), measured + _hooks(case)]
    for line in lines:
        if line:
            console.print(plain(f"  {line}"), soft_wrap=True)
    for note in case.notes:
        console.print(plain(f"  Note: {note}", "yellow"), soft_wrap=True)
    console.print()


def _table(compared: Comparison, check: Comparison | None, *, narrow: bool) -> Table:
    """All quantiles; where the terminal is narrow, intervals stand below what they are of."""
    table = Table(box=None, pad_edge=False, padding=(0, 2 if narrow else 3, 0, 0))
    interval = "" if narrow else " [95 % interval]"
    for heading in ("", "hooks off", "hooks on", f"on / off{interval}", "on - off", "A/A: off / off"):
        table.add_column(heading, justify="right" if heading.startswith("hooks") else "left", no_wrap=True)
    for each in compared.quantiles:
        found = check.quantile(each.q) if check else None
        ratio, difference = spell_ratio(each.ratio), spell_microseconds(each.difference_us)
        cells = [ratio, difference, spell_ratio(found.ratio) if found else ""]
        if narrow:
            cells = [cell.replace(" [", "\n[") for cell in cells]
        times = (spell_time(each.a_seconds), spell_time(each.b_seconds))
        table.add_row(spell_quantile(each.q), *times, plain(cells[0], "bold"), *map(plain, cells[1:]))
    return table


def _hooks(case: Case) -> str:
    """What hooks did meanwhile."""
    found = ""
    if case.waterfall and (last := case.waterfall[-1]).hooks:
        ended = max(hook.ended for hook in last.hooks)
        found = f"; a single run answers in {spell_time(last.responded)}, its last hook ends after {spell_time(ended)}"
    return found + (f"; {case.hooks_failed:,} hooks failed" if case.hooks_failed else "")


def _verdict(verdict: Verdict) -> str:
    word = "kept" if verdict.kept else "MISSED" if verdict.resolved else "NOT RESOLVED"
    return f"{word}: {verdict.case}, {spell_quantile(verdict.q)} at most {verdict.limit:g}: {verdict.reason}"


def _colour(verdict: Verdict) -> str:
    return "green" if verdict.kept else "red" if verdict.resolved else "yellow"
