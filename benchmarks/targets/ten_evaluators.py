"""No hooks of one's own, ten evaluators that compute."""

from benchmarks.targets.evaluators import RULES
from benchmarks.targets.one_agent import agent
from offpath import AgentService

app = AgentService(agents=[agent()], evaluators=RULES).get_app()
