"""A database server that goes away or refuses, at every moment of a conversation: SERVICE_UNAVAILABLE, and no more."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.integration.database.test_engine import kill_connections
from tests.support.ddl import run_ddl
from tests.support.probes import execute
from tests.support.proxy import Proxy, proxy_before
from tests.support.schemas import settings_of, started_database
from tidegate.database.engine import Database, create_database
from tidegate.errors import Forbidden, TidegateError

SERVERS = pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)

pytestmark = SERVERS

COUNTERS = "CREATE TABLE counters (id integer NOT NULL PRIMARY KEY, count integer NOT NULL)"


@pytest.fixture
async def killer(database_url: str) -> AsyncIterator[Database]:
    """Another client of the same database."""
    async with started_database(database_url) as other:
        await run_ddl(other, COUNTERS, "INSERT INTO counters VALUES (1, 0)")
        yield other


def uses(database: Database, table: sa.Table) -> list[Callable[[], Awaitable[object]]]:
    """Everything that is done with a connection."""
    read = database.prepare(sa.select(table).where(table.c.id == sa.bindparam("id", type_=sa.Integer())))

    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(table).values(count=table.c.count + 1))
            await transaction.fetch(sa.select(table))

    async def write_many() -> None:
        async with database.transaction() as transaction:
            rows = [{"count": number, "key": 1} for number in range(2)]
            await transaction.run(
                lambda connection: connection.execute(
                    sa.update(table).where(table.c.id == sa.bindparam("key")).values(count=sa.bindparam("count")), rows
                )
            )

    async def give_up() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(sa.update(table).values(count=table.c.count + 1))
            raise TidegateError("SERVICE_UNAVAILABLE")

    async def restructure() -> None:
        async with database.restructuring() as transaction:
            await transaction.fetch(sa.select(table))

    return [
        lambda: database.fetch(sa.select(table)),
        lambda: database.fetch_prepared(read, {"id": 1}),
        write,
        write_many,
        give_up,
        restructure,
        database.reload,
    ]


async def test_answer_that_breaks_off_anywhere_is_unavailable(database_url: str, killer: Database) -> None:
    there = settings_of(database_url)
    assert there.host is not None
    assert there.port is not None
    table = killer.tables["counters"]
    async with proxy_before(there.host, there.port) as proxy:
        database = create_database(replace(there, port=proxy.port))
        await database.start()
        wrong = []
        for number, use in enumerate(uses(database, table)):
            for lost_at in await cuts(proxy, database, use):
                proxy.break_off(lost_at, times=1000)
                if (answer := await answer_of(use)) not in {"done", "SERVICE_UNAVAILABLE"}:
                    wrong.append((number, lost_at, answer))
                proxy.break_off(0, times=0)
        await database.stop()
    assert wrong == []


async def answer_of(use: Callable[[], Awaitable[object]]) -> str:
    """The code of the error, or what else was raised, or `done`."""
    try:
        await use()
    except TidegateError as error:
        return error.code
    except Exception as error:  # noqa: BLE001 - what is looked for
        return repr(error)
    return "done"


async def cuts(proxy: Proxy, database: Database, use: Callable[[], Awaitable[object]]) -> range:
    """Bytes of the conversation of a new connection at which it is broken off, some forty."""
    await database.stop()
    before = proxy.answered
    await answer_of(use)
    length = proxy.answered - before
    assert length > 0
    return range(0, length, max(1, length // 40))


async def test_refused_connection_is_unavailable(database_url: str, killer: Database) -> None:
    """Refused by the server itself, for a reason that is in no table of ours."""
    there = settings_of(database_url)
    table = killer.tables["counters"]
    if there.client == "pg":
        settings, root = there, database_url.rpartition("/")[0]
        refuse = f"ALTER DATABASE {there.database} ALLOW_CONNECTIONS false"
    else:
        user, root = f"tidegate_{secrets.token_hex(4)}", database_url
        await run_ddl(killer, f"CREATE USER {user}@'%'", f"GRANT ALL ON {there.database}.* TO {user}@'%'")
        settings = replace(there, user=user, password=None)
        refuse = f"ALTER USER {user}@'%' ACCOUNT LOCK"
    database = create_database(settings)
    await database.start()
    await database.stop()
    try:
        await execute("postgresql" if there.client == "pg" else "mariadb", root, refuse)
        for use in uses(database, table):
            with pytest.raises(TidegateError) as refused:
                await use()
            assert refused.value.code == "SERVICE_UNAVAILABLE"
    finally:
        if there.client == "mysql":
            await run_ddl(killer, f"DROP USER {user}@'%'")


async def test_error_inside_a_transaction_whose_connection_is_gone_is_the_one_that_is_raised(
    database: Database, killer: Database
) -> None:
    async def write() -> None:
        async with database.transaction() as transaction:
            await transaction.fetch(sa.select(killer.tables["counters"]))
            await kill_connections(killer)
            raise Forbidden

    with pytest.raises(Forbidden):
        await write()
    assert len(await database.fetch(sa.select(killer.tables["counters"]))) == 1
