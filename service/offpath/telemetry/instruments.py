"""The instruments: one attribute for each metric of `names.METRICS`.

`instruments().hooks_started.add(hook=..., hook_kind=...)`; see `instrument` for what each kind does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from offpath.telemetry.instrument import (
    SERIES_LIMIT,
    BoundCounter,
    BoundHistogram,
    Counter,
    Gauge,
    Histogram,
    Instrument,
    UpDown,
)
from offpath.telemetry.names import METRICS, OUTCOME, SCOPE, Metric

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

__all__ = [
    "SERIES_LIMIT",
    "BoundCounter",
    "BoundHistogram",
    "Counter",
    "Gauge",
    "Histogram",
    "Instruments",
    "UpDown",
    "connect",
    "instruments",
]


class Instruments:
    """Every instrument that offpath records. The annotations are checked against `names.METRICS` by a test."""

    http_server_request_duration: Histogram
    http_server_active_requests: UpDown
    gen_ai_client_operation_duration: Histogram
    gen_ai_client_token_usage: Histogram
    gen_ai_client_operation_time_to_first_chunk: Histogram
    gen_ai_invoke_agent_duration: Histogram
    gen_ai_invoke_workflow_duration: Histogram
    gen_ai_execute_tool_duration: Histogram
    runs: Counter
    runs_active: UpDown
    response_overhead: Histogram
    commit_duration: Histogram
    commit_errors: Counter
    guardrail_blocked: Counter
    hooks_queued: Counter
    hooks_started: Counter
    hooks_finished: Counter
    hooks_retried: Counter
    hooks_dead: Counter
    hooks_skipped: Counter
    hook_duration: Histogram
    hook_queue_delay: Histogram
    hooks_backlog: Gauge
    hooks_oldest_age: Gauge
    hooks_paused: Gauge
    workers: Gauge
    worker_heartbeat_age: Gauge
    executors: Gauge
    executor_killed: Counter
    telemetry_dropped: Counter
    evaluation_score: Histogram
    evaluation_results: Counter
    evaluation_skipped: Counter
    evaluation_rate: Gauge
    evaluation_judge_tokens: Counter
    evaluator_info: Gauge
    feedback: Counter
    cost: Counter
    cost_unpriced: Counter
    judge_budget_remaining: Gauge
    judge_budget_limit: Gauge
    notifications_sent: Counter
    notification_duration: Histogram

    def __init__(self) -> None:
        kinds: dict[str, type[Instrument]] = {
            "counter": Counter,
            "updown": UpDown,
            "histogram": Histogram,
            "gauge": Gauge,
        }
        self._all: list[Instrument] = []
        self._provider: MeterProvider | None = None
        for metric in METRICS:
            instrument = kinds[metric.kind](metric)
            setattr(self, metric.parameter, instrument)
            self._all.append(instrument)

    def connect(self, provider: MeterProvider | None) -> None:
        """Record to this provider from now on, beginning at nothing; None: drop everything."""
        self._provider = provider
        serve = getattr(provider, "serve", None)
        if serve is not None:
            serve([instrument.connect_directly() for instrument in self._all])
            return
        meter = None if provider is None else provider.get_meter(SCOPE)
        for instrument in self._all:
            instrument.connect(meter)

    @property
    def provider(self) -> MeterProvider | None:
        """Where to it is recorded now."""
        return self._provider

    def zero_components(self, components: Iterable[tuple[str, str]]) -> None:
        """Show the counters of these components at 0, so that `increase()` sees their first run.

        Args:
            components: Kind and name of each agent, team and workflow.
        """
        for kind, name in components:
            self.runs_active.bind(agent_name=name, run_kind=kind)
            for nested in (False, True):
                for streamed in (False,) if nested else (False, True):
                    self.runs.bind(
                        agent_name=name, run_kind=kind, run_nested=nested, run_streamed=streamed, run_status="completed"
                    )
                # As the worker counts them, which finds them.
                self.runs.bind(
                    agent_name=name, run_kind=kind, run_nested=nested, run_streamed=False, run_status="interrupted"
                )

    def zero_guardrails(self, guardrails: Iterable[tuple[str, str]]) -> None:
        """Show the counter of these guardrails at 0.

        Args:
            guardrails: Name of each, and of the agent, team or workflow that it guards.
        """
        for guardrail, agent_name in guardrails:
            self.guardrail_blocked.bind(guardrail=guardrail, agent_name=agent_name)

    def zero_hooks(self, hooks: Iterable[tuple[str, str]]) -> None:
        """Show the counters of these hooks at 0.

        Args:
            hooks: Id and kind of each.
        """
        for hook, kind in hooks:
            for counter in (self.hooks_queued, self.hooks_started, self.hooks_retried):
                counter.bind(hook=hook, hook_kind=kind)
            for outcome in OUTCOME.values:
                self.hooks_finished.bind(hook=hook, hook_kind=kind, outcome=outcome)
            for reason in _values(self.hooks_dead.metric, "reason"):
                self.hooks_dead.bind(hook=hook, hook_kind=kind, reason=reason)
            for reason in _values(self.hooks_skipped.metric, "reason"):
                self.hooks_skipped.bind(hook=hook, hook_kind=kind, reason=reason)

    def zero_process(self, *, store: str | None = None) -> None:
        """Show what every process may count at 0.

        Args:
            store: Where the process stores runs, "sqlite" or "postgres"; None if it stores none.
        """
        if store is not None:
            self.commit_errors.bind(store=store)
        for reason in _values(self.executor_killed.metric, "reason"):
            self.executor_killed.bind(reason=reason)
        for signal in _values(self.telemetry_dropped.metric, "signal"):
            self.telemetry_dropped.bind(signal=signal)


_instruments = Instruments()


def instruments() -> Instruments:
    """The instruments of this process: one object for its whole life, whatever is connected."""
    return _instruments


@contextmanager
def connect(provider: MeterProvider) -> Iterator[Instruments]:
    """Record to this provider for a while; for tests."""
    before = _instruments.provider
    _instruments.connect(provider)
    try:
        yield _instruments
    finally:
        _instruments.connect(before)


def _values(metric: Metric, parameter: str) -> tuple[str, ...]:
    return next(label.values for label in metric.labels if label.parameter == parameter)
