"""Subscriptions on collections whose structure changes while changes are on their way."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.integration.realtime.world import Listener, World, open_world
from tests.support import engines
from tests.support.schemas import MEMBER_RIGHTS, NO_AUTHORS_RIGHTS
from tidegate.database.tables import build_tables
from tidegate.items.changes import Change


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with engines.temporary_database("sqlite") as url, open_world(url) as opened:
        yield opened


def drop_fields(world: World, collection: str, *names: str) -> None:
    """Have a schema without them, as after a look at a database where they have been dropped."""
    schema = world.database.schema
    found = schema.collections[collection]
    left = {name: field for name, field in found.fields.items() if name not in names}
    collections = {**schema.collections, collection: replace(found, fields=left)}
    become(world, replace(schema, collections=collections))


def drop_collection(world: World, collection: str) -> None:
    schema = world.database.schema
    left = {name: found for name, found in schema.collections.items() if name != collection}
    relations = [row for row in schema.relations if collection not in (row.many_collection, row.one_collection)]
    become(world, replace(schema, collections=left, relations=tuple(relations)))


def become(world: World, schema: object) -> None:
    world.database.schema = schema  # type: ignore[assignment]
    world.database.tables = build_tables(world.database.schema, world.database.capabilities)
    for handler in world.database._handlers:
        handler(world.database.schema)
    world.dispatcher.schema_changed()


def released(*listeners: Listener) -> None:
    for listener in listeners:
        listener.become(listener.rights)


async def test_changes_wait_until_rights_are_known_under_the_new_schema(world: World) -> None:
    listener = world.listener()
    listener.watch("messages")
    listener.watch("messages", {"fields": ["id", "text"]}, uid="named")
    drop_fields(world, "messages", "text", "user_created", "user_updated", "date_created", "date_updated")
    await world.create("messages", {"id": 7, "room": 1})
    assert listener.take() == []
    released(listener)
    assert listener.take() == [("create", [{"id": 7, "room": 1}])]
    assert listener.ended == ["FORBIDDEN"]


async def test_change_that_knows_less_than_the_schema_is_read_from_the_database(world: World) -> None:
    """As one does that a process wrote which has not heard of a new field yet."""
    listener, filtered = world.listener(), world.listener()
    listener.watch("messages", {"fields": ["id", "text"]})
    filtered.watch("messages", {"fields": ["id"], "filter": {"text": {"_eq": "hello"}}})
    await filtered.subscribe("messages", {"fields": ["id"], "filter": {"text": {"_eq": "hello"}}}, uid="read")
    filtered.take()
    image = {"id": 1, "room": 1}
    world.dispatcher.changed([Change("messages", "update", (1,), (image,), (image,))])
    await world.settled()
    assert listener.take() == [("update", [{"id": 1, "text": "hello"}])]
    assert filtered.take() == [("update", [{"id": 1}])] * 2


async def test_change_that_lacks_what_tells_groups_apart_is_read_from_the_database(world: World) -> None:
    listener = world.listener(MEMBER_RIGHTS)
    listener.watch("notes", {"fields": ["id", "title"]})
    image = {"id": 1, "title": "mine"}
    world.dispatcher.changed([Change("notes", "update", (1,), (image,), (image,))])
    await world.settled()
    assert listener.take() == [("update", [{"id": 1, "title": "mine"}])]


async def test_nobody_is_told_of_anything_while_the_schema_is_out_of_date(world: World) -> None:
    early, late, snapshot = world.listener(), world.listener(), world.listener()
    early.watch("messages", {"fields": ["id"]})
    world.dispatcher.schema_outdated()
    late.watch("messages", {"fields": ["id"]})
    await snapshot.subscribe("messages", {"fields": ["id"], "limit": 1})
    snapshot.take()
    released(early, late, snapshot)
    await world.create("messages", {"id": 7})
    assert early.take() + late.take() + snapshot.take() == []
    world.dispatcher.schema_changed()
    released(early, late, snapshot)
    assert early.take() == late.take() == snapshot.take() == [("create", [{"id": 7}])]


async def test_who_saw_nothing_is_not_told_what_becomes_of_it(world: World) -> None:
    """What may not be seen and what does not exist are told apart nowhere."""
    silent, running = world.listener(), world.listener()
    for listener in (silent, running):
        listener.watch("authors", {"fields": ["id", "age"]})
        listener.watch("articles", {"fields": ["id", "author.name"]}, uid="related")
    silent.become(NO_AUTHORS_RIGHTS)
    assert silent.ended == []
    drop_fields(world, "authors", "age")
    released(silent, running)
    assert (silent.ended, running.ended) == ([], ["FORBIDDEN"])
    drop_collection(world, "authors")
    released(silent, running)
    assert (silent.ended, running.ended) == ([], ["FORBIDDEN", "FORBIDDEN"])


async def test_deleted_collection_ends_also_what_waits_for_the_database(world: World) -> None:
    listener = world.listener()
    listener.watch("messages", {"fields": ["id"]})
    world.reader.gate.clear()
    world.dispatcher.changed([Change("messages", "create", (1,)), Change("messages", "update", (2,))])
    drop_collection(world, "messages")
    world.reader.gate.set()
    await world.settled()
    released(listener)
    assert listener.ended == ["INVALID_COLLECTION"]
