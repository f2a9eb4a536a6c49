"""Agno's AgentOS with SQLite, each hook marked for the background.

The mark, not `run_hooks_in_background=True`: over REST the flag has no effect, since each request copies the agent and
the copy lacks it, so that the caller would wait for the hooks.
"""

import os

from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.hooks import hook
from agno.models.openai import OpenAIChat
from agno.os import AgentOS

from benchmarks.targets.peer_hooks import Hook, agents

database = SqliteDb(db_file=os.environ["BENCHMARK_DATABASE"])


def agent_of(name: str, hooks: tuple[Hook, ...]) -> Agent:
    return Agent(
        id=name,
        name="BenchmarkAgent",
        model=OpenAIChat(id="gpt-4o-mini"),
        instructions="You are a helpful assistant",
        db=database,
        post_hooks=[hook(run_in_background=True)(function) for function in hooks],
        markdown=True,
        telemetry=False,
    )


app = AgentOS(agents=[agent_of(name, hooks) for name, hooks in agents().items()], telemetry=False).get_app()
