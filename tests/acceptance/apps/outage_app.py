"""An agent whose judge is away for an hour, which takes a few seconds here: all waits are shorter."""

from __future__ import annotations

from offpath import Agent, AgentService, OpenAIChat
from offpath.posthooks.evaluation import hook, outage
from offpath_evaluators.judge import question

SHORTER = 60
hook.FIRST_WAIT /= SHORTER  # type: ignore[misc]
hook.LONGEST_WAIT /= SHORTER * 5  # type: ignore[misc]
outage.FIRST /= SHORTER  # type: ignore[misc]
outage.LONGEST /= SHORTER * 5  # type: ignore[misc]
question._FIRST_DELAY /= SHORTER
question._LONGEST_DELAY /= SHORTER
question._LATER /= SHORTER

agent = Agent(id="support", name="Support", model=OpenAIChat(id="gpt-4o-mini"))
service = AgentService(agents=[agent], run_hooks_in_background=True)
app = service.get_app()
