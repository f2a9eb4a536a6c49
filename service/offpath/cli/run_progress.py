"""A progress bar over runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal; what it gives is told how many runs are done since."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from offpath.console import output

    columns = [
        TextColumn("{task.completed} of {task.total} runs"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    console = output(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)
        yield lambda count: progress.advance(bar, count)
