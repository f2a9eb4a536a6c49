"""A system clock that is put back: what was to be done in a second is not to wait for as long as that."""

from __future__ import annotations

import time
from typing import Final

_LEAST: Final = 1.0
"""Seconds; less is the clock being adjusted."""
_SETTLED: Final = 0.5
"""Seconds after which times that were reckoned before the step have been stored, too."""


class ClockStep:
    """Compares the system's clock with the monotonic one, which is never put back."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._noticed: float | None = None

    def seconds_back(self) -> float:
        """By how much the clock was put back a moment ago, until that is followed; else 0.

        A step forward changes nothing: what is due then is done.
        """
        now = time.monotonic()
        offset = time.time() - now
        back = self._offset - offset
        if back < _LEAST:
            self._offset, self._noticed = offset, None
            return 0.0
        if self._noticed is None:
            self._noticed = now
        return back if now - self._noticed >= _SETTLED else 0.0

    def followed(self, back: float) -> None:
        """Times have been moved by so many seconds."""
        self._offset -= back
        self._noticed = None
