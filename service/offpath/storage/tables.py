"""The schema. Statements of the hot path are written by hand in `statements`; the migrations create these tables.

Importing this module costs SQLAlchemy and pydantic, so that only migrations, tests and reports do.
Times are seconds since the epoch.
"""

from typing import ClassVar

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Text, text
from sqlmodel import Field, SQLModel


class OffpathTable(SQLModel):
    """Base of all tables, with a metadata of their own: an application's SQLModel tables stay apart."""

    metadata: ClassVar[MetaData] = MetaData()


class SessionTable(OffpathTable, table=True):
    """A conversation."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_updated_at", "updated_at"),
        Index("ix_sessions_user_id", "user_id", sqlite_where=text("user_id IS NOT NULL")),
    )

    session_id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    component_id: str = Field(sa_column=Column(Text, nullable=False))
    user_id: str | None = Field(default=None, sa_column=Column(Text))
    name: str | None = Field(default=None, sa_column=Column(Text))
    created_at: float
    updated_at: float
    state: str = Field(sa_column=Column(Text, nullable=False))
    """JSON object."""
    metadata_json: str | None = Field(default=None, sa_column=Column("metadata", Text))


class RunTable(OffpathTable, table=True):
    """A run with its record, or the name of the file that holds it."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_session", "session_id", "created_at"),
        Index("ix_runs_created_at", "created_at"),
        Index("ix_runs_user_id", "user_id", sqlite_where=text("user_id IS NOT NULL")),
        Index("ix_runs_parent", "parent_run_id", sqlite_where=text("parent_run_id IS NOT NULL")),
        Index("ix_runs_running", "owner", sqlite_where=text("status = 'running'")),
        Index("ix_runs_payload", "payload", sqlite_where=text("payload IS NOT NULL")),
    )

    run_id: str = Field(sa_column=Column(Text, primary_key=True))
    session_id: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    component_id: str = Field(sa_column=Column(Text, nullable=False))
    component_name: str = Field(sa_column=Column(Text, nullable=False))
    user_id: str | None = Field(default=None, sa_column=Column(Text))
    parent_run_id: str | None = Field(default=None, sa_column=Column(Text))
    status: str = Field(sa_column=Column(Text, nullable=False))
    created_at: float
    updated_at: float
    owner: str = Field(sa_column=Column(Text, nullable=False))
    """Instance id of the service process that executes it."""
    payload: str | None = Field(default=None, sa_column=Column(Text))
    """File name in the payload directory; the record is then empty."""
    record: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class JobTable(OffpathTable, table=True):
    """The outbox: hook jobs that are not done."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_claim", "hook_id", "state", "due_at"),
        Index("ix_jobs_placement", "placement", sqlite_where=text("placement <> ''")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True))
    """Never used twice: the worker reads what is above the last one it saw."""
    key: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    run_id: str = Field(sa_column=Column(Text, nullable=False))
    hook_id: str = Field(sa_column=Column(Text, nullable=False))
    component_kind: str = Field(sa_column=Column(Text, nullable=False))
    component_id: str = Field(sa_column=Column(Text, nullable=False))
    phase: str = Field(sa_column=Column(Text, nullable=False))
    hook: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    version: str = Field(sa_column=Column(Text, nullable=False))
    priority: int
    queued_at: float
    placement: str = Field(sa_column=Column(Text, nullable=False))
    traceparent: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    """ready, scheduled or running."""
    attempts: int
    """Attempts that count: failed ones, and one that was recorded as running."""
    due_at: float | None = None
    """When a scheduled job may start; else NULL."""
    started_at: float | None = None
    error: str | None = Field(default=None, sa_column=Column(Text))
    executor: str | None = Field(default=None, sa_column=Column(Text))


class JobResultTable(OffpathTable, table=True):
    """How a job ended. A trigger deletes the job when its result is inserted."""

    __tablename__ = "job_results"
    __table_args__ = (
        Index("ix_job_results_dead", "hook_id", sqlite_where=text("state = 'dead'")),
        Index("ix_job_results_finished_at", "finished_at"),
    )

    key: str = Field(sa_column=Column(Text, primary_key=True))
    run_id: str = Field(sa_column=Column(Text, nullable=False))
    session_id: str | None = Field(default=None, sa_column=Column(Text))
    hook_id: str = Field(sa_column=Column(Text, nullable=False))
    component_kind: str = Field(sa_column=Column(Text, nullable=False))
    component_id: str = Field(sa_column=Column(Text, nullable=False))
    phase: str = Field(sa_column=Column(Text, nullable=False))
    hook: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    version: str = Field(sa_column=Column(Text, nullable=False))
    priority: int
    queued_at: float
    placement: str = Field(sa_column=Column(Text, nullable=False))
    traceparent: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    """succeeded, dead or cancelled."""
    outcome: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int
    started_at: float | None = None
    finished_at: float
    error: str | None = Field(default=None, sa_column=Column(Text))
    executor: str | None = Field(default=None, sa_column=Column(Text))
    result: str | None = Field(default=None, sa_column=Column(Text))
    """JSON."""


class IdempotencyKeyTable(OffpathTable, table=True):
    """An Idempotency-Key that a caller used, and the run that answers it."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("ix_idempotency_keys_run_id", "run_id"),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    scope: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    fingerprint: str = Field(sa_column=Column(Text, nullable=False))
    run_id: str = Field(sa_column=Column(Text, nullable=False))
    owner: str = Field(sa_column=Column(Text, nullable=False))
    created_at: float


