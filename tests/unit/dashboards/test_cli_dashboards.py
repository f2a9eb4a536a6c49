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
