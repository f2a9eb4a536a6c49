"""Traffic: clients that do what users do, and remember what they were told."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from acceptance.streams import events

CLIENTS: Final = 8
_TIMEOUT: Final = 60.0
_STORAGE: Final = "storage_"
"""How the reasons begin for which a run could not be stored."""
_ENDS: Final = {
    "RunCompleted": ("completed",),
    "RunCancelled": ("cancelled",),
    "RunError": ("error", "blocked"),
}
_MESSAGES: Final = (
    "survive",
    "What do you say of retries?",
    "Write to ada.lovelace@mail.example.com about it.",
    "How are you?",
)
_FAULTS: Final = ("out of order", "broken json", "hang up", "rate limit", "empty choices", "half an answer")
"""Messages that the model answers badly."""


@dataclass
class Told:
    """What the clients were told. A run that is here is acknowledged: it has to be stored so."""

    runs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """How a run ended, as its answer has it."""
    feedback: Counter[str] = field(default_factory=Counter)
    """How often feedback on a run was taken."""
    refused: Counter[str] = field(default_factory=Counter)
    """Answers that refuse a run for now, by status and reason."""
    left: int = 0
    """Streams that their client closed."""
    cut_off: int = 0
    """Requests whose connection broke or was refused."""
    wrong: list[str] = field(default_factory=list)
    """Answers that must not be."""


@dataclass
class Traffic:
    """Clients of some services.

    Args:
        urls: Of the services.
        pause: Mean seconds between two requests of a client.
        tame: Only what ends no process: no hooks that have to be killed.
    """

    urls: Sequence[str]
    seed: int
    told: Told = field(default_factory=Told)
    pause: float = 0.1
    tame: bool = False

    async def until(self, over: asyncio.Event, *, runs: int | None = None) -> None:
        """Make requests until it is over, or until so many more runs are acknowledged."""
        goal = None if runs is None else len(self.told.runs) + runs
        clients = [_Client(self, random.Random(f"{self.seed}.{number}"), over, goal) for number in range(CLIENTS)]
        await asyncio.gather(*(client.work() for client in clients))


class _Client:
    def __init__(self, traffic: Traffic, dice: random.Random, over: asyncio.Event, goal: int | None) -> None:
        self.traffic = traffic
        self.told = traffic.told
        self.dice = dice
        self.over = over
        self.goal = goal
        self.mine: list[str] = []
        self.session = ""
        self.turns = 0

    async def work(self) -> None:
        does: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (30, self.plain),
            (16, self.stream),
            (5, self.leave),
            (5, self.cancel),
            (8, self.relay),
            (5, self.fail),
            (5, self.refused),
            (5, self.bad_model),
            (6, self.twice),
            (8, self.feedback),
            (2, self.look),
            *([] if self.traffic.tame else [(10, self.trouble)]),
        ]
        weights = [weight for weight, _ in does]
        limits = httpx.Limits(max_keepalive_connections=2)
        async with httpx.AsyncClient(timeout=_TIMEOUT, limits=limits) as self.http:
            while not self.over.is_set() and (self.goal is None or len(self.told.runs) < self.goal):
                (_, act), *_ = self.dice.choices(does, weights)
                try:
                    await act()
                except httpx.TransportError:
                    self.told.cut_off += 1
                    await asyncio.sleep(0.1)
                await asyncio.sleep(self.dice.expovariate(1 / self.traffic.pause) if self.traffic.pause else 0)

    # -- what they do -----------------------------------------------------------------------------------------

    async def plain(self) -> None:
        await self._run("agents/support", self._message(), **self._in_session())

    async def stream(self) -> None:
        await self._stream("agents/support", self._message(), **self._in_session())

    async def trouble(self) -> None:
        await self._run("agents/trouble", "survive")

    async def relay(self) -> None:
        await self._run("workflows/relay", "survive")

    async def fail(self) -> None:
        await self._run("agents/failing", "hello")

    async def refused(self) -> None:
        act = self._stream if self.dice.random() < 0.3 else self._run
        await act("agents/support", "this is forbidden")

    async def bad_model(self) -> None:
        act = self._stream if self.dice.random() < 0.3 else self._run
        await act("agents/helper", self.dice.choice(_FAULTS))

    async def leave(self) -> None:
        """Close a stream in its middle, or before its first event."""
        pieces = self.dice.randrange(12)
        async with self._open("agents/helper", "at length") as response:
            async for _ in response.aiter_text():
                pieces -= 1
                if pieces <= 0:
                    break
        self.told.left += 1

    async def cancel(self) -> None:
        """Cancel a stream, and read it to its end."""
        text, pieces, asked = "", self.dice.randint(2, 12), False
        async with self._open("agents/helper", "at length") as response:
            async for piece in response.aiter_text():
                text += piece
                pieces -= 1
                if pieces <= 0 and not asked and (begun := events(text)):
                    asked = True
                    run_id = begun[0][1].get("run_id", "")
                    await self.http.post(f"{self._url()}/agents/helper/runs/{run_id}/cancel")
            self._streamed(response.status_code, text)

    async def twice(self) -> None:
        """The same request again, with its Idempotency-Key: it is the same run."""
        headers, body = {"idempotency-key": uuid.UUID(int=self.dice.getrandbits(128)).hex}, {"message": "survive"}
        found: list[str] = []
        for _ in range(3):
            try:
                response = await self.http.post(
                    f"{self._url()}/agents/helper/runs", data={**body, "stream": "false"}, headers=headers
                )
            except httpx.TransportError:
                self.told.cut_off += 1
                await asyncio.sleep(0.5)
                continue
            if response.status_code == 409:  # cut off before: the first is still under way, or its process died
                return
            if self._answered(response.status_code, response.text):
                found.append(response.json()["run_id"])
        if len(set(found)) > 1:
            self.told.wrong.append(f"one Idempotency-Key, several runs: {found}")

    async def feedback(self) -> None:
        if not self.mine:
            return
        run_id = self.dice.choice(self.mine)
        said = {"thumb": self.dice.choice(("up", "down"))}
        response = await self.http.post(f"{self._url()}/runs/{run_id}/feedback", json=said)
        if response.status_code == 201:
            self.told.feedback[run_id] += 1
        elif response.status_code == 503:
            self.told.refused[f"503 {_reason(response.text)}"] += 1
        else:
            self.told.wrong.append(f"feedback on {run_id}: {response.status_code} {response.text[:200]}")

    async def look(self) -> None:
        """Read what dashboards and people read."""
        path = self.dice.choice(("/analytics", "/evaluations/summary", "/hooks/stats", "/ready", "/sessions"))
        if self.mine and self.dice.random() < 0.5:
            path = f"/runs/{self.dice.choice(self.mine)}/{self.dice.choice(('hooks', 'evaluations'))}"
        response = await self.http.get(f"{self._url()}{path}")
        if response.status_code not in (200, 404, 503) or (response.status_code == 404 and path.startswith("/runs/")):
            self.told.wrong.append(f"{path}: {response.status_code} {response.text[:200]}")

    # -- how --------------------------------------------------------------------------------------------------

    def _url(self) -> str:
        return self.dice.choice(self.traffic.urls)

    def _message(self) -> str:
        return self.dice.choice(_MESSAGES)

    def _in_session(self) -> dict[str, str]:
        """Every third run goes on with a conversation of some turns."""
        if self.dice.random() < 0.67:
            return {}
        if not self.session or self.turns >= 6:
            self.session, self.turns = f"session-{self.dice.getrandbits(64):x}", 0
        self.turns += 1
        return {"session_id": self.session}

    def _open(self, path: str, message: str, **fields: str) -> Any:
        data = {"message": message, "stream": "true", **fields}
        return self.http.stream("POST", f"{self._url()}/{path}/runs", data=data)

    async def _run(self, path: str, message: str, **fields: str) -> None:
        data = {"message": message, "stream": "false", **fields}
        response = await self.http.post(f"{self._url()}/{path}/runs", data=data)
        self._answered(response.status_code, response.text)

    async def _stream(self, path: str, message: str, **fields: str) -> None:
        async with self._open(path, message, **fields) as response:
            text = (await response.aread()).decode()
        self._streamed(response.status_code, text)

    def _answered(self, status: int, text: str) -> bool:
        """Note an answer in one piece; whether it is that of a stored run."""
        body = _json(text)
        if status == 200:
            self._ended(body["run_id"], ("completed",))
            return True
        if "hooks_url" in body:  # it failed or was refused, and is stored as such
            self._ended(body["run_id"], ("error", "blocked", "cancelled"))
            return True
        if status == 503:
            self.told.refused[f"503 {body.get('reason')}"] += 1
        else:
            self.told.wrong.append(f"a run was answered with {status}: {text[:300]}")
        return False

    def _streamed(self, status: int, text: str) -> None:
        """Note a stream that was read to its end."""
        if status != 200:
            self._answered(status, text)
            return
        found = events(text)
        name, data = found[-1] if found else ("", {})
        if name not in _ENDS:
            self.told.cut_off += 1
        elif name == "RunError" and str(data.get("reason", "")).startswith(_STORAGE):
            self.told.refused[f"stream {data['reason']}"] += 1
        else:
            self._ended(data["run_id"], _ENDS[name])

    def _ended(self, run_id: str, ends: tuple[str, ...]) -> None:
        self.told.runs[run_id] = ends
        self.mine.append(run_id)
        del self.mine[:-50]


def _json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reason(text: str) -> str:
    return str(_json(text).get("reason"))
