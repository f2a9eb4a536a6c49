"""An agent whose runs fail without asking a model, and one with a hook that fails."""

from offpath import Agent, AgentService, hook


@hook(run_in_background=False)
def refuse(run_input):
    raise RuntimeError("refused for the test")


@hook(retries=0)
def broken(run_output):
    raise ConnectionError("no route")


failing = Agent(id="failing", name="Failing", pre_hooks=[refuse])
fine = Agent(id="fine", name="Fine", post_hooks=[broken])
service = AgentService(agents=[failing, fine], run_hooks_in_background=True)
app = service.get_app()
