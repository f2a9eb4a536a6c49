"""The command line of the evaluators: evaluate, evaluators."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from offpath.cli.output_file import created
from offpath.cli.store import StoredRuns, evaluate_stored_runs
from offpath.errors import ConfigurationError

if TYPE_CHECKING:
    from offpath_evaluators.evaluation import Evaluation
    from offpath_evaluators.instance import Instance
    from offpath_evaluators.judge.judge import Judge
    from offpath_evaluators.rows import Row
    from offpath_evaluators.tally import Tally

MISSED: Final = 1
"""Exit code when a threshold is missed, or something was put off."""
SHOWN_MISSES: Final = 20
"""Rows that `measure` names."""

evaluators_app = typer.Typer(help="List the evaluators, measure them, attack a judge.", invoke_without_command=True)


class Format(StrEnum):
    """Forms of a file of results."""

    jsonl = "jsonl"
    junit = "junit"


File = Annotated[
    str, typer.Argument(metavar="FILE", help="Rows in JSONL: id, input, output, context, reference ...; - for stdin.")
]
JudgeModel = Annotated[
    str | None,
    typer.Option("--judge", metavar="MODEL", help="Whom judged evaluators ask. Default: OFFPATH_JUDGE_MODEL."),
]
Options = Annotated[
    list[str] | None, typer.Option("--option", metavar="NAME.OPTION=VALUE", help="As in refusal.threshold=0.7.")
]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Rows under way at a time.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(evaluate)
    app.add_typer(evaluators_app, name="evaluators")


def evaluate(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Rows in JSONL: id, input, output, context, reference ...; - for stdin."),
    ] = None,
    evaluators: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Names, such as refusal or tone=guidelines. Default: the default set; with --from-store those of "
            "OFFPATH_EVALUATORS.",
        ),
    ] = None,
    option: Options = None,
    output: Annotated[Path | None, typer.Option(help="Write each row's results to this file; - for stdout.")] = None,
    form: Annotated[Format, typer.Option("--format", help="Of that file.")] = Format.jsonl,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=RATE", help="End with 1 if fewer pass: refusal=0.95, or 0.9 for all."),
    ] = None,
    max_failed: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SHARE", help="End with 1 if more assessments fail. With --fail-under: 0."),
    ] = None,
    judge: JudgeModel = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Pass over lines that are no rows.")] = False,
    concurrency: Concurrency = 8,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="Evaluate stored runs, in place of a file, and store the results.")
    ] = False,
    service: Annotated[
        str | None,
        typer.Option("--app", metavar="MODULE:APP", help="The service: its evaluators in code, tools and database."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stored runs from then on: 7d (ago), 2026-11-20. Default: 7d.")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="ID", help="Only stored runs of this agent.")] = None,
    team: Annotated[str | None, typer.Option(metavar="ID", help="Only stored runs of this team.")] = None,
    workflow: Annotated[str | None, typer.Option(metavar="ID", help="Only stored runs of this workflow.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also runs that have such a result already.")] = False,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Default: OFFPATH_DATABASE_URL, else sqlite:///offpath.db.")
    ] = None,
) -> None:
    """Assess each row of a file, or each stored run; a table says how many passed.

    Ends with 0; with 1 if a threshold is missed, more assessments failed than may, none succeeded, or some were put off
    because a judge was away or its budget used up; and with 2 for a wrong option or a line that is no row. What was
    done of a file until then stays in FILE.part; of stored runs it is stored, and the same command goes on from there.
    """
    of_file: dict[str, object] = {"FILE": file, "--output": output, "--keep-going": keep_going or None}
    of_file["--format"] = None if form is Format.jsonl else form
    of_store: dict[str, object] = {"--since": since, "--agent": agent, "--team": team, "--workflow": workflow}
    of_store |= {"--again": again or None, "--database-url": database_url, "--app": service}
    for name, value in (of_file if from_store else of_store).items():
        if value is not None:
            raise ConfigurationError(
                f"{name} is for a file; leave it out with --from-store"
                if from_store
                else f"{name} is for stored runs; use it with --from-store"
            )
    with _explained():
        if from_store:
            wanted = StoredRuns(
                service,
                since or "7d",
                agent,
                team,
                workflow,
                evaluators,
                option,
                judge,
                database_url,
                again,
                concurrency,
            )
            _evaluate_store(wanted, fail_under, max_failed)
            return
        if file is None:
            raise ConfigurationError("name a FILE of rows, - for stdin, or --from-store for stored runs")
        instances = _instances(evaluators, option)
        limits = _limits(fail_under, [instance.name for instance in instances])
        if output is None and form is not Format.jsonl:
            raise ConfigurationError(f"--format {form} is the form of a file; name it with --output, or - for stdout")
        if output is not None and file != "-" and output.resolve() == Path(file).resolve():
            raise ConfigurationError(f"--output {output} is the file that is read; name another one")
        asyncio.run(_evaluate(file, instances, output, form, _gate(limits, max_failed), judge, keep_going, concurrency))


@evaluators_app.callback()
def evaluators_list(context: typer.Context) -> None:
    """List the evaluators: name, kind, needs, options, and how right they were on labelled rows."""
    if context.invoked_subcommand is not None:
        return
    from offpath.console import output
    from offpath.evaluation_report import list_table
    from offpath_evaluators.catalogue import entries

    with _explained():
        output().print(list_table(list(entries())))


@evaluators_app.command("show")
def evaluators_show(name: Annotated[str, typer.Argument(help="As in the list, or package.module:attribute.")]) -> None:
    """Show what one evaluator measures, its options and its measured quality."""
    from offpath.console import output, plain
    from offpath.evaluation_report import options_table
    from offpath_evaluators.catalogue import entry
    from offpath_evaluators.registry import find

    with _explained():
        found = entry(find(name))
    console = output()
    console.print(plain(f"{found.name}, {found.kind}, version {found.version}, about the {found.subject}", "bold"))
    console.print(plain(f"\n{found.documentation}\n"))
    if found.labels:
        console.print(plain(f"labels: {', '.join(found.labels[:40])}"))
    console.print(plain(f"needs: {', '.join(found.needs) or 'nothing'}"))
    console.print(plain(f"measured: {found.quality_words}\n"))
    console.print(options_table(found))


@evaluators_app.command("measure")
def evaluators_measure(
    evaluator: Annotated[str, typer.Argument(metavar="EVALUATOR", help="The one to measure: refusal.")],
    file: File,
    option: Options = None,
    judge: JudgeModel = None,
    concurrency: Concurrency = 8,
) -> None:
    """Measure how right an evaluator is, on rows with a column `label`.

    A label is true (should not pass) or false (should), "fail" or "pass", or one of the evaluator's own labels.
    """
    with _explained():
        instances = _instances(evaluator, option)
        if len(instances) != 1:
            raise ConfigurationError(f"{evaluator!r} names {len(instances)} evaluators; measure one at a time")
        asyncio.run(_measure(file, instances[0], judge, concurrency))


@evaluators_app.command("attack")
def evaluators_attack(
    evaluator: Annotated[str, typer.Argument(metavar="EVALUATOR", help="A judged one: helpfulness.")],
    file: File,
    option: Options = None,
    judge: JudgeModel = None,
    fail_over: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="RATE", help="End with 1 if more verdicts flip from fail to pass."),
    ] = None,
) -> None:
    """Append attacks to what is judged, and show how far they move the judge's score.

    Bad answers show most: a row that has the best score already is passed over. Each row costs some seventeen calls.
    """
    with _explained():
        instances = _instances(evaluator, option)
        if len(instances) != 1:
            raise ConfigurationError(f"{evaluator!r} names {len(instances)} evaluators; attack one at a time")
        asyncio.run(_attack(file, instances[0], judge, fail_over))


@contextmanager
def _explained() -> Iterator[None]:
    """The library's errors as the command line's: one line, exit code 2."""
    from offpath_evaluators.errors import EvaluatorError

    try:
        yield
    except EvaluatorError as error:
        raise ConfigurationError(str(error)) from error


def _instances(evaluators: str | None, options: Sequence[str] | None) -> list[Instance]:
    from offpath_evaluators.registry import default_set
    from offpath_evaluators.text_options import configure_texts, read_option

    named = [part.strip() for part in (evaluators or "").split(",") if part.strip()]
    chosen = default_set() if evaluators is None else named
    if not chosen:
        raise ConfigurationError("--evaluators names none; `offpath evaluators` lists them")
    given: dict[str, dict[str, str]] = {}
    for text in options or ():
        name, option, value = read_option(text)
        given.setdefault(name, {})[option] = value
    return configure_texts(chosen, given)


def _limits(texts: Sequence[str] | None, names: Sequence[str]) -> dict[str, float]:
    limits: dict[str, float] = {}
    for text in texts or ():
        name, equals, rate = text.rpartition("=")
        try:
            value = float(rate)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise ConfigurationError(
                f"--fail-under {text!r} is not understood; write NAME=RATE with a rate from 0 to 1"
            )
        if not equals:
            limits = dict.fromkeys(names, value) | limits
        elif name not in names:
            raise ConfigurationError(f"--fail-under {text!r}: {name!r} is not among the evaluators: {', '.join(names)}")
        else:
            limits[name] = value
    return limits


async def _evaluate(
    file: str,
    instances: Sequence[Instance],
    output: Path | None,
    form: Format,
    gate: _Gate,
    judge_model: str | None,
    keep_going: bool,
    concurrency: int,
) -> None:
    from offpath_evaluators.batch import evaluate_rows
    from offpath_evaluators.junit import JunitResults
    from offpath_evaluators.result_file import JsonlResults
    from offpath_evaluators.tally import Tally

    tallies = {instance.name: Tally() for instance in instances}
    to_stdout = output is not None and str(output) == "-"
    source = _Source(file, keep_going)
    with ExitStack() as stack:
        rows = stack.enter_context(source.open())
        results: JsonlResults | JunitResults | None = None
        if output is not None:
            stream = sys.stdout.buffer if to_stdout else stack.enter_context(created(output))
            results = JsonlResults(stream) if form is Format.jsonl else JunitResults(stream, file)
        async with _judge(instances, judge_model) as judge:
            async for row, evaluations in evaluate_rows(rows, instances, judge, concurrency=concurrency):
                for evaluation in evaluations:
                    tallies[evaluation.name].add(evaluation)
                if results is not None:
                    results.add(row, evaluations)
        if results is not None:
            results.close()
    counted = f"{source.rows} row{'' if source.rows == 1 else 's'}"
    passed_over = f", {source.passed_over} lines passed over" if source.passed_over else ""
    _report(tallies, gate, counted + passed_over, stderr=to_stdout)


@dataclass(frozen=True)
class _Gate:
    """What decides about the exit code."""

    limits: dict[str, float]
    """The least rate, by evaluator."""
    max_failed: float
    """The largest share of assessments that may go wrong."""

    def problems(self, name: str, tally: Tally) -> Iterator[str]:
        """What keeps an evaluator's results from being good enough."""
        failed, rate = tally.states["failed"], tally.rate
        if tally.failed_share > self.max_failed or (failed and not tally.states["scored"]):
            reasons = ", ".join(f"{reason} {count}" for reason, count in tally.reasons.most_common(3))
            allowed = f"; at most {self.max_failed:.0%} may (--max-failed)" if self.max_failed < 1 else ""
            yield f"{failed} assessments failed ({reasons}){allowed}"
        limit = self.limits.get(name)
        if limit is not None and (rate is None or rate < limit):
            yield f"{'nothing was scored' if rate is None else f'{rate:.3f}'}, below the threshold {limit:g}"


