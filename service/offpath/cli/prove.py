"""The command line of the proof: prove."""

from __future__ import annotations

import math
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from offpath.errors import ConfigurationError

if TYPE_CHECKING:
    from offpath.proof.cases import Wanted
    from offpath.proof.findings import Findings
    from offpath.proof.profiles import Profile
    from offpath.proof.target import ProofTarget

ALL_PROFILES: Final = "all"
_SECRET: Final = ("--header", "--database-url")
_FILES: Final = ("--json", "--html")
_SHOWN: Final = "..."
STDOUT: Final = "-"


USUAL_MODEL_SECONDS: Final = 0.2
"""What a fast model takes. With one that takes no time, the cores that hooks share with the answers decide."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(prove)


def prove(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE:APP]", help="A service to start and measure. Default: the built-in demo."),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Hooks of the demo; again for more, or all. Default: seed."),
    ] = None,
    list_profiles: Annotated[bool, typer.Option("--list-profiles", help="List the hooks of the demo.")] = False,
    model_latency: Annotated[
        list[float] | None,
        typer.Option(metavar="SECONDS", help="What the offline model takes; again for further cases. Default: 0.2."),
    ] = None,
    requests: Annotated[
        int | None, typer.Option(min=30, metavar="N", help="Measured of each arm, in each case.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=5, metavar="SECONDS", help="Time for each case, instead of --requests. Default: 110."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="RATE", help="Requests a second, on average. Default: what the arms can bear."),
    ] = None,
    connections: Annotated[
        int | None,
        typer.Option(
            min=1, max=512, metavar="N", help="Default: three times as many as are busy on average, at least 8."
        ),
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(min=6, max=400, metavar="N", help="Rounds. Default: what there is time for.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Six very short rounds, to see how it works; resolves little.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Of arrivals and orders.")] = 1,
    storage_arm: Annotated[
        bool, typer.Option("--storage-arm/--no-storage-arm", help="Measure what saving a run costs, too.")
    ] = True,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the findings; - for stdout.")
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a report with plots; - for stdout.")
    ] = None,
    assert_p50: Annotated[
        float | None, typer.Option(metavar="RATIO", help="End with 1 unless on / off is at most this: 1.01.")
    ] = None,
    assert_p95: Annotated[float | None, typer.Option(metavar="RATIO", help="The same at p95.")] = None,
    assert_p99: Annotated[float | None, typer.Option(metavar="RATIO", help="The same at p99: 1.05.")] = None,
    agent: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Whom to ask: agent, team:ID or workflow:ID. Default: the first."),
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="What to ask.")] = None,
    body: Annotated[str | None, typer.Option(metavar="JSON", help="Sent in place of a message.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME:VALUE", help="Sent with each request, such as a key; never shown.")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url", metavar="URL", help="Of MODULE:APP. Default: a temporary SQLite file for each arm."
        ),
    ] = None,
    real_model: Annotated[
        bool, typer.Option("--real-model", help="Let MODULE:APP ask its own models, at their price.")
    ] = False,
    url_off: Annotated[str | None, typer.Option(metavar="URL", help="A running service without hooks.")] = None,
    url_on: Annotated[str | None, typer.Option(metavar="URL", help="The same one with hooks.")] = None,
    idle_seconds: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="URLs: wait so long for hooks to end where the service cannot be asked."
        ),
    ] = 3.0,
    plant: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SHARE",
            help="Make answers with hooks on later by this share, to see it found: 0.02 for 2 %.",
        ),
    ] = 0.0,
) -> None:
    """Measure what hooks cost a response, on this machine: hooks on against hooks off, with intervals.

    Off against off is measured beside it (A/A), and says which differences this machine can tell from none.

    Ends with 0; with 1 if an assertion is missed, 2 for a wrong option, 3 if an assertion cannot be decided with so few
    requests on this machine, 4 if it could not be measured, 130 if it was interrupted.
    """
    if list_profiles:
        _list_profiles()
        return
    from offpath.proof.cases import Wanted
    from offpath.proof.plan import Amount

    files = _Files(json_file, html_file).check()
    aim = _target(target, url_off, url_on, _call(agent, message, body, header), database_url, real_model, idle_seconds)
    wanted = Wanted(
        profiles=_profiles(aim, profile),
        model_seconds=_latencies(aim, model_latency),
        amount=Amount(requests, seconds, pairs, quick).check(),
        rate=rate,
        connections=connections,
        storage_arm=storage_arm,
        seed=seed,
        plant=plant,
        limits=_limits({0.5: assert_p50, 0.95: assert_p95, 0.99: assert_p99}),
    )
    raise SystemExit(_run(aim, wanted, files))


@dataclass(frozen=True, slots=True)
class _Files:
    """Where findings go."""

    json: str | None
    html: Path | None

    def check(self) -> _Files:
        """Itself; to find out after minutes of measuring would be late."""
        if self.json == str(self.html) == STDOUT:
            raise ConfigurationError("--json - and --html - would both be written to stdout; give one of them a file")
        for path in (Path(str(name)) for name in (self.json, self.html) if name is not None and str(name) != STDOUT):
            if path.is_dir() or not path.absolute().parent.is_dir():
                raise ConfigurationError(f"{path} cannot be written: it is a directory, or there is none for it")
        return self

    @property
    def on_stdout(self) -> bool:
        """Whether stdout is for one of them, and words are for stderr."""
        return STDOUT in (self.json, str(self.html))

    def write(self, findings: Findings) -> list[str]:
        """Write them; the names of what was written."""
        from offpath.proof.findings import encode_findings
        from offpath.proof.report import html_of, write_html

        written = []
        try:
            if self.json == STDOUT:
                sys.stdout.buffer.write(encode_findings(findings))
                sys.stdout.buffer.flush()
            elif self.json is not None:
                Path(self.json).write_bytes(encode_findings(findings))
                written.append(self.json)
            if str(self.html) == STDOUT:
                sys.stdout.buffer.write(html_of(findings).encode())
                sys.stdout.buffer.flush()
            elif self.html is not None:
                write_html(findings, self.html)
                written.append(str(self.html))
        except OSError as error:
            raise ConfigurationError(f"{error.filename} cannot be written: {error.strerror}") from error
        return written


def _run(target: ProofTarget, wanted: Wanted, files: _Files) -> int:
    from offpath.console import output, plain
    from offpath.proof.arms import serve_arms
    from offpath.proof.cases import expected_seconds, prove
    from offpath.proof.progress import reporter, spell_seconds
    from offpath.proof.table import print_case, print_outcome
    from offpath.proof.verdict import exit_code_of

    console = output(stderr=files.on_stdout)
    with _terminated_as_interrupted(), reporter(output(stderr=True)) as told:
        told.say(f"This takes about {spell_seconds(expected_seconds(target, wanted))}. Ctrl+C ends it sooner.")
        findings = prove(
            target,
            wanted,
            told,
            serve=serve_arms,
            shown=str(target),
            command=command_line(sys.argv[1:]),
            found=lambda case: print_case(case, console),
        )
    if findings.error:
        output(stderr=True).print(plain("offpath: ", "bold red") + plain(findings.error), soft_wrap=True)
    print_outcome(findings, console)
    for name in files.write(findings):
        console.print(plain(f"{name} written"), soft_wrap=True)
    return exit_code_of(findings)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """A SIGTERM, as CI sends it, ends it as Ctrl-C does: with what was found, and with nothing left running."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def command_line(arguments: Sequence[str]) -> str:
    """What was typed, without keys and without names of files."""
    shown: list[str] = []
    hidden = ""
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if hidden:
            shown += [_SHOWN] if hidden in _SECRET else []
            hidden = ""
        elif name in _SECRET or name in _FILES:
            shown += [f"{name}={_SHOWN}" if equals else name] if name in _SECRET else []
            hidden = "" if equals else name
        else:
            shown.append(argument)
    return shlex.join(["offpath", *shown])


