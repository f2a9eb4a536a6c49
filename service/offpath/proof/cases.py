"""All cases of one call of `offpath prove`: each set of hooks under each latency of the model."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, Protocol

from offpath.proof.errors import ProofError
from offpath.proof.experiment import Arm, Arms, Measured, capacity, choose_rate, hook_seconds, measure, warm_up
from offpath.proof.findings import FORMAT, ArmName, Case, Findings, Verdict
from offpath.proof.machine import describe_machine
from offpath.proof.plan import QUICK, Amount, Plan, plan_case
from offpath.proof.profiles import Profile, connections_for
from offpath.proof.progress import Reporter, spell_seconds
from offpath.proof.target import AppTarget, DemoTarget, ProofTarget, UrlTarget, hints
from offpath.proof.verdict import judge

APP_RATE: Final = 100.0
"""Requests a second to somebody's own service whose models are stood in for."""
PAID_RATE: Final = 2.0
"""Requests a second where each may cost something."""
MOST_LEAD_IN: Final = 10.0
START_SECONDS: Final = 12.0
"""What starting the arms of a case and warming them up takes, roughly."""


class ServeArms(Protocol):
    """`arms.serve_arms`."""

    def __call__(
        self,
        target: ProofTarget,
        profile: Profile | None,
        *,
        arms: Sequence[ArmName],
        model_seconds: float,
        delay: float = 0.0,
    ) -> AbstractContextManager[Arms]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be measured."""

    profiles: tuple[Profile | None, ...]
    """None: the hooks that the target has."""
    model_seconds: tuple[float, ...] = (0.0,)
    amount: Amount = field(default_factory=Amount)
    rate: float | None = None
    connections: int | None = None
    storage_arm: bool = True
    seed: int = 1
    plant: float = 0.0
    """A slowdown of the arm with hooks, to see whether it is found."""
    limits: Mapping[float, float] = field(default_factory=dict)
    """Asserted ratios, by quantile."""

    def arms_for(self, target: ProofTarget) -> tuple[ArmName, ...]:
        """The arms that a target can have."""
        if self.storage_arm and not isinstance(target, UrlTarget):
            return ("off", "off again", "on", "no storage")
        return ("off", "off again", "on")


def prove(
    target: ProofTarget,
    wanted: Wanted,
    reporter: Reporter,
    *,
    serve: ServeArms,
    shown: str,
    command: str,
    found: Callable[[Case], None] = lambda case: None,
) -> Findings:
    """Measure all cases. Ctrl-C, or a case that cannot be measured, ends it with what was found until then.

    Args:
        serve: `arms.serve_arms`.
        shown: The target as findings name it, without secrets.
        command: To measure it again.
        found: Is told of each case when it is measured.

    Raises:
        ConfigurationError: What is asked for cannot be measured here.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    for hint in hints(target):
        reporter.say(hint)
    cases: list[Case] = []
    verdicts: list[Verdict] = []
    measured = Measured(None)
    for measured in _measure_all(target, wanted, reporter, serve, shown):
        if measured.case:
            found(measured.case)
            cases.append(measured.case)
            verdicts += judge(measured.case, wanted.limits)
    return Findings(
        version=FORMAT,
        offpath=version("offpath"),
        began=began.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 1),
        target=shown,
        machine=describe_machine() | {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
        command=command,
        cases=tuple(cases),
        verdicts=tuple(verdicts),
        interrupted=measured.interrupted,
        error=measured.error,
        planted=wanted.plant,
        running=isinstance(target, UrlTarget),
    )


def expected_seconds(target: ProofTarget, wanted: Wanted) -> float:
    """How long it will take, before anything is known about the machine."""
    total = 0.0
    for profile in wanted.profiles:
        for _ in wanted.model_seconds:
            rate = wanted.rate or _default_rate(target, profile)
            lead_in = profile.lead_in if profile else 1.0
            plan = plan_case(
                wanted.amount, wanted.arms_for(target), rate=rate, connections=8, lead_in=lead_in, seed=wanted.seed
            )
            total += START_SECONDS + plan.seconds + 2 * lead_in  # hooks of the warm-up and of the waterfall
    return total