class HookPauseTable(OffpathTable, table=True):
    """What became of a hook that had to be killed."""

    __tablename__ = "hook_pauses"

    hook_id: str = Field(sa_column=Column(Text, primary_key=True))
    strikes: int
    isolated: bool
    paused_at: float | None = None
    reason: str | None = Field(default=None, sa_column=Column(Text))
    version: str | None = Field(default=None, sa_column=Column(Text))


class RunPlanTable(OffpathTable, table=True):
    """What is to be evaluated of a run, and how that stands. A trigger books each new one.

    One is written with each run, as is its booking: the fewer pages that changes, the less a run waits for it. Hence
    rows in the order of their coming, though a run's id finds them, and no index that few rows need.
    """

    __tablename__ = "run_plans"
    __table_args__ = (Index("ix_run_plans_strip", "run_id", sqlite_where=text("strip = 1")),)

    run_id: str = Field(sa_column=Column(Text, primary_key=True))
    session_id: str = Field(sa_column=Column(Text, nullable=False))
    component_kind: str = Field(sa_column=Column(Text, nullable=False))
    component_id: str = Field(sa_column=Column(Text, nullable=False))
    component_name: str = Field(sa_column=Column(Text, nullable=False))
    nested: bool
    created_at: float
    """Of the run."""
    status: str = Field(sa_column=Column(Text, nullable=False))
    duration: float
    error_type: str = Field(sa_column=Column(Text, nullable=False))
    traceparent: str = Field(sa_column=Column(Text, nullable=False))
    plan: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: the entries by the evaluation's name."""
    blocked_by: str = Field(sa_column=Column(Text, nullable=False))
    strip: bool
    """Whether the run's content is to go."""
    counted: bool
    """Whether the sums know of it."""


