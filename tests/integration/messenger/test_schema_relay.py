"""Several processes on one database: what one does to the schema, the others see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from tests.integration.access.project import OverheardDatabase, connected
from tests.support import engines
from tests.support.messenger_suite import soon
from tidegate.access.identity import Public
from tidegate.access.rights import Rights
from tidegate.database.bootstrap import bootstrap
from tidegate.errors import TidegateError
from tidegate.items.changes import Change
from tidegate.items.feed import Feed
from tidegate.items.schema_relay import CHANNEL, SchemaRelay
from tidegate.items.structure import Structure
from tidegate.messenger.memory import MemoryHub, MemoryMessenger
from tidegate.schema import Schema


class Process:
    """One process: its database, its place on the bus, and when its schema changed."""

    def __init__(self, database: OverheardDatabase, hub: MemoryHub) -> None:
        self.database = database
        self.messenger = MemoryMessenger(hub)
        self.outdated = 0
        self.relay = SchemaRelay(self.messenger, database, self._note_outdated)
        self.schemas: asyncio.Queue[Schema] = asyncio.Queue()
        database.on_schema(self.schemas.put_nowait)

    def _note_outdated(self) -> None:
        self.outdated += 1

    async def make_table(self, name: str, *, silently: bool = False) -> None:
        """`silently`: as a program that does not tell of it."""
        async with self.database.restructuring() as transaction:
            await transaction.execute(sa.text(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)"))
        if not silently:
            await self.database.reload()

    async def settled(self) -> None:
        """Wait until the relay has what it looks for."""
        assert self.relay._task is not None
        await soon(self.relay._task)

    async def sees(self, name: str) -> None:
        while name not in self.database.schema.collections:
            await soon(self.schemas.get())


@asynccontextmanager
async def process(url: str, hub: MemoryHub) -> AsyncIterator[Process]:
    async with connected(url) as database:
        one = Process(database, hub)
        await one.messenger.start()
        try:
            yield one
        finally:
            await one.messenger.stop()
            await one.relay.stop()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with engines.temporary_database("sqlite") as url:
        yield url


async def test_collection_made_in_one_process_is_seen_in_the_others(url: str) -> None:
    hub = MemoryHub()
    async with process(url, hub) as first, process(url, hub) as second, process(url, hub) as third:
        await first.make_table("notes")
        await second.sees("notes")
        await third.sees("notes")


async def test_looking_again_is_not_a_change_that_others_hear_of(url: str) -> None:
    hub = MemoryHub()
    overheard: asyncio.Queue[bytes] = asyncio.Queue()
    listener = MemoryMessenger(hub)
    listener.subscribe(CHANNEL, overheard.put_nowait)
    await listener.start()
    async with process(url, hub) as first, process(url, hub) as second:
        await first.make_table("notes")
        await second.sees("notes")
        await second.make_table("rooms")
        await first.sees("rooms")
    assert overheard.qsize() == 2


async def test_schema_that_changes_while_it_is_read_is_read_again(url: str) -> None:
    hub = MemoryHub()
    async with process(url, hub) as first, process(url, hub) as second:
        for number in range(5):
            await first.make_table(f"table_{number}")
        await second.sees("table_4")


async def test_gap_makes_every_process_look_again(url: str) -> None:
    hub = MemoryHub()
    async with process(url, hub) as first, process(url, hub) as second:
        hub.interrupt()
        await first.make_table("notes")
        hub.resume()
        await second.sees("notes")


async def test_change_of_a_describing_collection_makes_a_process_look_again(url: str) -> None:
    async with process(url, MemoryHub()) as only:
        await only.make_table("notes", silently=True)
        only.relay.changed([Change("messages", "create", (1,)), Change("directus_fields", "create", (1,))])
        await only.sees("notes")
        before = only.database.schema.version
        only.relay.changed([Change("messages", "create", (2,))])
        await asyncio.sleep(0)
        assert only.database.schema.version == before


async def test_process_that_changes_the_schema_itself_reads_it_once(url: str) -> None:
    async with process(url, MemoryHub()) as only:
        await bootstrap(only.database, None)
        feed = Feed()
        feed.subscribe(only.relay.changed)
        before = only.database.schema.version
        structure = Structure(only.database, feed)
        await structure.collections.create_one(Rights(Public(), admin=True), {"collection": "notes", "schema": {}})
        await only.settled()
        assert (only.outdated, only.database.schema.version) == (1, before + 1)


async def test_schema_that_was_being_read_already_is_read_again(url: str) -> None:
    async with process(url, MemoryHub()) as only:
        before = only.database.schema.version
        reading = asyncio.ensure_future(only.database.reload())
        await asyncio.sleep(0)
        only.relay.changed([Change("directus_fields", "create", (1,))])
        await reading
        await only.settled()
        assert only.database.schema.version == before + 2


async def test_schema_is_read_once_the_database_is_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = MemoryHub()
    async with process(url, hub) as first, process(url, hub) as second:
        reload = second.database.reload
        attempts: list[None] = []

        async def away_at_first(version: int | None = None) -> Schema:
            attempts.append(None)
            if len(attempts) == 1:
                raise TidegateError("SERVICE_UNAVAILABLE")
            return await reload(version)

        monkeypatch.setattr(second.database, "reload", away_at_first)
        await first.make_table("notes")
        await second.sees("notes")
        assert len(attempts) == 2
