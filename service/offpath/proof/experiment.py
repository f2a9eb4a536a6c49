"""One case: warm up, rounds of all arms, what they say, and a look at the hooks of a few runs.

In each round every arm has one block, in a random order, under the same Poisson arrivals: whatever the machine does to
one arm it does to the others as likely, and the A/A check is made under the very conditions of the answer. Latency is
counted from the intended arrival, so a service that stalls cannot hide the requests that it kept waiting.

Hooks of a block have ended before the next block begins, else they would slow the other arm down; but they run beside
the requests of their own block, whose lead-in is as long as they take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Protocol

import msgspec

from offpath.errors import ConfigurationError
from offpath.proof.comparing import compare_arms, histogram_edges
from offpath.proof.errors import ProofError
from offpath.proof.findings import ArmName, Case, Comparison, Resolution, RunTrace
from offpath.proof.load import Address, LoadResult, closed_loop, open_loop
from offpath.proof.machine import Neighbours
from offpath.proof.plan import LEAST_PAIRS, Plan
from offpath.proof.progress import Reporter, spell_seconds
from offpath.proof.resolution import disturbances, resolve

COMPARED: Final[tuple[tuple[ArmName, ArmName], ...]] = (("off", "off again"), ("off", "on"), ("no storage", "off"))
DRAIN_SECONDS: Final = 120.0
"""Longest wait for the hooks of a block."""
PROBE_SECONDS: Final = 0.8
EASY_SHARE: Final = 0.4
"""Of what an arm can answer: the rate when none is asked for, so that requests hardly queue."""
MOST_SHARE: Final = 0.85
"""A rate above this share of what an arm can answer measures the queue, not the hooks."""
LATE_SHARE: Final = 0.25
"""A block whose last answer came so much later than its last arrival was more than the arm could keep up with."""
LEAST_ROUNDS: Final = 2
WATERFALL_RUNS: Final = 3


class Arm(Protocol):
    """A setting that can be asked for answers; `arms.ServedArm` is one."""

    @property
    def name(self) -> ArmName: ...
    @property
    def address(self) -> Address: ...
    @property
    def request(self) -> bytes:
        """A whole HTTP/1.1 POST."""

    def run_once(self) -> str:
        """Make one run; its id."""

    def trace(self, run_id: str) -> RunTrace:
        """When a run answered and its hooks ran."""

    def await_idle(self, within: float) -> int:
        """Wait until no hook waits or runs; how many have failed since the start."""


Arms = Mapping[ArmName, Arm]


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a case."""

    case: Case | None
    """None if there is nothing to compare."""
    interrupted: bool = False
    error: str = ""
    """Why it could not be measured."""


@dataclass(slots=True)
class Rounds:
    """Latencies of all complete rounds, in seconds."""

    blocks: dict[ArmName, list[list[float]]]
    late: dict[ArmName, int] = field(default_factory=dict)
    """Blocks of an arm that it could not keep up with."""
    failed: int = 0
    """Hooks that have failed."""
    slowest_drain: float = 0.0
    interrupted: bool = False

    @property
    def count(self) -> int:
        return min(map(len, self.blocks.values()))


def capacity(arms: Arms, connections: int) -> float:
    """Requests a second that the service answers without hooks when all connections are kept busy."""
    arm = arms["off"]
    with _named(arm):
        probe = closed_loop(arm.address, [arm.request], connections=connections, seconds=PROBE_SECONDS, lead_in=0.3)
        return probe.check().rate


def choose_rate(asked: float | None, default: float, found: float, connections: int) -> tuple[float, str]:
    """The rate to measure at, and what is to be said about it.

    Args:
        asked: By the user.
        default: When nothing is asked for.
        found: What the arms can answer.

    Raises:
        ConfigurationError: More is asked for than the arms can answer.
    """
    if asked is not None:
        if asked > MOST_SHARE * found:
            raise ConfigurationError(
                f"--rate {asked:g}: this machine answers at most {found:.0f} requests a second on {connections} "
                f"connections, so they would queue, and the queue would be measured. Use --rate "
                f"{rounded(EASY_SHARE * found):g}, or more --connections if the model is slow"
            )
        return asked, ""
    easy = rounded(EASY_SHARE * found)
    if easy >= default:
        return default, ""
    return easy, (
        f"{easy:g} requests a second in place of {default:g}: this machine answers at most {found:.0f} a second, and "
        f"beyond {EASY_SHARE * 100:.0f} % of that requests would begin to queue"
    )


