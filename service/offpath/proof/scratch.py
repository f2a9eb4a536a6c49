"""Scratch directories: gone at the end, and at the next start if whoever made them was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "offpath-prove-"
_HELD: Final = "held"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A new directory for as long as the block runs. Those that killed processes left behind are removed before."""
    remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        directory = Path(name)
        with _hold(directory):
            yield directory


def remove_abandoned() -> None:
    """Remove directories of this user that no living process holds; of one that is being made nothing is known yet."""
    for held in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{_HELD}"):
        with contextlib.suppress(OSError):
            if held.parent.lstat().st_uid == os.getuid() and _abandoned(held):
                shutil.rmtree(held.parent, ignore_errors=True)  # which refuses a link


@contextmanager
def _hold(directory: Path) -> Iterator[None]:
    """A lock that the system gives up when this process ends, however it ends."""
    if os.name != "posix":
        yield
        return
    import fcntl

    made = directory / f"{_HELD}.new"
    with made.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        made.rename(directory / _HELD)  # there only once it is held
        yield


def _abandoned(held: Path) -> bool:
    import fcntl

    with held.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
