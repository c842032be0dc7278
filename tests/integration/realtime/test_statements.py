"""What an event costs the database: counted by the database's own driver, statement by statement."""

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.realtime.world import World
from tests.support.schemas import ADMIN, MEMBER_RIGHTS, SENIOR_RIGHTS
from tidegate.access.rights import Rights
from tidegate.items.changes import Change

PLAIN = {"fields": ["id", "title"]}
NESTED = {"fields": ["id", "author.name"]}
GROUPS: Sequence[Rights] = (ADMIN, MEMBER_RIGHTS, SENIOR_RIGHTS)


@pytest.fixture
def statements(world: World) -> list[str]:
    """Every statement that is run outside of transactions from here on."""
    run: list[str] = []

    def trace(connection: Any, *_: object) -> None:
        connection.set_trace_callback(run.append)

    sa.event.listen(world.database._connections.reader, "checkout", trace)
    return run


async def subscribe(world: World, query: object) -> None:
    for number in range(500):
        world.listener(GROUPS[number % len(GROUPS)]).watch("articles", query, uid=f"s{number}")


async def test_event_with_its_row_takes_no_statement(world: World, statements: list[str]) -> None:
    await subscribe(world, PLAIN)
    await world.create("articles", {"id": 9, "title": "t", "status": "published", "views": 100})
    await world.update("articles", [9], title="u")
    await world.delete("articles", 9)
    await world.settled()
    assert statements == []


async def test_event_without_its_row_takes_one_statement_for_all(world: World, statements: list[str]) -> None:
    await subscribe(world, PLAIN)
    world.dispatcher.changed([Change("articles", "update", (1,))])
    await world.settled()
    assert len(statements) == 1


async def test_event_that_images_do_not_answer_takes_one_statement_for_each_group(
    world: World, statements: list[str]
) -> None:
    await subscribe(world, {"fields": ["id"], "filter": {"author": {"name": {"_eq": "Ada"}}}})
    await world.update("articles", [1], title="u")
    await world.settled()
    assert len(statements) == len(GROUPS)


async def test_related_rows_take_a_statement_more_for_each_group(world: World, statements: list[str]) -> None:
    await subscribe(world, NESTED)
    await world.update("articles", [1], title="u")
    await world.settled()
    assert len(statements) <= 2 * len(GROUPS)
    assert statements