def rounded(rate: float) -> float:
    """A rate with two figures, rounded down; at least 0.1."""
    step = 10.0 ** (len(str(int(rate))) - 2) if rate >= 10 else 0.1
    return max(0.1, round(rate // step * step, 6))


def hook_seconds(arm: Arm) -> float:
    """How long the hooks of one run take, roughly, from the answer to the end of the last one."""
    arm.run_once()
    began = time.monotonic()
    arm.await_idle(DRAIN_SECONDS)
    return time.monotonic() - began


def measure(
    arms: Arms,
    plan: Plan,
    reporter: Reporter,
    *,
    profile: str,
    description: str,
    model_seconds: float,
    limits: Mapping[float, float],
    own_model: bool = False,
    notes: Sequence[str] = (),
    block: Callable[[Arm, Plan, int], LoadResult] | None = None,
) -> Measured:
    """Measure all rounds of a plan; Ctrl-C ends it with the rounds that are complete.

    Raises:
        ProofError: An arm does not answer, or its hooks do not end.
    """
    neighbours, began = Neighbours(), time.monotonic()
    reporter.begin(profile if own_model else f"{profile}, model {model_seconds * 1e3:g} ms", plan.seconds)
    rounds = _rounds(arms, plan, reporter, block or _block)
    share, seconds = neighbours.share(), time.monotonic() - began
    traces: tuple[RunTrace, ...] = ()
    if not rounds.interrupted and "on" in arms:
        try:
            traces = _waterfall(arms["on"])
        except KeyboardInterrupt:
            rounds.interrupted = True
    reporter.end()
    if rounds.count < LEAST_ROUNDS:
        return Measured(None, interrupted=True)
    comparisons = _compare(rounds.blocks)
    case = Case(
        profile=profile,
        description=description,
        model_seconds=model_seconds,
        rate=plan.rate,
        connections=plan.connections,
        comparisons=comparisons,
        resolutions=_resolutions(comparisons, limits),
        waterfall=traces,
        hooks_failed=rounds.failed,
        others_cpu_share=share,
        own_model=own_model,
        seconds=round(seconds, 1),
    )
    found = (*notes, *_notes(case, rounds, plan))
    return Measured(msgspec.structs.replace(case, notes=found), rounds.interrupted)


def warm_up(arms: Arms, plan: Plan) -> None:
    """A short block of each arm, at the rate of the plan, so that executors have started and caches are full."""
    short = Plan(plan.arms, plan.rate, plan.connections, 1, max(0.5, 5 / plan.rate), min(plan.lead_in, 1.0), plan.seed)
    for arm in arms.values():
        _block(arm, short, -1)
        if arm.name == "on":
            arm.await_idle(DRAIN_SECONDS)


def _block(arm: Arm, plan: Plan, number: int) -> LoadResult:
    arrivals, lead_in = plan.arrivals(number, arm.name), plan.lead_in_of(arm.name)
    with _named(arm):
        result = open_loop(arm.address, [arm.request], arrivals, connections=plan.connections, lead_in=lead_in)
        return result.check()


@contextmanager
def _named(arm: Arm) -> Iterator[None]:
    """Errors say which arm they are of."""
    try:
        yield
    except ProofError as error:
        raise ProofError(f'arm "{arm.name}": {error}') from error


def _rounds(arms: Arms, plan: Plan, reporter: Reporter, block: Callable[[Arm, Plan, int], LoadResult]) -> Rounds:
    rounds = Rounds({name: [] for name in plan.arms})
    try:
        for number, order in enumerate(plan.orders()):
            found: dict[ArmName, LoadResult] = {}
            for name in order:
                found[name] = block(arms[name], plan, number)
                if name == "on":
                    began = time.monotonic()
                    rounds.failed = arms[name].await_idle(DRAIN_SECONDS)
                    rounds.slowest_drain = max(rounds.slowest_drain, time.monotonic() - began)
                reporter.advance(plan.block_seconds + plan.lead_in_of(name) + plan.drain_of(name))
            if not all(result.latencies for result in found.values()):
                continue  # by chance no request arrived in the measured part: nothing to compare
            for name, result in found.items():
                rounds.blocks[name].append(result.latencies)
                typical = sorted(result.latencies)[len(result.latencies) // 2]
                if result.seconds > plan.block_seconds * (1 + LATE_SHARE) + 2 * typical + 0.5:
                    rounds.late[name] = rounds.late.get(name, 0) + 1
    except KeyboardInterrupt:
        rounds.interrupted = True
    return rounds


def _compare(blocks: Mapping[ArmName, Sequence[Sequence[float]]]) -> tuple[Comparison, ...]:
    edges = histogram_edges(list(chain.from_iterable(chain.from_iterable(blocks.values()))))
    return tuple(compare_arms(a, b, blocks[a], blocks[b], edges) for a, b in COMPARED if a in blocks and b in blocks)


def _resolutions(comparisons: Sequence[Comparison], limits: Mapping[float, float]) -> tuple[Resolution, ...]:
    check, answer = (next((each for each in comparisons if each.b == name), None) for name in ("off again", "on"))
    return resolve(check, limits, answer) if check else ()


def _waterfall(arm: Arm) -> tuple[RunTrace, ...]:
    """A few runs on an idle service, one after the other."""
    run_ids = [arm.run_once() for _ in range(WATERFALL_RUNS)]
    arm.await_idle(DRAIN_SECONDS)
    return tuple(arm.trace(run_id) for run_id in run_ids if run_id)  # a service that is not offpath names no run


def _notes(case: Case, rounds: Rounds, plan: Plan) -> list[str]:
    notes = list(disturbances(case))
    notes += [
        f'"{name}" did not keep up with the requests in {count} of {rounds.count} blocks: what is measured there is '
        f"their queue. Use a lower --rate"
        for name, count in sorted(rounds.late.items())
    ]
    if rounds.slowest_drain > 3 * plan.lead_in + plan.block_seconds + 2:
        notes.append(
            f"hooks of a block ran up to {spell_seconds(rounds.slowest_drain)} on after it: they do not keep up with "
            f"{plan.rate:g} requests a second. The answers do not wait for them; a lower --rate measures sooner"
        )
    if case.others_cpu_share > 0.1:
        share = f"{case.others_cpu_share * 100:.0f} %"
        notes.append(f"other programs used {share} of the machine meanwhile; measure again when it is quiet")
    if rounds.count < LEAST_PAIRS:
        notes.append(f"{rounds.count} rounds are too few for an interval of 95 %: {LEAST_PAIRS} are needed")
    if rounds.interrupted:
        notes.append(f"interrupted after {rounds.count} of {plan.pairs} rounds")
    return notes
