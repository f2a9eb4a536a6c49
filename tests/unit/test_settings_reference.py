"""The reference page and `.env.example` are what the code makes."""

from pathlib import Path

import pytest

from offpath.reference.pages import env_example, main, settings_page, stale
from offpath.settings import Settings
from offpath.settings.dotenv_file import DotenvFile

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_files_are_up_to_date() -> None:
    assert stale("settings", ROOT) == [], "run: python -m offpath.reference settings --write"


def test_every_option_is_documented() -> None:
    page, example = settings_page(), env_example()
    for option in Settings.options().values():
        assert option.description.endswith("."), option.name
        assert option.group, option.name
        assert f"### `{option.variable}`" in page
        assert f"\n# {option.variable}=" in example


def test_options_of_a_group_stand_together() -> None:
    page = settings_page()
    groups = {option.group for option in Settings.options().values()}
    assert all(page.count(f"\n## {group}\n") == 1 for group in groups)


def test_the_example_with_its_lines_in_force_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line.removeprefix("# ") if line.startswith("# OFFPATH_") else line for line in env_example().splitlines()]
    Path(".env").write_text("\n".join(lines))
    assert len(DotenvFile.read().values) == len(Settings.options())
    loaded = Settings.load()
    assert loaded.shown() == Settings().shown()


def test_check_fails_until_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["settings", "--root", str(tmp_path)]
    assert main([*arguments, "--check"]) == 1
    assert (
        "docs/reference/settings.md is stale; run: python -m offpath.reference settings --write"
        in capsys.readouterr().err
    )
    assert main([*arguments, "--write"]) == 0
    assert main([*arguments, "--check"]) == 0
    (tmp_path / ".env.example").write_text("")
    assert main([*arguments, "--check"]) == 1
