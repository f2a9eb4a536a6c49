"""The files of a deployment, read once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from unit.deploy.compose_file import REQUIRED, interpolated

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def written(root: Path) -> dict[str, Any]:
    """compose.yaml as it is written."""
    document: dict[str, Any] = yaml.safe_load((root / "compose.yaml").read_text())
    return document


@pytest.fixture(scope="session")
def composition(written: dict[str, Any]) -> dict[str, Any]:
    """compose.yaml as Compose sees it after deploy/prepare.sh."""
    document: dict[str, Any] = interpolated(written, REQUIRED)
    return document


@pytest.fixture(scope="session")
def read(root: Path) -> Callable[[str], Any]:
    """Reads one YAML document of the repository."""
    return lambda path: yaml.safe_load((root / path).read_text())
