"""The command line of stored runs: evaluating them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from offpath.errors import ConfigurationError
from offpath.settings import Settings

if TYPE_CHECKING:
    from offpath.posthooks.evaluation.backfill import Outcome, Progress
    from offpath.posthooks.evaluation.enabled import EnabledEvaluator
    from offpath.storage.ledger import Ledger, RunQuery
    from offpath_evaluators.judge.judge import Judge
    from offpath_evaluators.tally import Tally

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""
_WORDS: Final[dict[Outcome, str]] = {
    "evaluated": "evaluated",
    "known": "known already",
    "left_out": "left out by filters or by chance",
    "waiting": "waiting for their jobs",
    "without_content": "without content",
    "unreadable": "not readable",
    "put_off": "put off",
}


@dataclass(frozen=True)
class StoredRuns:
    """Which stored runs are to be evaluated, and by what."""

    since: str
    """A time, or how long ago: 7d."""
    agent: str | None
    team: str | None
    workflow: str | None
    evaluators: str | None
    """Names; None: those of OFFPATH_EVALUATORS."""
    options: Sequence[str] | None
    judge: str | None
    database_url: str | None
    again: bool
    concurrency: int

    def query(self, now: float, *, nested: bool) -> RunQuery:
        """The runs.

        Raises:
            ConfigurationError: The time is none, or several components are named.
        """
        from offpath.storage.ledger import RunQuery

        given = (("agent", self.agent), ("team", self.team), ("workflow", self.workflow))
        named = [(kind, found) for kind, found in given if found is not None]
        if len(named) > 1:
            raise ConfigurationError("--agent, --team and --workflow exclude each other: evaluate one after the other")
        kind, component_id = named[0] if named else (None, None)
        # What comes in the meantime is the service's, or the end would never be reached.
        return RunQuery(_since(self.since, now), now, kind, component_id, nested)

    def enabled(self) -> list[EnabledEvaluator]:
        """The evaluators, without those of whole sessions. Raises as `settings` does."""
        from offpath.posthooks.evaluation.configuration import enabled_evaluators

        found = [each for each in enabled_evaluators(self.settings()) if each.scope == "run"]
        if not found:
            raise ConfigurationError("none of the evaluators is for single runs; the service evaluates whole sessions")
        return found

    def settings(self) -> Settings:
        """Those of the environment, with the evaluators, options and judge of the command line.

        Raises:
            ConfigurationError: Something in them is wrong, or there are no evaluators.
        """
        from offpath_evaluators.errors import EvaluatorError
        from offpath_evaluators.registry import default_set
        from offpath_evaluators.text_options import read_option

        settings = Settings.load(database_url=self.database_url, judge_model=self.judge)
        entries = settings.evaluators
        options = {name: dict(texts) for name, texts in settings.evaluator_options.items()}
        if self.evaluators is not None:
            # A name of the environment stands for its entry there: tone for tone=guidelines.
            known = {_name(entry): entry for entry in entries}
            named = [part.strip() for part in self.evaluators.split(",") if part.strip()]
            entries = tuple(known.get(name, name) for name in named)
            chosen = {_name(entry) for entry in entries} | set(default_set() if "default" in entries else ())
            options = {name: texts for name, texts in options.items() if name in chosen}
        if not entries:
            raise ConfigurationError("there are no evaluators: set OFFPATH_EVALUATORS, or name them with --evaluators")
        for text in self.options or ():
            try:
                name, option, value = read_option(text)
            except EvaluatorError as error:
                raise ConfigurationError(f"--option: {error}") from None
            options.setdefault(name, {})[option] = value
        return settings.model_copy(update={"evaluators": entries, "evaluator_options": options})


def evaluate_stored_runs(wanted: StoredRuns) -> tuple[dict[str, Tally], Progress]:
    """Evaluate them, with a progress bar on a terminal; what the evaluators said, by name, and how far it came.

    Raises:
        ConfigurationError: Something in the settings or on the command line is wrong.
        StorageError: The database cannot be reached. What was stored until then stays.
        typer.Exit: It was interrupted.
    """
    tallies: dict[str, Tally] = {}
    held: list[Progress] = []
    try:
        asyncio.run(_evaluate(wanted, tallies, held))
    except KeyboardInterrupt:
        _say_progress(held)
        _say("interrupted; what was evaluated until then is stored, and the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    _say_progress(held)
    return tallies, held[0]


async def _evaluate(wanted: StoredRuns, tallies: dict[str, Tally], held: list[Progress]) -> None:
    from offpath.cli_data import opened_ledger
    from offpath.posthooks.evaluation.backfill import Backfill
    from offpath_evaluators.tally import Tally

    settings = wanted.settings()
    with ExitStack() as stack:
        if settings.offline:
            stack.enter_context(_offline_model())
        enabled = wanted.enabled()
        query = wanted.query(time.time(), nested=any(each.nested for each in enabled))
        tallies |= {each.name: Tally() for each in enabled}
        async with opened_ledger(wanted.database_url) as ledger, _judges(settings, enabled, ledger) as judges:
            backfill = Backfill(
                ledger,
                enabled,
                judges,
                again=wanted.again,
                concurrency=wanted.concurrency,
                told=lambda evaluation: tallies[evaluation.name].add(evaluation),
            )
            held.append(backfill.progress)
            with _bar(await ledger.count_runs(query)) as advance:
                await backfill.run(query, advance)


@asynccontextmanager
async def _judges(
    settings: Settings, enabled: Sequence[EnabledEvaluator], ledger: Ledger
) -> AsyncIterator[Mapping[str, Judge]]:
    """The judges that are asked, by model, held to the same budget as the service's."""
    from offpath.posthooks.evaluation.budget_gate import BudgetGate
    from offpath.posthooks.evaluation.judge_settings import JudgeSettings
    from offpath.worker.answers import Answers
    from offpath.worker.options import WorkerOptions
    from offpath.worker.shared_ledger import SharedLedger

    class Opened(SharedLedger):
        """One that is open already."""

        async def opened(self) -> Ledger:
            return ledger

    chosen = JudgeSettings.of(settings)
    gate = None
    if chosen.budget is not None:
        gate = BudgetGate(Answers(Opened(lambda: ledger), WorkerOptions.from_settings(settings)))
    async with AsyncExitStack() as stack:
        models = {each.judge_model for each in enabled if each.judge_model is not None}
        yield {model: await stack.enter_async_context(chosen.make(model, gate)) for model in models}


