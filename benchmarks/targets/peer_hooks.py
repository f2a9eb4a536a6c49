"""The hooks that every peer runs: the very same functions, which leave a mark when they have done their work."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

Hook = Callable[[Any], Awaitable[Any]]

TRAFFIC, QUEUE, KILLED, FAULTS = "traffic", "queue", "killed", "faults"
AGENT, PLAIN = "agent", "plain"
GROUP_VARIABLE, MARKS_VARIABLE, GATE_VARIABLE = "BENCHMARK_GROUP", "BENCHMARK_MARKS", "BENCHMARK_GATE"
NOTIFY_SECONDS = 0.02
BURN_SECONDS = 0.2
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


@cache
def _marks() -> int:
    return os.open(os.environ[MARKS_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def mark(hook: str, run_output: Any) -> None:
    """Append a line that says which hook has ended for which run, and when."""
    os.write(_marks(), f"{hook} {run_output.run_id} {time.time():.4f}\n".encode())


async def notify(run_output: Any) -> None:
    """As long as a request to some other service takes."""
    await asyncio.sleep(NOTIFY_SECONDS)
    mark("notify", run_output)


async def assess(run_output: Any) -> bool:
    """A rule: whether the answer names no e-mail address."""
    passed = _ADDRESS.search(str(run_output.content)) is None
    mark("assess", run_output)
    return passed


async def wait_for_gate(run_output: Any) -> None:
    """Stays pending until a file is there."""
    while not os.path.exists(os.environ[GATE_VARIABLE]):
        await asyncio.sleep(1)
    mark("wait_for_gate", run_output)


async def four_seconds(run_output: Any) -> None:
    await asyncio.sleep(4)
    mark("four_seconds", run_output)


async def assess_slowly(run_output: Any) -> bool:
    """An assessment that takes as long as a judge model."""
    await asyncio.sleep(5)
    mark("assess_slowly", run_output)
    return True


async def first_second(run_output: Any) -> None:
    await asyncio.sleep(1)
    mark("first_second", run_output)


async def second_second(run_output: Any) -> None:
    await asyncio.sleep(1)
    mark("second_second", run_output)


async def third_second(run_output: Any) -> None:
    await asyncio.sleep(1)
    mark("third_second", run_output)


async def fourth_second(run_output: Any) -> None:
    await asyncio.sleep(1)
    mark("fourth_second", run_output)


async def fifth_second(run_output: Any) -> None:
    await asyncio.sleep(1)
    mark("fifth_second", run_output)


async def burn(run_output: Any) -> None:
    """Computes, as a parser or a local model would."""
    until = time.process_time() + BURN_SECONDS
    while time.process_time() < until:
        pass
    mark("burn", run_output)


async def fail(run_output: Any) -> None:
    raise RuntimeError("this hook always fails")


async def never_return(run_output: Any) -> None:
    await asyncio.Event().wait()


GROUPS: dict[str, dict[str, tuple[Hook, ...]]] = {
    TRAFFIC: {AGENT: (notify, assess)},
    QUEUE: {"gated": (wait_for_gate,)},
    KILLED: {AGENT: (four_seconds, assess_slowly)},
    FAULTS: {
        "five": (first_second, second_second, third_second, fourth_second, fifth_second),
        "burn": (burn,),
        "failing": (fail, notify, assess),
        "hanging": (never_return, notify, assess),
    },
}
"""The hooks of each agent, by what is measured; so that no process holds hooks that its measurement does not need."""

ASSESSMENTS = frozenset({assess, assess_slowly})
"""Those that a peer with a notion of evaluators runs as one."""


def agents() -> dict[str, tuple[Hook, ...]]:
    """Hooks by agent: those of the group that the environment names, and an agent without any."""
    return {PLAIN: (), **GROUPS[os.environ.get(GROUP_VARIABLE, TRAFFIC)]}
