"""The stack's Prometheus: the committed rules, and a configuration for the ports that the stack has."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.stack.children import StackError

RULES: Final = Path(__file__).resolve().parents[2] / "dashboards" / "prometheus" / "rules.yml"
JOB: Final = "offpath"
_INTERVAL: Final = re.compile(r"^(    interval: ).*$", re.MULTILINE)


def program() -> str:
    """Prometheus's path.

    Raises:
        StackError: It is not installed.
    """
    found = shutil.which("prometheus")
    if found is None:
        raise StackError(
            "prometheus is not on the PATH. Install it (Debian, Ubuntu: `apt install prometheus`; macOS: `brew install "
            "prometheus`; else https://prometheus.io/download) and try again"
        )
    return found


def rules(directory: Path, every: int | None) -> Path:
    """The file of rules: the committed one, or a copy of it whose groups are all evaluated so often.

    Args:
        every: Seconds; None leaves it to the file.

    Raises:
        StackError: There is no such file.
    """
    if not RULES.exists():
        raise StackError(f"there is no {RULES}; write it with `python -m offpath.reference dashboards --write`")
    if every is None:
        return RULES
    copy = directory / "rules.yml"
    copy.write_text(_INTERVAL.sub(rf"\g<1>{every}s", RULES.read_text()))
    return copy


def configuration(targets: Mapping[str, str], interval: int, ruled_by: Path) -> str:
    """What Prometheus is to scrape, as JSON, which is YAML as well.

    Args:
        targets: Host and port of each process that has a page, by its part: "service", "worker".
        interval: Seconds between two scrapes, and between two evaluations of rules that name no interval.
        ruled_by: A file of rules.
    """
    document = {
        "global": {"scrape_interval": f"{interval}s", "scrape_timeout": f"{interval}s"}
        | {"evaluation_interval": f"{interval}s"},
        "rule_files": [str(ruled_by)],
        "scrape_configs": [
            {
                "job_name": JOB,
                "static_configs": [{"targets": [target], "labels": {"part": part}} for part, target in targets.items()],
            }
        ],
    }
    return json.dumps(document, indent=2)


def command(path: str, configured: Path, data: Path, port: int) -> list[str]:
    """The command line: on loopback, with exemplars, and a day of data."""
    return [
        path,
        f"--config.file={configured}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=1d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
