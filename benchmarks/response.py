"""Response with hooks on against off: two services, the same arrivals, blocks in turns; first off against off.

An open loop counts latency from the intended arrival. The closed loops keep every connection busy, so that hooks and
requests compete for both cores as hard as they can. Hooks of a block end before the next block begins, and each block
has a lead-in as long as its hooks take, so that hooks of earlier requests end while the later ones are measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.committing import queue_of
from benchmarks.figures import Figure, Prediction, Report, about, at_most
from benchmarks.served import Served, scratch, served
from offpath.offline import OfflineOptions, OfflineProcess, offline_model_process
from offpath.proof.estimates import quantile_difference, quantile_ratio, quantiles
from offpath.proof.load import closed_loop, form_request, open_loop, poisson_arrivals
from offpath.proof.machine import Neighbours
from offpath.proof.turns import in_turns

REQUEST = form_request("/agents/agent/runs", {"message": "Hello, how are you?", "stream": "false"})
DRAIN_SECONDS = 120.0
P50, P99 = at_most(1.01), at_most(1.05)
JUDGE = {
    "OFFPATH_ANALYTICS": "true",
    "OFFPATH_JUDGE_MODEL": "gpt-4o-mini",
    "OFFPATH_JUDGE_CONCURRENCY": "2",
    "OFFPATH_JUDGE_API_KEY": "none",
}


@dataclass(frozen=True, slots=True)
class Case:
    """Hooks, and the load under which they are switched on and off."""

    name: str
    target: str
    connections: int
    rate: float
    """Arrivals a second; 0 is a closed loop."""
    latency: float = 0.0
    """Seconds that the model takes."""
    lead_in: float = 0.5
    seconds: float = 4.0
    pairs: int = 12
    p50: Prediction = P50
    p99: Prediction = P99
    judged: bool = False
    """Whether there are evaluators that ask a judge, and analytics: both are for variables to say."""


def _same(case: Case) -> Case:
    """Off against off, under the load of a case."""
    name = f"A/A {case.name.removeprefix('seed, ')}"
    return Case(
        name, "no_hooks", case.connections, case.rate, case.latency, 0.5, case.seconds, case.pairs, about(1), about(1)
    )


SEED = (
    Case("seed, 1 connection, 40/s", "seed_hooks", 1, 40, lead_in=3.2, seconds=8),
    Case("seed, 8 connections, 150/s", "seed_hooks", 8, 150, lead_in=3.2),
    Case("seed, 64 connections, 150/s, 200 ms model", "seed_hooks", 64, 150, 0.2, lead_in=3.2),
    Case("seed, 64 connections, 250/s", "seed_hooks", 64, 250, lead_in=3.2),
    Case("seed, 1 connection, closed loop", "seed_hooks", 1, 0, seconds=2),
    Case("seed, 8 connections, closed loop", "seed_hooks", 8, 0, seconds=2),
    Case("seed, 64 connections, closed loop", "seed_hooks", 64, 0, seconds=2),
)
PROFILES = (
    Case("trivial hooks, 8 connections, 150/s", "trivial_hooks", 8, 150),
    Case("computing 200 ms, 8 connections, 100/s", "computing_hook", 8, 100, lead_in=1),
    Case("blocking 200 ms, 8 connections, 100/s", "blocking_hook", 8, 100, lead_in=1),
    Case("parsing 1 MB, 8 connections, 100/s", "parsing_hook", 8, 100, lead_in=1),
)
BUILT_IN = (
    Case("15 evaluators, 1 connection, 10/s", "fifteen_evaluators", 1, 10, lead_in=1, seconds=8, pairs=20, judged=True),
    Case(
        "15 evaluators, 8 connections, 10/s, 200 ms model",
        "fifteen_evaluators",
        8,
        10,
        latency=0.2,
        lead_in=1,
        seconds=8,
        judged=True,
    ),
)
CASES = (*(_same(case) for case in SEED if "200 ms" not in case.name), *SEED, *PROFILES, *BUILT_IN)


def run(report: Report, only: Sequence[str] = ()) -> None:
    """Measure all cases, or those whose names hold one of the words of `only`."""
    cases = [case for case in CASES if not only or any(word in case.name for word in only)]
    with scratch() as directory, offline_model_process(OfflineOptions(recorded_requests=0)) as model, ExitStack() as up:
        off = up.enter_context(served("no_hooks", directory, model.base_url, name="off"))
        variables: dict[str, str] = {}
        if any(case.judged for case in cases):
            # Another process: in the model's own, answers to runs would wait behind those to the judge.
            judge = up.enter_context(offline_model_process(OfflineOptions(recorded_requests=0)))
            variables = JUDGE | {"OFFPATH_JUDGE_BASE_URL": judge.base_url}
        for case in cases:
            _measure(case, off, model, directory, report, variables if case.judged else {})


def _measure(
    case: Case, off: Served, model: OfflineProcess, directory: Path, report: Report, variables: Mapping[str, str]
) -> None:
    report.say(case.name)
    neighbours = Neighbours()
    model.set_options(latency=case.latency)
    name = "".join(letter if letter.isalnum() else "-" for letter in case.name)
    hooked = served(case.target, directory, model.base_url, name=name, variables=variables)
    with hooked as on, queue_of(on.database) as queue:

        def measure(arm: str, number: int) -> list[float]:
            latencies = _block(case, on if arm == "b" else off, number, report.quick)
            if arm == "b":
                queue.await_empty(DRAIN_SECONDS)
            return latencies

        for arm in ("a", "b", "b"):  # starts executors, fills caches
            measure(arm, 10_000)
        pairs = in_turns(3 if report.quick else case.pairs, measure)
        failed = queue.failed()
        others = neighbours.share()
        report.heard(others)
    requests = sum(len(a) for a, _ in pairs)
    off_p50, off_p99 = quantiles([value for a, _ in pairs for value in a], 0.5, 0.99)
    p99 = quantile_ratio(pairs, 0.99)
    micro = [([v * 1e6 for v in a], [v * 1e6 for v in b]) for a, b in pairs]
    note = f"{requests} requests an arm, off {off_p50 * 1e3:.2f} ms, others used {others:.0%}"
    note += f"; {failed} HOOKS FAILED" if failed else ""
    report.add(
        Figure.of(f"{case.name}: p50 on/off", quantile_ratio(pairs, 0.5), "x", case.p50, note),
        Figure.of(f"{case.name}: p50 on - off", quantile_difference(micro, 0.5), "us"),
        Figure.of(f"{case.name}: p99 on/off", p99, "x", case.p99, f"off {off_p99 * 1e3:.2f} ms"),
    )


def _block(case: Case, service: Served, number: int, quick: bool) -> list[float]:
    """Latencies of one block; the same arrivals for the same number."""
    seconds = min(case.seconds, 1.5) if quick else case.seconds
    if case.rate == 0:
        result = closed_loop(
            service.address, [REQUEST], connections=case.connections, seconds=seconds, lead_in=case.lead_in
        )
    else:
        arrivals = poisson_arrivals(case.rate, case.lead_in + seconds, seed=number)
        result = open_loop(service.address, [REQUEST], arrivals, connections=case.connections, lead_in=case.lead_in)
    return result.check().latencies
