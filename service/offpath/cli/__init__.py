"""The command line `offpath`: one file for each group of commands."""

from offpath.cli.application import app, main

__all__ = ["app", "main"]