class BookingTable(OffpathTable, table=True):
    """What is not in the sums yet: a run that ended (without a key), or a job of one that has a plan."""

    __tablename__ = "bookings"
    __table_args__ = (
        Index("ix_bookings_error", "run_id", sqlite_where=text("error IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True))
    run_id: str = Field(sa_column=Column(Text, nullable=False))
    key: str | None = Field(default=None, sa_column=Column(Text))
    ended_at: float | None = None
    """Which end of the job it is: one that was requeued ends again."""
    error: str | None = Field(default=None, sa_column=Column(Text))
    """Why it could not be counted: it is left out until a worker starts anew."""


class EvaluationTable(OffpathTable, table=True):
    """A result of one evaluator about one run. In the order of their coming: in that of their keys, which are random,
    a commit changes two thirds more pages."""

    __tablename__ = "evaluations"
    __table_args__ = (Index("ix_evaluations_failed", "name", "evaluated_at", sqlite_where=text("passed = 0")),)

    run_id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    fingerprint: str = Field(sa_column=Column(Text, primary_key=True))
    state: str = Field(sa_column=Column(Text, nullable=False))
    passed: bool | None = None
    evaluated_at: float
    data: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: the whole EvaluationRow."""


class FeedbackTable(OffpathTable, table=True):
    """What a person says of a run."""

    __tablename__ = "feedback"
    __table_args__ = (Index("ix_feedback_run_id", "run_id"),)

    id: str = Field(sa_column=Column(Text, primary_key=True))
    run_id: str = Field(sa_column=Column(Text, nullable=False))
    created_at: float
    author: str | None = Field(default=None, sa_column=Column(Text))
    name: str = Field(sa_column=Column(Text, nullable=False))
    score: float | None = None
    label: str | None = Field(default=None, sa_column=Column(Text))
    comment: str | None = Field(default=None, sa_column=Column(Text))


class RollupTable(OffpathTable, table=True):
    """Sums of an hour or a day. The key begins with what a report names, then the time it spans."""

    __tablename__ = "rollups"
    __table_args__ = (
        Index("ix_rollups_user", "value", sqlite_where=text("facet = 'user'")),
        {"sqlite_with_rowid": False},
    )

    measure: str = Field(sa_column=Column(Text, primary_key=True))
    grain: str = Field(sa_column=Column(Text, primary_key=True))
    facet: str = Field(sa_column=Column(Text, primary_key=True))
    start: int = Field(primary_key=True)
    component_kind: str = Field(sa_column=Column(Text, primary_key=True))
    component_id: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = Field(sa_column=Column(Text, primary_key=True))
    data: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: numbers, and objects of such."""


class BudgetTable(OffpathTable, table=True):
    """What the judge has spent in a window, in nano-USD."""

    __tablename__ = "budgets"

    window: str = Field(sa_column=Column(Text, primary_key=True))
    spent: int


class NoticeTable(OffpathTable, table=True):
    """Something to tell people. One that was told stays as a bare key for a while, so that it is told once."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_waiting", "created_at", sqlite_where=text("taken_at IS NULL")),
        Index("ix_notices_taken_at", "taken_at", sqlite_where=text("taken_at IS NOT NULL")),
        Index("ix_notices_run_id", "run_id", sqlite_where=text("run_id <> ''")),
    )

    key: str = Field(sa_column=Column(Text, primary_key=True))
    run_id: str = Field(sa_column=Column(Text, nullable=False))
    created_at: float
    taken_at: float | None = None
    data: str = Field(sa_column=Column(Text, nullable=False))
    """JSON: the Notice; "" when it was taken."""


class DeliveryTable(OffpathTable, table=True):
    """A message for one channel, sent by the job of that key."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_run_id", "run_id", sqlite_where=text("run_id <> ''")),
        Index("ix_deliveries_created_at", "created_at"),
    )

    id: str = Field(sa_column=Column(Text, primary_key=True))
    run_id: str = Field(sa_column=Column(Text, nullable=False))
    channel: str = Field(sa_column=Column(Text, nullable=False))
    group: str = Field(sa_column=Column(Text, nullable=False))
    created_at: float
    message: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    job_key: str = Field(sa_column=Column(Text, nullable=False))


class ToldTable(OffpathTable, table=True):
    """When a channel was last told of a group of notices."""

    __tablename__ = "told"

    channel: str = Field(sa_column=Column(Text, primary_key=True))
    group: str = Field(sa_column=Column(Text, primary_key=True))
    told_at: float


class SessionMarkTable(OffpathTable, table=True):
    """When a quiet session was seen to."""

    __tablename__ = "session_marks"

    session_id: str = Field(sa_column=Column(Text, primary_key=True))
    marked_at: float
