"""Columns of types that only one engine has, as introspection finds them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from tests.support import engines
from tests.support.schemas import ADMIN, run, started_database
from tidegate.database.engine import Database
from tidegate.errors import InvalidQuery

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS citext",
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
    "CREATE TABLE days (id integer PRIMARY KEY, mood mood, name citext, host inet, level real, code character(4))",
    "INSERT INTO days VALUES (1, 'ok', 'Monday', '10.0.0.1', 0.1, 'ab'), (2, 'sad', 'Tuesday', NULL, 3e38, 'cd')",
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def database() -> AsyncIterator[Database]:
    async with engines.temporary_database("postgresql") as url, started_database(url) as database:
        async with database.transaction() as transaction:
            for statement in STATEMENTS:
                await transaction.execute(sa.text(statement))
        await database.reload()
        yield database


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"filter": {"mood": {"_eq": "sad"}}}, [2]),
        ({"filter": {"mood": {"_eq": "furious"}}}, []),
        ({"filter": {"mood": {"_starts_with": "s"}}}, [2]),
        ({"filter": {"mood": {"_in": ["ok", "sad"]}}}, [1, 2]),
        ({"sort": ["mood"]}, [1, 2]),
        ({"filter": {"host": {"_null": True}}}, [2]),
        ({"filter": {"level": {"_eq": 0.1}}}, [1]),
        ({"filter": {"level": {"_gt": 3.4e38}}}, []),
        ({"filter": {"code": {"_eq": "ab"}}}, [1]),
        ({"search": "OK"}, [1]),
        ({"search": "furious"}, []),
    ],
    ids=str,
)
async def test_query_finds_days(database: Database, query: dict[str, Any], ids: list[int]) -> None:
    assert [row["id"] for row in await run(database, ADMIN, "days", {"fields": ["id"], **query})] == ids


async def test_values_are_read_as_texts(database: Database) -> None:
    query = {"fields": ["mood", "name", "host"], "limit": 1}
    assert await run(database, ADMIN, "days", query) == [{"mood": "ok", "name": "Monday", "host": "10.0.0.1"}]


async def test_groups_and_extremes_of_enums(database: Database) -> None:
    query = {"aggregate": {"count": "*", "max": ["mood"]}, "groupBy": ["mood"]}
    assert await run(database, ADMIN, "days", query) == [
        {"mood": "ok", "count": "1", "max": {"mood": "ok"}},
        {"mood": "sad", "count": "1", "max": {"mood": "sad"}},
    ]


async def test_value_that_the_type_cannot_hold_is_an_invalid_query(database: Database) -> None:
    with pytest.raises(InvalidQuery):
        await run(database, ADMIN, "days", {"filter": {"level": {"_gt": 1e39}}})
