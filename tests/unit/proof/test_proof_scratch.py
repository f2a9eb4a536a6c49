"""Scratch directories are gone at the end, or at the next start."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from offpath.proof.processes import python
from offpath.proof.scratch import PREFIX, remove_abandoned, scratch_directory

HELD = """
import os, signal, tempfile
from offpath.proof.scratch import scratch_directory
with scratch_directory():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_directory_is_there_as_long_as_it_is_needed(temporary: Path) -> None:
    with scratch_directory() as directory:
        (directory / "file").touch()
        remove_abandoned()
        with scratch_directory():
            assert (directory / "file").exists()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(temporary: Path) -> None:
    subprocess.run(python("-c", HELD), check=False)
    (left,) = temporary.iterdir()
    (left / "runs.db").touch()
    unknown = temporary / f"{PREFIX}being-made"
    unknown.mkdir()
    link = temporary / f"{PREFIX}link"
    kept = temporary / "kept"
    kept.mkdir()
    (kept / "held").touch()
    link.symlink_to(kept)
    with scratch_directory():
        assert not left.exists()
    assert sorted(temporary.iterdir()) == sorted([unknown, link, kept])
    assert (kept / "held").exists()