def _list_profiles() -> None:
    from offpath.console import output, plain
    from offpath.proof.profiles import PROFILES

    width = max(map(len, PROFILES))
    for found in PROFILES.values():
        output().print(plain(f"{found.name:{width}}  {found.rate:3g}/s  {found.description}"), soft_wrap=True)


def _call(agent: str | None, message: str | None, body: str | None, header: Sequence[str] | None) -> Any:
    from offpath.proof.target import MESSAGE, Call

    if message is not None and body is not None:
        raise ConfigurationError("--message and --body both say what is asked; give one of them")
    headers = []
    for text in header or ():
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise ConfigurationError("a --header is not understood; write NAME:VALUE, as in X-Api-Key:...")
        headers.append((name.strip(), value.strip()))
    return Call(component=agent or "", message=message or MESSAGE, body=body or "", headers=tuple(headers))


def _target(
    target: str | None,
    url_off: str | None,
    url_on: str | None,
    call: Any,
    database_url: str | None,
    real_model: bool,
    idle_seconds: float,
) -> ProofTarget:
    from offpath.proof.target import AppTarget, DemoTarget, UrlTarget

    if (url_off is None) != (url_on is None):
        raise ConfigurationError("--url-off and --url-on belong together: the same service without and with hooks")
    if target is not None and url_on is not None:
        raise ConfigurationError(f"{target} is started here, the URLs run already; give one or the other")
    if target is None and (database_url is not None or real_model):
        raise ConfigurationError("--database-url and --real-model are for a MODULE:APP that is started here")
    if target is not None:
        return AppTarget(target=target, call=call, database_url=database_url, real_model=real_model)
    if url_off is not None and url_on is not None:
        return UrlTarget(off=url_off, on=url_on, call=call, idle_seconds=idle_seconds)
    return DemoTarget(call=call)


def _profiles(target: ProofTarget, names: Sequence[str] | None) -> tuple[Profile | None, ...]:
    from offpath.proof.profiles import PROFILES, profile_named
    from offpath.proof.target import DemoTarget

    if not isinstance(target, DemoTarget):
        if names:
            raise ConfigurationError("--profile chooses hooks of the demo; a service of your own has its own")
        return (None,)
    if names and ALL_PROFILES in names:
        return tuple(PROFILES.values())
    return tuple(profile_named(name) for name in dict.fromkeys(names or ["seed"]))


def _latencies(target: ProofTarget, asked: Sequence[float] | None) -> tuple[float, ...]:
    from offpath.proof.target import AppTarget, UrlTarget

    own = isinstance(target, UrlTarget) or (isinstance(target, AppTarget) and target.real_model)
    if asked and own:
        raise ConfigurationError("--model-latency is that of the offline model, which is not asked here")
    for value in asked or ():
        if not (math.isfinite(value) and 0 <= value <= 60):
            raise ConfigurationError(f"--model-latency {value:g} is not possible; give seconds from 0 to 60")
    return tuple(dict.fromkeys(asked or ((0.0,) if own else (USUAL_MODEL_SECONDS,))))


def _limits(asked: dict[float, float | None]) -> dict[float, float]:
    limits = {q: limit for q, limit in asked.items() if limit is not None}
    for q, limit in limits.items():
        if not 1 < limit <= 100:
            raise ConfigurationError(
                f"--assert-p{q * 100:g} {limit:g} can never be shown; give a ratio above 1, such as 1.01 for 1 % slower"
            )
    return limits