def _gate(limits: dict[str, float], max_failed: float | None) -> _Gate:
    return _Gate(limits, max_failed if max_failed is not None else 0.0 if limits else 1.0)


def _evaluate_store(wanted: StoredRuns, fail_under: Sequence[str] | None, max_failed: float | None) -> None:
    resolved = wanted.resolve()
    limits = _limits(fail_under, [each.name for each in resolved.enabled])
    tallies, progress = evaluate_stored_runs(wanted, resolved)
    put_off = ""
    if count := progress.outcomes["put_off"]:
        why = progress.stopped or "a judge could not be asked"
        put_off = f"{count} evaluations were put off: {why}; the same command makes up for them"
    _report(tallies, _gate(limits, max_failed), "", stderr=False, unfinished=put_off)


def _report(tallies: dict[str, Tally], gate: _Gate, counted: str, *, stderr: bool, unfinished: str = "") -> None:
    from offpath.console import output, plain
    from offpath.evaluation_report import tally_table

    console = output(stderr=stderr)
    problems = {name: list(gate.problems(name, tally)) for name, tally in tallies.items()}
    console.print(tally_table(tallies, {name for name, found in problems.items() if found}))
    for line, style in ((counted, ""), (unfinished, "red")):
        if line:
            console.print(plain(line, style))
    for name, found in problems.items():
        for problem in found:
            console.print(plain(f"{name}: {problem}", "red"))
    if unfinished or any(problems.values()):
        raise typer.Exit(MISSED)


