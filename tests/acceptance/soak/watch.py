"""Watch: what a soak's processes use, what /metrics shows, and what the judge was asked, looked at again and again."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec
import psutil

from acceptance.ledger_look import Shown, shown
from acceptance.metrics_page import Page, Series, scrape
from acceptance.serving import role
from acceptance.soak.site import PRICES, Site
from offpath.offline import OfflineProcess, OfflineProcessError
from offpath.offline.completion import prompt_tokens
from offpath.offline.request import ChatRequest

ROLES: Final = ("service", "worker", "zygote", "executor")
_DECLINED: Final = frozenset({"status:429", "status:503"})
"""Faults at which a model did no work, and asks for nothing."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a process used at one moment."""

    at: float
    """On the monotonic clock."""
    runs: int
    """Acknowledged so far, in the whole soak."""
    rss: int
    """Bytes."""
    descriptors: int
    threads: int


@dataclass
class Watch:
    """Looks at processes, pages and the judge's requests, on threads of their own, while a block runs.

    Args:
        runs: How many runs are acknowledged so far.
    """

    site: Site
    runs: Callable[[], int]
    every: float = 1.0
    processes: dict[tuple[str, int], list[Use]] = field(default_factory=lambda: defaultdict(list))
    """By role and process id."""
    most: Counter[str] = field(default_factory=Counter)
    """Most processes of each role at once."""
    failed: list[str] = field(default_factory=list)
    """What could not be looked at, and should."""

    def __post_init__(self) -> None:
        self.pages = Pages(self.site)
        self.bill = Bill(self.site.judge)
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Watch:
        looks = ((self._processes, 2 * self.every), (self.pages.look, self.every), (self.bill.look, self.every))
        for look, every in looks:
            thread = threading.Thread(target=self._repeat, args=(look, every))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self.pages.close()

    def _repeat(self, look: Callable[[], None], every: float) -> None:
        while not self._over.wait(every):
            began = time.monotonic()
            try:
                look()
            except Exception as error:  # a look that fails is a finding, too
                self.failed.append(f"{look.__qualname__}: {error!r}")
            # Looking takes from those that are looked at; on a slow machine it is done less often.
            if self._over.wait(2 * (time.monotonic() - began)):
                return

    def _processes(self) -> None:
        counts: Counter[str] = Counter()
        for part in self.site.parts:
            for process in part.family():
                found = role(process)
                if found not in ROLES:
                    continue
                counts[found] += 1
                with contextlib.suppress(psutil.Error, OSError):
                    rss, descriptors, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
                    use = Use(time.monotonic(), self.runs(), rss, descriptors, threads)
                    self.processes[found, process.pid].append(use)
        self.most |= counts

    def since(self, at: float) -> dict[tuple[str, int], list[Use]]:
        """What was seen of each process since a moment, of those that lived all the time since."""
        found = {}
        last = max((uses[-1].at for uses in self.processes.values()), default=0.0)
        for key, uses in list(self.processes.items()):
            kept = [use for use in uses if use.at >= at]
            lived = bool(uses) and uses[0].at <= at + 4 * self.every and uses[-1].at >= last - 8 * self.every
            if lived and len(kept) >= 4:
                found[key] = kept
        return found


def grown(uses: list[Use], what: Callable[[Use], float]) -> float:
    """How much more the last third of some looks shows than the first, by their medians."""
    third = max(1, len(uses) // 3)
    return statistics.median(map(what, uses[-third:])) - statistics.median(map(what, uses[:third]))


class Pages:
    """/metrics of the site, which shows all its processes on whichever service is asked."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._http = [httpx.Client(base_url=service.url, timeout=3) for service in site.services]
        self._asked = 0
        self._lock = threading.Lock()
        self._ended: list[Page] = []
        """The last page before each time when all processes were gone."""
        self._resets = 0
        self.last: Page | None = None
        self.read = 0
        self.fallen: list[str] = []
        """What has become less where nothing was reset."""

    def look(self) -> None:
        """Read the page, and compare it with the one before."""
        with self._lock:
            self._asked += 1
            try:
                page = scrape(self._http[self._asked % len(self._http)])
            except (httpx.TransportError, AssertionError):
                return  # away, or being started
            self.read += 1
            if self.last is not None and (fallen := page.fallen(self.last)):
                self._compare(fallen)
            self.last = page

    def _compare(self, fallen: Mapping[Series, tuple[float, float | None]]) -> None:
        assert self.last is not None
        if self._site.resets > self._resets:
            self._resets = self._site.resets
            self._ended.append(self.last)
            return
        for (name, labels), (before, after) in list(fallen.items())[:3]:
            self.fallen.append(f"{name}{dict(labels)}: {before:g}, then {after}")

    def shown(self) -> Shown:
        """What all pages have counted, those before a reset included."""
        with self._lock:
            found: Counter[tuple[str, str]] = Counter()
            for page in (*self._ended, *([self.last] if self.last is not None else [])):
                found.update(shown(page))
            return dict(found)

    @property
    def resets(self) -> int:
        return len(self._ended)

    def close(self) -> None:
        for http in self._http:
            http.close()


class Bill:
    """What the judge's maker would ask for, by the judge's own count of what it was asked and what it answered."""

    def __init__(self, judge: OfflineProcess) -> None:
        self._judge = judge
        self._lock = threading.Lock()
        self._seen = 0
        self.received = 0
        self.usd = 0.0

    def look(self) -> None:
        """Add the requests that came since. A judge that does not answer now is asked later."""
        with self._lock:
            try:
                received = self._judge.received()
                fresh = self._judge.requests(last=received - self.received) if received > self.received else []
            except (OSError, OfflineProcessError, TimeoutError):
                return
            for request in fresh:
                if request["number"] > self._seen:
                    self._seen = request["number"]
                    self.received += 1
                    self.usd += _price(request)


def _price(request: Mapping[str, Any]) -> float:
    """USD for what went in. An answer that was lost may have been paid for, so that only declined requests are free."""
    if request["fault"] in _DECLINED:
        return 0.0
    asked = msgspec.convert(request["body"], ChatRequest, strict=False)
    price_in, price_out = PRICES["gpt-judge"]
    # Of an answer only that it has a token is known here: a bill that is too low finds less, and nothing wrong.
    return (prompt_tokens(asked) * price_in + price_out) / 1e6
