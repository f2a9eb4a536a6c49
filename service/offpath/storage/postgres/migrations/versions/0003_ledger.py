"""The ledger of the built-in hooks: plans, evaluations, feedback, sums, bookings, budgets, notices, deliveries."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest: str = "0001"
concurrently: dict[str, str] = {}

_TRIGGERS: dict[str, tuple[str, str]] = {
    # By name: what sets it off, and what it does.
    "offpath_sessions_forget": (
        "AFTER DELETE ON offpath_sessions REFERENCING OLD TABLE AS gone",
        """
    DELETE FROM offpath_session_marks WHERE session_id IN (SELECT session_id FROM gone);""",
    ),
    # In the order in which those who write these rows lock them; and what is made of a row after that row.
    "offpath_runs_forget": (
        "AFTER DELETE ON offpath_runs REFERENCING OLD TABLE AS gone",
        """
    IF NOT EXISTS (SELECT FROM gone) THEN
        RETURN NULL;
    END IF;
    PERFORM FROM offpath_run_plans p WHERE p.run_id IN (SELECT run_id FROM gone) ORDER BY p.run_id FOR UPDATE;
    DELETE FROM offpath_run_plans WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM offpath_evaluations WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM offpath_feedback WHERE run_id IN (SELECT run_id FROM gone);
    DELETE FROM offpath_notices WHERE run_id <> '' AND run_id IN (SELECT run_id FROM gone);
    DELETE FROM offpath_deliveries WHERE run_id <> '' AND run_id IN (SELECT run_id FROM gone);
    DELETE FROM offpath_bookings WHERE id IN (SELECT id FROM offpath_bookings
        WHERE error IS NOT NULL AND run_id IN (SELECT run_id FROM gone) FOR UPDATE SKIP LOCKED);""",
    ),
    # A plan that is added together with its sums is not booked: see `PostgresLedger.amend`.
    "offpath_run_plans_book": (
        "AFTER INSERT ON offpath_run_plans REFERENCING NEW TABLE AS added",
        """
    IF current_setting('offpath.books_plans', true) IS DISTINCT FROM 'no' THEN
        INSERT INTO offpath_bookings (run_id) SELECT run_id FROM added ORDER BY run_id;
    END IF;""",
    ),
    "offpath_job_results_book": (
        "AFTER INSERT ON offpath_job_results REFERENCING NEW TABLE AS added",
        """
    INSERT INTO offpath_bookings (run_id, key, ended_at) SELECT a.run_id, a.key, a.finished_at FROM added a
    WHERE EXISTS (SELECT FROM offpath_run_plans p WHERE p.run_id = a.run_id) ORDER BY a.finished_at, a.key;""",
    ),
}


def _id(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(collation="C"), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=nullable)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _flag(name: str, *, nullable: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=nullable)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"offpath_{table}_pk")


def _index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(f"offpath_{name}", f"offpath_{table}", columns, postgresql_where=condition)


def upgrade() -> None:
    _plans()
    _results()
    _sums()
    _messages()
    op.create_table(
        "offpath_session_marks", _id("session_id"), _number("marked_at"), _key("session_marks", "session_id")
    )
    # Last, since these lock tables that runs are stored in; in the order in which storing a run locks them.
    for name, (event, body) in _TRIGGERS.items():
        _trigger(name, event, body)


def _plans() -> None:
    op.create_table(
        "offpath_run_plans",
        _id("run_id"),
        _id("session_id"),
        _text("component_kind"),
        _id("component_id"),
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
        _key("run_plans", "run_id"),
        # Room for the changes of a plan beside it: no column of an index changes.
        postgresql_with={"fillfactor": 80},
    )
    _index("run_plans_strip", "run_plans", ["run_id"], "strip")
    op.create_table(
        "offpath_bookings",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        _id("run_id"),
        _id("key", nullable=True),
        _number("ended_at", nullable=True),
        _text("error", nullable=True),
        _key("bookings", "id"),
        # As the queue's: rows come and go.
        postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
    )
    _index("bookings_run_id", "bookings", ["run_id"])


def _results() -> None:
    op.create_table(
        "offpath_evaluations",
        _id("run_id"),
        _id("name"),
        _id("fingerprint"),
        _text("state"),
        _flag("passed", nullable=True),
        _number("evaluated_at"),
        _text("data"),
        _key("evaluations", "run_id", "name", "fingerprint"),
    )
    _index("evaluations_failed", "evaluations", ["name", "evaluated_at", "run_id"], "NOT passed")
    op.create_table(
        "offpath_feedback",
        _id("id"),
        _id("run_id"),
        _number("created_at"),
        _text("author", nullable=True),
        _text("name"),
        _number("score", nullable=True),
        _text("label", nullable=True),
        _text("comment", nullable=True),
        _key("feedback", "id"),
    )
    _index("feedback_run_id", "feedback", ["run_id"])


def _sums() -> None:
    op.create_table(
        "offpath_rollups",
        _id("measure"),
        _id("grain"),
        _id("facet"),
        _whole("start"),
        _id("component_kind"),
        _id("component_id"),
        _id("value"),
        _text("data"),
        _key("rollups", "measure", "grain", "facet", "start", "component_kind", "component_id", "value"),
        postgresql_with={"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02},
    )
    _index("rollups_user", "rollups", ["value"], "facet = 'user'")
    op.create_table("offpath_budgets", _id("window"), _whole("spent"), _key("budgets", "window"))


def _messages() -> None:
    op.create_table(
        "offpath_notices",
        _id("key"),
        _id("run_id"),
        _number("created_at"),
        _number("taken_at", nullable=True),
        _text("data"),
        _key("notices", "key"),
    )
    _index("notices_waiting", "notices", ["created_at", "key"], "taken_at IS NULL")
    _index("notices_taken_at", "notices", ["taken_at"], "taken_at IS NOT NULL")
    _index("notices_run_id", "notices", ["run_id"], "run_id <> ''")
    op.create_table(
        "offpath_deliveries",
        _id("id"),
        _id("run_id"),
        _text("channel"),
        _text("group"),
        _number("created_at"),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        _id("job_key"),
        _key("deliveries", "id"),
    )
    _index("deliveries_run_id", "deliveries", ["run_id"], "run_id <> ''")
    _index("deliveries_created_at", "deliveries", ["created_at"])
    op.create_table("offpath_told", _id("channel"), _id("group"), _number("told_at"), _key("told", "channel", "group"))


def _trigger(name: str, event: str, body: str) -> None:
    # With the rights of the tables' owner: processes of the version before set it off, too, and their user may have
    # none on the new tables. The planner is kept from scans, which may have been its plan of a quieter hour.
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
        "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off "
        f"AS $$\nBEGIN{body}\n    RETURN NULL;\nEND $$"
    )
    op.execute(
        f"DO $$ BEGIN EXECUTE 'ALTER FUNCTION {name}() SET search_path = ' || quote_ident(current_schema()) "
        "|| ', pg_temp'; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} {event} FOR EACH STATEMENT EXECUTE FUNCTION {name}()")


def downgrade() -> None:
    for name, (event, _) in _TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON {event.split()[3]}")
        op.execute(f"DROP FUNCTION {name}()")
    tables = ("session_marks", "told", "deliveries", "notices", "budgets", "rollups", "feedback", "evaluations")
    for table in (*tables, "bookings", "run_plans"):
        op.drop_table(f"offpath_{table}")
