"""Links in answers: paths as the caller has to ask for them, wherever the service is mounted or a proxy has put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

_IN_PATHS: Final = "/!$&'()*+,;=:@"
"""Characters that stand for themselves in a path."""


def root_of(scope: Mapping[str, Any]) -> str:
    """What comes before the paths of the service's own routes: "/ai" of a mount or of `--root-path`, "" at the root."""
    root: str = scope.get("root_path", "")
    return quote(root.rstrip("/"), _IN_PATHS) if root else ""


def route_path(scope: Mapping[str, Any]) -> str:
    """The request's path without what comes before it: the same wherever the service is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root or not path.startswith(root) or path[len(root) : len(root) + 1] not in ("", "/"):
        return path  # as the router takes it
    return path[len(root) :] or "/"


def hooks_url(root: str, run_id: str) -> str:
    """Where a run's hook jobs are listed."""
    return f"{root}/runs/{run_id}/hooks"


def evaluations_url(root: str, run_id: str) -> str:
    """Where a run's evaluations are listed."""
    return f"{root}/runs/{run_id}/evaluations"
