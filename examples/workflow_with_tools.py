"""A workflow: an agent that searches with a tool, a function that checks what it found, an agent that writes.

    export OFFPATH_OFFLINE=1      # canned answers; for a model's, OPENAI_API_KEY in its place
    python workflow_with_tools.py
    curl -X POST http://localhost:7777/workflows/answer-from-docs/runs -F "message=search_docs: returns" -F "stream=false"

The steps' results are in the answer's `step_results`; what the tool found is the run's context, which evaluators such as
groundedness look at.
"""

from offpath import Agent, AgentService, OpenAIChat, Step, StepInput, StepOutput, Workflow, tool

PAGES = {
    "returns": "Returns are free within 30 days. The label is in the parcel.",
    "delivery": "Parcels arrive in two to four days, islands in seven.",
}


@tool(retrieval=True)
def search_docs(query: str) -> list[str]:
    """Search the shop's pages.

    Args:
        query: What to look for.
    """
    return [text for title, text in PAGES.items() if title in query.lower()]


def stop_without_sources(step_input: StepInput) -> StepOutput:
    """A step that is a function: no page, no answer that only sounds right."""
    found = str(step_input.previous_step_content)
    if not any(text in found for text in PAGES.values()):
        return StepOutput("We have no page about this. A person will answer you.", stop=True)
    return StepOutput(found)


async def log_steps(run_output, workflow):
    """In the background, once the last step is done."""
    print(f"[{workflow.id}] steps: {', '.join(step['name'] for step in run_output.step_results)}")


model = OpenAIChat(id="gpt-4o-mini")
researcher = Agent(id="researcher", model=model, tools=[search_docs], instructions="Quote what search_docs finds.")
writer = Agent(id="writer", model=model, instructions="Write a friendly answer of two sentences from this text.")
workflow = Workflow(
    id="answer-from-docs",
    steps=[Step("research", agent=researcher), stop_without_sources, Step("write", agent=writer)],
    post_hooks=[log_steps],
)

service = AgentService(workflows=[workflow], run_hooks_in_background=True)
app = service.get_app()

if __name__ == "__main__":
    service.serve(app="workflow_with_tools:app", port=7777)
