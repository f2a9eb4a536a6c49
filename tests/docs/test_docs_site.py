"""The site of the documentation: it builds strictly, opens without a network, and leads everywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest

from docs.blocks import ROOT, pages

CONFIGURATION: Final = ROOT / "mkdocs.yml"
PICTURE: Final = ROOT / "docs" / "assets" / "proof.svg"
_LOADED: Final = {"script": "src", "link": "href", "img": "src", "iframe": "src"}
"""What a browser fetches by itself. Links that somebody has to click may lead anywhere."""


def build(configuration: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(configuration)]
    return subprocess.run(
        [*command, "--site-dir", str(site)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    built = build(CONFIGURATION, directory)
    assert built.returncode == 0, built.stderr
    return directory


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(site: Path) -> Iterator[tuple[Path, str, dict[str, str | None]]]:
    for path in site.rglob("*.html"):
        parser = Tags()
        parser.feed(path.read_text(encoding="utf-8"))
        for tag, attributes in parser.found:
            yield path, tag, attributes


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = {
        (path.name, address)
        for path, tag, attributes in tags(site)
        if tag in _LOADED
        and (address := attributes.get(_LOADED[tag]) or "").startswith(("http:", "https:", "//"))
        and attributes.get("rel") not in ("canonical", "next", "prev")
    }
    assert fetched == set()
    for path in (ROOT / "docs" / "assets").iterdir():
        if path.suffix in {".css", ".js", ".svg"}:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"@import|(url\(|(src|href)\s*=)\s*[\"']?(https?:)?//", text), path


def test_links_lead_to_files_of_the_site(site: Path) -> None:
    """Those that HTML in a page makes, too, which mkdocs does not look at."""
    for path, tag, attributes in tags(site):
        address = attributes.get({"a": "href", **_LOADED}.get(tag, "")) or ""
        parts = urlsplit(address)
        # The page for missing pages is served at any address, so its links begin at the root.
        if not parts.path or parts.scheme or parts.netloc or path.name == "404.html":
            continue
        target = path.parent / unquote(parts.path)
        assert target.is_file() or (target / "index.html").is_file(), f"{path.relative_to(site)}: {address}"


def test_every_page_is_there_and_can_be_searched(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8").removeprefix("var __index = ")
    searched = {entry["location"].partition("#")[0] for entry in json.loads(index)["docs"]}
    for page in pages():
        if page.startswith("docs/"):
            address = re.sub(r"README\.md$", "index.md", page.removeprefix("docs/")).removesuffix(".md") + ".html"
            assert (site / address).is_file(), page
            assert address in searched, page
    assert (site / "assets" / "iframe-worker.js").is_file()


def test_the_first_page_shows_the_picture() -> None:
    """As soon as there is one."""
    shown = "assets/proof.svg" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert shown == PICTURE.is_file()


def test_the_first_page_leads_to_everything_that_is_to_be_read() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)#]+)\)", text))
    missing = {
        name
        for page in pages()
        if re.match(r"docs/(how-to/|explanation/|reference/)?[^/]+\.md", page)
        and (name := page.removeprefix("docs/")) not in linked | {"index.md"}
    }
    assert not missing


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository with one page, and a file that is no page; its configuration."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "values.yaml").write_text("a: 1\n")
    shutil.copytree(ROOT / "docs" / "overrides", tmp_path / "docs" / "overrides")
    shutil.copytree(ROOT / "docs" / "assets", tmp_path / "docs" / "assets")
    text = CONFIGURATION.read_text(encoding="utf-8")
    configuration = tmp_path / "mkdocs.yml"
    configuration.write_text(text[: text.index("\nnav:")] + "\nnav:\n  - index.md\n  - Notes: notes/\n")
    (tmp_path / "docs" / "notes").mkdir()
    (tmp_path / "docs" / "notes" / "README.md").write_text("# Notes\n")
    (tmp_path / "docs" / "notes" / "one.md").write_text("# The first note\n")
    return configuration


def test_links_to_the_repository_lead_to_copies(small: Path) -> None:
    page = small.parent / "docs" / "notes" / "one.md"
    page.write_text("# The first note\n\nSee [the values](../../deploy/values.yaml) in [deploy](../../deploy/).\n")
    (small.parent / "docs" / "index.md").write_text("# Start\n")
    built = build(small, small.parent / "site")
    assert built.returncode == 0, built.stderr
    assert (small.parent / "site" / "repository" / "deploy" / "values.yaml").read_text() == "a: 1\n"
    html = (small.parent / "site" / "notes" / "one.html").read_text()
    assert 'href="../repository/deploy/values.yaml"' in html
    assert "<code>deploy/</code>" in html
    assert "The first note" in (small.parent / "site" / "index.html").read_text(), "it is in the navigation"


@pytest.mark.parametrize("target", ["../deploy/missing.yaml", "missing.md", "notes/one.md#missing"])
def test_a_link_to_nothing_fails_the_build(small: Path, target: str) -> None:
    (small.parent / "docs" / "index.md").write_text(f"# Start\n\n[here]({target})\n")
    built = build(small, small.parent / "site")
    assert built.returncode != 0
    assert target.partition("#")[0] in built.stderr
