"""What docs/how-to/evaluations.md shows is as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from typer.main import get_command

from offpath.api.evaluation_documents import EstimateDocument, SummaryGroupDocument
from offpath.api.evaluation_summary import MOST_GROUPS, MOST_HOURS, MOST_HOURS_OF_ONE
from offpath.cli import app
from offpath.ledger.state import STATES
from offpath.posthooks.evaluation.configuration import enabled_evaluators
from offpath.posthooks.evaluation.terms import TERMS
from offpath.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "evaluations.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)


def first_cells(title: str) -> set[str]:
    """The words in code of a table's first column."""
    table = PAGE[PAGE.index(f"| {title} |") :].partition("\n\n")[0]
    return {word for row in table.splitlines()[2:] for word in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_variables_enable_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in COMMANDS:
        if command.startswith("export "):
            for assignment in shlex.split(command)[1:]:
                name, _, value = assignment.partition("=")
                monkeypatch.setenv(name, value)
    pii, refusal, tone = enabled_evaluators(Settings.load())
    assert (pii.name, refusal.name, tone.name) == ("pii", "refusal", "tone")
    assert (tone.judge_model, tone.sample_rate) == ("gpt-4o-mini", 0.1)


def test_all_states_and_terms_are_listed() -> None:
    assert first_cells("state") == set(STATES)
    assert {name.lower() for name in first_cells("option")} == {*TERMS, "threshold"}


def test_commands_and_their_options_exist() -> None:
    evaluate = get_command(app).commands["evaluate"]  # type: ignore[attr-defined]
    known = {option for parameter in evaluate.params for option in parameter.opts}
    shown = {word for command in COMMANDS if "--from-store" in command for word in command.split() if word[:2] == "--"}
    named = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert {"--from-store", "--since", "--agent", "--evaluators"} == shown
    assert shown | named <= known


def test_figures_and_limits_are_those_of_the_answer() -> None:
    figures = PAGE[PAGE.index("Each group has:") : PAGE.index("`unbooked` says")]
    shown = set(re.findall(r"`(\w+)`", figures))
    assert set(EstimateDocument.model_fields) <= shown
    groups = set(SummaryGroupDocument.model_fields) - {"evaluation", "component_kind", "component_id", "start"}
    assert groups - {"population", "fingerprint"} <= shown
    assert f"at most {MOST_HOURS} hours" in PAGE
    assert f"{MOST_HOURS_OF_ONE // 24} days of one evaluator" in PAGE
    assert f"at most {MOST_GROUPS} groups" in PAGE


def test_the_addresses_are_routes(tmp_path: Path) -> None:
    from offpath import Agent, AgentService, OpenAIChat
    from offpath.storage.database import SqliteDb

    agent = Agent(id="support", model=OpenAIChat("gpt-test"), db=SqliteDb(tmp_path / "a.db"))
    routes = [route for route in AgentService(agents=[agent]).get_app().routes if isinstance(route, APIRoute)]
    known = {(method, route.path) for route in routes for method in route.methods or ()}
    for command in COMMANDS:
        if command.startswith("curl"):
            method = "POST" if "-X POST" in command else "GET"
            path = re.search(r"7777(/[\w/]+)", command)
            assert path is not None
            assert (method, path[1].replace("RUN", "{run_id}")) in known, command
