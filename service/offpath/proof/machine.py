"""What the machine is, and what its processes use: CPU and memory of ours, and CPU of everybody else's."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that it started, living ones."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_of(pid: int) -> float:
    """Seconds of CPU, user and system, that one process has used, without its children."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_of_all(processes: Iterable[psutil.Process]) -> float:
    """Seconds of CPU that processes have used, their ended and awaited children included."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one process: resident, and what ending it would free."""

    rss: int
    uss: int


def memory_of(process: psutil.Process) -> Memory:
    full = process.memory_full_info()
    return Memory(full.rss, full.uss)


class Neighbours:
    """How much CPU programs that are not ours use meanwhile: without knowing it, no figure means much.

    Only processes that this one started count as ours, so ask while they live: when a tree ends, what its lower
    branches used may be lost.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._busy, self._stolen = _busy()
        self._ours = _ours()

    def share(self) -> float:
        """Share of all cores, from 0 to 1, that others used since the start, time stolen by the host included."""
        seconds = (time.perf_counter() - self._began) * (psutil.cpu_count() or 1)
        busy, stolen = _busy()
        others = (busy - self._busy) - (_ours() - self._ours) + (stolen - self._stolen)
        return max(0.0, float(others / seconds))


def _busy() -> tuple[float, float]:
    times = psutil.cpu_times()
    busy = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    return busy, getattr(times, "steal", 0.0)


def _ours() -> float:
    return cpu_of_all(tree(psutil.Process().pid))


def describe_machine() -> dict[str, str | int | float]:
    """System, processor, cores and memory: no host or user name."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