@contextmanager
def _offline_model() -> Iterator[None]:
    """The offline stand-in as the judge, as the service has it with OFFPATH_OFFLINE=1."""
    from offpath.offline import offline_model_process

    with offline_model_process() as model:
        before = {name: os.environ.get(name) for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY")}
        os.environ.update(OPENAI_BASE_URL=model.base_url, OPENAI_API_KEY="offline")
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def _since(text: str, now: float) -> float:
    from offpath.ledger.moment import seconds_at
    from offpath.ledger.window import seconds_of

    try:
        return now - seconds_of(text)
    except ValueError:
        try:
            return seconds_at(text)
        except ValueError as error:
            raise ConfigurationError(f"--since: {error}; or a time ago: 24h, 7d") from None


def _name(entry: str) -> str:
    return entry.partition("=")[0].strip()


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, if that is a terminal."""
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


def _say_progress(held: Sequence[Progress]) -> None:
    for progress in held:
        counts = ", ".join(
            f"{progress.outcomes[outcome]} {words}" for outcome, words in _WORDS.items() if progress.outcomes[outcome]
        )
        _say(f"{progress.runs} run{'' if progress.runs == 1 else 's'}; evaluations: {counts or 'none'}")


def _say(text: str) -> None:
    from offpath.console import output, plain

    output(stderr=True).print(plain(text), soft_wrap=True)
