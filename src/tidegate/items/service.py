"""Reading and writing items as somebody: the one way in for every protocol.

Reads are planned once per (query, collection, rules, schema version) and then bound to the variables of whoever asks.
A write is one transaction; its changes go to the feed after the commit. A write that has begun is finished even when
whoever asked for it goes away, so that what is in the database has always been told.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from tidegate.access.identity import User
from tidegate.access.passwords import PasswordHasher
from tidegate.access.rights import Rights
from tidegate.access.sessions import Sessions
from tidegate.clock import Clock
from tidegate.database.engine import Database, Transaction
from tidegate.errors import Forbidden, InvalidPayload
from tidegate.items.changes import Change, Image, Key
from tidegate.items.feed import Feed, recorded
from tidegate.items.nested import check_number
from tidegate.items.payload import Payload
from tidegate.items.plans import Plans
from tidegate.items.read import read_meta, read_plan
from tidegate.items.write import Writer
from tidegate.items.writes import Writes, attempted
from tidegate.query.evaluate import projector, row_predicate
from tidegate.query.model import Query
from tidegate.query.plan import ReadPlan
from tidegate.schema import Collection

Result = TypeVar("Result")
Item = dict[str, Any]


class Written(NamedTuple):
    """One item as a write left it."""

    key: Key
    image: Image | None
    """None where the write changed nothing, or related items too, which may have led back to this one."""


class Items:
    """Items of every collection, as seen and changed with given rights."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        plans: Plans,
        hasher: PasswordHasher,
        clock: Clock,
        sessions: Sessions,
        max_batch: int | None = None,
    ) -> None:
        self._database = database
        self._feed = feed
        self._plans = plans
        self._hasher = hasher
        self._clock = clock
        self._sessions = sessions
        self._max_batch = max_batch
        self._writes = Writes()

    async def read(self, rights: Rights, collection: str, query: Query) -> list[Item]:
        """The items that `query` asks for. Raises Forbidden, INVALID_QUERY."""
        return await read_plan(self._database, self._plan(rights, collection, query))

    async def read_keys(self, rights: Rights, collection: str, keys: Sequence[Key], query: Query) -> list[Item]:
        """Those of the items that are there and visible, in the order of `query`."""
        check_number(keys)
        plan = self._plan(rights, collection, query).with_keys(keys)
        return await read_plan(self._database, plan) if plan.keys else []

    async def read_one(self, rights: Rights, collection: str, key: Key, query: Query) -> Item:
        """One item. Raises Forbidden where it is not there or not visible."""
        found = await self.read_keys(rights, collection, [key], query)
        if not found:
            raise Forbidden
        return found[0]

    async def read_singleton(self, rights: Rights, collection: str, query: Query) -> Item:
        """The one item; before it is first written, an empty key and the defaults of the fields asked for."""
        found = await self.read(rights, collection, query)
        if found:
            return found[0]
        described = self._collection(collection)
        asked = set(query.fields or ("*",))
        return {
            field.name: field.default
            for field in described.fields.values()
            if (field.primary_key or (field.has_default and field.default is not None))
            and (field.name in asked or "*" in asked)
            and rights.may_field(collection, "read", field.name)
        }

    async def read_written(self, rights: Rights, collection: str, written: Written, query: Query) -> Item:
        """What `query` shows of the item just written, from its image where that tells. Raises Forbidden."""
        plan = self._plan(rights, collection, query)
        visible, project = row_predicate(plan.condition), projector(plan)
        if written.image is None or visible is None or project is None:
            return await self.read_one(rights, collection, written.key, query)
        if not visible(written.image):
            raise Forbidden
        return project(written.image)

    async def meta(self, rights: Rights, collection: str, query: Query) -> dict[str, int]:
        """`total_count` and `filter_count`, as far as `query.meta` asks for them."""
        return await read_meta(self._database, self._plan(rights, collection, query))

    async def create(self, rights: Rights, collection: str, rows: Sequence[Payload]) -> list[Key]:
        """Create all or none. Raises Forbidden, FAILED_VALIDATION, RECORD_NOT_UNIQUE and the like."""
        self._check_batch(rows)

        async def work(writer: Writer, changes: list[Change]) -> list[Key]:
            keys: list[Key] = []
            await writer.look_up(collection, rows)
            for row in rows:
                key, made = await writer.create(collection, row)
                keys.append(key)
                changes += made
            return keys

        return await self._write(rights, work)

    async def create_one(self, rights: Rights, collection: str, row: Payload) -> Written:
        """As `create`, for one item."""

        async def work(writer: Writer, changes: list[Change]) -> Written:
            key, made = await writer.create(collection, row)
            changes += made
            return Written(key, made[0].after[0] if len(made) == 1 else None)

        return await self._write(rights, work)

    async def update_one(self, rights: Rights, collection: str, key: Key, data: Payload) -> Written:
        """As `update`, for one item."""

        async def work(writer: Writer, changes: list[Change]) -> Written:
            made = await writer.update(collection, [key], data)
            changes += made
            return Written(key, made[0].after[0] if len(made) == 1 else None)

        return await self._write(rights, work)

    async def update(self, rights: Rights, collection: str, keys: Sequence[Key], data: Payload) -> list[Key]:
        """Change the same fields of all items, or of none."""
        self._check_batch(keys)

        async def work(writer: Writer, changes: list[Change]) -> list[Key]:
            if keys:
                changes += await writer.update(collection, keys, data)
            return list(keys)

        return await self._write(rights, work)

    async def update_batch(self, rights: Rights, collection: str, rows: Sequence[Payload]) -> list[Key]:
        """Change each row named by its primary key inside it, all or none."""
        self._check_batch(rows)
        key_name = self._collection(collection).primary_key
        if any(row.get(key_name) is None for row in rows):
            raise InvalidPayload(f'Every item has to name its primary key "{key_name}"')

        async def work(writer: Writer, changes: list[Change]) -> list[Key]:
            await writer.lock(collection, [row[key_name] for row in rows])
            await writer.look_up(collection, rows)
            for row in rows:
                data = {name: value for name, value in row.items() if name != key_name}
                changes += await writer.update(collection, [row[key_name]], data)
            return [row[key_name] for row in rows]

        return await self._write(rights, work)

    async def update_by_query(self, rights: Rights, collection: str, query: Query, data: Payload) -> list[Key]:
        """Change every item that the query finds."""
        return await self.update(rights, collection, await self._found(rights, collection, query), data)

    async def delete(self, rights: Rights, collection: str, keys: Sequence[Key]) -> list[Key]:
        """Delete all or none."""
        self._check_batch(keys)

        async def work(writer: Writer, changes: list[Change]) -> list[Key]:
            if keys:
                changes += await writer.delete(collection, keys)
            return list(keys)

        return await self._write(rights, work)

    async def delete_by_query(self, rights: Rights, collection: str, query: Query) -> list[Key]:
        """Delete every item that the query finds."""
        return await self.delete(rights, collection, await self._found(rights, collection, query))

    async def write_singleton(self, rights: Rights, collection: str, data: Payload) -> Key:
        """Change the one item, or create it the first time."""
        key_name = self._collection(collection).primary_key

        async def work(writer: Writer, changes: list[Change]) -> Key:
            existing = await writer.first_key(collection)
            if existing is None:
                key, made = await writer.create(collection, data)
                changes += made
                return key
            rest = {name: value for name, value in data.items() if name != key_name}
            changes += await writer.update(collection, [existing], rest)
            return existing

        return await self._write(rights, work)

    async def drain(self) -> None:
        """Wait for the writes that have begun."""
        await self._writes.drain()

    async def _found(self, rights: Rights, collection: str, query: Query) -> list[Key]:
        """Keys of what the query finds: all of it, unless it names a limit itself."""
        key_name = self._collection(collection).primary_key
        limit = -1 if query.limit is None else query.limit
        found = await self.read(rights, collection, replace(query.only(key_name), limit=limit))
        return [row[key_name] for row in found]

    async def _write(self, rights: Rights, work: Callable[[Writer, list[Change]], Awaitable[Result]]) -> Result:
        return await self._writes.finish(attempted(lambda: self._transact(rights, work)))

    async def _transact(self, rights: Rights, work: Callable[[Writer, list[Change]], Awaitable[Result]]) -> Result:
        async with recorded(self._database, self._feed) as (transaction, changes):
            writer = Writer(self._database, transaction, rights, self._plans, self._hasher, self._clock.now())
            result = await work(writer, changes)
            changes += await self._end_sessions(transaction, rights, changes)
            return result

    async def _end_sessions(
        self, transaction: Transaction, rights: Rights, changes: Sequence[Change]
    ) -> Sequence[Change]:
        """Who gets a new password has to sign in again everywhere, but for the session that it was changed in."""
        users = [
            row["id"]
            for change in changes
            if change.collection == "directus_users" and change.action == "update" and "password" in change.payload
            for row in change.after
        ]
        if not users:
            return []
        keep = rights.identity.session if isinstance(rights.identity, User) else None
        ended = await self._sessions.close_all(transaction, users, keep)
        return [Change("directus_sessions", "delete", tuple(ended))] if ended else []

    def _plan(self, rights: Rights, collection: str, query: Query) -> ReadPlan:
        return self._plans.bound(rights, collection, query, self._clock.now())

    def _collection(self, name: str) -> Collection:
        found = self._database.schema.collections.get(name)
        if found is None:
            raise Forbidden.collection(name)
        return found

    def _check_batch(self, entries: Sequence[object]) -> None:
        check_number(entries, self._max_batch)
