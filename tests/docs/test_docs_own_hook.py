"""What docs/how-to/own-hook.md teaches holds: its hook does no harm when it is called again by another process."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from docs.blocks import blocks

CALL = """
import my_agents
from types import SimpleNamespace as Given
my_agents.deliver(Given(content="The answer."), "ana", Given(key="run-7:post:deliver"))
"""


def test_a_second_process_finds_what_the_first_has_done(tmp_path: Path) -> None:
    """As after a kill between the hook's last line and the note that it has ended."""
    page = next(block for block in blocks("docs/how-to/own-hook.md") if block.text.startswith("# my_agents.py"))
    (tmp_path / "my_agents.py").write_text(page.text)
    environment = os.environ | {"OFFPATH_OFFLINE": "1"}
    for _attempt in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CALL], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "archive.db")) as archive:
        assert archive.execute("SELECT * FROM answers").fetchall() == [("run-7:post:deliver", "ana", "The answer.")]
