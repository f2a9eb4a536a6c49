"""The hook profiles: each has a service with hooks that other processes can import."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from offpath.errors import ConfigurationError
from offpath.proof import profile_services
from offpath.proof.profile_services import JUDGED, RULES, fail, one_in
from offpath.proof.profiles import PROFILES, connections_for, profile_named
from offpath.testing import run_output
from offpath.worker.target import load_service


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_has_a_service_that_a_worker_can_import(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = PROFILES[name]
    variables = dict(profile.variables)
    if profile.judged:
        variables |= {"OFFPATH_JUDGE_BASE_URL": "http://127.0.0.1:9/v1", "OFFPATH_JUDGE_API_KEY": "offline"}
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    service = load_service(profile.target)
    try:
        background = [hook for hook in service.registry.hooks.values() if hook.background]
        assert background
        if name == "evaluators":
            kinds = {hook.kind for hook in background}
            assert kinds == {"evaluation", "analytics"}
            assert {each.name for each in service.builtins.evaluators} == {*RULES, *JUDGED}
        else:
            for hook in background:
                assert getattr(profile_services, hook.name) is hook.function
    finally:
        service._builtins = service._registry = service._settings = None


def test_there_are_the_profiles_that_were_promised() -> None:
    assert {"seed", "sleeping", "blocking", "cpu", "json", "failing", "evaluators", "none"} == set(PROFILES)
    for name, profile in PROFILES.items():
        assert profile.name == name
        assert profile.description
        assert profile.rate > 0
        assert profile.lead_in > 0
    assert [name for name, profile in PROFILES.items() if profile.judged] == ["evaluators"]


def test_an_unknown_profile_is_answered_with_the_nearest() -> None:
    assert profile_named("seed") is PROFILES["seed"]
    with pytest.raises(ConfigurationError, match="did you mean blocking"):
        profile_named("bloking")
    with pytest.raises(ConfigurationError, match="There are seed, none"):
        profile_named("???")


def test_there_are_more_connections_than_are_busy() -> None:
    assert connections_for(1, 0.0) == 8
    assert connections_for(50, 0.006) == 8
    assert connections_for(1_000, 10.0) == 512
    assert connections_for(100, 0.2) >= 2 * 100 * 0.2


def test_a_share_of_runs_is_chosen_by_their_ids() -> None:
    chosen = [one_in(20, run_output(run_id=f"{number:08x}-rest")) for number in range(2_000)]
    assert sum(chosen) == 100


@pytest.mark.parametrize(("run_id", "attempt", "raises"), [("1", 1, True), ("1", 2, False), ("14", 2, True)])
def test_the_failing_hook_fails_at_first_and_for_some_runs_always(run_id: str, attempt: int, raises: bool) -> None:
    output: Any = run_output(run_id=run_id.rjust(8, "0"))
    call = fail(output, SimpleNamespace(attempt=attempt))
    if raises:
        with pytest.raises(ConnectionError, match="meant to fail"):
            asyncio.run(call)
    else:
        asyncio.run(call)


def test_the_document_of_the_json_profile_is_a_megabyte() -> None:
    assert 900_000 < len(profile_services.document()) < 1_500_000


def test_services_are_made_without_settings_and_without_what_runs_them() -> None:
    """A worker's executors import them: that has to be quick."""
    code = "import sys, offpath.proof.profile_services; print('offpath.posthooks.evaluation.hook' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
