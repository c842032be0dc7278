"""Whatever happens, the picture that a client keeps from what it hears is what it would read.

Random groups, rules, filters, writes, reconnects and changes of role, several at once. A client that subscribes with
`leave` needs nothing else to keep its picture, unless its rights change: then it subscribes anew. Of a row that another
program took out of sight, or deleted, it may not hear, as nobody knows what the row was.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from tests.integration.realtime.world import Listener, World
from tests.support.schemas import ADMIN, MEMBER, MEMBER_RIGHTS, OTHER, SENIOR_RIGHTS, rights_with, rule
from tidegate.access.rights import Rights
from tidegate.errors import Forbidden
from tidegate.items.changes import Change
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.realtime import dispatch
from tidegate.websocket.events import encode_left_item, encode_left_rows

BATCHES = 12
CLIENTS = 36
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
        if collection == "authors":
            return "age" not in row
        return row["owner"] == key and "secret" not in row if collection == "notes" else row["status"] == "published"

    return Role(rights, allows)


def owner_of_fresh(key: str) -> Role:
    """The same demand in another shape; and a field that is seen on published rows only."""
    demand = {"_and": [{"status": {"_neq": "draft"}}, {"owner": {"_in": ["$CURRENT_USER"]}}]}
    given = {
        "notes": [rule(demand, ["id", "owner", "status"]), rule({"owner": {"_eq": "$CURRENT_USER"}}, ["id", "title"])],
        "authors": [rule({"age": {"_gte": 40}}, ["id", "age"])],
    }
    variables = {**MEMBER_RIGHTS.variables, "$CURRENT_USER": key}
    rights = Rights(MEMBER_RIGHTS.identity, rules=rights_with(given).rules, variables=variables)

    def allows(collection: str, row: Row) -> bool:
        if collection == "authors":
            return row["age"] >= 40 and "name" not in row
        return (
            collection == "notes" and "secret" not in row and row["owner"] in (key, None) and row["status"] != "draft"
        )

    return Role(rights, allows)


def senior_allows(collection: str, row: Row) -> bool:
    if collection != "articles":
        return collection == "authors"
    seen_in_part = row["views"] is not None and row["views"] >= 100 and row["status"] is None
    return bool(row["status"] == "published" or seen_in_part)


def related_allows(collection: str, row: Row) -> bool:
    return collection == "articles" and row["author"] == 1


ROLES = (
    Role(ADMIN, lambda *_: True),
    user(MEMBER),
    user(OTHER),
    user(THIRD),
    owner_of_fresh(MEMBER),
    owner_of_fresh(OTHER),
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
    "authors": (None, {"id": {"_lte": 2}}),
}
FIELDS = {"authors": ["id", "name", "age"], "articles": ["*"], "notes": ["*"]}
"""What is asked for: of authors not the list of their articles, which changes without them."""


class Client:
    """Follows one collection and keeps a picture of it."""

    def __init__(self, world: World, writes: "Writes", chance: random.Random) -> None:
        self.world = world
        self.writes = writes
        self.chance = chance
        self.picture: dict[int, Row] = {}
        self.connected = False
        self.complete = False
        """Whether it has subscribed since it became who it is; before that it can only hear too much."""
        self.listener: Listener
        self.role: Role
        self.collection: str
        self.query: dict[str, Any]
        self.item: int | None

    async def connect(self) -> None:
        """As anybody, asking for anything."""
        if self.connected:
            self.disconnect()
        self.role = self.chance.choice(ROLES)
        self.collection = self.chance.choice(list(FILTERS))
        condition = self.chance.choice(FILTERS[self.collection])
        fields = [name for name in FIELDS[self.collection] if name == "*" or self.may_ask(name)]
        self.query = {"fields": fields, "limit": -1, **({} if condition is None else {"filter": condition})}
        self.item = self.chance.choice([*[None] * 9, 1, 2, 3])
        self.listener = listener = self.world.listener(self.role.rights)
        subscription = listener.subscription(self.collection, self.query, item=self.item)
        subscription.leave = encode_left_rows if self.item is None else encode_left_item
        try:
            rows = await self.world.dispatcher.snapshot(subscription, listener.rights)
        except Forbidden:
            return
        listener.subscriptions.append(subscription)
        listener.heard.append({"event": "init", "data": rows})
        self.world.dispatcher.release(subscription, listener.rights)
        self.connected = self.complete = True

    def may_ask(self, name: str) -> bool:
        return self.role.rights.may_field(self.collection, "read", name)

    def disconnect(self) -> None:
        for subscription in self.listener.subscriptions:
            self.world.dispatcher.remove(subscription)
        self.connected = False

    def become_somebody_else(self) -> None:
        """The role changes under the running subscription; what was heard until now is judged by the old one."""
        self.look()
        self.complete = False
        self.role = self.chance.choice(ROLES)
        self.listener.become(self.role.rights)

    def look(self) -> None:
        """Take in what was heard; fails where it should not have been told."""
        for event, data in self.listener.take():
            if event == "init":
                self.picture = {}
            for entry in data if isinstance(data, list) else [data]:
                if event in {"delete", "leave"}:
                    self.picture.pop(entry, None)
                else:
                    assert self.role.allows(self.collection, entry), f"{event} leaks {entry}"
                    self.picture[entry["id"]] = entry

    async def holds_what_it_would_read(self) -> int:
        """Whether it does; the number of rows."""
        self.look()
        would_read = await self.reads()
        for key in self.writes.elsewhere[self.collection] - would_read.keys():
            self.picture.pop(key, None)
        assert self.picture == would_read
        return len(self.picture)

    async def reads(self) -> dict[int, Row]:
        """What it would read."""
        reader = self.world.listener(self.role.rights).subscription(self.collection, self.query, item=self.item)
        rows = await self.world.dispatcher.snapshot(reader, self.role.rights)
        self.world.dispatcher.remove(reader)
        return {row["id"]: row for row in rows}


class Writes:
    """Random writes; they are made several at a time."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.keys = {"articles": [1, 2, 3, 4, 5], "notes": [1, 2, 3], "authors": [1, 2, 3]}
        self.elsewhere: dict[str, set[int]] = {collection: set() for collection in self.keys}
        """The keys of rows that another program wrote."""
        self.number = 100

    def _values(self, collection: str) -> dict[str, Any]:
        self.number += 1
        choice = self.chance.choice
        values: dict[str, Any] = {"title": f"t{self.number}", "status": choice(STATUSES)}
        if collection == "notes":
            return {**values, "owner": choice(USERS), "secret": "s"}
        return {**values, "views": choice([None, 0, 99, 100, 500]), "author": choice([1, 2, 3, None])}

    async def one(self) -> None:
        kinds = [self._create] * 3 + [self._update] * 5 + [self._by_query, self._delete]
        write = self.chance.choice([*kinds, self._nested, self._nested, self._elsewhere])
        with contextlib.suppress(Forbidden):  # somebody deleted one of the rows meanwhile
            await write(self.chance.choice(["articles", "notes"]))

    def _some(self, collection: str, most: int) -> list[int]:
        keys = self.keys[collection]
        return self.chance.sample(keys, min(len(keys), self.chance.randint(1, most)))

    def _part(self, collection: str) -> dict[str, Any]:
        values = self._values(collection)
        return {name: values[name] for name in self.chance.sample(list(values), self.chance.randint(1, len(values)))}

    async def _create(self, collection: str) -> None:
        values = self._values(collection)
        key = self.number
        self.keys[collection].append(key)
        await self.world.create(collection, {"id": key, **values})

    async def _update(self, collection: str) -> None:
        await self.world.update(collection, self._some(collection, 4), **self._part(collection))

    async def _by_query(self, collection: str) -> None:
        query = parse_query({"filter": {"status": {"_eq": self.chance.choice(STATUSES)}}}, Limits())
        await self.world.items.update_by_query(ADMIN, collection, query, self._part(collection))

    async def _delete(self, collection: str) -> None:
        keys = self.keys[collection]
        if len(keys) > 2:
            await self.world.delete(collection, keys.pop(self.chance.randrange(len(keys))))

    async def _nested(self, _: str) -> None:
        """An author with articles, or an article with its author."""
        author, article = self.chance.choice([1, 2, 3]), self._part("articles") | {"id": self._some("articles", 1)[0]}
        age = self.chance.choice([None, 36, 40, 52])
        if self.chance.random() < 0.5:
            self.number += 1
            self.keys["articles"].append(self.number)
            new = {**self._values("articles"), "id": self.number}
            related = {"update": [article], "create": [new], "delete": self._some("articles", 2)}
            await self.world.update("authors", [author], age=age, articles=related)
        else:
            article["author"] = {"id": author, "age": age}
            await self.world.update("articles", [article.pop("id")], **article)

    async def _elsewhere(self, collection: str) -> None:
        """By another program, which tells no more than keys (PROTOCOL section 9)."""
        table, keys = self.world.database.tables[collection], self._some(collection, 2)
        self.elsewhere[collection].update(keys)
        if len(self.keys[collection]) > 6 and self.chance.random() < 0.3:
            self.keys[collection] = [key for key in self.keys[collection] if key not in keys]
            write: sa.Executable = sa.delete(table).where(table.c.id.in_(keys))
            change = Change(collection, "delete", tuple(keys))
        else:
            write = sa.update(table).where(table.c.id.in_(keys)).values(self._part(collection))
            change = Change(collection, "update", tuple(keys))
        async with self.world.database.transaction() as transaction:
            await transaction.execute(write)
        self.world.dispatcher.changed([change])


