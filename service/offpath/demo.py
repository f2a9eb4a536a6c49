"""The demo: agents with hooks to try out, served by `offpath demo` over the offline model."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from offpath import (
    Agent,
    AgentService,
    OpenAIChat,
    PromptInjectionGuardrail,
    RunInput,
    RunOutput,
    Step,
    Team,
    Workflow,
    hook,
    tool,
)
from offpath.demo_words import LOST, QUIET_VARIABLE

ARTICLES = {
    "background hooks": "Background hooks run in another process; their jobs are committed with the run.",
    "retries": "A job that fails is tried again with exponential backoff, then kept as a dead letter.",
    "sessions": "Runs with one session_id are a conversation; the last three runs are part of the context.",
}


@tool(retrieval=True)
def search_docs(query: str) -> list[str]:
    """Search the documentation of offpath.

    Args:
        query: What to look for.
    """
    words = set(query.lower().split())
    ranked = sorted(ARTICLES.values(), key=lambda text: -len(words & set(text.lower().split())))
    return ranked[:2]


@tool
def open_ticket(subject: str) -> str:
    """Open a ticket. It always fails, to show what an agent and the metrics make of that.

    Args:
        subject: What it is about.
    """
    raise ConnectionError(f"the demo has no ticket system, so nobody will read about {subject!r}")


def say(text: str) -> None:
    """Print what a hook does."""
    if QUIET_VARIABLE not in os.environ:
        print(text)  # noqa: T201


def log_request(run_input: RunInput, agent: Any) -> None:
    """A pre-hook in the background: works beside the agent."""
    say(f"[pre-hook] {agent.name} was asked: {run_input.input_content_string()[:80]}")


async def log_analytics(run_output: RunOutput) -> None:
    """A post-hook that takes two seconds, which nobody waits for."""
    await asyncio.sleep(2)
    usage = run_output.metrics.usage
    say(f"[post-hook] analytics of {run_output.run_id[:8]}: {usage.total_tokens} tokens")


async def send_notification(run_output: RunOutput) -> None:
    """A post-hook that takes three seconds, beside the other one."""
    await asyncio.sleep(3)
    say(f"[post-hook] notified about {run_output.run_id[:8]}: {run_output.status}")


@hook(retries=1, run_on=("completed", "cancelled", "error"))
def flaky_export(run_input: RunInput, run_output: RunOutput, job: Any) -> None:
    """A post-hook that fails at its first attempt, to show a retry; and at each one when it was sent to `LOST`."""
    if LOST in run_input.input_content_string():
        raise FileNotFoundError(f"the demo does not find {LOST}")
    if job.attempt == 1:
        raise ConnectionError("the demo's warehouse is asleep; the second attempt wakes it")
    say(f"[post-hook] exported {run_output.run_id[:8]} at attempt {job.attempt}")


async def suggest_title(run_output: RunOutput) -> str | None:
    """A post-hook that asks a model itself, where its process has one."""
    if not os.environ.get("OPENAI_API_KEY"):
        return None
    answer = await titler.run(f"Find a title for this: {run_output.content}")
    say(f"[post-hook] titled {run_output.run_id[:8]}")
    return answer.get_content_as_string()


titler = Agent(id="titler", name="Titler", model=OpenAIChat(id="gpt-4o-mini"), instructions="You find short titles.")
assistant = Agent(
    id="assistant",
    name="Assistant",
    model=OpenAIChat(id="gpt-4o-mini"),
    instructions="You answer questions about offpath. Search the documentation first.",
    tools=[search_docs, open_ticket],
    pre_hooks=[PromptInjectionGuardrail(), log_request],
    post_hooks=[log_analytics, send_notification, flaky_export],
    markdown=True,
)
reviewer = Agent(
    id="reviewer",
    name="Reviewer",
    model=OpenAIChat(id="gpt-4o-mini"),
    instructions="You check answers for mistakes.",
    post_hooks=[log_analytics],
)
team = Team(
    id="desk",
    name="Desk",
    model=OpenAIChat(id="gpt-4o-mini"),
    members=[assistant, reviewer],
    instructions="Let the assistant answer and the reviewer check.",
    post_hooks=[send_notification, suggest_title],
)
workflow = Workflow(
    id="answer-and-review",
    name="Answer and review",
    steps=[Step(name="answer", agent=assistant), Step(name="review", agent=reviewer)],
    post_hooks=[send_notification],
)

service = AgentService(
    name="offpath demo",
    description="Agents with hooks to try out; the model is the offline stand-in.",
    agents=[assistant, reviewer],
    teams=[team],
    workflows=[workflow],
    run_hooks_in_background=True,
)
app = service.get_app()
