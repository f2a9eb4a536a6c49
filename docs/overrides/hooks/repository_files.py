"""Links from a page to files of the repository outside docs/ lead to a copy of the file in the site."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK: Final = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
PLACE: Final = "repository"
"""The directory of the site that holds the copies."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each file outside docs/ that a page links to."""
    docs = Path(config.docs_dir)
    for page in list(files.documentation_pages()):
        for match in LINK.finditer(page.content_string):
            path = _outside(page.src_uri, match["target"], docs)
            if path is not None and path.is_file() and files.get_file_from_path(_copy(path, docs)) is None:
                files.append(File.generated(config, _copy(path, docs), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links at the copies. A directory has none: its name stands there as code."""
    docs = Path(config.docs_dir)

    def rewritten(match: re.Match[str]) -> str:
        path = _outside(page.file.src_uri, match["target"], docs)
        if path is None or not path.exists():
            return match[0]  # a page, or a wrong link, of which the strict build says so
        if path.is_dir():
            return match["text"] if "`" in match["text"] else f"{match['text']} (`{path.relative_to(docs.parent)}/`)"
        to = posixpath.relpath(_copy(path, docs), posixpath.dirname(page.file.src_uri) or ".")
        return f"[{match['text']}]({to}{match['anchor'] or ''})"

    return LINK.sub(rewritten, markdown)


def _outside(page: str, target: str, docs: Path) -> Path | None:
    """The path that a link of a page names, if it is outside docs/ and in the repository."""
    path = Path(posixpath.normpath(posixpath.join(docs.as_posix(), posixpath.dirname(page), target)))
    inside_repository = path.is_relative_to(docs.parent)
    return path if inside_repository and not path.is_relative_to(docs) else None


def _copy(path: Path, docs: Path) -> str:
    name = f"{PLACE}/{path.relative_to(docs.parent).as_posix()}"
    return f"{name}.txt" if path.suffix in {".md", ".html", ""} else name
