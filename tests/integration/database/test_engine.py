"""Reads and transactions on every engine: what is kept, in which order, and what happens when connections break."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.ddl import run_ddl
from tests.support.schemas import settings_of
from tidegate.database.connections import WRITERS
from tidegate.database.engine import Database, DatabaseSettings, create_database
from tidegate.errors import Conflict, TidegateError

TABLE = "CREATE TABLE counters (id integer PRIMARY KEY, count integer)"


@pytest.fixture
async def counters(database: Database) -> sa.Table:
    await run_ddl(database, TABLE, "INSERT INTO counters VALUES (1, 0)")
    return database.tables["counters"]


async def counts(database: Database) -> list[int]:
    table = database.tables["counters"]
    return [row[0] for row in await database.fetch(sa.select(table.c.count).order_by(table.c.id))]


async def test_transaction_commits_at_the_end(database: Database, counters: sa.Table) -> None:
    async with database.transaction() as transaction:
        result = await transaction.execute(sa.update(counters).values(count=5))
        assert result.rowcount == 1
        assert [tuple(row) for row in await transaction.fetch(sa.select(counters))] == [(1, 5)]
        assert await counts(database) == [0]
    assert await counts(database) == [5]


async def test_transaction_rolls_back_when_an_error_leaves_it(database: Database, counters: sa.Table) -> None:
    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(counters).values(count=5))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write()
    assert await counts(database) == [0]


async def test_transaction_rolls_back_when_a_statement_fails(database: Database, counters: sa.Table) -> None:
    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(counters).values(count=5))
            await transaction.execute(sa.insert(counters).values(id=1, count=7))

    with pytest.raises(TidegateError):
        await write()
    assert await counts(database) == [0]


async def test_transaction_without_statements_is_nothing(database: Database) -> None:
    async with database.transaction():
        pass


async def test_returning_gives_rows_where_the_engine_says_so(database: Database, counters: sa.Table) -> None:
    async with database.transaction() as transaction:
        if database.capabilities.insert_returning:
            inserted = await transaction.fetch(sa.insert(counters).values(id=2, count=1).returning(counters))
            assert [tuple(row) for row in inserted] == [(2, 1)]
        if database.capabilities.update_returning:
            updated = await transaction.fetch(sa.update(counters).values(count=3).returning(counters.c.count))
            assert [row[0] for row in updated] == [3, 3]
        if database.capabilities.delete_returning:
            deleted = await transaction.fetch(sa.delete(counters).where(counters.c.id == 1).returning(counters.c.id))
            assert [row[0] for row in deleted] == [1]


async def test_inserted_key_is_known_without_returning(database: Database) -> None:
    key = {"sqlite": "integer PRIMARY KEY AUTOINCREMENT", "postgresql": "serial PRIMARY KEY"}
    spelled = key.get(database.capabilities.dialect, "integer AUTO_INCREMENT PRIMARY KEY")
    await run_ddl(database, f"CREATE TABLE things (id {spelled}, name varchar(20))")
    async with database.transaction() as transaction:
        for expected in (1, 2):
            result = await transaction.execute(sa.insert(database.tables["things"]).values(name="x"))
            assert result.inserted_primary_key == (expected,)


async def test_concurrent_increments_lose_nothing(database: Database, counters: sa.Table) -> None:
    async def increment() -> None:
        async with database.transaction() as transaction:
            select = sa.select(counters.c.count)
            locked = select.with_for_update() if database.capabilities.for_update else select
            count = (await transaction.fetch(locked))[0][0]
            await transaction.execute(sa.update(counters).values(count=count + 1))

    await asyncio.gather(*(increment() for _ in range(3 * WRITERS)))
    assert await counts(database) == [3 * WRITERS]


async def test_hooks_are_called_in_the_order_of_commits_and_not_for_rollbacks(
    database: Database, counters: sa.Table
) -> None:
    order: list[int] = []

    async def write(number: int) -> None:
        async with database.transaction() as transaction:
            transaction.on_commit_begin.append(lambda: order.append(number))
            await transaction.execute(sa.update(counters).values(count=number))
            if number == 3:
                raise ZeroDivisionError

    await asyncio.gather(*(write(number) for number in range(6)), return_exceptions=True)
    assert sorted(order) == [0, 1, 2, 4, 5]
    assert await counts(database) == [order[-1]]


async def test_cancelled_transaction_rolls_back_and_frees_its_connection(
    database: Database, counters: sa.Table
) -> None:
    started = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(counters).values(count=5))
            started.set()
            await asyncio.Event().wait()

    for _ in range(WRITERS + 1):
        started.clear()
        task = asyncio.create_task(write())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await counts(database) == [0]
    async with database.transaction() as transaction:
        await transaction.execute(sa.update(counters).values(count=1))
    assert await counts(database) == [1]


def _ignore(_: object) -> None:
    """Hooks return nothing."""


async def test_commit_that_has_begun_is_finished_before_a_cancellation_is_heard(
    database: Database, counters: sa.Table
) -> None:
    finished = []

    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(counters).values(count=5))
            task = asyncio.current_task()
            assert task is not None
            transaction.on_commit_begin.append(lambda: _ignore(task.cancel()))
        finished.append(True)
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(write())
    assert finished == [True]
    assert await counts(database) == [5]


async def test_prepared_read_takes_parameters_and_gives_api_values(database: Database) -> None:
    await run_ddl(
        database,
        "CREATE TABLE prices (id integer PRIMARY KEY, price decimal(10, 2), day date)",
        "INSERT INTO prices VALUES (1, 12.5, NULL), (2, 0.1, NULL)",
    )
    prices = database.tables["prices"]
    read = database.prepare(
        sa.select(prices.c.price, prices.c.day, sa.literal("x", sa.String))
        .where(prices.c.id == sa.bindparam("key"), prices.c.price > "0.05")
        .limit(1)
    )
    assert await database.fetch_prepared(read, {"key": 1}) == [("12.50", None, "x")]
    assert await database.fetch_prepared(read, {"key": 2}) == [("0.10", None, "x")]
    assert await database.fetch_prepared(read, {"key": 3}) == []


async def test_statement_whose_text_depends_on_parameters_is_not_prepared(
    database: Database, counters: sa.Table
) -> None:
    with pytest.raises(ValueError, match="IN"):
        database.prepare(sa.select(counters).where(counters.c.id.in_([1, 2])))


async def test_prepared_read_sees_a_changed_table(database: Database, counters: sa.Table) -> None:
    read = database.prepare(sa.select(counters))
    assert await database.fetch_prepared(read, {}) == [(1, 0)]
    await run_ddl(database, "DROP TABLE counters", TABLE.replace("count", "other"))
    with pytest.raises(TidegateError):
        await database.fetch_prepared(read, {})
    await run_ddl(database, "DROP TABLE other" + "ers", TABLE, "INSERT INTO counters VALUES (1, 1)")
    assert await database.fetch_prepared(read, {}) == [(1, 1)]


async def test_reads_go_on_while_a_transaction_is_open(database: Database, counters: sa.Table) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(sa.update(counters).values(count=5))
        rows = await asyncio.gather(*(database.fetch(sa.select(counters)) for _ in range(20)))
        assert all(tuple(row[0]) == (1, 0) for row in rows)


async def test_reload_counts_versions_and_tells_handlers(database: Database, counters: sa.Table) -> None:
    heard = []
    database.on_schema(lambda schema: heard.append(schema.version))
    before = database.schema.version
    assert (await database.reload()).version == before + 1
    assert heard == [before + 1]


KILL = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT concat('KILL ', ID) FROM information_schema.PROCESSLIST "
    "WHERE DB = DATABASE() AND ID <> CONNECTION_ID()",
}


@pytest.fixture
async def killer(database_url: str) -> AsyncIterator[Database]:
    """Another client of the same database, which can end the connections of the first."""
    other = create_database(settings_of(database_url))
    await other.start()
    yield other
    await other.stop()


async def kill_connections(killer: Database) -> None:
    async with killer.transaction() as transaction:
        rows = await transaction.fetch(sa.text(KILL[killer.capabilities.dialect]))
        if killer.capabilities.dialect == "mysql":
            for row in rows:
                await transaction.execute(sa.text(row[0]))


SERVERS = pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)


@SERVERS
async def test_reads_and_transactions_survive_connections_that_the_server_closed(
    database: Database, counters: sa.Table, killer: Database
) -> None:
    read = database.prepare(sa.select(counters))

    async def use() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(counters).values(count=counters.c.count + 1))
        await database.fetch_prepared(read, {})

    for _ in range(3):
        before = (await counts(database))[0]
        await asyncio.gather(*(database.fetch(sa.select(counters)) for _ in range(8)), *(use() for _ in range(8)))
        await kill_connections(killer)
        assert (await database.fetch_prepared(read, {}))[0][1] == before + 8
        await kill_connections(killer)
        assert (await counts(database))[0] == before + 8
        await kill_connections(killer)
        await use()
        assert (await counts(database))[0] == before + 9


@SERVERS
async def test_transaction_whose_connection_breaks_is_a_conflict_and_commits_nothing(
    database: Database, counters: sa.Table, killer: Database
) -> None:
    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(counters).values(count=5))
            await kill_connections(killer)
            await transaction.execute(sa.update(counters).values(count=6))

    with pytest.raises(Conflict):
        await write()
    assert await counts(database) == [0]


@SERVERS
async def test_connection_that_breaks_before_the_commit_is_unavailable(
    database: Database, counters: sa.Table, killer: Database
) -> None:
    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(counters).values(count=5))
            await kill_connections(killer)

    with pytest.raises(TidegateError) as lost:
        await write()
    assert lost.value.code == "SERVICE_UNAVAILABLE"
    assert not isinstance(lost.value, Conflict)
    assert await counts(database) == [0]


@pytest.mark.parametrize("client", ["pg", "mysql"])
async def test_server_that_cannot_be_reached_is_unavailable_and_its_password_untold(client: str) -> None:
    settings = DatabaseSettings(
        "pg" if client == "pg" else "mysql", host="127.0.0.1", port=1, database="x", user="u", password="hidden"
    )
    database = create_database(settings)
    with pytest.raises(TidegateError) as refused:
        await database.start()
    await database.stop()
    assert refused.value.code == "SERVICE_UNAVAILABLE"
    assert "hidden" not in f"{refused.value!r}{refused.value.__cause__!r}{settings!r}"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_statement_prepared_before_a_table_changed_is_a_conflict_inside_a_transaction(
    database: Database, counters: sa.Table, killer: Database
) -> None:
    select = sa.select(sa.text("*")).select_from(counters)

    async def read_in_transaction() -> int:
        async with database.transaction() as transaction:
            await transaction.fetch(sa.text("SELECT 1"))
            return len((await transaction.fetch(select))[0])

    assert await read_in_transaction() == 2
    await run_ddl(killer, "ALTER TABLE counters ADD COLUMN other integer")
    with pytest.raises(Conflict):
        await read_in_transaction()
    assert await read_in_transaction() == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sqlite_enforces_foreign_keys_and_syncs_every_commit(database: Database) -> None:
    async with database.transaction() as transaction:
        found = [
            (await transaction.fetch(sa.text(f"PRAGMA {name}")))[0][0]
            for name in ("foreign_keys", "synchronous", "journal_mode")
        ]
    assert found == [1, 2, "wal"]
    with pytest.raises(TidegateError):
        await database.fetch(sa.text("CREATE TABLE by_a_reader (id integer)"))


async def test_sqlite_makes_the_folder_of_its_file(tmp_path: Path) -> None:
    database = create_database(DatabaseSettings(filename=str(tmp_path / "new" / "folder" / "data.db")))
    await database.start()
    async with database.transaction() as transaction:
        await transaction.execute(sa.text("CREATE TABLE t (id integer PRIMARY KEY)"))
    await database.reload()
    assert list(database.schema.collections) == ["t"]
    await database.stop()


async def test_sqlite_file_that_is_no_database_is_an_error_without_its_path(tmp_path: Path) -> None:
    file = tmp_path / "data.db"
    file.write_text("this is not a database, it only has the name of one" * 50)
    database = create_database(DatabaseSettings(filename=str(file)))
    with pytest.raises(TidegateError) as refused:
        await database.start()
    await database.stop()
    assert str(file) not in str(refused.value)


async def test_two_processes_of_one_sqlite_file_write_in_turn(tmp_path: Path) -> None:
    both = [create_database(DatabaseSettings(filename=str(tmp_path / "data.db"))) for _ in range(2)]
    for database in both:
        await database.start()
    await run_ddl(both[0], TABLE, "INSERT INTO counters VALUES (1, 0)")
    await both[1].reload()

    async def increment(database: Database) -> None:
        async with database.transaction() as transaction:
            table = database.tables["counters"]
            count = (await transaction.fetch(sa.select(table.c.count)))[0][0]
            await transaction.execute(sa.update(table).values(count=count + 1))

    await asyncio.gather(*(increment(database) for database in both for _ in range(10)))
    assert await counts(both[0]) == [20]
    for database in both:
        await database.stop()
