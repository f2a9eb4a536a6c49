"""Cases and arms for tests of the proof, with figures that a test chooses."""

from __future__ import annotations

from dataclasses import dataclass, field

from offpath.proof.comparing import QUANTILES
from offpath.proof.findings import (
    ArmName,
    Case,
    Comparison,
    Estimate,
    HookTrace,
    QuantileComparison,
    Resolution,
    RunTrace,
)
from offpath.proof.load import Address, LoadResult
from offpath.proof.plan import Plan
from offpath.proof.resolution import resolve


def estimate(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, low, high)


def comparison(a: ArmName, b: ArmName, low: float, high: float, requests: int = 1_000) -> Comparison:
    """The same interval of the ratio at all quantiles."""
    quantiles = tuple(
        QuantileComparison(
            q, 0.002, 0.002 * (low + high) / 2, estimate(low, high), estimate((low - 1) * 2_000, (high - 1) * 2_000)
        )
        for q in QUANTILES
    )
    return Comparison(a, b, requests, 10, quantiles, (0.001, 0.002, 0.004), (400, 600), (390, 610))


def case(check: tuple[float, float], answer: tuple[float, float], limits: dict[float, float] | None = None) -> Case:
    """A case with the interval of the A/A check and that of on / off."""
    checked = comparison("off", "off again", *check)
    resolutions: tuple[Resolution, ...] = resolve(checked, limits or {})
    return Case(
        profile="seed",
        description="two hooks",
        model_seconds=0.0,
        rate=100.0,
        connections=8,
        comparisons=(checked, comparison("off", "on", *answer), comparison("no storage", "off", 1.1, 1.2)),
        resolutions=resolutions,
        waterfall=(RunTrace("r1", 0.002, (HookTrace("notify", 0.002, 0.004, 2.004, "succeeded", 1),)),),
        seconds=60.0,
    )


@dataclass
class FakeArm:
    """An arm whose blocks take the time that a test says."""

    name: ArmName
    latency: float = 0.002
    address: Address = ("127.0.0.1", 1)
    request: bytes = b"POST / HTTP/1.1\r\n\r\n"
    waited: int = 0
    failed: int = 0
    runs: list[str] = field(default_factory=list)

    def run_once(self) -> str:
        self.runs.append(f"run-{len(self.runs)}")
        return self.runs[-1]

    def trace(self, run_id: str) -> RunTrace:
        return RunTrace(run_id, self.latency, (HookTrace("notify", 0.0, 0.1, 0.2, "succeeded", 1),))

    def await_idle(self, within: float) -> int:
        self.waited += 1
        return self.failed


def fake_block(arm: FakeArm, plan: Plan, number: int) -> LoadResult:
    """What a block of a fake arm measures: a latency for each arrival after the lead-in, a little different each."""
    lead_in = plan.lead_in_of(arm.name)
    measured = [due for due in plan.arrivals(number, arm.name) if due >= lead_in]
    latencies = [arm.latency * (1 + 0.1 * ((due * 997) % 1)) for due in (each - lead_in for each in measured)]
    return LoadResult(latencies=latencies, seconds=plan.block_seconds)
