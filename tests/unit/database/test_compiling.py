"""Statements compiled ahead of a fork."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, select
from sqlalchemy.dialects import postgresql

from appliance.database.statement import SQLITE, Insertion, Statement, Upsert, compile_all

_things = Table("things", MetaData(), Column("id", Integer), Column("tags", postgresql.HSTORE))


def test_a_statement_is_compiled_before_it_is_needed() -> None:
    made: list[Insertion] = []

    def make(insert: Insertion) -> object:
        made.append(insert)
        return insert(_things).on_conflict_do_nothing()

    statement = Upsert(make, ["id"])  # type: ignore[arg-type] # what it makes is an element
    foreign = Statement(postgresql.array([select(_things.c.id).scalar_subquery()]))
    compile_all(SQLITE)
    assert len(made) == 1
    assert "ON CONFLICT DO NOTHING" in statement.on(SQLITE).text
    assert len(made) == 1
    del foreign  # PostgreSQL's alone: it stands in nobody's way
