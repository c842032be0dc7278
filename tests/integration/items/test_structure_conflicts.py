"""Changes of the structure that the database gives up for the sake of others: done anew, where nothing is left of them.

Conflicts come from a trigger that refuses as a real one would, as often as it is told; its sequence counts attempts,
since no rollback takes that back. One is a deadlock.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.support import engines
from tests.support.ddl import run_ddl
from tests.support.schemas import settings_of
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.database.bootstrap import bootstrap
from tidegate.database.engine import Database, create_database
from tidegate.errors import TidegateError
from tidegate.items.changes import Change
from tidegate.items.feed import Feed
from tidegate.items.structure import Structure
from tidegate.items.writes import ATTEMPTS

ADMIN = Rights(Public(), admin=True)
NEW_FIELD = {"field": "colour", "type": "string", "schema": {}, "meta": {}}

TRIGGER = {
    "postgresql": [
        "CREATE SEQUENCE attempts",
        "CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF nextval(''attempts'') {when} THEN "
        "RAISE EXCEPTION USING ERRCODE = ''40001''; END IF; RETURN NEW; END'",
        "CREATE TRIGGER give_up BEFORE INSERT ON directus_fields FOR EACH ROW EXECUTE FUNCTION give_up()",
    ],
    "mysql": [
        "CREATE SEQUENCE attempts",
        "CREATE TRIGGER give_up BEFORE INSERT ON directus_fields FOR EACH ROW IF NEXTVAL(attempts) {when} THEN "
        "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF",
    ],
}
WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.INNODB_TRX t "
    "JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id "
    "WHERE t.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()",
}
"""How many sessions wait for another one's lock."""
LOOK_SECONDS = 0.15
"""InnoDB tells the same again to whoever asks within a tenth of a second."""


@pytest_asyncio.fixture(params=["postgresql", "mariadb"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with engines.temporary_database(request.param) as url:
        database = create_database(settings_of(url))
        try:
            await database.start()
            await bootstrap(database, None)
            yield database
        finally:
            await database.stop()


@pytest.fixture
def told() -> list[Change]:
    return []


@pytest.fixture
async def structure(database: Database, told: list[Change]) -> Structure:
    feed = Feed()
    structure = Structure(database, feed)
    for name in ("first", "second", "third"):
        await structure.collections.create_one(ADMIN, {"collection": name, "schema": {}, "meta": {}})
    feed.subscribe(told.extend)
    return structure


async def give_up(database: Database, when: str) -> None:
    """Have rows of `directus_fields` refused; `when` compares the number of the attempt, from 1."""
    await run_ddl(database, *(line.format(when=when) for line in TRIGGER[database.capabilities.dialect]))


async def attempts(database: Database) -> int:
    sequence = "'attempts'" if database.capabilities.dialect == "postgresql" else "attempts"
    async with database.transaction() as transaction:
        ((number,),) = await transaction.fetch(sa.text(f"SELECT nextval({sequence})"))
    return int(number) - 1


async def test_change_is_done_anew_and_told_once(structure: Structure, database: Database, told: list[Change]) -> None:
    await give_up(database, "<= 2")
    item = await structure.fields.create_one(ADMIN, "first", NEW_FIELD)
    assert (item["field"], item["schema"]["name"], item["meta"]["field"]) == ("colour", "colour", "colour")
    assert "colour" in database.schema.collections["first"].fields
    assert [(change.collection, change.action, change.payload["field"]) for change in told] == [
        ("directus_fields", "create", "colour")
    ]


async def test_change_is_not_done_anew_without_end(
    structure: Structure, database: Database, told: list[Change]
) -> None:
    await give_up(database, "> 0")
    with pytest.raises(TidegateError) as failure:
        await structure.fields.create_one(ADMIN, "first", NEW_FIELD)
    assert failure.value.code == "SERVICE_UNAVAILABLE"
    assert await attempts(database) == ATTEMPTS
    assert "colour" not in database.schema.collections["first"].fields
    assert told == []


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
async def test_tables_that_no_rollback_brings_back_are_changed_once(
    structure: Structure, database: Database, told: list[Change]
) -> None:
    """Metadata rows are tried before DDL: the second attempt comes after it."""
    await give_up(database, "= 2")
    with pytest.raises(TidegateError) as failure:
        await structure.fields.create_one(ADMIN, "first", NEW_FIELD)
    assert failure.value.code == "SERVICE_UNAVAILABLE"
    assert await attempts(database) == 2
    assert "colour" in database.schema.collections["first"].fields, "what is there is served"
    assert told == []


async def test_deadlock_with_a_transaction_is_survived(
    structure: Structure, database: Database, told: list[Change]
) -> None:
    """The structure changes the first, waits for the third, and then comes to the second, which closes the circle."""
    wanted = [{"collection": name, "meta": {"note": "wanted"}} for name in ("first", "third", "second")]
    async with database.transaction() as heavy:
        if database.capabilities.dialect == "postgresql":
            await heavy.execute(sa.text("SET LOCAL deadlock_timeout = '10min'"))  # the other one is to notice it
        else:
            rows = [{"id": number} for number in range(1, 100)]  # of two, the one that did less is given up
            await heavy.execute(sa.insert(database.tables["first"]).values(rows))
        await heavy.execute(noted(database, "second", "of another"))
        async with database.transaction() as light:
            await light.execute(noted(database, "third", "of another"))
            change = asyncio.create_task(structure.collections.update(ADMIN, wanted))
            await waiting(database, 1)
            blocked = asyncio.create_task(heavy.execute(noted(database, "first", "of another")))
            await waiting(database, 2)
        await blocked
    items = await change
    assert [item["meta"]["note"] for item in items] == ["wanted"] * 3
    assert [(kept.keys, kept.before[0]["note"], kept.after[0]["note"]) for kept in told] == [
        ((name,), "of another", "wanted") for name in ("first", "third", "second")
    ]


def noted(database: Database, name: str, note: str) -> sa.Update:
    table = database.tables["directus_collections"]
    return sa.update(table).where(table.c.collection == name).values(note=note)


async def waiting(database: Database, number: int) -> None:
    """Wait until so many sessions wait for another one's lock."""
    asked = sa.text(WAITING[database.capabilities.dialect])
    async with asyncio.timeout(30):
        while True:
            if (await database.fetch(asked))[0][0] == number:
                return
            await asyncio.sleep(LOOK_SECONDS)
