"""Two agents, a workflow of both, and an evaluator whose state hangs on the run's id: what ends how is known."""

from __future__ import annotations

from offpath import Agent, AgentService, OpenAIChat, Step, Workflow
from offpath_evaluators import Abstained, EvaluationContext, NotApplicable, Score, evaluator


class MoodError(Exception):
    """Today is not its day."""


@evaluator("moody", labels=("good", "bad"))
def moody(context: EvaluationContext) -> Score | NotApplicable | Abstained:
    """Of 16 runs one fails, one is not applicable, one is abstained from; the others pass or not."""
    number = int((context.id or "0")[-1], 16)
    if number == 0:
        raise MoodError("nothing pleases it")
    if number == 1:
        return NotApplicable("no_opinion")
    if number == 2:
        return Abstained("undecided")
    good = number > 5
    return Score(value=number / 16, passed=good, label="good" if good else "bad")


alpha = Agent(id="alpha", name="Alpha", model=OpenAIChat(id="gpt-4o-mini"))
beta = Agent(id="beta", name="Beta", model=OpenAIChat(id="gpt-4o-mini"))
relay = Workflow(id="relay", name="Relay", steps=[Step(name="first", agent=alpha), Step(name="second", agent=beta)])
service = AgentService(agents=[alpha, beta], workflows=[relay], run_hooks_in_background=True)
app = service.get_app()
