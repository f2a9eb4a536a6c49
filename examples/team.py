"""A team: its leader hands the question to the member that it suits, and all of them have hooks.

    export OFFPATH_OFFLINE=1      # canned answers; for a model's, OPENAI_API_KEY in its place
    python team.py
    curl -X POST http://localhost:7777/teams/help-desk/runs -F "message=Ask billing: why was I charged twice?" -F "stream=false"

A member's work is a run of its own in the same session, with the member's hooks. `GET /sessions/{session_id}/runs` lists
the team's run and, in it, its members'.
"""

from offpath import Agent, AgentService, OpenAIChat, Team


async def log_member(run_output, agent):
    """Of one member: runs once for each task that it was given."""
    print(f"[{agent.id}] worked on run {run_output.run_id}, for {run_output.parent_run_id}")


async def log_answer(run_output, team):
    """Of the team: what the user got."""
    print(f"[{team.id}] {run_output.status}: {run_output.content}")


billing = Agent(
    id="billing",
    name="Billing",
    role="Knows invoices, payments and refunds",
    model=OpenAIChat(id="gpt-4o-mini"),
    instructions="You answer questions about invoices. Say so when you do not know.",
    post_hooks=[log_member],
)
shipping = Agent(
    id="shipping",
    name="Shipping",
    role="Knows parcels and delivery times",
    model=OpenAIChat(id="gpt-4o-mini"),
    instructions="You answer questions about parcels. Say so when you do not know.",
    post_hooks=[log_member],
)
help_desk = Team(
    id="help-desk",
    name="Help desk",
    model=OpenAIChat(id="gpt-4o-mini"),
    members=[billing, shipping],
    instructions="Answer in two sentences from what the members say.",
    post_hooks=[log_answer],
)

service = AgentService(teams=[help_desk], run_hooks_in_background=True)
app = service.get_app()

if __name__ == "__main__":
    service.serve(app="team:app", port=7777)
