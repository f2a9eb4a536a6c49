"""Alerts about the service: whether it is there, whether runs succeed, are stored and are fast, and about telemetry."""

from __future__ import annotations

from typing import Final

from offpath.dashboards.promql import TARGET
from offpath.dashboards.recording_service import (
    ALLOWED,
    RUNS,
    RUNS_FAILED,
    count_of_slow,
    share_of_slow,
)
from offpath.dashboards.rule import AlertRule, Severity
from offpath.dashboards.rule_expression import (
    COUNT,
    PERCENT,
    SHOWN_BY_ALL,
    grown,
    highest,
    series,
    shown,
    total,
)
from offpath.telemetry import names

_BURNS: Final[tuple[tuple[str, str, float, Severity], ...]] = (
    ("1h", "5m", 14.4, "critical"),
    ("6h", "30m", 6.0, "critical"),
    ("1d", "2h", 3.0, "warning"),
    ("3d", "6h", 1.0, "warning"),
)
"""Long window, short window, and how many times faster than allowed the answers that may be slow are used up. Source:
Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", for 30 days."""
_FEWEST_SLOW: Final = 10


def service_alerts() -> tuple[AlertRule, ...]:
    """Whether it is there, and whether runs succeed and are stored."""
    agent = shown(names.AGENT_NAME)
    services = series("offpath.runs.active").selector()
    unstored = grown(series("offpath.commit.errors").selector("_total"), "10m")
    return (
        AlertRule(
            "OffpathDown",
            f"up == 0\nand on ({', '.join(TARGET)}) present_over_time({SHOWN_BY_ALL}[7d])",
            "critical",
            "offpath at {{ $labels.instance }} does not answer Prometheus.",
            "The page /metrics of {{ $labels.job }} at {{ $labels.instance }}, which was there within the last week, "
            "cannot be read. A service that is down answers nobody; a worker that is down runs no hooks.",
            lasting="2m",
            labels=(("scope", "page"),),
        ),
        AlertRule(
            "OffpathDown",
            # Where targets are looked up, one that is gone is no target any more, and no `up` says 0.
            f"{highest(f'present_over_time({services}[1d])')}\nunless {highest(services)}",
            "critical",
            "No service of {{ $labels.job }} is there.",
            "Prometheus sees no service of {{ $labels.job }} any more; within the last day it did. Nobody is answered.",
            lasting="2m",
            labels=(("scope", "deployment"),),
        ),
        AlertRule(
            "OffpathErrorRate",
            f"{RUNS_FAILED} / {RUNS} > 0.1\nand {RUNS_FAILED} >= 5",
            "critical",
            f"Runs of {agent} fail.",
            f"{PERCENT} of the runs of {agent} in the last 10 minutes ended with an error, at least 5 of them.",
            lasting="2m",
        ),
        AlertRule(
            "OffpathCommitErrors",
            total(unstored, names.STORE, names.ERROR_TYPE) + " > 0",
            "critical",
            f"Runs cannot be stored in {shown(names.STORE)}.",
            f"Writes of runs to {shown(names.STORE)} that failed with {shown(names.ERROR_TYPE)} in the last 10 "
            f"minutes: {COUNT}. Their callers got an error, and their hooks were not queued.",
        ),
    )


def latency_alerts() -> tuple[AlertRule, ...]:
    """Whether so many answers are slow that the objective will be missed: quickly, or in the course of days."""
    return tuple(
        AlertRule(
            "OffpathLatencyBudgetBurn",
            f"{share_of_slow(long)} > {burn:g} * scalar({ALLOWED})\n"
            f"and {share_of_slow(short)} > {burn:g} * scalar({ALLOWED})\n"
            f"and {count_of_slow(long)} >= {_FEWEST_SLOW}",
            severity,
            "Answers are too slow too often.",
            f"{PERCENT} of the answers of {{{{ $labels.job }}}} in the last {long} were slow, {_times(burn)} the "
            "objective allows, and it goes on.",
            labels=(("long", long), ("short", short)),
        )
        for long, short, burn, severity in _BURNS
    )


def _times(burn: float) -> str:
    return "more than" if burn == 1 else f"over {burn:g} times as many as"


def telemetry_alerts() -> tuple[AlertRule, ...]:
    """Whether what is told about the service is all there is."""
    dropped = f"increase({series('offpath.telemetry.dropped').selector('_total')}[15m])"
    return (
        AlertRule(
            "OffpathTelemetryDropped",
            total(dropped, names.SIGNAL) + " > 0",
            "warning",
            f"Telemetry is lost: {shown(names.SIGNAL)}.",
            f"Items of {{{{ $labels.job }}}} lost in the last 15 minutes ({shown(names.SIGNAL)}): {COUNT}. Runs and "
            "hooks are not affected; what is shown about them has gaps.",
        ),
    )
