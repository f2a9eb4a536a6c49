"""What an arm makes of a service: which hooks it loses, and what it tells of itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI

import offpath
from offpath import Agent, AgentService, PIIDetectionGuardrail, SqliteDb, Team, hook
from offpath import app as app_module
from offpath.errors import ConfigurationError
from offpath.hooks.registry import HookRegistry
from offpath.proof import arms
from offpath.proof.arm_service import ArmService, foreground_registry, substitute
from offpath.proof.errors import ProofError
from offpath.proof.served import About, _prefix, _write_about
from offpath.proof.target import AppTarget
from offpath.testing import FakeModel


def note(run_output: Any) -> None: ...


@hook(run_in_background=False)
def sign(run_output: Any) -> None: ...


def a_team() -> Team:
    member = Agent(id="member", model=FakeModel(), pre_hooks=[PIIDetectionGuardrail()], post_hooks=[note])
    return Team(id="desk", model=FakeModel(), members=[member], post_hooks=[sign, note])


@pytest.fixture
def substituted() -> Iterator[None]:
    """Whatever a test substitutes is put back."""
    before = ArmService.database, ArmService.with_hooks, ArmService.with_storage
    yield
    ArmService.database, ArmService.with_hooks, ArmService.with_storage = before
    app_module.AgentService = offpath.AgentService = AgentService  # type: ignore[misc]


def test_the_foreground_registry_keeps_components_guardrails_and_foreground_hooks() -> None:
    team = a_team()
    whole = HookRegistry([team], in_background=True)
    stripped = foreground_registry(whole)
    assert set(stripped.components) == set(whole.components)
    assert set(stripped.hooks) == {hook.id for hook in whole.hooks.values() if not hook.background}
    assert "team:desk:post:sign" in stripped.hooks
    assert stripped.plan == b""
    assert [each.name for each in stripped.hook_set(team).foreground_post] == ["sign"]
    assert stripped.hook_set(team).background_post == ()
    for component in stripped:
        assert component.model is not None, "checks at the start look at it"  # type: ignore[attr-defined]


def test_hooks_that_are_in_the_foreground_by_the_services_flag_stay_there() -> None:
    whole = HookRegistry([a_team()], in_background=False)
    assert set(foreground_registry(whole).hooks) == set(whole.hooks)


def test_modules_imported_from_then_on_build_services_of_the_arm(substituted: None, tmp_path: Path) -> None:
    database = SqliteDb(tmp_path / "arm.db")
    substitute(database=database, with_hooks=False, with_storage=True)
    from offpath import AgentService as Substituted

    service = Substituted(
        teams=[a_team()],
        db=SqliteDb(tmp_path / "code.db"),
        run_hooks_in_background=True,
        evaluators=["not_empty"],
    )
    assert service.db == database
    assert not any(each.background for each in service.registry.hooks.values())
    assert service.builtins.hooks == ()
    assert service.builtins.planner() is None


def test_the_arm_with_hooks_differs_in_its_database_only(substituted: None, tmp_path: Path) -> None:
    substitute(database=None, with_hooks=True, with_storage=True)
    options: dict[str, Any] = {"run_hooks_in_background": True, "evaluators": ["not_empty"]}
    made = offpath.AgentService(teams=[a_team()], db=SqliteDb(tmp_path / "code.db"), **options)
    plain = AgentService(teams=[a_team()], db=SqliteDb(tmp_path / "code.db"), **options)
    assert made.db == plain.db
    assert set(made.registry.hooks) == set(plain.registry.hooks)


def test_an_arm_tells_where_it_is_and_what_it_has(tmp_path: Path) -> None:
    service = AgentService(teams=[a_team()], db=SqliteDb(tmp_path / "a.db"), run_hooks_in_background=True)
    mounted = FastAPI()
    service.mount_on(mounted, "/ai")
    file = tmp_path / "about.json"
    _write_about(file, service, mounted)
    about = msgspec.json.decode(file.read_bytes(), type=About)
    assert about.prefix == "/ai"
    assert about.components == (("team", "desk"),)
    assert set(about.background_hooks) == {"agent:member:post:note", "team:desk:post:note"}
    assert _prefix(service, service.get_app()) == ""
    with pytest.raises(ConfigurationError, match="does not serve it"):
        _prefix(service, FastAPI())


@pytest.mark.parametrize("name", ["on", "off"])
def test_an_arm_with_hooks_that_has_none_is_not_measured(name: Any, tmp_path: Path) -> None:
    service = AgentService(agents=[Agent(id="a", model=FakeModel(), post_hooks=[sign])], db=SqliteDb(tmp_path / "a.db"))
    begun: Any = SimpleNamespace(name=name, about=tmp_path / "about.json")
    target = AppTarget(target="shop:app")
    assert arms._read_about(begun, target) is None, "it is still being imported"
    _write_about(begun.about, service, service.get_app())
    if name == "off":
        assert arms._read_about(begun, target) is not None
    else:
        with pytest.raises(ProofError, match="shop:app has no background hooks"):
            arms._read_about(begun, target)


def test_nothing_but_the_class_is_changed_by_importing_it() -> None:
    assert offpath.AgentService is app_module.AgentService is AgentService
    assert "offpath.proof.served" in sys.modules
