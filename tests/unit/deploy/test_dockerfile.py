"""The Dockerfile, as far as it can be judged without building it."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from offpath.settings import Settings
from offpath.storage.connection import SAFE_SQLITE


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return found


def test_its_sqlite_has_the_fix_and_a_checksum(text: str) -> None:
    added = re.search(r"ADD --checksum=sha256:([0-9a-f]{64}) \\\n\s+(https://\S+)/sqlite-autoconf-(\d+)\.tar\.gz", text)
    assert added is not None
    number = int(added[3])
    assert (number // 1_000_000, number // 10_000 % 100, number // 100 % 100) >= SAFE_SQLITE
    # The build itself fails if Python does not find it.
    assert f"sqlite3.sqlite_version_info < {SAFE_SQLITE}" in text


def test_it_runs_as_the_user_that_compose_and_kubernetes_name(text: str, composition: dict[str, Any]) -> None:
    final = text.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\S+)$", final, re.MULTILINE)
    assert user is not None
    for service in ("service", "api", "worker", "traffic"):
        assert composition["services"][service]["user"] == user[1]
    assert f"--owner={user[1].partition(':')[0]}" in final


def test_its_python_is_one_that_offpath_supports(text: str, project: dict[str, Any]) -> None:
    version = re.search(r"^ARG PYTHON=(\d+\.\d+)\.\d+-slim-", text, re.MULTILINE)
    assert version is not None
    assert f"Programming Language :: Python :: {version[1]}" in project["classifiers"]


def test_its_extras_are_the_projects(text: str, project: dict[str, Any]) -> None:
    extras = re.search(r"^ARG EXTRAS=(\S+)$", text, re.MULTILINE)
    assert extras is not None
    assert set(extras[1].split(",")) == set(project["optional-dependencies"])


def test_its_environment_is_known(text: str) -> None:
    known = {option.variable for option in Settings.options().values()}
    assert set(re.findall(r"\b(OFFPATH_[A-Z_]+)=", text)) <= known


def test_the_builder_gets_what_is_copied_and_no_more(text: str, root: Path) -> None:
    lines = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for source in line.split()[:-1]
    }
    assert sent == copied
    assert all((root / source).exists() for source in sent)
    for secret in (".env", "deploy/secrets/metrics_token", "offpath.db", ".git"):
        assert not any(fnmatch.fnmatch(secret, f"{source}*") for source in sent)
