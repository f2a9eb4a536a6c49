"""The reference pages of the command line and of HTTP say everything that there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import typer

import offpath.testing
from offpath.cli import app
from offpath.demo import service
from offpath.reference import pages as reference


def anchors(page: str) -> set[str]:
    """What headings can be led to, as the site names them."""
    found = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    given = {match[1] for heading in found if (match := re.search(r"\{#(.*?)\}", heading))}
    return given | {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("topic", ["cli", "http", "python"])
def test_links_inside_a_page_lead_somewhere(topic: str) -> None:
    page = "".join(make() for make in reference.PAGES[topic].values())
    assert set(re.findall(r"\]\(#(.*?)\)", page)) - anchors(page) == set()


def test_every_command_and_option_is_there() -> None:
    page = reference.cli_page()
    waiting = [("offpath", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        inner = getattr(command, "commands", {})
        waiting += [(f"{name} {each}", found) for each, found in inner.items()]
        if inner and not command.invoke_without_command:
            continue
        section = page.partition(f"\n## `{name}` ")[2].partition("\n## ")[0]
        assert section, name
        for parameter in command.params:
            if getattr(parameter, "hidden", False):
                continue
            for option in [*parameter.opts, *parameter.secondary_opts]:
                assert option.lstrip("-") in section or parameter.param_type_name == "argument", f"{name} {option}"


def test_every_route_is_there() -> None:
    page = reference.http_page()
    for path, methods in service.get_app().openapi()["paths"].items():
        likewise = re.sub(r"^/(team|workflow)s", "/agents", path).replace("team_id", "agent_id")
        likewise = likewise.replace("workflow_id", "agent_id")
        for method in methods:
            assert f"\n### `{method.upper()} {likewise}`\n" in page, path
    assert "None" not in page


def test_every_public_name_is_there() -> None:
    page = reference.python_page()
    for module in (offpath, offpath.testing):
        for name in module.__all__:
            assert f"\n### `{name}`\n" in page, name
            assert inspect.getdoc(getattr(module, name)).splitlines()[0][:40] in page, name
    assert " at 0x" not in page, "an address, which is another one each time"


def test_the_page_is_the_same_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference.http_page()
    monkeypatch.setenv("OFFPATH_API_KEY", "k-1f9c2d7e5b8a4036")
    monkeypatch.setenv("OFFPATH_EVALUATORS", "no_such_evaluator")
    assert reference.http_page() == before


@pytest.mark.parametrize("topic", ["cli", "http", "python"])
def test_a_page_that_is_not_up_to_date_is_noticed(
    topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reference.main([topic, "--check", "--root", str(tmp_path)]) == 1
    assert f"docs/reference/{topic}.md is stale" in capsys.readouterr().err
    assert reference.main([topic, "--write", "--root", str(tmp_path)]) == 0
    assert reference.main([topic, "--check", "--root", str(tmp_path)]) == 0
