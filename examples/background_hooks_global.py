"""All hooks of all agents in the background, by one flag.

    export OFFPATH_OFFLINE=1      # canned answers; for a model's, OPENAI_API_KEY in its place
    python background_hooks_global.py
    curl -X POST http://localhost:7777/agents/background-task-agent/runs -F "message=Hello, how are you?" -F "stream=false"

The answer comes in the time that the model takes; the hooks' prints appear in this terminal afterwards.
"""

import asyncio

from offpath import Agent, AgentService, OpenAIChat, RunInput, SqliteDb


def log_request(run_input: RunInput, agent):
    """Works beside the agent; changing run_input here changes nothing."""
    print(f"[pre-hook] {agent.name} was asked: {run_input.input_content}")


async def log_analytics(run_output, agent, session):
    """Takes two seconds that nobody waits for."""
    print(f"[post-hook] analytics for run {run_output.run_id} of {agent.name} in session {session.session_id}")
    await asyncio.sleep(2)
    print("[post-hook] analytics logged")


async def send_notification(run_output, agent):
    """Takes three seconds, beside the other hook."""
    print(f"[post-hook] notifying about {agent.name}: {run_output.status}")
    await asyncio.sleep(3)
    print("[post-hook] notification sent")


agent = Agent(
    id="background-task-agent",
    name="BackgroundTaskAgent",
    model=OpenAIChat(id="gpt-4o-mini"),
    instructions="You are a helpful assistant",
    db=SqliteDb(db_file="tmp/agent.db"),
    pre_hooks=[log_request],
    post_hooks=[log_analytics, send_notification],
    markdown=True,
)

service = AgentService(agents=[agent], run_hooks_in_background=True)
app = service.get_app()

if __name__ == "__main__":
    service.serve(app="background_hooks_global:app", port=7777, reload=True)
