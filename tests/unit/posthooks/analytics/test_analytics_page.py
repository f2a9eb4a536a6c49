"""What docs/how-to/analytics.md shows works as it says."""

from __future__ import annotations

import json
import re
import shlex
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from offpath import SqliteDb
from offpath.api.usage_query import usage_query
from offpath.cli import app
from offpath.ledger.histogram import GROWTH, RELATIVE_ERROR
from offpath.posthooks.analytics.prices import PriceList

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "analytics.md"
COMMANDS = re.findall(r"^\s*\$ (.*)$", PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("curl")])
def test_the_questions_can_be_answered(command: str) -> None:
    query = {name: values[0] for name, values in parse_qs(urlsplit(shlex.split(command)[1]).query).items()}
    components = [(kind, query.pop(kind)) for kind in ("agent", "team", "workflow") if kind in query]
    limit = int(query.pop("limit", "100"))
    assert usage_query(time.time(), components=components, limit=limit, **query).stretches  # type: ignore[arg-type]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("offpath export")])
def test_the_exports_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SqliteDb("offpath.db").prepare()
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_prices_are_read() -> None:
    (text,) = (shlex.split(command)[0] for command in COMMANDS if command.startswith("OFFPATH_PRICES"))
    prices = text.removeprefix("OFFPATH_PRICES=")
    assert set(json.loads(prices)) == {"my-model", "llama3"}
    PriceList.parse(prices)


def test_the_error_of_quantiles_is_the_one_that_is_promised() -> None:
    page = PAGE.read_text()
    assert f"{RELATIVE_ERROR:.1%}".replace("%", " %") in page
    assert f"grow by {GROWTH - 1:.0%}".replace("%", " %") in page
