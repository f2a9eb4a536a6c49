"""The command line of dashboards: dashboards export."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from offpath.errors import ConfigurationError

if TYPE_CHECKING:
    from offpath.dashboards.rules import RuleOptions

_TIMES: Final = {"s": 1.0, "ms": 1000.0, "": 1.0}

dashboards_app = typer.Typer(help="Dashboards for Grafana, and rules for Prometheus.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(dashboards_app, name="dashboards")


@dashboards_app.callback()
def group() -> None:
    """Dashboards for Grafana, and rules for Prometheus."""


@dashboards_app.command("export")
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; it is made if it is not there.")],
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that are different, such as those that you changed.")
    ] = False,
    runbooks: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where you publish the pages of alerts (docs/runbooks): alerts link to URL/ALERT.md, or to URL itself "
            "with its {alert} filled in.",
        ),
    ] = None,
    latency_objective: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Answers that take longer count as slow: 6.4s, 800ms. It has to be the end of a bucket of "
            "http.server.request.duration. 25.6s without it.",
        ),
    ] = None,
    latency_share: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="So many of all answers shall not be slow: 99%, 0.99. 95% without it."),
    ] = None,
) -> None:
    """Write the dashboards (*.json) and the rules of Prometheus (prometheus/rules.yml), and say what was written.

    A file that is there and different is left alone: then nothing is written, and the command ends with 2.
    """
    from offpath.console import output, plain
    from offpath.dashboards.files import files

    made = files(_options(runbooks, latency_objective, latency_share))
    found = {path: _content(directory / path) for path in made}
    different = [path for path, content in found.items() if content is not None and content != made[path].encode()]
    if different and not force:
        raise ConfigurationError(
            f"{directory} has files that are different: {', '.join(different)}; nothing was written. They were changed "
            "there, are of another version of offpath, or were written with other options: --force overwrites them"
        )
    console = output()
    for path, text in made.items():
        if found[path] == text.encode():
            what = "is up to date"
        else:
            _write(directory / path, text.encode())
            what = "written" if found[path] is None else "overwritten"
        console.print(plain(f"{directory / path} {what}"), soft_wrap=True)


def _options(runbooks: str | None, objective: str | None, share: str | None) -> RuleOptions:
    from offpath.dashboards.recording_service import LatencyObjective
    from offpath.dashboards.rule import RUNBOOKS
    from offpath.dashboards.rules import RuleOptions

    if runbooks is not None and not runbooks.startswith(("https://", "http://")):
        raise ConfigurationError(f"--runbooks {runbooks!r} is no URL: it must begin with https:// or http://")
    usual = LatencyObjective()
    return RuleOptions(
        LatencyObjective(
            usual.share if share is None else _number("--latency-share", share, {"%": 100.0, "": 1.0}),
            usual.seconds if objective is None else _number("--latency-objective", objective, _TIMES),
        ),
        RUNBOOKS if runbooks is None else runbooks,
    )


def _number(option: str, text: str, units: dict[str, float]) -> float:
    """A number with one of these units, in terms of the one that is 1."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z%]*)", text.strip())
    if found is None or found[2] not in units:
        allowed = " or ".join(f"`{unit}`" for unit in units if unit)
        raise ConfigurationError(f"{option} {text!r} is no number, with {allowed} after it or without")
    return float(found[1]) / units[found[2]]


def _content(path: Path) -> bytes | None:
    """What the file holds now; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    # A Grafana or Prometheus that reads the directory meanwhile never sees half a file.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
