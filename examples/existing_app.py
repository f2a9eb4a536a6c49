"""Agents in a FastAPI app that you have already: below /ai, with their hooks in the background.

    export OFFPATH_OFFLINE=1      # canned answers; for a model's, OPENAI_API_KEY in its place
    uvicorn existing_app:app --port 7777
    curl http://localhost:7777/orders/7
    curl -X POST http://localhost:7777/ai/agents/order-desk/runs -F "message=order_status of 7, please" -F "stream=false"
    curl http://localhost:7777/ai/metrics

The last three lines are all that was added. The app's lifespan stays, around the service's: the orders are there until the
last run has ended. Set OFFPATH_API_KEY before you open the port to others: it guards what is below /ai, and without it
only this machine is answered there.
"""

from contextlib import asynccontextmanager

from fastapi import FastAPI

from offpath import Agent, AgentService, OpenAIChat

orders: dict[int, str] = {}


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Yours: opens what your routes need, here a dictionary."""
    orders.update({7: "on its way", 8: "delivered"})
    print("orders are open")
    yield
    orders.clear()
    print("orders are closed")


app = FastAPI(lifespan=lifespan)


@app.get("/orders/{number}")
async def order(number: int) -> dict[str, str]:
    return {"status": orders.get(number, "unknown")}


def order_status(number: int) -> str:
    """How an order stands. Tools run in this process, beside your routes."""
    return orders.get(number, "unknown")


async def log_run(run_output, agent):
    """Hooks run in other processes, which import this module and do not run its lifespan."""
    print(f"[{agent.id}] {run_output.status}; orders here: {len(orders)}")


agent = Agent(id="order-desk", model=OpenAIChat(id="gpt-4o-mini"), tools=[order_status], post_hooks=[log_run])
service = AgentService(agents=[agent], run_hooks_in_background=True)
service.mount_on(app, "/ai")
