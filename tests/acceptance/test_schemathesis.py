"""Requests made from the OpenAPI document, right and wrong ones: no answer is a 500 or undocumented."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from offpath.api.application import create_app
from offpath.settings import Settings
from offpath.storage.database import SqliteDb
from unit.api.serving import Component, in_thread, listening, serving

KEY = "schemathesis-key"
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    ignored_auth,
    unsupported_method,
]


@asynccontextmanager
async def _listening(directory: Path) -> AsyncIterator[str]:
    settings = Settings(api_key=KEY, max_body_bytes=100_000, max_message_bytes=5_000, max_file_bytes=5_000)
    components = (
        Component("echo", post_hooks=[_hook]),
        Component("crew", kind="team"),
        Component("flow", kind="workflow"),
    )
    async with serving(directory, *components, settings=settings) as served:
        database = SqliteDb(directory / "offpath.db")
        ledger = database.open_ledger(enqueue=served.engine.enqueue, wake=served.engine.wake)
        await ledger.open()
        try:
            async with listening(create_app(replace(served.context, open_ledger=lambda: ledger))) as base_url:
                yield base_url
        finally:
            await ledger.close()


def _hook(run_output: Any) -> None:
    """Its jobs stay queued."""


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service in a thread of its own."""
    with in_thread(_listening(tmp_path_factory.mktemp("schemathesis"))) as url:
        yield url


WITHOUT_PARAMETERS = {"GET /", "GET /health", "GET /ready"}


def existing(base_url: str, path: str) -> dict[str, str]:
    """Ids of what exists, a new run of the path's kind among them, since an earlier request may have deleted it."""
    kinds = {"/teams": "/teams/crew", "/workflows": "/workflows/flow"}
    component = next((found for start, found in kinds.items() if path.startswith(start)), "/agents/echo")
    form = {"message": "hi", "stream": False, "session_id": component[1:].replace("/", "-")}
    run = httpx.post(f"{base_url}{component}/runs", json=form, headers=AUTHORIZATION).json()
    names = {"agent_id": "echo", "team_id": "crew", "workflow_id": "flow"}
    return names | {"session_id": run["session_id"], "run_id": run["run_id"]}


def probe(operation: Any, mode: GenerationMode, ids: dict[str, str], seen: Counter[int]) -> None:
    """Send requests that follow the document (positive) or break it (negative), and count the answers' statuses."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def send(case: Case[Any]) -> None:
        # An unknown id ends most requests at once, so that half of them go to what exists.
        for name, value in ids.items():
            if name in case.path_parameters and len(str(case.path_parameters[name])) % 2:
                case.path_parameters[name] = value
        response = case.call_and_validate(checks=CHECKS, headers=AUTHORIZATION, timeout=20)
        seen[response.status_code] += 1

    send()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_finds_an_error_or_an_undocumented_answer(base_url: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{base_url}/openapi.json", headers=AUTHORIZATION)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 30
    failures, seen = [], Counter[int]()
    for operation in operations:
        try:
            probe(operation, mode, existing(base_url, operation.path), seen)
        except FailureGroup as error:
            failures.append(f"{operation.label}: {error}")
        except Unsatisfiable:
            # Nothing can be wrong with a request that has no parameters.
            assert operation.label in WITHOUT_PARAMETERS
    assert not failures, "\n\n".join(failures)
    # Requests that all end at the door would prove nothing.
    wanted = {200, 404, 422} if mode is GenerationMode.POSITIVE else {404, 422}
    assert wanted <= seen.keys(), seen
    # A wrong key is one of the things that can be wrong.
    assert seen[401] < sum(seen.values()) * (0.1 if mode is GenerationMode.POSITIVE else 0.6), seen
