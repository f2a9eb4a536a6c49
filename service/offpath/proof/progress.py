"""How far an experiment is: a bar on a terminal, a line now and then elsewhere.

Nothing is drawn while a block is measured: the load generator shares its cores with what it measures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from offpath.console import plain

LINE_SECONDS: Final = 10.0
"""Between two lines where there is no terminal."""


class Reporter(Protocol):
    """Is told what is done."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def begin(self, title: str, seconds: float) -> None:
        """Something begins that will take so many seconds."""

    def advance(self, seconds: float) -> None:
        """So many of them are over."""

    def end(self) -> None:
        """It is over."""


class Silent:
    """A reporter for tests and for machines."""

    def say(self, text: str) -> None: ...

    def begin(self, title: str, seconds: float) -> None: ...

    def advance(self, seconds: float) -> None: ...

    def end(self) -> None: ...


class Lines:
    """Lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title = ""
        self._seconds = self._done = 0.0
        self._told = 0.0

    def say(self, text: str) -> None:
        self._console.print(plain(text), soft_wrap=True)

    def begin(self, title: str, seconds: float) -> None:
        self._title, self._seconds, self._done, self._told = title, seconds, 0.0, time.monotonic()
        self.say(f"{title}: about {spell_seconds(seconds)}")

    def advance(self, seconds: float) -> None:
        self._done += seconds
        if time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            share = min(1.0, self._done / self._seconds) if self._seconds else 1.0
            self.say(f"{self._title}: {share:.0%}, {spell_seconds(max(0.0, self._seconds - self._done))} left")

    def end(self) -> None: ...


class Bar:
    """A bar on a terminal, drawn between blocks only."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._seconds = self._done = 0.0

    def say(self, text: str) -> None:
        (self._progress.console if self._progress else self._console).print(plain(text), soft_wrap=True)

    def begin(self, title: str, seconds: float) -> None:
        self.end()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[left]}"))
        self._progress = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
        self._progress.start()
        self._seconds, self._done = seconds, 0.0
        self._task = self._progress.add_task(plain(title).plain, total=max(seconds, 0.001), left=self._left())
        self._progress.refresh()

    def advance(self, seconds: float) -> None:
        self._done += seconds
        if self._progress:
            self._progress.update(self._task, completed=min(self._done, self._seconds), left=self._left(), refresh=True)

    def end(self) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None

    def _left(self) -> str:
        return f"{spell_seconds(max(0.0, self._seconds - self._done))} left"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


@contextmanager
def reporter(console: Console) -> Iterator[Reporter]:
    """A bar on a terminal, else lines."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Bar(console) as bar:
        yield bar


def spell_seconds(seconds: float) -> str:
    """Such as "40 s", "2 min 30 s" or "1 h 5 min"."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"
