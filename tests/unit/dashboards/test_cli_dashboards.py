"""`offpath dashboards export`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from offpath.cli import app
from offpath.dashboards.files import files


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def export(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["dashboards", "export", *arguments], catch_exceptions=False)
    return done.exit_code, done.output


def written(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes().decode()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_it_writes_everything_and_says_so(tmp_path: Path) -> None:
    code, said = export("new/place")
    assert code == 0
    assert written(tmp_path / "new/place") == files()
    assert said.splitlines() == [f"new/place/{path} written" for path in files()]
    assert "prometheus/rules.yml" in said


def test_a_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    export("place")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    code, said = export("place")
    assert code == 0
    assert all(line.endswith(" is up to date") for line in said.splitlines())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == before


def test_what_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    export("place")
    changed = tmp_path / "place/hooks.json"
    changed.write_text("{}")
    (tmp_path / "place/overview.json").unlink()
    code, said = export("place")
    assert code == 2
    assert "place has files that are different: hooks.json; nothing was written" in said
    assert "--force" in said
    assert changed.read_text() == "{}"
    assert not (tmp_path / "place/overview.json").exists()


def test_unless_forced(tmp_path: Path) -> None:
    export("place")
    (tmp_path / "place/hooks.json").write_text("{}")
    (tmp_path / "place/mine.json").write_text("{}")
    code, said = export("place", "--force")
    assert code == 0
    assert "place/hooks.json overwritten" in said
    assert "place/models.json is up to date" in said
    assert written(tmp_path / "place") == files() | {"mine.json": "{}"}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, said = export("file")
    assert code == 2
    assert "file/overview.json cannot be" in said
    code, said = export()
    assert code == 2
    assert "DIR" in said


def test_pages_of_alerts_are_where_it_was_said(tmp_path: Path) -> None:
    rules = tmp_path / "place/prometheus/rules.yml"
    export("place", "--runbooks", "https://wiki.example.com/offpath/")
    assert 'runbook_url: "https://wiki.example.com/offpath/OffpathDown.md"' in rules.read_text()
    code, said = export("place")
    assert code == 2
    assert "prometheus/rules.yml" in said
    assert "written with other options" in said
    export("place", "--force", "--runbooks", "https://example.com/{alert}/index.html#do")
    assert 'runbook_url: "https://example.com/OffpathDown/index.html#do"' in rules.read_text()
    code, said = export("place", "--force", "--runbooks", "wiki")
    assert code == 2
    assert "--runbooks 'wiki' is no URL" in said


def test_the_objective_stands_in_rules_and_dashboards(tmp_path: Path) -> None:
    code, _ = export("place", "--latency-objective", "800ms", "--latency-share", "99.9%")
    assert code == 0
    rules = (tmp_path / "place/prometheus/rules.yml").read_text()
    assert "vector(0.001)" in rules
    assert 'le="0.8"' in rules
    overview = (tmp_path / "place/overview.json").read_text()
    assert "99.9 % within 0.8 s" in overview
    assert '"value": 0.8' in overview
    assert "25.6" not in rules + overview
    assert export("place", "--latency-objective", "0.8", "--latency-share", "0.999")[0] == 0


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--latency-objective", "0.5s", "no bucket ends at 0.5 s; take one of 0.005, 0.01"),
        ("--latency-objective", "2 minutes", "--latency-objective '2 minutes' is no number, with `s` or `ms` after it"),
        ("--latency-share", "95", "the share of fast answers is 95; it must lie between 0 and 1"),
        ("--latency-share", "most", "--latency-share 'most' is no number, with `%` after it or without"),
    ],
)
def test_an_objective_that_cannot_be_is_refused(tmp_path: Path, option: str, value: str, why: str) -> None:
    code, said = export("place", option, value)
    assert code == 2
    assert why in " ".join(said.split())
    assert not (tmp_path / "place").exists()
