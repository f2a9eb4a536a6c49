"""What of the queue goes with deleted runs: on the store's connection, in its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from offpath.engine.postgres import statements
from offpath.engine.postgres.connection import Connection
from offpath.engine.postgres.jobs import attempts_begun, headers_of, job_of
from offpath.runs.job import HookJob
from offpath.storage.postgres.text import restored, stored


def job_columns(jobs: Sequence[HookJob]) -> list[list[Any]]:
    """Columns `key` to `placement` of the results of jobs, as the statements take them."""
    return [
        [stored(job.key) for job in jobs],
        [stored(job.run_id) for job in jobs],
        [stored(job.hook_id) for job in jobs],
        [job.component_kind for job in jobs],
        [stored(job.component_id) for job in jobs],
        [job.phase for job in jobs],
        [stored(job.hook) for job in jobs],
        [job.kind for job in jobs],
        [stored(job.version) for job in jobs],
        [job.priority for job in jobs],
        [job.queued_at for job in jobs],
        [stored(job.placement) for job in jobs],
    ]


async def cancel_jobs(connection: Connection, run_ids: Iterable[str]) -> int:
    """End the queued jobs of runs as cancelled, and clear what results hold of their content; jobs cancelled."""
    runs = [stored(run_id) for run_id in run_ids]
    rows = await connection.fetch(statements.TAKE_JOBS, runs)
    # Afterwards: of a job that is just ending there is either the job or its result.
    await connection.execute(statements.CLEAR_RESULTS, runs)
    if rows:
        headers = [headers_of(row["headers"]) for row in rows]
        await connection.execute(
            statements.CANCELLED,
            *job_columns([job_of(row["payload"]) for row in rows]),
            [attempts_begun(row["attempts"], noted) for row, noted in zip(rows, headers, strict=True)],
            [noted.get("started_at") for noted in headers],
        )
    return len(rows)


async def runs_with_jobs(connection: Connection, run_ids: Iterable[str]) -> set[str]:
    """Those of the runs that have jobs which have not ended."""
    rows = await connection.fetch(statements.RUNS_WITH_JOBS, [stored(run_id) for run_id in run_ids])
    return {restored(row[0]) for row in rows}


async def forget_jobs(connection: Connection, run_ids: Iterable[str]) -> None:
    """Delete the results of runs."""
    await connection.execute(statements.FORGET_RESULTS, [stored(run_id) for run_id in run_ids])
