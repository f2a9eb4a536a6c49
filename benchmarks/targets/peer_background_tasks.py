"""What one writes oneself: FastAPI, the `openai` client, BackgroundTasks, and pydantic-evals' online evaluation.

Assessments are evaluators, attached to the function that answers; other hooks are background tasks of the request.
Nothing is stored.
"""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import openai
from fastapi import BackgroundTasks, FastAPI, Form
from pydantic_evals.evaluators import Evaluator, EvaluatorContext
from pydantic_evals.online import OnlineEvaluator, evaluate

from benchmarks.targets.peer_hooks import ASSESSMENTS, Hook, agents, assess, assess_slowly

CONCURRENCY = 1_000
"""Of each evaluator. By default it is 10, beyond which pydantic-evals drops evaluations without a word."""


@dataclass(frozen=True, slots=True)
class Answer:
    run_id: str
    content: str


@dataclass
class Assessment(Evaluator[object, Answer, object]):
    async def evaluate(self, ctx: EvaluatorContext[object, Answer, object]) -> bool:
        return await assess(ctx.output)


@dataclass
class SlowAssessment(Evaluator[object, Answer, object]):
    async def evaluate(self, ctx: EvaluatorContext[object, Answer, object]) -> bool:
        return await assess_slowly(ctx.output)


EVALUATORS = {assess: Assessment, assess_slowly: SlowAssessment}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with openai.AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="none") as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def answer(message: str) -> Answer:
    client: openai.AsyncOpenAI = app.state.client
    completion = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": "You are a helpful assistant"},
            {"role": "user", "content": message},
        ],
    )
    return Answer(str(uuid.uuid4()), completion.choices[0].message.content or "")


def _evaluated(hooks: tuple[Hook, ...]) -> Callable[[str], Awaitable[Answer]]:
    evaluators = [
        OnlineEvaluator(evaluator=EVALUATORS[hook](), max_concurrency=CONCURRENCY)
        for hook in hooks
        if hook in ASSESSMENTS
    ]
    return evaluate(*evaluators)(answer) if evaluators else answer


ANSWERS = {name: _evaluated(hooks) for name, hooks in agents().items()}
TASKS = {name: [hook for hook in hooks if hook not in ASSESSMENTS] for name, hooks in agents().items()}


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/agents/{agent_id}/runs")
async def run(
    agent_id: str, tasks: BackgroundTasks, message: Annotated[str, Form()], stream: Annotated[bool, Form()] = True
) -> dict[str, str]:
    found = await ANSWERS[agent_id](message)
    for hook in TASKS[agent_id]:
        tasks.add_task(hook, found)
    return {"run_id": found.run_id, "content": found.content}
