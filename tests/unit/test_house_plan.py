"""CONTRIBUTING.md and SECURITY.md speak of what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from offpath.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "examples/README.md")
TOP = ("service", "evaluators", "dashboards", "deploy", "docs", "tests", "benchmarks", "examples")
FILES = [path.relative_to(ROOT).as_posix() for top in TOP for path in (ROOT / top).rglob("*") if path.is_file()]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def test_the_plan_lists_every_package_in_the_order_that_imports_are_checked_by() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    depth = {
        name.strip().removeprefix("offpath."): index for index, layer in enumerate(layers) for name in layer.split("|")
    }
    rows = re.findall(r"^\| (`.*?) \| .+ \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    listed = [name for row in rows for name in quoted(row)]
    assert set(listed) <= set(depth)
    assert [depth[name] for name in listed] == sorted(depth[name] for name in listed)
    packages = {name for name in depth if (ROOT / "service/offpath" / name).is_dir()}
    assert packages <= set(listed), packages - set(listed)


@pytest.mark.parametrize("page", PAGES)
def test_files_and_links_of_a_page_are_there(page: str) -> None:
    text = (ROOT / page).read_text()
    for name in quoted(text):
        if re.fullmatch(r"[\w./-]+\.(py|md|toml|yaml)", name):
            assert (ROOT / name).exists() or any(f"/{file}".endswith(f"/{name}") for file in FILES), f"{page}: {name}"
        elif re.fullmatch(r"[\w.-]+(/[\w.-]+)*/", name):
            assert any(f"/{name}" in f"/{file}" for file in FILES), f"{page}: {name}"
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_settings_of_a_page_are_settings(page: str) -> None:
    known = {f"OFFPATH_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bOFFPATH_[A-Z_]+\b", (ROOT / page).read_text()))
    assert named <= known, named - known


def test_the_commands_are_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)\b(?=`|\s+#)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert {"test", "check", "docs"} <= named <= targets