async def batch(world: World, clients: list[Client], writes: Writes, chance: random.Random) -> None:
    """Writes, reconnects and changes of role at the same time. Who has a new role subscribes anew at the end.

    In some batches nothing can be read until all is written, so that changes wait behind those whose images are read.
    """
    changed = [client for client in clients if client.connected and chance.random() < 0.2]
    again = [client for client in clients if client not in changed and chance.random() < 0.3]

    async def change_roles() -> None:
        for client in changed:
            await asyncio.sleep(0)
            client.become_somebody_else()

    async def write() -> None:
        await asyncio.gather(*(writes.one() for _ in range(chance.randint(1, 8))))
        world.reader.gate.set()

    if chance.random() < 0.5:
        world.reader.gate.clear()
    work = [client.connect() for client in again] + [write()]
    chance.shuffle(work)
    await asyncio.gather(*work, change_roles())
    await world.settled()
    for client in changed:
        client.look()
        if chance.random() < 0.5:
            await client.connect()


@pytest.mark.parametrize("seed", range(4))
async def test_picture_of_every_client_is_what_it_would_read(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    if seed % 2:
        monkeypatch.setattr(dispatch, "TURN", 1)  # so that two are many
    chance = random.Random(seed)
    writes, world.linger = Writes(world, chance), 3
    clients = [Client(world, writes, chance) for _ in range(CLIENTS)]
    compared = 0
    for client in clients:
        await client.connect()
    for _ in range(BATCHES):
        await batch(world, clients, writes, chance)
        for client in clients:
            if client.connected and client.complete:
                compared += await client.holds_what_it_would_read()
    assert compared > BATCHES * CLIENTS // 2
