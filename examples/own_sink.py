"""A sink of your own: the figures and scores of every run, as rows of a database that you have already.

    export OFFPATH_OFFLINE=1      # canned answers; for a model's, OPENAI_API_KEY in its place
    python own_sink.py
    curl -X POST http://localhost:7777/agents/clerk/runs -F "message=Where is my parcel?" -F "stream=false"
    python -c "import sqlite3; print(*sqlite3.connect('warehouse.db').execute('SELECT * FROM answers'), sep='\\n')"

A background hook is called at least once for each run: again if it failed, or if its process was killed before its end
was noted. So it writes under `job.key`, which is the same in each attempt, and a repeated row replaces itself.
"""

import sqlite3
from contextlib import closing

from offpath import Agent, AgentService, OpenAIChat, Retry, hook
from offpath_evaluators import EvaluationContext, evaluate

WAREHOUSE = "warehouse.db"
TABLE = """CREATE TABLE IF NOT EXISTS answers
           (job TEXT PRIMARY KEY, agent TEXT, seconds REAL, tokens INTEGER, personal_data BOOLEAN, refused BOOLEAN)"""


@hook(run_in_background=True, timeout=30, retries=12, concurrency=4)
async def to_warehouse(run_input, run_output, agent, job):
    """Blocks while it writes, which holds up nothing: it has a process of its own."""
    context = EvaluationContext(input=run_input.input_content_string(), output=run_output.get_content_as_string())
    failed = {result.name for result in await evaluate(context, ["pii", "refusal"]) if result.passed is False}
    metrics = run_output.metrics
    row = (job.key, agent.id, metrics.duration, metrics.usage.total_tokens, "pii" in failed, "refusal" in failed)
    try:
        with closing(sqlite3.connect(WAREHOUSE, timeout=5)) as warehouse, warehouse:
            warehouse.execute(TABLE)
            warehouse.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
    except sqlite3.OperationalError as error:
        raise Retry(after=60, reason=f"the warehouse is away: {error}") from error


agent = Agent(
    id="clerk",
    name="Clerk",
    model=OpenAIChat(id="gpt-4o-mini"),
    instructions="You answer questions about parcels.",
    post_hooks=[to_warehouse],
)

service = AgentService(agents=[agent])
app = service.get_app()

if __name__ == "__main__":
    service.serve(app="own_sink:app", port=7777)
