"""deploy/prepare.sh, run where it may write."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from unit.deploy.compose_file import REQUIRED

SECRETS = ("metrics_token", "grafana_password")


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    (tmp_path / "deploy/secrets").mkdir(parents=True)
    shutil.copy(root / "deploy/prepare.sh", tmp_path / "deploy")
    return tmp_path


def prepare(clone: Path) -> str:
    done = subprocess.run(
        ["sh", "deploy/prepare.sh"], cwd=clone, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def values(clone: Path) -> dict[str, str | None]:
    files = {name: (clone / "deploy/secrets" / name).read_text() for name in SECRETS}
    return {**dotenv_values(clone / ".env"), **files}


def test_it_writes_what_compose_asks_for(clone: Path) -> None:
    output = prepare(clone)
    found = values(clone)
    assert set(found) == {*REQUIRED, *SECRETS}
    texts = [text for text in found.values() if text is not None]
    assert all(len(text) == 64 and text.isalnum() for text in texts)
    assert len(set(texts)) == 4
    assert not any(text in output for text in texts)


def test_nobody_else_on_the_machine_can_read_them(clone: Path) -> None:
    prepare(clone)
    assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((clone / "deploy/secrets").stat().st_mode) == 0o700
    # Users inside containers are others, and see the file without its directory.
    assert all(stat.S_IMODE((clone / "deploy/secrets" / name).stat().st_mode) == 0o644 for name in SECRETS)


def test_what_is_there_stays(clone: Path) -> None:
    (clone / ".env").write_text("# mine\nOFFPATH_API_KEY = chosen\nPOSTGRES_PASSWORD=\nOPENAI_API_KEY=sk-1")
    (clone / "deploy/secrets/metrics_token").write_text("kept")
    assert prepare(clone).count("kept") == 2
    first = values(clone)
    assert first["OFFPATH_API_KEY"] == "chosen"
    assert first["OPENAI_API_KEY"] == "sk-1"
    assert len(first["POSTGRES_PASSWORD"] or "") == 64
    assert first["metrics_token"] == "kept"
    assert "written" not in prepare(clone)
    assert values(clone) == first
