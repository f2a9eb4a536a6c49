"""Waterfall: one run and its hooks on one time axis, from what `GET /runs/{id}/hooks` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from offpath.proof.findings import HookTrace, RunTrace


def run_trace(
    run_id: str, sent: float, responded: float, jobs: Sequence[Mapping[str, Any]], *, same_clock: bool = True
) -> RunTrace:
    """The trace of a run whose request is at 0.

    Args:
        sent: When the request was sent, seconds since the epoch.
        responded: Seconds from then to the whole answer.
        jobs: As `GET /runs/{id}/hooks` lists them. Of several attempts only the last one's times are known.
        same_clock: False if the service is on another machine: then its times are moved so that the last job that a run
            brought was queued when the answer arrived, which is right to the time that the answer took to travel.
    """
    queued = [float(job["queued_at"]) for job in jobs]
    origin = sent if same_clock or not queued else max(queued) - responded
    hooks = []
    for job, queued_at in zip(jobs, queued, strict=True):
        # A job that has not started or ended has no bar: it is where it was queued.
        started = float(job.get("started_at") or queued_at)
        hooks.append(
            HookTrace(
                name=str(job["hook"]),
                queued=max(0.0, queued_at - origin),
                started=max(0.0, started - origin),
                ended=max(0.0, float(job.get("finished_at") or started) - origin),
                state=str(job["state"]),
                attempts=int(job["attempts"]),
            )
        )
    return RunTrace(run_id, responded, tuple(sorted(hooks, key=lambda hook: (hook.queued, hook.started))))
