from __future__ import annotations

import time
from collections.abc import Sequence

from offpath.posthooks.planner import Planner, PlannerData
from offpath.runs.job import HookJob
from offpath.runs.record import decode_record, encode_record
from offpath.runs.status import RunStatus
from offpath.storage.store import RunRow
from offpath.worker.maintenance import Maintenance, interrupted_run
from offpath.worker.pool import PoolHooks
from offpath.worker.records import CACHED_RECORDS, Records
from unit.worker.memory_engine import make_info
from unit.worker.worker_kit import make_record

INTERRUPTED = (RunStatus.INTERRUPTED,)


def running_row() -> RunRow:
    record = make_record("r9")
    record.output.status = RunStatus.RUNNING
    return RunRow(
        run_id="r9",
        session_id="s1",
        kind="agent",
        component_id="support",
        component_name="Support",
        user_id=None,
        parent_run_id=None,
        status=RunStatus.RUNNING,
        created_at=1.0,
        updated_at=1.0,
        owner="gone",
        record=encode_record(record),
    )


def test_a_cut_off_run_is_marked_and_only_hooks_that_want_it_are_told() -> None:
    infos = [
        make_info("wants", run_on=INTERRUPTED),
        make_info("other_end", run_on=(RunStatus.COMPLETED,)),
        make_info("before", run_on=INTERRUPTED, phase="pre"),
        make_info("in_front", run_on=INTERRUPTED, background=False),
        make_info("elsewhere", run_on=INTERRUPTED, component_id="sales"),
    ]
    row, jobs = interrupted_run(running_row(), infos, 5.0, Planner(PlannerData()))
    assert (row.status, row.updated_at) == (RunStatus.INTERRUPTED, 5.0)
    assert decode_record(row.record).output.status is RunStatus.INTERRUPTED
    assert [(job.key, job.queued_at, job.placement) for job in jobs] == [("r9:post:wants", 5.0, "")]


class Archive:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []
        self.marked: list[tuple[str, int]] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def record(self, run_id: str) -> bytes | None:
        self.asked.append((run_id, 0))
        return b"x" * 100

    async def interrupted(self) -> list[RunRow]:
        return [running_row()]

    async def mark_interrupted(self, run: RunRow, jobs: Sequence[HookJob]) -> bool:
        self.marked.append((run.run_id, len(jobs)))
        return True

    async def prune(self, before: float) -> int:
        self.asked.append(("prune", before))
        return 1

    async def forget_idempotency_keys(self, before: float) -> int:
        self.asked.append(("keys", before))
        return 0

    async def checkpoint(self) -> None: ...

    async def sweep(self) -> int:
        self.asked.append(("sweep", 0))
        return 0


async def test_interrupted_runs_are_found() -> None:
    archive = Archive()
    found = await Maintenance(archive, retention_days=None).find_interrupted(
        PoolHooks((make_info("wants", run_on=INTERRUPTED),), frozenset())
    )
    assert found == 1
    assert archive.marked == [("r9", 1)]


async def test_runs_are_deleted_only_if_there_is_a_retention() -> None:
    archive = Archive()
    await Maintenance(archive, retention_days=None).tidy()
    assert [name for name, _ in archive.asked] == ["keys", "sweep"]
    await Maintenance(archive, retention_days=2).tidy()
    name, before = archive.asked[2]
    assert name == "prune"
    assert abs(time.time() - 2 * 86_400 - before) < 60


async def test_records_are_kept_within_bounds() -> None:
    archive = Archive()
    records = Records(archive, most=250)
    assert await records.of("a") is await records.of("a")
    await records.of("b")
    await records.of("c")  # pushes a out
    await records.of("b")
    await records.of("a")
    assert [name for name, _ in archive.asked] == ["a", "b", "c", "a"]
    many = Records(Archive())
    for number in range(CACHED_RECORDS + 5):
        await many.of(str(number))
    assert len(many._kept) == CACHED_RECORDS
