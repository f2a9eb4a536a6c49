"""The services of the hook profiles, each under its profile's name: `offpath.proof.profile_services:seed`.

Hooks are functions of the module, so that other processes can import them. Hooks that compute do so after some runs
only: after all of them no machine could keep up, and what is measured would be the queue.
"""

from __future__ import annotations

import asyncio
import functools
import json as json_module
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from offpath import Agent, AgentService, OpenAIChat, RunInput, RunOutput, hook

AGENT_ID: Final = "agent"
RULES: Final = (
    "not_empty",
    "refusal",
    "pii",
    "secrets",
    "toxicity",
    "prompt_injection",
    "jailbreak",
    "repetition",
    "response_length",
    "latency",
)
"""Evaluators that only compute."""
JUDGED: Final = ("answer_relevance", "helpfulness", "instruction_following", "completeness", "judged_toxicity")
"""Evaluators that ask a judge."""
Hooks = Sequence[Callable[..., Any]]


def one_in(count: int, run_output: RunOutput) -> bool:
    """Whether a run is one of the share that is chosen by its id: the same at each attempt."""
    return int(run_output.run_id[:8], 16) % count == 0


def log_request(run_input: RunInput, agent: Any) -> None:
    print(f"[pre-hook] {agent.name} was asked: {run_input.input_content_string()}")  # noqa: T201


async def log_analytics(run_output: RunOutput, agent: Any, session: Any) -> None:
    print(f"[post-hook] analytics of {run_output.run_id} of {agent.name} in {session.session_id}")  # noqa: T201
    await asyncio.sleep(2)
    print("[post-hook] analytics logged")  # noqa: T201


async def send_notification(run_output: RunOutput, agent: Any) -> None:
    print(f"[post-hook] notifying about {agent.name}: {run_output.status}")  # noqa: T201
    await asyncio.sleep(3)
    print("[post-hook] notification sent")  # noqa: T201


async def count_words(run_output: RunOutput) -> None:
    len(str(run_output.content).split())


async def note_length(run_output: RunOutput) -> None:
    len(str(run_output.content))


async def wait_first(run_output: RunOutput) -> None:
    await asyncio.sleep(1)


async def wait_second(run_output: RunOutput) -> None:
    await asyncio.sleep(1)


async def wait_third(run_output: RunOutput) -> None:
    await asyncio.sleep(1)


def block_a_thread(run_output: RunOutput) -> None:
    time.sleep(0.2)


async def block_a_loop(run_output: RunOutput) -> None:
    if one_in(40, run_output):
        time.sleep(0.2)  # noqa: ASYNC251  # this is what the profile is about


async def compute(run_output: RunOutput) -> None:
    if one_in(40, run_output):
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass


@functools.cache
def document() -> str:
    """A megabyte of JSON."""
    return json_module.dumps([{"id": each, "text": "some words " * 8, "score": each / 7} for each in range(8_000)])


async def parse(run_output: RunOutput) -> None:
    if one_in(4, run_output):
        json_module.loads(document())


@hook(retries=1)
async def fail(run_output: RunOutput, job: Any) -> None:
    if job.attempt == 1 or one_in(20, run_output):
        raise ConnectionError("this hook of the profile is meant to fail")


def service_with(*, pre_hooks: Hooks = (), post_hooks: Hooks = (), evaluators: Sequence[str] = ()) -> AgentService:
    """One agent with these hooks, all in the background."""
    agent = Agent(
        id=AGENT_ID,
        name="Agent",
        model=OpenAIChat(id="gpt-4o-mini"),
        instructions="You are a helpful assistant",
        pre_hooks=list(pre_hooks),
        post_hooks=list(post_hooks),
        markdown=True,
    )
    return AgentService(agents=[agent], run_hooks_in_background=True, evaluators=evaluators)


seed = service_with(pre_hooks=[log_request], post_hooks=[log_analytics, send_notification])
none = service_with(post_hooks=[count_words, note_length])
sleeping = service_with(post_hooks=[wait_first, wait_second, wait_third])
blocking = service_with(post_hooks=[block_a_thread, block_a_loop])
cpu = service_with(post_hooks=[compute])
json = service_with(post_hooks=[parse])
failing = service_with(post_hooks=[fail])
evaluators = service_with(evaluators=[*RULES, *JUDGED])
