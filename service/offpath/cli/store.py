"""The command line of stored runs: evaluating them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import typer

from offpath.cli.moment_option import moment
from offpath.cli.run_progress import run_progress
from offpath.errors import ConfigurationError
from offpath.settings import Settings

if TYPE_CHECKING:
    from offpath.app import AgentService
    from offpath.posthooks.evaluation.backfill import Outcome, Progress
    from offpath.posthooks.evaluation.enabled import EnabledEvaluator
    from offpath.runs.status import ComponentKind
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

    app: str | None
    """MODULE:APP of a service, whose evaluators, tools and database are meant."""
    since: str
    """A time, or how long ago: 7d."""
    agent: str | None
    team: str | None
    workflow: str | None
    evaluators: str | None
    """Names; None: all that are enabled."""
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
        return RunQuery(moment("--since", self.since, now), now, kind, component_id, nested)

    def resolve(self) -> Resolved:
        """The evaluators, and what they need.

        Raises:
            ConfigurationError: Something in the settings or on the command line is wrong, or there are no evaluators.
        """
        from offpath.posthooks.evaluation.configuration import enabled_evaluators
        from offpath_evaluators.registry import default_set

        service = None if self.app is None else _service(self.app)
        code = () if service is None else service.evaluators
        settings = Settings.load(database_url=self.database_url, judge_model=self.judge)
        entries = list(settings.evaluators)
        wanted: set[str] | None = None
        if self.evaluators is not None:
            wanted = set()
            known = {_name(entry) for entry in entries} | {_name_in_code(choice) for choice in code}
            for part in filter(None, map(str.strip, self.evaluators.split(","))):
                wanted |= set(default_set()) if part == "default" else {_name(part)}
                if part not in known:
                    entries = [*(entry for entry in entries if _name(entry) != _name(part)), part]
        options = {"evaluators": tuple(entries), "evaluator_options": self._options(settings.evaluator_options)}
        settings = settings.model_copy(update=options)
        enabled = [each for each in enabled_evaluators(settings, code) if wanted is None or each.name in wanted]
        if not enabled:
            raise ConfigurationError(
                "there are no evaluators: set OFFPATH_EVALUATORS, or name some with --evaluators, or an --app"
            )
        enabled = [each for each in enabled if _can_run(each, service is not None)]
        if not enabled:
            raise ConfigurationError("none of the evaluators can be used here")
        url = service.db.url if service is not None and self.database_url is None else self.database_url
        return Resolved(settings, enabled, service, url)

    def _options(self, known: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        from offpath_evaluators.errors import EvaluatorError
        from offpath_evaluators.text_options import read_option

        options = {name: dict(texts) for name, texts in known.items()}
        for text in self.options or ():
            try:
                name, option, value = read_option(text)
            except EvaluatorError as error:
                raise ConfigurationError(f"--option: {error}") from None
            options.setdefault(name, {})[option] = value
        return options


class Resolved(NamedTuple):
    """What `StoredRuns` name."""

    settings: Settings
    enabled: list[EnabledEvaluator]
    service: AgentService | None
    database_url: str | None

    def tools(self, kind: ComponentKind, component_id: str) -> Sequence[Mapping[str, Any]] | None:
        """The tools of a component; None if they are not known."""
        from offpath.posthooks.evaluation.hook import offered_tools

        components = {} if self.service is None else self.service.registry.components
        return offered_tools(components.get((kind, component_id)))


def evaluate_stored_runs(wanted: StoredRuns, resolved: Resolved) -> tuple[dict[str, Tally], Progress]:
    """Evaluate them, with a progress bar on a terminal; what the evaluators said, by name, and how far it came.

    Raises:
        ConfigurationError: Something on the command line is wrong, or there is no such database.
        StorageError: The database cannot be reached. What was stored until then stays.
        typer.Exit: It was interrupted.
    """
    tallies: dict[str, Tally] = {}
    held: list[Progress] = []
    try:
        asyncio.run(_evaluate(wanted, resolved, tallies, held))
    except KeyboardInterrupt:
        _say_progress(held)
        _say("interrupted; what was evaluated until then is stored, and the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    _say_progress(held)
    return tallies, held[0]


async def _evaluate(wanted: StoredRuns, resolved: Resolved, tallies: dict[str, Tally], held: list[Progress]) -> None:
    from offpath.cli.data import opened_ledger
    from offpath.posthooks.evaluation.backfill import Backfill
    from offpath_evaluators.tally import Tally

    settings, enabled, _, database_url = resolved
    query = wanted.query(time.time(), nested=any(each.nested for each in enabled))
    tallies |= {each.name: Tally() for each in enabled}
    async with AsyncExitStack() as stack:
        if settings.offline:
            stack.enter_context(_offline_model())
        ledger = await stack.enter_async_context(opened_ledger(database_url))
        judges = await stack.enter_async_context(_judges(settings, enabled, ledger))
        backfill = Backfill(
            ledger,
            enabled,
            judges,
            again=wanted.again,
            concurrency=wanted.concurrency,
            tools=resolved.tools,
            told=lambda evaluation: tallies[evaluation.name].add(evaluation),
        )
        held.append(backfill.progress)
        with run_progress(await ledger.count_runs(query)) as advance:
            await backfill.run(query, advance)


def _can_run(enabled: EnabledEvaluator, has_service: bool) -> bool:
    if enabled.scope != "run":
        _say(f"{enabled.name} evaluates whole sessions, which the service does when they are quiet: left out")
        return False
    if "tools" in enabled.instance.evaluator.needs and not has_service:
        _say(f"{enabled.name} needs to know the tools of the agents: left out; name the service with --app MODULE:APP")
        return False
    return True


def _service(target: str) -> AgentService:
    from offpath.worker.target import load_service

    try:
        found: AgentService = load_service(target)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"--app {target} cannot be imported: {type(error).__name__}: {error}") from error
    return found


def _name_in_code(choice: Any) -> str:
    from offpath.posthooks.evaluation.enabled import EnabledEvaluator
    from offpath_evaluators.instance import chosen_evaluator

    return choice.name if isinstance(choice, EnabledEvaluator) else chosen_evaluator(choice)[0]


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


def _name(entry: str) -> str:
    return entry.partition("=")[0].strip()


def _say_progress(held: Sequence[Progress]) -> None:
    for progress in held:
        counts = ", ".join(
            f"{progress.outcomes[outcome]} {words}" for outcome, words in _WORDS.items() if progress.outcomes[outcome]
        )
        _say(f"{progress.runs} run{'' if progress.runs == 1 else 's'}; evaluations: {counts or 'none'}")


def _say(text: str) -> None:
    from offpath.console import output, plain

    output(stderr=True).print(plain(text), soft_wrap=True)