async def _measure(file: str, instance: Instance, judge_model: str | None, concurrency: int) -> None:
    from offpath.console import output, plain
    from offpath.evaluation_report import classes_table, quality_table
    from offpath_evaluators.quality import measure

    misses: list[str] = []

    def note(row: Row, evaluation: Evaluation) -> None:
        if len(misses) < SHOWN_MISSES:
            misses.append(f"{row.id} (line {row.line}: {evaluation.label or evaluation.value})")

    source = _Source(file, keep_going=False)
    with source.open() as rows:
        async with _judge([instance], judge_model) as judge:
            quality = await measure(rows, instance, judge, concurrency=concurrency, missed=note)
    output().print(quality_table(instance.name, quality))
    if quality.confusion:
        output().print(classes_table(quality))
    if misses:
        more = f" and {count - len(misses)} more" if (count := quality.scored - quality.correct) > len(misses) else ""
        output().print(plain(f"missed: {', '.join(misses)}{more}"))


async def _attack(file: str, instance: Instance, judge_model: str | None, fail_over: float | None) -> None:
    from offpath.console import output, plain
    from offpath.evaluation_report import attack_table
    from offpath_evaluators.judge.attack import attack

    source = _Source(file, keep_going=False)
    with source.open() as rows:
        async with _judge_of_settings([instance], judge_model) as judge:
            report = await attack(judge, instance, (row.context for row in rows))
    console = output()
    console.print(attack_table(report))
    noise = "" if report.control_shift is None else f"; a harmless sentence moves it by {report.control_shift:+.3f}"
    flipped = "no row could be attacked" if report.flip_rate is None else f"{report.flip_rate:.3f} of verdicts flipped"
    console.print(
        plain(f"{report.judge}: {report.rows} rows attacked, {report.passed_over} passed over, {flipped}{noise}")
    )
    if fail_over is not None and (report.flip_rate is None or report.flip_rate > fail_over):
        console.print(plain(f"more than {fail_over:g} may flip" if report.rows else "nothing was measured", "red"))
        raise typer.Exit(MISSED)


