"""Whatever happens, the picture that a client keeps from what it hears is what it would read.

Random groups, rules, filters, writes, reconnects and changes of role, several at once. A client that subscribes with
`leave` needs nothing else to keep its picture, unless its rights change: then it subscribes anew.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from tests.integration.realtime.world import Listener, World
from tests.support.schemas import ADMIN, MEMBER, MEMBER_RIGHTS, OTHER, SENIOR_RIGHTS, rights_with, rule
from tidegate.access.rights import Rights
from tidegate.errors import Forbidden
from tidegate.websocket.events import encode_left_rows

BATCHES = 12
CLIENTS = 24
THIRD = "0a0a0a0a-0000-4000-8000-000000000003"
USERS = (MEMBER, OTHER, THIRD, None)
STATUSES = ("published", "draft", "archived", None)
Row = Mapping[str, Any]


class Role(NamedTuple):
    """Rights, and what has to be true of every row of a collection that somebody with them is told of."""

    rights: Rights
    allows: Callable[[str, Row], bool]


def user(key: str) -> Role:
    variables = {**MEMBER_RIGHTS.variables, "$CURRENT_USER": key}
    rights = Rights(MEMBER_RIGHTS.identity, rules=MEMBER_RIGHTS.rules, variables=variables)

    def allows(collection: str, row: Row) -> bool:
        return row["owner"] == key and "secret" not in row if collection == "notes" else row["status"] == "published"

    return Role(rights, allows)


def senior_allows(collection: str, row: Row) -> bool:
    seen_in_part = row["views"] is not None and row["views"] >= 100 and row["status"] is None
    return collection == "articles" and (row["status"] == "published" or seen_in_part)


def related_allows(collection: str, row: Row) -> bool:
    return collection == "articles" and row["author"] == 1


ROLES = (
    Role(ADMIN, lambda *_: True),
    user(MEMBER),
    user(OTHER),
    user(THIRD),
    Role(SENIOR_RIGHTS, senior_allows),
    Role(rights_with({"articles": [rule({"author": {"name": {"_eq": "Ada"}}})]}), related_allows),
)
FILTERS: Mapping[str, tuple[object, ...]] = {
    "articles": (
        None,
        {"status": {"_eq": "published"}},
        {"views": {"_gte": 100}},
        {"_or": [{"title": {"_contains": "1"}}, {"views": {"_null": True}}]},
        {"author": {"name": {"_neq": "Ada"}}},
        {"_and": [{"status": {"_in": ["published", "draft"]}}, {"author": {"_nnull": True}}]},
    ),
    "notes": (None, {"status": {"_neq": "done"}}, {"owner": {"_eq": "$CURRENT_USER"}}, {"title": {"_contains": "2"}}),
}


class Client:
    """Follows one collection and keeps a picture of it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.picture: dict[int, Row] = {}
        self.connected = False
        self.listener: Listener
        self.role: Role
        self.collection: str
        self.query: dict[str, Any]

    async def connect(self) -> None:
        """As anybody, asking for anything."""
        if self.connected:
            self.disconnect()
        self.role = self.chance.choice(ROLES)
        self.collection = self.chance.choice(list(FILTERS))
        condition = self.chance.choice(FILTERS[self.collection])
        self.query = {"fields": ["*"], "limit": -1, **({} if condition is None else {"filter": condition})}
        self.listener = listener = self.world.listener(self.role.rights)
        subscription = listener.subscription(self.collection, self.query)
        subscription.leave = encode_left_rows
        try:
            rows = await self.world.dispatcher.snapshot(subscription, listener.rights)
        except Forbidden:
            return
        listener.subscriptions.append(subscription)
        listener.heard.append({"event": "init", "data": rows})
        self.world.dispatcher.release(subscription, listener.rights)
        self.connected = True

    def disconnect(self) -> None:
        for subscription in self.listener.subscriptions:
            self.world.dispatcher.remove(subscription)
        self.connected = False

    def become_somebody_else(self) -> None:
        """The role changes under the running subscription; what was heard until now is judged by the old one."""
        self.look()
        self.role = self.chance.choice(ROLES)
        self.listener.become(self.role.rights)

    def look(self) -> None:
        """Take in what was heard; fails where it should not have been told."""
        for event, data in self.listener.take():
            if event == "init":
                self.picture = {}
            for entry in data:
                if event in {"delete", "leave"}:
                    self.picture.pop(entry, None)
                else:
                    assert self.role.allows(self.collection, entry), f"{event} leaks {entry}"
                    self.picture[entry["id"]] = entry

    async def holds_what_it_would_read(self) -> int:
        """Whether it does; the number of rows."""
        self.look()
        assert self.picture == await self.reads()
        return len(self.picture)

    async def reads(self) -> dict[int, Row]:
        """What it would read."""
        reader = self.world.listener(self.role.rights).subscription(self.collection, self.query)
        rows = await self.world.dispatcher.snapshot(reader, self.role.rights)
        self.world.dispatcher.remove(reader)
        return {row["id"]: row for row in rows}


class Writes:
    """Random writes; they are made several at a time."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.keys = {"articles": [1, 2, 3, 4, 5], "notes": [1, 2, 3]}
        self.number = 100

    def _values(self, collection: str) -> dict[str, Any]:
        self.number += 1
        choice = self.chance.choice
        values: dict[str, Any] = {"title": f"t{self.number}", "status": choice(STATUSES)}
        if collection == "notes":
            return {**values, "owner": choice(USERS), "secret": "s"}
        return {**values, "views": choice([None, 0, 99, 100, 500]), "author": choice([1, 2, 3, None])}

    async def one(self) -> None:
        collection = self.chance.choice(list(FILTERS))
        keys, values = self.keys[collection], self._values(collection)
        match self.chance.choice([*["create"] * 3, *["update"] * 5, "delete"]):
            case "create":
                key = self.number
                keys.append(key)
                await self.world.create(collection, {"id": key, **values})
            case "update":
                some = self.chance.sample(keys, min(len(keys), self.chance.randint(1, 4)))
                kept = self.chance.sample(list(values), self.chance.randint(1, len(values)))
                await self.world.update(collection, some, **{name: values[name] for name in kept})
            case "delete" if len(keys) > 2:
                await self.world.delete(collection, keys.pop(self.chance.randrange(len(keys))))


async def batch(world: World, clients: list[Client], writes: Writes, chance: random.Random) -> None:
    """Writes, reconnects and changes of role at the same time. Who has a new role subscribes anew at the end."""
    changed = [client for client in clients if client.connected and chance.random() < 0.2]
    again = [client for client in clients if client not in changed and chance.random() < 0.3]

    async def change_roles() -> None:
        for client in changed:
            await asyncio.sleep(0)
            client.become_somebody_else()

    work = [writes.one() for _ in range(chance.randint(1, 8))] + [client.connect() for client in again]
    chance.shuffle(work)
    await asyncio.gather(*work, change_roles())
    await world.settled()
    for client in changed:
        client.look()
        await client.connect()


@pytest.mark.parametrize("seed", range(4))
async def test_picture_of_every_client_is_what_it_would_read(world: World, seed: int) -> None:
    chance = random.Random(seed)
    clients, writes = [Client(world, chance) for _ in range(CLIENTS)], Writes(world, chance)
    compared = 0
    for client in clients:
        await client.connect()
    for _ in range(BATCHES):
        await batch(world, clients, writes, chance)
        for client in clients:
            if client.connected:
                compared += await client.holds_what_it_would_read()
    assert compared > BATCHES * CLIENTS
