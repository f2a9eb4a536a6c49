"""CPU that a service uses while it is measured: its serving process, and what that one started."""

from __future__ import annotations

from benchmarks.served import Served
from offpath.proof.machine import cpu_of, cpu_of_all


class Spent:
    """Seconds of CPU since this was made."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self._own = cpu_of(service.pid)
        self._below = cpu_of_all(service.processes()[1:])

    def own(self) -> float:
        """Of the serving process."""
        return cpu_of(self._service.pid) - self._own

    def below(self) -> float:
        """Of the processes below it. Those that started meanwhile count in full."""
        return max(0.0, cpu_of_all(self._service.processes()[1:]) - self._below)
