"""Puts the clock of a Python process forward or back, by the seconds in a file of eight bytes; see `soak/clock.py`.

Python imports this module before anything else when its directory is on PYTHONPATH.
"""

import mmap
import os
import struct
import time

_PATH = os.environ.get("SOAK_CLOCK_FILE")
_SHIFT = struct.Struct("<q")


def _shift_clock(path: str) -> None:
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), _SHIFT.size, access=mmap.ACCESS_READ)
    real, real_ns = time.time, time.time_ns

    def shifted() -> float:
        """Seconds since the epoch, as this process's clock shows them."""
        return real() + float(_SHIFT.unpack_from(shared)[0])

    def shifted_ns() -> int:
        """The same in nanoseconds."""
        return real_ns() + int(_SHIFT.unpack_from(shared)[0]) * 1_000_000_000

    time.time = shifted
    time.time_ns = shifted_ns


if _PATH:
    _shift_clock(_PATH)
