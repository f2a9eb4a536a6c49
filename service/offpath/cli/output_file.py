"""Output files: whole, or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

from offpath.errors import ConfigurationError


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when it is whole; of a cut-off run, what was done stays beside it.

    Raises:
        ConfigurationError: It cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        # Only its owner reads what users said.
        stream = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")
    except OSError as error:
        raise ConfigurationError(f"--output {path} cannot be written: {error.strerror}") from error
    try:
        with stream:
            yield stream
        part.replace(path)
    except BaseException:
        if part.stat().st_size:
            typer.echo(f"offpath: what was done until then is in {part}", err=True)
        else:
            part.unlink()
        raise
