"""What a soak serves: agents that answer, fail and are refused, and hooks that behave, fail, hang, swell and exit.

What is to come of a hook's job follows from the last hexadecimal digit of its run's id; `soak/fates.py` has the same
table, and compares.
"""

import asyncio
import os
from pathlib import Path

from offpath import (
    Agent,
    AgentService,
    Guardrail,
    InputCheckError,
    OpenAIChat,
    Retry,
    Step,
    Workflow,
    hook,
)
from offpath.posthooks.evaluation import hook as evaluation_hook
from offpath.posthooks.evaluation import outage
from offpath_evaluators import Abstained, NotApplicable, Score, evaluator
from offpath_evaluators.judge import question

SHORTER = 30
"""Hours are compressed here: waits for a judge that is away are so many times shorter than in service."""
evaluation_hook.FIRST_WAIT /= SHORTER
evaluation_hook.LONGEST_WAIT /= SHORTER * 10
outage.FIRST /= SHORTER
outage.LONGEST /= SHORTER * 10
question._FIRST_DELAY /= SHORTER
question._LONGEST_DELAY /= SHORTER
question._LATER /= SHORTER

LINES = Path(os.environ["LINES_DIRECTORY"])
MEGABYTE = 2**20
SWOLLEN = 4_096
"""Megabytes at which `swells` gives up; its executor is to be killed long before."""


def write(name, job):
    """One line with the job's key: that the hook ran to its end."""
    descriptor = os.open(LINES / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, f"{job.key} {job.attempt}\n".encode())
    finally:
        os.close(descriptor)


def digit(run_output):
    return int(run_output.run_id[-1], 16)


# Hooks that behave.


def noted(run_input, job):
    write("noted", job)


async def counted(run_output, job):
    await asyncio.sleep(0.02)
    write("counted", job)


def filed(run_output, job):
    write("filed", job)


@hook(run_on=("interrupted",))
def cut_off(run_output, job):
    write("cut_off", job)


@hook(run_on=("error", "blocked"))
def mourned(run_output, job):
    write("mourned", job)


# Hooks that do not.


@hook(retries=1)
def raises(run_output, job):
    if digit(run_output) % 2:
        raise ConnectionError("no route, for the soak")
    write("raises", job)


async def asks_again(run_output, job):
    if job.attempt < 3:
        raise Retry(after=0.6)
    write("asks_again", job)


@hook(retries=1, timeout=0.3)
async def overruns(run_output, job):
    if digit(run_output) % 3 == 0:
        await asyncio.sleep(3600)
    write("overruns", job)


@hook(retries=0, timeout=0.5)
def freezes(run_output, job):
    while digit(run_output) == 4:
        pass
    write("freezes", job)


@hook(retries=0, timeout=30)
def swells(run_output, job):
    held = []
    while digit(run_output) == 5 and len(held) < SWOLLEN:
        held.append(b"x" * MEGABYTE)
    write("swells", job)


@hook(retries=0)
def exits(run_output, job):
    if digit(run_output) == 6:
        os._exit(3)
    write("exits", job)


# What is evaluated by chance of the run's id, so that what ends how is known.


class MoodError(Exception):
    """Today is not its day."""


@evaluator("moody", labels=("good", "bad"))
def moody(context):
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


# What runs.


class Doorman(Guardrail):
    """Refuses whoever says the word."""

    async def check_input(self, run_input):
        if "forbidden" in run_input.input_content:
            raise InputCheckError("that is not to be talked about")


@hook(run_in_background=False)
def trip(run_input):
    raise RuntimeError("tripped, for the soak")


def model():
    return OpenAIChat(id="gpt-4o-mini", max_retries=0, timeout=20.0)


AFTER = [counted, filed, cut_off, mourned]
TROUBLE = [raises, asks_again, overruns, freezes, swells, exits]
support = Agent(id="support", name="Support", model=model(), pre_hooks=[Doorman(), noted], post_hooks=AFTER)
helper = Agent(id="helper", name="Helper", model=model(), post_hooks=AFTER)
trouble = Agent(id="trouble", name="Trouble", model=model(), post_hooks=[*AFTER, *TROUBLE])
failing = Agent(id="failing", name="Failing", model=model(), pre_hooks=[trip], post_hooks=AFTER)
relay = Workflow(
    id="relay",
    name="Relay",
    steps=[Step(name="first", agent=support), Step(name="second", agent=helper)],
    post_hooks=AFTER,
)
service = AgentService(agents=[support, helper, trouble, failing], workflows=[relay], run_hooks_in_background=True)
app = service.get_app()
