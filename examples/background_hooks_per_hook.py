"""Only marked hooks in the background; the others are part of the run and may change or refuse it.

export OFFPATH_OFFLINE=1      # canned answers; for a model's, OPENAI_API_KEY in its place
python background_hooks_per_hook.py
curl -X POST http://localhost:7777/agents/careful-agent/runs -F "message=Hello" -F "stream=false"
"""

import asyncio

from offpath import Agent, AgentService, OpenAIChat, OutputCheckError, PIIDetectionGuardrail, hook


def refuse_empty_answers(run_output):
    """In the foreground: the caller gets a 422 instead of an empty answer."""
    if not run_output.content:
        raise OutputCheckError("the model gave no answer; please ask again")


@hook(run_in_background=True, timeout=30, retries=5, rate="10/s")
async def send_notification(run_output, agent, job):
    """In the background, tried six times at most; `job.key` is the same in each attempt."""
    await asyncio.sleep(1)
    print(f"[{job.key}] {agent.name}: {run_output.content}")


agent = Agent(
    id="careful-agent",
    name="CarefulAgent",
    model=OpenAIChat(id="gpt-4o-mini"),
    pre_hooks=[PIIDetectionGuardrail()],
    post_hooks=[refuse_empty_answers, send_notification],
)

service = AgentService(agents=[agent])
app = service.get_app()

if __name__ == "__main__":
    service.serve(app="background_hooks_per_hook:app", port=7777)
