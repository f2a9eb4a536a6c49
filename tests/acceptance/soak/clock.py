"""Clock: what the processes of a soak take for the time, which steps forward and back while they run.

The machine's clock stays as it is: each Python process that is started with `variables` reads its time plus a shift
from a file that all of them map. It holds for `time.time` and `time.time_ns`, and for what asks these. It does not hold
for `datetime.now`, `time.localtime` without an argument and others that ask the system by themselves, for SQLite's and
PostgreSQL's own clocks, and for the times of files; and `time.monotonic` never steps, as on a real machine.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

VARIABLE: Final = "SOAK_CLOCK_FILE"
MODULE: Final = Path(__file__).with_name("clock_shift")
"""A directory with a `sitecustomize.py`."""
_SHIFT: Final = struct.Struct("<q")


class Clock:
    """The shift of all processes of one soak.

    Args:
        path: A file that is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shift = 0
        """Seconds."""
        path.write_bytes(_SHIFT.pack(0))

    @property
    def variables(self) -> dict[str, str]:
        """What a process is started with whose clock is this one."""
        paths = [str(MODULE), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {VARIABLE: str(self._path), "PYTHONPATH": os.pathsep.join(paths)}

    def step(self, seconds: int) -> None:
        """Let the time jump; processes that run see it at once."""
        self.shift += seconds
        # In place: the processes have this very file mapped. Eight aligned bytes are read whole.
        descriptor = os.open(self._path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, _SHIFT.pack(self.shift), 0)
        finally:
            os.close(descriptor)
