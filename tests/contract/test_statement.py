"""Core's statements as compiled text: the same answers from both drivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from appliance.database.alike import Alike
from appliance.database.database import Database
from appliance.database.errors import Conflict
from appliance.database.statement import Sql, Statement, param

things = Table(
    "things",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("octets", LargeBinary),
)
_t = things.c
Index("things_size", _t.size, sqlite_where=text("size > 0"), postgresql_where=text("size > 0"))

_INSERT = Statement(insert(things))
_ALL = Statement(select(things).order_by(_t.size))
_OF = Statement(select(_t.size).where(_t.name == param("wanted")))


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Iterator[Database]:
    database = open_database()
    database.transact(lambda transaction: transaction.run(CreateTable(things)))
    for index in things.indexes:
        database.transact(lambda transaction, each=index: transaction.run(CreateIndex(each)))  # type: ignore[misc]
    yield database
    database.transact(lambda transaction: transaction.run(DropTable(things)))


def write(database: Database, sql: Sql, params: dict[str, object] | None = None) -> int:
    return database.transact(lambda transaction: transaction.run(sql, params))


def fill(database: Database, **sizes: int) -> None:
    rows = [{"name": name, "size": size, "octets": None} for name, size in sizes.items()]
    database.transact(lambda transaction: transaction.run_many(_INSERT, rows))


@pytest.mark.parametrize(
    "name",
    ["plain", "quote ' and \" and %s and %(x)s and :x and ?", "Grüße 漢字 🐎", "", "\\", "a\nb"],
)
def test_text_comes_back_as_it_was(database: Database, name: str) -> None:
    write(database, _INSERT, {"name": name, "size": 0, "octets": None})
    with database.reader() as connection:
        row = connection.row(_ALL)
        assert row is not None
        assert row.name == name
        assert connection.value(_OF, {"wanted": name}) == 0


@pytest.mark.parametrize("octets", [b"", b"\0\r\n\xff\x80", bytes(range(256)) * 600, None])
def test_octets_come_back_as_they_were(database: Database, octets: bytes | None) -> None:
    write(database, _INSERT, {"name": "a", "size": 0, "octets": octets})
    with database.reader() as connection:
        row = connection.row(_ALL)
    assert row is not None
    assert row.octets == octets
    assert octets is None or type(row.octets) is bytes


@pytest.mark.parametrize("size", [0, 1, -1, 2**15, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_integers_of_64_bits_come_back_as_they_were(database: Database, size: int) -> None:
    write(database, _INSERT, {"name": "a", "size": size, "octets": None})
    with database.reader() as connection:
        assert connection.value(_OF, {"wanted": "a"}) == size


def test_rows_are_named_tuples_in_the_columns_order(database: Database) -> None:
    fill(database, b=2, a=1)
    with database.reader() as connection:
        rows = connection.rows(_ALL)
        assert [(row.name, row.size) for row in rows] == [("a", 1), ("b", 2)]
        assert rows[0]._fields == ("name", "size", "octets")
        assert connection.tuples(_ALL) == [("a", 1, None), ("b", 2, None)]


def test_query_that_finds_nothing(database: Database) -> None:
    with database.reader() as connection:
        assert connection.rows(_ALL) == []
        assert connection.tuples(_ALL) == []
        assert connection.row(_ALL) is None
        assert connection.value(_OF, {"wanted": "a"}) is None


def test_run_says_how_many_rows_it_touched(database: Database) -> None:
    fill(database, a=1, b=2, c=3)
    change = Statement(update(things).where(_t.size >= param("least")).values(size=_t.size + 10))
    assert write(database, change, {"least": 2}) == 2
    assert write(database, change, {"least": 100}) == 0
    assert write(database, delete(things)) == 3


def test_parameters_and_values_of_one_statement_do_not_mix(database: Database) -> None:
    fill(database, a=1, b=1, c=2)
    change = Statement(
        update(things)
        .where(_t.size == param("old"), _t.name != "b")
        .values(size=param("new") + 1, octets=b"fixed")
    )
    assert write(database, change, {"old": 1, "new": 7}) == 1
    assert write(database, change, {"old": 2, "new": 8}) == 1  # the compiled text is used again
    with database.reader() as connection:
        rows = connection.tuples(select(_t.name, _t.size, _t.octets).order_by(_t.name))
    assert rows == [("a", 8, b"fixed"), ("b", 1, None), ("c", 9, b"fixed")]


@pytest.mark.parametrize("count", [0, 1, 2, 9, 32, 75])
def test_any_number_of_rows_is_inserted_in_its_order(database: Database, count: int) -> None:
    rows = [{"name": f"n{n}", "size": n, "octets": bytes([n, 0])} for n in range(count)]
    database.transact(lambda transaction: transaction.run_many(_INSERT, rows))
    with database.reader() as connection:
        assert connection.tuples(_ALL) == [(f"n{n}", n, bytes([n, 0])) for n in range(count)]


def test_one_row_too_many_of_its_name_leaves_nothing_of_all(database: Database) -> None:
    rows = [{"name": f"n{n % 40}", "size": n, "octets": None} for n in range(41)]
    with pytest.raises(Conflict):
        database.transact(lambda transaction: transaction.run_many(_INSERT, rows))
    with database.reader() as connection:
        assert connection.tuples(_ALL) == []


def test_constants_of_a_bulk_insert_are_in_every_row(database: Database) -> None:
    some = Statement(
        insert(things).values(name=param("which"), size=param("to"), octets=b"fixed"),
    )
    rows = [{"which": f"n{n}", "to": n} for n in range(11)]
    database.transact(lambda transaction: transaction.run_many(some, rows))
    with database.reader() as connection:
        assert connection.tuples(_ALL) == [(f"n{n}", n, b"fixed") for n in range(11)]


def test_run_many_has_the_fixed_values_in_every_row(database: Database) -> None:
    fill(database, a=1, b=2, c=3)
    change = Statement(
        update(things).where(_t.name == param("which")).values(size=param("to"), octets=b"same")
    )
    rows = [{"which": "a", "to": 10}, {"which": "c", "to": 30}]
    database.transact(lambda transaction: transaction.run_many(change, rows))
    with database.reader() as connection:
        assert connection.tuples(_ALL) == [("b", 2, None), ("a", 10, b"same"), ("c", 30, b"same")]


def test_lists_are_written_out_in_the_text(database: Database) -> None:
    fill(database, a=1, b=2, c=3)
    some = Statement(select(_t.name).where(_t.name.in_(["a", "c", "x"])).order_by(_t.name))
    with database.reader() as connection:
        assert connection.tuples(some) == [("a",), ("c",)]
        assert connection.tuples(select(_t.name).where(_t.name.not_in({"a", "b"}))) == [("c",)]
        assert connection.tuples(select(_t.name).where(_t.name.in_([]))) == []


def test_insert_returns_what_the_database_chose(database: Database) -> None:
    make = Statement(insert(things).returning(func.length(_t.name)), ("name", "size"))
    with database.reader() as connection:
        assert connection.rows(_ALL) == []
    length = database.transact(lambda tx: tx.value(make, {"name": "four", "size": 1}))
    assert length == 4


def test_limit_and_like_take_parameters(database: Database) -> None:
    fill(database, alice=1, bob=2, alf=3)
    some = Statement(
        select(_t.name).where(_t.name.startswith(param("text"))).order_by(_t.name).limit(param("n"))
    )
    with database.reader() as connection:
        assert connection.tuples(some, {"text": "al", "n": 5}) == [("alf",), ("alice",)]
        assert connection.tuples(some, {"text": "al", "n": 1}) == [("alf",)]


def test_row_that_breaks_a_rule_takes_all_rows_of_its_call_back(database: Database) -> None:
    fill(database, taken=1)
    with pytest.raises(Conflict):
        fill(database, new=1, taken=2)
    with database.reader() as connection:
        assert connection.tuples(_ALL) == [("taken", 1, None)]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 300])
def test_rows_that_are_alike_are_inserted_in_groups_of_any_size(
    database: Database, count: int
) -> None:
    named = [(f"'thing' {number} \u00fc", number) for number in range(count)]
    groups = [({"octets": b"\0\xff"}, named), ({"octets": b"other"}, [("alone", -1)])]
    insert_alike = Alike(things, ("name", "size"))
    database.transact(lambda transaction: insert_alike.run(transaction, groups))
    with database.reader() as connection:
        found = [(row.name, row.size, bytes(row.octets)) for row in connection.rows(_ALL)]
    assert found == [("alone", -1, b"other"), *((*each, b"\0\xff") for each in named)]


@pytest.mark.parametrize("count", [1, 50])
def test_rows_may_differ_in_one_column(database: Database, count: int) -> None:
    names = [(f"thing-{number:02}",) for number in range(count)]
    insert_alike = Alike(things, ("name",))
    groups = [({"size": 5, "octets": b""}, names)]
    database.transact(lambda transaction: insert_alike.run(transaction, groups))
    with database.reader() as connection:
        found = [(row.name, row.size) for row in connection.rows(_ALL)]
    assert sorted(found) == [(name, 5) for (name,) in names]
