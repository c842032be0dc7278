"""A filled database with everything of `realtime` around it, and subscribers that note what they hear."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa

from tests.support.schemas import ADMIN, NOW, filled_database
from tidegate.access.passwords import PasswordHasher
from tidegate.access.rights import Rights
from tidegate.access.sessions import Sessions
from tidegate.clock import ManualClock
from tidegate.database.engine import Database
from tidegate.errors import TidegateError
from tidegate.items.changes import Action, Change, Image, Key
from tidegate.items.feed import Feed
from tidegate.items.plans import Plans
from tidegate.items.service import Items
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.query.plan import ReadPlan
from tidegate.realtime.dispatch import Dispatcher, Sources
from tidegate.realtime.group import Group
from tidegate.realtime.reading import Reader
from tidegate.realtime.registry import Registry
from tidegate.realtime.subscription import Row, Subscription
from tidegate.websocket.answers import event_tail
from tidegate.websocket.events import encode_item, encode_rows

FOREVER = float("inf")


class Steered(Reader):
    """Reads from the real database, when `gate` is open, and after as many failures as `faults` holds."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.gate = asyncio.Event()
        self.gate.set()
        self.faults: list[TidegateError] = []
        self.reads = 0

    async def rows(self, plan: ReadPlan) -> dict[str, Row]:
        await self._pass()
        return await super().rows(plan)

    async def images(self, collection: str, keys: Sequence[Key]) -> dict[str, Image]:
        await self._pass()
        return await super().images(collection, keys)

    async def answer(self, group: Group, change: Change, now: float) -> list[bytes]:
        await self.gate.wait()
        return await super().answer(group, change, now)

    async def _pass(self) -> None:
        self.reads += 1
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)


class Listener:
    """A subscriber: keeps what it is told, decoded."""

    def __init__(self, world: "World", rights: Rights) -> None:
        self.world = world
        self.rights = rights
        self.valid_until = FOREVER
        self.heard: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.settled = 0
        self.subscriptions: list[Subscription] = []

    def send(self, text: bytes, tail: bytes) -> None:
        self.heard.append(json.loads(text + tail))

    def settle(self) -> None:
        self.settled += 1
        self.valid_until = FOREVER
        for subscription in self.subscriptions:
            self.world.dispatcher.hold(subscription)

    def end(self, subscription: Subscription, error: TidegateError) -> None:
        self.subscriptions.remove(subscription)
        self.ended.append(error.code)

    def subscription(
        self,
        collection: str,
        query: object = None,
        event: Action | None = None,
        item: Key | None = None,
        uid: str = "s",
    ) -> Subscription:
        encode = encode_rows if item is None else encode_item
        parsed = parse_query(query, Limits())
        return Subscription(self, collection, parsed, encode, event_tail(uid), event, item)

    def watch(self, collection: str, query: object = None, **options: Any) -> Subscription:
        """Subscribe without a snapshot."""
        subscription = self.subscription(collection, query, **options)
        self.world.dispatcher.watch(subscription, self.rights)
        self.subscriptions.append(subscription)
        return subscription

    async def subscribe(self, collection: str, query: object = None, **options: Any) -> list[Row]:
        """Subscribe with a snapshot, which is also heard."""
        subscription = self.subscription(collection, query, **options)
        rows = await self.world.dispatcher.snapshot(subscription, self.rights)
        self.subscriptions.append(subscription)
        self.heard.append({"event": "init", "data": rows})
        self.world.dispatcher.release(subscription, self.rights)
        return rows

    def become(self, rights: Rights) -> None:
        self.rights = rights
        for subscription in tuple(self.subscriptions):
            self.world.dispatcher.release(subscription, rights)

    def take(self) -> list[tuple[str, Any]]:
        """What was heard since the last time: events with their data."""
        heard, self.heard = self.heard, []
        return [(message["event"], message["data"]) for message in heard]


class World:
    """One process on one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(NOW)
        self.feed = Feed()
        self.plans = Plans(database, Limits())
        self.hasher = PasswordHasher()
        self.items = Items(database, self.feed, self.plans, self.hasher, self.clock, Sessions(database, self.clock))
        self.reader = Steered(database)
        self.registry = Registry()
        self.pauses: list[float] = []
        self.catching_up = asyncio.Event()
        """Set when a snapshot has been read and waits for changes that are on their way."""
        self.linger = 0
        """How many statements every snapshot waits for after it has been read, so that changes come between."""
        sources = Sources(
            lambda: database.schema,
            self.plans,
            self.reader,
            self._caught_up,
            lambda: self.feed.gaps,
            self.clock,
            self._sleep,
        )
        self.dispatcher = Dispatcher(self.registry, sources)
        self.feed.subscribe(self.dispatcher.changed)

    async def _caught_up(self) -> None:
        self.catching_up.set()
        await self.feed.caught_up()
        for _ in range(self.linger):
            await self.database.fetch(sa.select(1))

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def listener(self, rights: Rights = ADMIN) -> Listener:
        return Listener(self, rights)

    async def create(self, collection: str, *rows: dict[str, Any]) -> list[Key]:
        return await self.items.create(ADMIN, collection, rows)

    async def update(self, collection: str, keys: Sequence[Key], **data: Any) -> None:
        await self.items.update(ADMIN, collection, keys, data)

    async def delete(self, collection: str, *keys: Key) -> None:
        await self.items.delete(ADMIN, collection, keys)

    async def settled(self) -> None:
        """Wait until nothing waits for the database any more."""
        while tasks := tuple(self.dispatcher.tasks):
            await asyncio.wait(tasks)

    async def stop(self) -> None:
        await self.dispatcher.stop()
        self.hasher.stop()


@contextlib.asynccontextmanager
async def open_world(url: str) -> AsyncIterator[World]:
    async with filled_database(url) as database:
        world = World(database)
        try:
            yield world
        finally:
            await world.stop()
