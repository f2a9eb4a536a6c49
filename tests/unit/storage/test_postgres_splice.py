"""Statements made one; what they do together is seen in test_store.py."""

from __future__ import annotations

import pytest

from offpath.engine.postgres.schema import enqueue_statement
from offpath.storage.postgres import statements
from offpath.storage.postgres.splice import spliced

OURS = "WITH a AS (INSERT INTO x VALUES ($1, $2)) SELECT 1"


def test_their_expressions_come_first_and_take_the_later_values() -> None:
    theirs = """
        WITH input AS MATERIALIZED (  -- a comment (with a bracket
            SELECT id FROM unnest($1::int[]) AS t(id)
        ),
        inserted AS (INSERT INTO q SELECT id, $10, $2 FROM input RETURNING id)
        SELECT count(*) FROM (SELECT 1 FROM inserted) AS i
    """
    whole = spliced(OURS, 2, theirs)
    assert whole is not None
    assert " ".join(whole.split()) == (
        "WITH input AS MATERIALIZED ( SELECT id FROM unnest($3::int[]) AS t(id) ), "
        "inserted AS (INSERT INTO q SELECT id, $12, $4 FROM input RETURNING id), "
        "a AS (INSERT INTO x VALUES ($1, $2)) SELECT 1"
    )


@pytest.mark.parametrize(
    "theirs",
    [
        "INSERT INTO q VALUES ($1)",
        "SELECT 1",
        "WITH b AS (SELECT 1) INSERT INTO q SELECT * FROM b",
        "WITH b AS (SELECT ')') SELECT 1",
        "WITH b AS (SELECT 1",
    ],
)
def test_what_is_built_otherwise_is_left_alone(theirs: str) -> None:
    assert spliced(OURS, 2, theirs) is None


@pytest.mark.parametrize(
    ("statement", "values"),
    [(statements.BEGIN, 21), (statements.FINISH, 21), (statements.FINISH_WITH_PLANS, 36)],
)
def test_the_queue_that_is_installed_can_be_spliced(statement: str, values: int) -> None:
    assert f"${values}:" in statement
    assert f"${values + 1}:" not in statement
    whole = spliced(statement, values, enqueue_statement())
    assert whole is not None, "each commit would take four round trips instead of one"
    assert f"${values + 6}" in whole
