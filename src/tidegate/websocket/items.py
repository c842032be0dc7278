"""`items` messages: reading and writing with the rights of the connection (PROTOCOL section 3.4)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from tidegate.access.rights import Rights
from tidegate.database.engine import Database
from tidegate.errors import Forbidden, InvalidPayload, TidegateError
from tidegate.items.changes import Key
from tidegate.items.service import Items as ItemsService
from tidegate.items.service import Written
from tidegate.query.model import Limits, Query
from tidegate.query.parse import parse_query
from tidegate.websocket import answers
from tidegate.websocket.messages import Items

Result = TypeVar("Result")


class Somebody(Protocol):
    """Who the connection is, which may change while something is read for it."""

    async def rights(self) -> Rights:
        """What it may do at this moment. Raises `TidegateError` where that cannot be told."""
        ...

    async def read(self, work: Callable[[Rights], Awaitable[Result]]) -> Result:
        """Work with the rights of whoever the connection still is when the work is done: repeated until so."""
        ...


class ItemsPerformer:
    """Performs `items` messages. Raises `TidegateError`."""

    def __init__(self, items: ItemsService, database: Database, limits: Limits) -> None:
        self._items = items
        self._database = database
        self._limits = limits

    async def perform(self, message: Items, somebody: Somebody) -> bytes:
        """The answer, to be sent without awaiting anything else."""
        collection = self._database.schema.collections.get(message.collection)
        if collection is None or collection.system:
            raise TidegateError("INVALID_COLLECTION")
        query = parse_query(message.query, self._limits)
        work = _Work(self._items, somebody, message, query, singleton=collection.singleton)
        data, meta = await getattr(work, message.action)()
        return answers.items(data, meta, message.uid)


class _Work:
    """One message. Each action gives the `data` and the `meta` of its answer."""

    def __init__(
        self, items: ItemsService, somebody: Somebody, message: Items, query: Query, *, singleton: bool
    ) -> None:
        self._items = items
        self._somebody = somebody
        self._message = message
        self._collection = message.collection
        self._query = query
        self._singleton = singleton

    async def read(self) -> tuple[Any, Any]:
        return await self._somebody.read(self._read)

    async def create(self) -> tuple[Any, Any]:
        data = self._data("create")
        rights = await self._somebody.rights()
        if isinstance(data, list):
            return await self._read_back(await self._items.create(rights, self._collection, data)), None
        return await self._read_written(await self._items.create_one(rights, self._collection, data)), None

    async def update(self) -> tuple[Any, Any]:
        message, data = self._message, self._data("update")
        rights = await self._somebody.rights()
        if isinstance(data, list):
            return await self._read_back(await self._items.update_batch(rights, self._collection, data)), None
        if message.id is not None:
            return await self._read_written(
                await self._items.update_one(rights, self._collection, message.id, data)
            ), None
        if message.ids is not None:
            return await self._read_back(await self._items.update(rights, self._collection, message.ids, data)), None
        if self._singleton:
            await self._items.write_singleton(rights, self._collection, data)
            return await self._read_back_singleton(), None
        if message.query is None:
            raise InvalidPayload('An update needs "id", "ids", "query", or an array of items as "data"')
        keys = await self._items.update_by_query(rights, self._collection, self._query, data)
        return await self._read_back(keys), None

    async def delete(self) -> tuple[Any, Any]:
        message = self._message
        if message.id is None and message.ids is None and message.query is None:
            raise InvalidPayload('A delete needs "id", "ids" or "query"')
        rights = await self._somebody.rights()
        if message.id is not None:
            await self._items.delete(rights, self._collection, [message.id])
            return message.id, None
        if message.ids is not None:
            return await self._items.delete(rights, self._collection, message.ids), None
        return await self._items.delete_by_query(rights, self._collection, self._query), None

    def _data(self, action: str) -> Any:
        if self._message.data is None:
            raise InvalidPayload(f'"data" is missing, with what to {action}')
        return self._message.data

    async def _read(self, rights: Rights) -> tuple[Any, Any]:
        message, query = self._message, self._query
        if message.id is not None:
            return await self._items.read_one(rights, self._collection, message.id, query), None
        if message.ids is not None:
            return await self._items.read_keys(rights, self._collection, message.ids, query), None
        if self._singleton:
            return await self._items.read_singleton(rights, self._collection, query), None
        data = await self._items.read(rights, self._collection, query)
        return data, await self._items.meta(rights, self._collection, query) if query.meta else None

    async def _read_back(self, keys: Sequence[Key]) -> list[dict[str, Any]]:
        """What was written, as far as it can be seen: some may write what they may not read."""
        try:
            return await self._somebody.read(
                lambda rights: self._items.read_keys(rights, self._collection, keys, self._query)
            )
        except Forbidden:
            return []

    async def _read_written(self, written: Written) -> dict[str, Any] | None:
        try:
            return await self._somebody.read(
                lambda rights: self._items.read_written(rights, self._collection, written, self._query)
            )
        except Forbidden:
            return None

    async def _read_back_singleton(self) -> dict[str, Any] | None:
        try:
            return await self._somebody.read(
                lambda rights: self._items.read_singleton(rights, self._collection, self._query)
            )
        except Forbidden:
            return None