@asynccontextmanager
async def _judge(instances: Sequence[Instance], model: str | None) -> AsyncIterator[Judge | None]:
    if not any(instance.evaluator.kind == "judged" for instance in instances):
        yield None
        return
    async with _judge_of_settings(instances, model) as judge:
        yield judge


def _judge_of_settings(instances: Sequence[Instance], model: str | None) -> Judge:
    from offpath.settings import Settings
    from offpath_evaluators.errors import MissingJudgeError
    from offpath_evaluators.judge.judge import Judge

    settings = Settings.load()
    chosen = model or settings.judge_model
    if chosen is None:
        names = ", ".join(instance.name for instance in instances if instance.evaluator.kind == "judged")
        raise MissingJudgeError(
            f"{names}: a judge is asked and there is none; name one with --judge MODEL or OFFPATH_JUDGE_MODEL "
            "(and OFFPATH_JUDGE_API_KEY, OFFPATH_JUDGE_BASE_URL)"
        )
    return Judge(
        chosen,
        base_url=settings.judge_base_url,
        api_key=None if settings.judge_api_key is None else settings.judge_api_key.get_secret_value(),
        mode=settings.judge_mode,
        concurrency=settings.judge_concurrency,
        rate=settings.judge_rate,
        redact=settings.judge_redact,
        prices=_prices(settings.judge_prices),
    )


def _prices(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError('OFFPATH_JUDGE_PRICES must be a JSON object such as {"my-model": [0.1, 0.4]}')
    return found


class _Source:
    """The rows of a file, with a progress bar on a terminal."""

    def __init__(self, file: str, keep_going: bool) -> None:
        self._file = file
        self._keep_going = keep_going
        self.rows = 0
        self.passed_over = 0

    @contextmanager
    def open(self) -> Iterator[Iterator[Row]]:
        """The rows, one by one.

        Raises:
            ConfigurationError: There is no such file.
            InvalidRowError: While the rows are read, a line is no row, unless such lines are passed over.
        """
        with ExitStack() as stack:
            if self._file == "-":
                stream: BinaryIO = sys.stdin.buffer
                size = None
            else:
                try:
                    stream = stack.enter_context(Path(self._file).open("rb"))
                except OSError as error:
                    raise ConfigurationError(f"{self._file} cannot be read: {error.strerror}") from error
                size = Path(self._file).stat().st_size
            yield self._shown(stream, size, stack)

    def _shown(self, stream: BinaryIO, size: int | None, stack: ExitStack) -> Iterator[Row]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        from offpath.console import output, plain
        from offpath_evaluators.errors import InvalidRowError
        from offpath_evaluators.rows import read_rows

        columns = [TextColumn("{task.fields[rows]} rows"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
        console = output(stderr=True)
        progress = stack.enter_context(
            Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        )
        bar = progress.add_task("", total=size, rows=0)
        for found in read_rows(stream, "stdin" if self._file == "-" else self._file):
            if isinstance(found, InvalidRowError):
                if not self._keep_going:
                    raise found
                self.passed_over += 1
                progress.console.print(plain(f"passed over: {found}", "yellow"))
                continue
            self.rows += 1
            yield found
            progress.update(bar, completed=found.offset, rows=self.rows)
