"""A service as somebody may have it: a team, a workflow, an app of one's own, hooks of every kind, a database in code."""

import os
from typing import Any

from fastapi import FastAPI

from offpath import (
    Agent,
    AgentService,
    OpenAIChat,
    PIIDetectionGuardrail,
    RunOutput,
    SqliteDb,
    Step,
    Team,
    Workflow,
    hook,
)


def note(run_output: RunOutput) -> None: ...


@hook(run_in_background=True)
async def note_always(run_output: RunOutput) -> None: ...


@hook(run_in_background=False)
def sign(run_output: RunOutput) -> None:
    """Changes the answer, so that its absence would show."""
    run_output.content = f"{run_output.content} (signed)"


def note_request(run_input: Any) -> None: ...


def an_agent(name: str, **options: Any) -> Agent:
    return Agent(id=name, name=name, model=OpenAIChat(id="gpt-4o-mini"), **options)


support = an_agent("support", pre_hooks=[PIIDetectionGuardrail(), note_request], post_hooks=[sign, note])
member = an_agent("member", post_hooks=[note])
step = an_agent("step", post_hooks=[note, note_always])
desk = Team(
    id="desk", name="desk", model=OpenAIChat(id="gpt-4o-mini"), members=[member], post_hooks=[sign, note_always]
)
review = Workflow(id="review", name="review", steps=[Step(name="first", agent=step)], post_hooks=[note])

service = AgentService(
    agents=[support],
    teams=[desk],
    workflows=[review],
    db=SqliteDb(os.environ.get("PROVE_TARGET_DATABASE", "never.db")),
    run_hooks_in_background=True,
    evaluators=["not_empty"],
)
app = FastAPI()
service.mount_on(app, "/ai")
