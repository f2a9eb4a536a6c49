"""The reader's own agents, to which the how-to pages go back."""

from offpath import Agent, AgentService, OpenAIChat
from offpath_evaluators import EvaluationContext, evaluator


@evaluator("politeness", version=1, needs=("output",))
def politeness(context: EvaluationContext) -> bool:
    return "please" in (context.output or "").lower()


def log_order(run_output):
    print(f"answered {run_output.run_id}")


support = Agent(id="support", name="Support", model=OpenAIChat(id="gpt-4o-mini"), post_hooks=[log_order])
service = AgentService(agents=[support], run_hooks_in_background=True)
app = service.get_app()
