"""What each engine's refusals become."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from tests.support.ddl import run_ddl
from tidegate.database.bootstrap import bootstrap
from tidegate.database.engine import Database
from tidegate.errors import InvalidPayload, TidegateError

PARENTS = "CREATE TABLE parents (id integer NOT NULL PRIMARY KEY)"
CHILDREN = """CREATE TABLE children (
    code varchar(10) NOT NULL PRIMARY KEY,
    email varchar(20) UNIQUE,
    parent integer,
    age smallint CHECK (age >= 0),
    needed varchar(10) NOT NULL,
    CONSTRAINT children_parent_foreign FOREIGN KEY (parent) REFERENCES parents (id)
)"""


@pytest.fixture
async def children(database: Database) -> sa.Table:
    await run_ddl(
        database,
        PARENTS,
        CHILDREN,
        "INSERT INTO parents VALUES (1)",
        "INSERT INTO children VALUES ('red', 'a@b.c', 1, 5, 'x')",
    )
    return database.tables["children"]


async def refused(database: Database, statement: sa.Executable) -> TidegateError:
    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(statement)

    with pytest.raises(TidegateError) as caught:
        await write()
    shown = f"{caught.value.message} {caught.value.extensions}".upper()
    assert "INSERT" not in shown
    assert "SQL" not in shown
    return caught.value


def child(**values: Any) -> dict[str, Any]:
    return {"code": "new", "needed": "x", **values}


async def test_duplicate_primary_key_names_field_and_value(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.insert(children).values(child(code="red")))
    assert error.code == "RECORD_NOT_UNIQUE"
    assert error.extensions == {"collection": "children", "field": "code", "value": "red"}
    assert error.message == 'Value "red" for field "code" in collection "children" has to be unique.'


async def test_duplicate_in_an_update_names_field_and_value(database: Database, children: sa.Table) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(sa.insert(children).values(child()))
    error = await refused(database, sa.update(children).where(children.c.code == "new").values(email="a@b.c"))
    assert error.code == "RECORD_NOT_UNIQUE"
    assert error.extensions == {"collection": "children", "field": "email", "value": "a@b.c"}


async def test_foreign_key_to_nothing(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.insert(children).values(child(parent=9)))
    assert error.code == "INVALID_FOREIGN_KEY"
    assert error.extensions["collection"] == "children"
    if database.capabilities.dialect != "sqlite":  # which does not tell the column
        assert error.extensions == {"collection": "children", "field": "parent", "value": 9}


async def test_item_that_others_point_at_cannot_go(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.delete(database.tables["parents"]))
    assert error.code == "INVALID_FOREIGN_KEY"


async def test_null_in_a_required_column(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.insert(children).values(child(needed=None)))
    assert error.code == "NOT_NULL_VIOLATION"
    assert error.extensions == {"collection": "children", "field": "needed"}


async def test_left_out_required_column(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.insert(children).values(code="new"))
    assert error.code == "NOT_NULL_VIOLATION"
    assert error.extensions == {"collection": "children", "field": "needed"}


async def test_broken_check(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.insert(children).values(child(age=-1)))
    assert error.code == "FAILED_VALIDATION"


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
async def test_text_longer_than_the_column(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.insert(children).values(child(needed="x" * 11)))
    assert error.code == "VALUE_TOO_LONG"


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
async def test_number_larger_than_the_column(database: Database, children: sa.Table) -> None:
    error = await refused(database, sa.insert(children).values(child(age=40_000)))
    assert error.code == "VALUE_OUT_OF_RANGE"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_value_that_the_column_type_does_not_know(database: Database) -> None:
    await run_ddl(
        database, "CREATE TYPE mood AS ENUM ('happy')", "CREATE TABLE things (id integer PRIMARY KEY, m mood)"
    )
    error = await refused(database, sa.insert(database.tables["things"]).values(id=1, m="sad"))
    assert isinstance(error, InvalidPayload)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_the_driver_refuses_by_itself(database: Database) -> None:
    number = sa.bindparam("number", "not one", type_=sa.Integer())
    with pytest.raises(InvalidPayload):
        await database.fetch(sa.select(number))
    with pytest.raises(TidegateError) as crowded:
        await database.fetch(sa.select(sa.literal(1)).where(sa.literal(1).in_(list(range(33_000)))))
    assert crowded.value.code == "INVALID_QUERY"


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
async def test_deadlock_is_a_conflict_for_one_of_the_two(database: Database) -> None:
    await run_ddl(database, PARENTS, "INSERT INTO parents VALUES (1), (2)")
    parents = database.tables["parents"]
    async with database.transaction() as first:
        await first.fetch(sa.select(parents).where(parents.c.id == 1).with_for_update())

        async def second() -> str:
            async with database.transaction() as other:
                await other.fetch(sa.select(parents).where(parents.c.id == 2).with_for_update())
                locked.set()
                await other.fetch(sa.select(parents).where(parents.c.id == 1).with_for_update())
            return "done"

        locked = asyncio.Event()
        task = asyncio.create_task(second())
        await locked.wait()
        outcomes = []
        try:
            await first.fetch(sa.select(parents).where(parents.c.id == 2).with_for_update())
            outcomes.append("done")
        except TidegateError as error:
            outcomes.append(error.code)
        if outcomes == ["done"]:
            with pytest.raises(TidegateError) as lost:
                await task
            assert lost.value.code == "SERVICE_UNAVAILABLE"
    if outcomes != ["done"]:
        assert outcomes == ["SERVICE_UNAVAILABLE"]
        assert await task == "done"


async def test_what_is_gone_makes_the_schema_outdated_and_shows_nothing(
    database: Database, children: sa.Table, caplog: pytest.LogCaptureFixture
) -> None:
    outdated: list[str] = []
    database.on_outdated(lambda: outdated.append("told"))
    await run_ddl(database, "ALTER TABLE children DROP COLUMN needed")
    read = sa.select(children.c.needed).where(children.c.code == "secret value")
    write = sa.insert(children).values(child(needed="secret value"))
    for drop in ("SELECT 1", "DROP TABLE children"):
        await run_ddl(database, drop)
        with pytest.raises(TidegateError) as caught:
            await database.fetch(read)
        assert caught.value.code == "SERVICE_UNAVAILABLE"
        assert (await refused(database, write)).code == "SERVICE_UNAVAILABLE"
    assert outdated == ["told"] * 4
    assert "secret value" not in caplog.text
    assert "SELECT" not in caplog.text


async def test_duplicate_in_a_concealed_field_names_no_value(database: Database) -> None:
    await bootstrap(database, None)
    users = database.tables["directus_users"]
    row = {"email": None, "status": "active", "token": "hush"}
    async with database.transaction() as transaction:
        await transaction.execute(sa.insert(users).values(row | {"id": str(uuid4())}))
    error = await refused(database, sa.insert(users).values(row | {"id": str(uuid4())}))
    assert error.extensions == {"collection": "directus_users", "field": "token"}
    assert "hush" not in error.message
