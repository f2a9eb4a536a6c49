"""The command line of dashboards: dashboards export."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from offpath.errors import ConfigurationError

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
) -> None:
    """Write the dashboards (*.json) and the rules of Prometheus (prometheus/rules.yml), and say what was written.

    A file that is there and different is left alone: then nothing is written, and the command ends with 2.
    """
    from offpath.console import output, plain
    from offpath.dashboards.files import files

    made = files()
    found = {path: _content(directory / path) for path in made}
    different = [path for path, content in found.items() if content is not None and content != made[path].encode()]
    if different and not force:
        raise ConfigurationError(
            f"{directory} has files that are different: {', '.join(different)}; nothing was written. They were changed "
            "there, or are of another version of offpath: --force overwrites them"
        )
    console = output()
    for path, text in made.items():
        if found[path] == text.encode():
            what = "is up to date"
        else:
            _write(directory / path, text.encode())
            what = "written" if found[path] is None else "overwritten"
        console.print(plain(f"{directory / path} {what}"), soft_wrap=True)


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
