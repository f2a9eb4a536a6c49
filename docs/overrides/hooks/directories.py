"""An entry of the navigation in mkdocs.yml that ends in "/" stands for all pages of that directory, README.md first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write the pages in the directories' place."""
    config.nav = _listed(config.nav, Path(config.docs_dir))
    return config


def _listed(entry: Any, docs: Path) -> Any:
    if isinstance(entry, list):
        return [_listed(each, docs) for each in entry]
    if isinstance(entry, dict):
        return {title: _listed(each, docs) for title, each in entry.items()}
    return _pages(entry, docs) if entry.endswith("/") else entry


def _pages(directory: str, docs: Path) -> list[Any]:
    pages = sorted((docs / directory).glob("*.md"), key=lambda page: (page.name != "README.md", page.name))
    if not pages:
        raise PluginError(f"mkdocs.yml: nav names {directory}, and there are no pages in {docs / directory}")
    names = [directory + page.name for page in pages]
    # The others in a list of their own, which is closed until somebody opens it: there may be many.
    return [names[0], {"One by one": names[1:]}] if pages[0].name == "README.md" else names