def _measure_all(
    target: ProofTarget, wanted: Wanted, reporter: Reporter, serve: ServeArms, shown: str
) -> Iterator[Measured]:
    for profile in wanted.profiles:
        for model_seconds in wanted.model_seconds:
            try:
                doing = "Asking" if isinstance(target, UrlTarget) else "Starting"
                reporter.say(f"{doing} {profile.name if profile else shown} ...")
                started = serve(
                    target,
                    profile,
                    arms=wanted.arms_for(target),
                    model_seconds=model_seconds,
                    delay=wanted.plant,
                )
                with started as arms:
                    measured = _measure(arms, target, profile, model_seconds, wanted, reporter, shown)
            except KeyboardInterrupt:
                measured = Measured(None, interrupted=True)
            except ProofError as error:
                measured = Measured(None, error=str(error))
            reporter.end()
            yield measured
            if measured.interrupted or measured.error:
                return


def _measure(
    arms: Arms,
    target: ProofTarget,
    profile: Profile | None,
    model_seconds: float,
    wanted: Wanted,
    reporter: Reporter,
    shown: str,
) -> Measured:
    own_model = _own_model(target)
    plan, notes = _plan(arms, target, profile, model_seconds, wanted)
    for note in notes:
        reporter.say(note)
    name = profile.name if profile else shown
    reporter.say(
        f"{name}: {plan.pairs} rounds of {len(plan.arms)} arms, {plan.block_seconds:.1f} s each, "
        f"{plan.rate:g} requests a second on {plan.connections} connections; "
        f"{plan.requests:,} requests an arm, about {spell_seconds(plan.seconds)}"
    )
    warm_up(arms, plan)
    return measure(
        arms,
        plan,
        reporter,
        profile=name,
        description=profile.description if profile else "the hooks of this service",
        model_seconds=0.0 if own_model else model_seconds,
        own_model=own_model,
        limits=wanted.limits,
        notes=notes,
    )


def _plan(
    arms: Arms, target: ProofTarget, profile: Profile | None, model_seconds: float, wanted: Wanted
) -> tuple[Plan, list[str]]:
    """The plan of a case, from what the arms can answer and how long their hooks take."""
    default = _default_rate(target, profile)
    own_model = _own_model(target)
    rate = wanted.rate or default
    if isinstance(target, DemoTarget):
        arms["off"].run_once()  # of a wrong agent, one answer says more than the statuses of thousands
    notes = _said_before(target, wanted)
    answers = (arms["off"], arms["on"]) if own_model and not wanted.connections else ()
    answer_seconds = max(map(_answer_seconds, answers), default=model_seconds)
    connections = wanted.connections or connections_for(rate, answer_seconds)
    if not own_model:  # a burst of requests to somebody's service, or that somebody pays for, is not ours to send
        rate, note = choose_rate(wanted.rate, default, capacity(arms, connections), connections)
        notes += [note] if note else []
    lead_in = profile.lead_in if profile else min(MOST_LEAD_IN, max(0.5, 1.1 * hook_seconds(arms["on"])))
    if wanted.amount.quick:
        lead_in = min(lead_in, QUICK[1])
        if profile is None or lead_in < profile.lead_in:
            notes.append("quick: a block is too short for its hooks to end while it is measured")
    plan = plan_case(wanted.amount, tuple(arms), rate=rate, connections=connections, lead_in=lead_in, seed=wanted.seed)
    return plan, notes


def _said_before(target: ProofTarget, wanted: Wanted) -> list[str]:
    """What has to be known about a case whatever is measured."""
    notes = []
    if wanted.plant:
        notes.append(
            f"planted: each answer with hooks on is made {wanted.plant * 100:g} % later on purpose (--plant). "
            f"This shows whether that is found, not what hooks cost"
        )
    if isinstance(target, UrlTarget):
        notes.append(
            "hooks off and hooks on are two deployments: whatever else differs between them (machine, version, "
            "database, load) is in on / off, too. The A/A check asks the one without hooks twice and cannot see it"
        )
    return notes


def _answer_seconds(arm: Arm) -> float:
    began = time.monotonic()
    arm.run_once()
    return time.monotonic() - began


def _default_rate(target: ProofTarget, profile: Profile | None) -> float:
    if profile is not None:
        return profile.rate
    return PAID_RATE if _own_model(target) else APP_RATE


def _own_model(target: ProofTarget) -> bool:
    """Whether the models that answer are not ours."""
    return isinstance(target, UrlTarget) or (isinstance(target, AppTarget) and target.real_model)
