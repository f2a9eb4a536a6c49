"""offpath: hooks in the background, their jobs durable, metrics on, all as it is by default."""

from benchmarks.targets.one_agent import agent, app_of
from benchmarks.targets.peer_hooks import agents

app = app_of(*(agent(name, post_hooks=hooks) for name, hooks in agents().items()))
