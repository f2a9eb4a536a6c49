"""The ledger of the built-in hooks: plans, evaluations, feedback, sums, bookings, budgets, notices, deliveries."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=nullable)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _flag(name: str, *, nullable: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=nullable)


def upgrade() -> None:
    _plans()
    _results()
    _sums()
    _messages()
    op.create_table("session_marks", _text("session_id"), _number("marked_at"), sa.PrimaryKeyConstraint("session_id"))
    op.execute(
        "CREATE TRIGGER run_plans_book AFTER INSERT ON run_plans "
        "BEGIN INSERT INTO bookings (run_id) VALUES (NEW.run_id); END"
    )
    op.execute(
        "CREATE TRIGGER job_results_book AFTER INSERT ON job_results "
        "WHEN EXISTS (SELECT 1 FROM run_plans WHERE run_id = NEW.run_id) "
        "BEGIN INSERT INTO bookings (run_id, key, ended_at) VALUES (NEW.run_id, NEW.key, NEW.finished_at); END"
    )
    op.execute(
        "CREATE TRIGGER sessions_delete_mark AFTER DELETE ON sessions "
        "BEGIN DELETE FROM session_marks WHERE session_id = OLD.session_id; END"
    )


def _plans() -> None:
    op.create_table(
        "run_plans",
        _text("run_id"),
        _text("session_id"),
        _text("component_kind"),
        _text("component_id"),
        _text("component_name"),
        _flag("nested"),
        _number("created_at"),
        _text("status"),
        _number("duration"),
        _text("error_type"),
        _text("traceparent"),
        _text("plan"),
        _text("blocked_by"),
        _flag("strip"),
        _flag("counted"),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index("ix_run_plans_strip", "run_plans", ["run_id"], sqlite_where=sa.text("strip = 1"))
    op.create_table(
        "bookings",
        _whole("id"),
        _text("run_id"),
        _text("key", nullable=True),
        _number("ended_at", nullable=True),
        _text("error", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bookings_error", "bookings", ["run_id"], sqlite_where=sa.text("error IS NOT NULL"))


def _results() -> None:
    op.create_table(
        "evaluations",
        _text("run_id"),
        _text("name"),
        _text("fingerprint"),
        _text("state"),
        _flag("passed", nullable=True),
        _number("evaluated_at"),
        _text("data"),
        sa.PrimaryKeyConstraint("run_id", "name", "fingerprint"),
    )
    op.create_index(
        "ix_evaluations_failed", "evaluations", ["name", "evaluated_at"], sqlite_where=sa.text("passed = 0")
    )
    op.create_table(
        "feedback",
        _text("id"),
        _text("run_id"),
        _number("created_at"),
        _text("author", nullable=True),
        _text("name"),
        _number("score", nullable=True),
        _text("label", nullable=True),
        _text("comment", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_feedback_run_id", "feedback", ["run_id"])


def _sums() -> None:
    op.create_table(
        "rollups",
        _text("measure"),
        _text("grain"),
        _text("facet"),
        _whole("start"),
        _text("component_kind"),
        _text("component_id"),
        _text("value"),
        _text("data"),
        sa.PrimaryKeyConstraint("measure", "grain", "facet", "start", "component_kind", "component_id", "value"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rollups_user", "rollups", ["value"], sqlite_where=sa.text("facet = 'user'"))
    op.create_table("budgets", _text("window"), _whole("spent"), sa.PrimaryKeyConstraint("window"))


def _messages() -> None:
    op.create_table(
        "notices",
        _text("key"),
        _text("run_id"),
        _number("created_at"),
        _number("taken_at", nullable=True),
        _text("data"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_notices_waiting", "notices", ["created_at"], sqlite_where=sa.text("taken_at IS NULL"))
    op.create_index("ix_notices_taken_at", "notices", ["taken_at"], sqlite_where=sa.text("taken_at IS NOT NULL"))
    op.create_index("ix_notices_run_id", "notices", ["run_id"], sqlite_where=sa.text("run_id <> ''"))
    op.create_table(
        "deliveries",
        _text("id"),
        _text("run_id"),
        _text("channel"),
        _text("group"),
        _number("created_at"),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        _text("job_key"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_deliveries_run_id", "deliveries", ["run_id"], sqlite_where=sa.text("run_id <> ''"))
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])
    op.create_table(
        "told", _text("channel"), _text("group"), _number("told_at"),
        sa.PrimaryKeyConstraint("channel", "group"),
    )  # fmt: skip


def downgrade() -> None:
    for trigger in ("run_plans_book", "job_results_book", "sessions_delete_mark"):
        op.execute(f"DROP TRIGGER {trigger}")
    tables = ("session_marks", "told", "deliveries", "notices", "budgets", "rollups", "feedback", "evaluations")
    for table in (*tables, "bookings", "run_plans"):
        op.drop_table(table)
