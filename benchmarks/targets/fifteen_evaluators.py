"""No hooks of one's own, ten evaluators that compute and five that ask a judge, whom the environment names."""

from benchmarks.targets.evaluators import JUDGED, RULES
from benchmarks.targets.one_agent import agent
from offpath import AgentService

app = AgentService(agents=[agent()], evaluators=[*RULES, *JUDGED]).get_app()
