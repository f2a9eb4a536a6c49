"""`offpath --version`."""

from importlib.metadata import version

from typer.testing import CliRunner

from offpath.cli import app


def test_it_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"offpath {version('offpath')}\n")
