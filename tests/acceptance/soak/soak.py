"""Soak: hours of traffic compressed, with faults at random moments; then everything is accounted for.

A storm, in which processes and databases are killed, is followed by a steady part with the faults that end no process,
in which memory is measured. Then everything is mended, the queue drains, and a quiet part without any fault shows that
metrics are exact when nothing is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from acceptance.ledger_look import Observer, Promise, more, stored
from acceptance.serving import console_script
from acceptance.soak import account, remains
from acceptance.soak.account import Line, line
from acceptance.soak.books import read_books
from acceptance.soak.faults import Faults
from acceptance.soak.site import NAMES, NESTED, DatabaseKind, site
from acceptance.soak.traffic import Told, Traffic
from acceptance.soak.watch import Watch

THREADS: Final = 24
STORM_SHARE: Final = 0.55
"""Of the time that there is traffic; the rest is steady."""
WARM_SHARE: Final = 0.2
"""Of the steady part, before memory is looked at."""
DRAIN_SECONDS: Final = 300.0
"""A bound and no expectation."""
STUCK_SECONDS: Final = 90.0
"""Without any change in what is left, that is what will stay."""
LEAVE_SECONDS: Final = 4.0
"""For which clients may go on when the traffic is over."""
RETRY_SECONDS: Final = 10.0
LAST_STEP: Final = 3_600
"""Seconds by which the clock goes back in the end, while there is still traffic."""
QUIET_RUNS: Final = 40
PAGE_SECONDS: Final = 30.0
_DAY: Final = 86_400


@dataclass
class Outcome:
    """What a soak found."""

    database: DatabaseKind
    seed: int
    seconds: float = 0.0
    """Of traffic with faults."""
    drained: float = 0.0
    told: Told = field(default_factory=Told)
    faults: Counter[str] = field(default_factory=Counter)
    log: list[tuple[float, float, str]] = field(default_factory=list)
    """See `Faults.log`."""
    ended: Counter[str] = field(default_factory=Counter)
    last_words: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    logs: str = ""

    @property
    def wrong(self) -> list[Line]:
        return [each for each in self.lines if not each.kept]


@dataclass
class Soak:
    """One soak, to be run once.

    Args:
        minutes: Of traffic with faults; what follows takes as long as it takes.
        every: Mean seconds between two faults.
        pause: Mean seconds between two requests of a client.
        told: Gets a line now and then.
        progress: Seconds between two lines of progress.
    """

    database: DatabaseKind
    minutes: float
    seed: int
    every: float = 3.0
    pause: float = 0.1
    told: Callable[[str], None] = print
    progress: float = 15.0
    started: Callable[[], None] = lambda: None
    """Called when all processes are there."""

    def __post_init__(self) -> None:
        self.outcome = Outcome(self.database, self.seed)
        self.stopping = asyncio.Event()
        """Set it to end the traffic at once; everything is still accounted for."""
        self._began = time.monotonic()

    async def run(self) -> Outcome:
        # Faults last for seconds, each on a thread, and several at once; nobody is to wait for a thread meanwhile.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        budget = round(max(0.4, 0.2 * self.minutes), 4)
        with site(self.database, budget) as made:
            self.site = made
            await asyncio.to_thread(made.start)
            self.started()
            promise = Promise(NAMES, NESTED, budget)
            self.observer = Observer(made.look, promise, every=1.0)
            self.watch = Watch(made, lambda: len(self.outcome.told.runs))
            self.faults = Faults(made, self.seed, self.every, longest=min(4.0, 4 * self.minutes + 0.5))
            try:
                with self.observer, self.watch:
                    await self._traffic()
                    await self._account(promise)
            finally:
                self.outcome.logs, self.outcome.last_words = made.logs(), made.last_words
        return self.outcome

    # -- traffic ----------------------------------------------------------------------------------------------

    async def _traffic(self) -> None:
        self._began = time.monotonic()
        over = asyncio.Event()
        urls = [service.url for service in self.site.services]
        traffic = Traffic(urls, self.seed, self.outcome.told, self.pause)
        clients = asyncio.create_task(traffic.until(over))
        watching = [asyncio.create_task(self._show(over)), asyncio.create_task(self._keep(over))]
        seconds = 60 * self.minutes
        try:
            await self._part(STORM_SHARE * seconds, kills=True)
            self._steady = time.monotonic() + WARM_SHARE * (1 - STORM_SHARE) * seconds
            await self._part((1 - STORM_SHARE) * seconds, kills=False)
            await asyncio.to_thread(self._put_clock_back)
        finally:
            over.set()
            # Who is still reading then goes away, as users do.
            await asyncio.wait([clients], timeout=LEAVE_SECONDS)
            clients.cancel()
            await asyncio.gather(clients, return_exceptions=True)
            await asyncio.gather(*watching)
        self.outcome.seconds = time.monotonic() - self._began
        self.outcome.faults, self.outcome.log, self.outcome.ended = self.faults.done, self.faults.log, self.site.ended
        self._say("no more faults; waiting until everything is done")

    async def _part(self, seconds: float, *, kills: bool) -> None:
        over = asyncio.Event()
        faults = asyncio.create_task(self.faults.until(over, kills=kills))
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass
        over.set()
        await faults

    def _put_clock_back(self) -> None:
        """While retries wait: what was to be done in a second is not to wait for an hour, whatever the clock shows."""
        if self.site.kind == "sqlite":  # PostgreSQL has a clock of its own
            deadline = time.monotonic() + RETRY_SECONDS
            while time.monotonic() < deadline:
                with contextlib.suppress(sqlite3.Error):
                    if self.site.query("SELECT 1 FROM jobs WHERE state = 'scheduled' AND hook = 'asks_again' LIMIT 1"):
                        break
                time.sleep(0.02)
        self.site.clock.step(-LAST_STEP)

    async def _show(self, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(self.progress):
                    await over.wait()
            except TimeoutError:
                self._say("under way")

    async def _keep(self, over: asyncio.Event) -> None:
        """Start again what has ended, as whatever runs the processes does."""
        while not over.is_set():
            await asyncio.to_thread(self.site.start_ended)
            try:
                async with asyncio.timeout(1.0):
                    await over.wait()
            except TimeoutError:
                continue

    def _say(self, what: str) -> None:
        told, watch = self.outcome.told, self.watch
        findings = [*self.observer.found, *told.wrong, *watch.pages.fallen, *watch.failed, *self.faults.failed]
        seconds = time.monotonic() - self._began
        self.told(
            f"{seconds:6.0f} s  {len(told.runs):,} runs, {self.faults.done.total()} faults, {len(findings)} findings; {what}"
            + (f": {findings[-1][:300]}" if findings else "")
        )

    # -- the account ------------------------------------------------------------------------------------------

    async def _account(self, promise: Promise) -> None:
        site, watch, told, outcome = self.site, self.watch, self.outcome.told, self.outcome
        began = time.monotonic()
        left = await self._drained()
        if await self._retry_messages():
            left = await self._drained()
        outcome.drained = time.monotonic() - began
        page, before = await self._settled_page()
        traffic = Traffic([service.url for service in site.services], self.seed + 1, told, 0.0, tame=True)
        await traffic.until(asyncio.Event(), runs=QUIET_RUNS)
        left = [*left, *await self._drained()]
        books = await asyncio.to_thread(read_books, site)
        gained = more(stored(books.look), before)
        added = await self._page_gains(page, gained)
        summary, analytics = await asyncio.to_thread(self._answers)
        await asyncio.to_thread(watch.bill.look)
        pages = watch.pages
        outcome.lines += [
            account.answers_right(told),
            account.runs_kept(books, told),
            account.runs_ended(books),
            account.jobs_ended(books),
            account.no_phantoms(books),
            account.effects_there(books),
            account.dead_letters_say_why(books),
            line("everything ended by itself", f"drained in {outcome.drained:.0f} s", left),
            account.ledger_adds_up(books, promise, self.observer.found, self.observer.looks),
            account.evaluations_of_every_run(books),
            account.summary_is_recount(books, summary),
            account.analytics_are_recount(books, analytics),
            account.budget_kept(books, site.budget, watch.bill.usd, watch.bill.received),
            account.notifications_told(books, site.inbox),
            account.feedback_kept(books, told),
            account.metrics_agree(
                books, pages.shown(), pages.fallen, (added, gained), f"{pages.read} pages, {pages.resets} resets"
            ),
            remains.memory_bounded(watch, self._steady),
            remains.descriptors_bounded(watch, self._steady),
            remains.processes_bounded(watch),
            line("faults were done and mended", f"{self.faults.done.total()}", [*self.faults.failed, *watch.failed]),
        ]
        codes = await asyncio.to_thread(site.stop)
        wrong = [f"{name} ended with code {code}" for name, code in codes.items() if code]
        outcome.lines += [
            line("all parts end when they are told to", f"{len(codes)}", wrong),
            remains.nothing_left(site),
            remains.files_in_bounds(site),
        ]

    async def _drained(self) -> list[str]:
        """Wait until nothing is under way; what still is when there is no more time, or nothing changes any more."""
        began = changed = shown = time.monotonic()
        before: list[str] = []
        while left := await asyncio.to_thread(self._under_way):
            now = time.monotonic()
            changed = now if left != before else changed
            if now - changed > STUCK_SECONDS or now - began > DRAIN_SECONDS:
                return [f"unchanged for {now - changed:.0f} s: {each}" for each in left]
            if now - shown > self.progress:
                shown = now
                self._say(f"waiting for {'; '.join(left)}")
            before = left
            await asyncio.sleep(0.5)
            await asyncio.to_thread(self.site.start_ended)
        return []

    def _under_way(self) -> list[str]:
        query = self.site.query
        try:
            found = {
                "runs that are running": query("SELECT run_id FROM {}runs WHERE status = 'running'"),
                "jobs": [(key,) for key in self.site.queued()],
                "bookings": query("SELECT run_id, error FROM {}bookings"),
                "notices": query("SELECT key FROM {}notices WHERE taken_at IS NULL"),
            }
        except Exception as error:  # the database is coming back
            return [repr(error)]
        return [f"{len(rows)} {name}, such as {rows[0]}" for name, rows in found.items() if rows]

    async def _retry_messages(self) -> bool:
        """Bring back the messages that became dead letters, as a person would do after an outage."""
        sql = "SELECT key FROM {}job_results WHERE state = 'dead' AND kind = 'notification'"
        keys = [key for (key,) in await asyncio.to_thread(self.site.query, sql)]
        if keys:
            self._say(f"{len(keys)} messages are dead letters, and are retried")
            command = [console_script("offpath"), "hooks", "retry", *keys, "--database-url", self.site.url]
            environment = self.site.services[0].environment
            done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
            if done.returncode:
                self.faults.failed.append(f"hooks retry: {done.stdout[-500:]}{done.stderr[-500:]}")
        return bool(keys)

    async def _settled_page(self) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
        """What the page and the tables have, when the page grows no more."""
        await asyncio.sleep(2.5)
        await asyncio.to_thread(self.watch.pages.look)
        return dict(self.watch.pages.shown()), stored(await asyncio.to_thread(self.site.look))

    async def _page_gains(
        self, before: dict[tuple[str, str], int], wanted: dict[tuple[str, str], int]
    ) -> dict[tuple[str, str], int]:
        """What the page gained since; it shows what happened a second or two later."""
        deadline = time.monotonic() + PAGE_SECONDS
        while (gains := more(self.watch.pages.shown(), before)) != wanted and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            await asyncio.to_thread(self.watch.pages.look)
        return gains

    def _answers(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The summary and the analytics of all the time that there was, by the clock that was stepped."""
        now = time.time()
        window = {"since": str(int(now - _DAY)), "until": str(int(now + _DAY))}
        http = self.site.services[0].http
        answers = [http.get(path, params=window) for path in ("/evaluations/summary", "/analytics")]
        for answer in answers:
            if answer.status_code != 200:
                raise AssertionError(f"{answer.url}: {answer.status_code} {answer.text}")
        return answers[0].json(), answers[1].json()
