"""`/items/{collection}[/{id}]`, and the same for the system collections under their own paths (PROTOCOL section 1)."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from tidegate.access.rights import Rights
from tidegate.database.engine import Database
from tidegate.errors import Forbidden, InvalidPayload
from tidegate.http.answers import data_answer, no_content, route_not_found
from tidegate.http.payloads import as_keys, as_object, as_objects
from tidegate.http.request import ApiRequest, Handler
from tidegate.items.changes import Key
from tidegate.items.service import Items, Written
from tidegate.query.model import Limits, Query
from tidegate.query.parse import parse_query
from tidegate.schema import SYSTEM_PREFIX


class ItemHandlers:
    """The handlers of one collection, or of whichever the path names.

    The parameters of the URL shape the answer of a write as they do that of a read. Somebody who may write but not read
    what was written gets 204. A body is read before the rights are looked up: a client may take its time to send one,
    and its rights may end meanwhile.
    """

    def __init__(self, items: Items, database: Database, limits: Limits, collection: str | None = None) -> None:
        self._items = items
        self._database = database
        self._limits = limits
        self._fixed = collection

    def many(self) -> Mapping[str, Handler]:
        """By method, for the path of the collection."""
        return {
            "GET": self.read,
            "SEARCH": self.search,
            "POST": self.create,
            "PATCH": self.update,
            "DELETE": self.delete,
        }

    def one(self) -> Mapping[str, Handler]:
        """By method, for the path of one item."""
        return {"GET": self.read_one, "PATCH": self.update_one, "DELETE": self.delete_one}

    async def read(self, request: ApiRequest) -> Response:
        rights = await request.rights()
        return await self._read(rights, self._collection(request, rights), request.query())

    async def search(self, request: ApiRequest) -> Response:
        """As `read`, with the query in the body: `{"query": {…}}`."""
        body = as_object(await request.payload())
        rights = await request.rights()
        collection = self._collection(request, rights)
        return await self._read(rights, collection, parse_query(body.get("query", {}), self._limits))

    async def create(self, request: ApiRequest) -> Response:
        body = await request.payload()
        rights = await request.rights()
        collection, query = self._collection(request, rights), request.query()
        if self._singleton(collection):
            raise route_not_found(request.scope["path"])
        if isinstance(body, list):
            keys = await self._items.create(rights, collection, as_objects(body))
            return await self._read_back(rights, collection, keys, query)
        written = await self._items.create_one(rights, collection, as_object(body))
        return await self._read_written(rights, collection, written, query)

    async def update(self, request: ApiRequest) -> Response:
        """An array of items with their keys; `keys` or `query` with `data`; or the body of a singleton."""
        body = await request.payload()
        rights = await request.rights()
        collection, query = self._collection(request, rights), request.query()
        if self._singleton(collection):
            await self._items.write_singleton(rights, collection, as_object(body))
            return await self._read_back_singleton(rights, collection, query)
        if isinstance(body, list):
            keys = await self._items.update_batch(rights, collection, as_objects(body))
        else:
            keys = await self._update_alike(rights, collection, as_object(body))
        return await self._read_back(rights, collection, keys, query)

    async def delete(self, request: ApiRequest) -> Response:
        """An array of keys, `{"keys": […]}` or `{"query": {…}}`."""
        body = await request.payload()
        rights = await request.rights()
        collection = self._collection(request, rights)
        if self._singleton(collection):
            raise route_not_found(request.scope["path"])
        if isinstance(body, list):
            await self._items.delete(rights, collection, as_keys(body))
            return no_content()
        entries = as_object(body)
        if "keys" in entries:
            await self._items.delete(rights, collection, as_keys(entries["keys"]))
        elif "query" in entries:
            await self._items.delete_by_query(rights, collection, parse_query(entries["query"], self._limits))
        else:
            raise InvalidPayload('The body has to be an array of keys, or have "keys" or "query"')
        return no_content()

    async def read_one(self, request: ApiRequest) -> Response:
        rights = await request.rights()
        collection, key = self._collection(request, rights), request.path_params["key"]
        return data_answer(await self._items.read_one(rights, collection, key, request.query()))

    async def update_one(self, request: ApiRequest) -> Response:
        body = as_object(await request.payload())
        rights = await request.rights()
        collection, query = self._collection(request, rights), request.query()
        key = request.path_params["key"]
        written = await self._items.update_one(rights, collection, key, body)
        return await self._read_written(rights, collection, written, query)

    async def delete_one(self, request: ApiRequest) -> Response:
        rights = await request.rights()
        await self._items.delete(rights, self._collection(request, rights), [request.path_params["key"]])
        return no_content()

    def _collection(self, request: ApiRequest, rights: Rights) -> str:
        """Raises Forbidden, whatever is asked, for one that is not there or that nothing may be done with."""
        name: str = self._fixed or request.path_params["collection"]
        if self._fixed is None and name.startswith(SYSTEM_PREFIX):
            raise Forbidden
        if name not in self._database.schema.collections or not rights.knows(name):
            raise Forbidden.collection(name)
        return name

    def _singleton(self, collection: str) -> bool:
        described = self._database.schema.collections.get(collection)
        return described is not None and described.singleton

    async def _read(self, rights: Rights, collection: str, query: Query) -> Response:
        data: Any
        if self._singleton(collection):
            data = await self._items.read_singleton(rights, collection, query)
        else:
            data = await self._items.read(rights, collection, query)
        return data_answer(data, await self._items.meta(rights, collection, query) if query.meta else None)

    async def _update_alike(self, rights: Rights, collection: str, entries: Mapping[str, Any]) -> list[Key]:
        if "data" not in entries:
            raise InvalidPayload('"data" is required')
        data = as_object(entries["data"])
        if "keys" in entries:
            return await self._items.update(rights, collection, as_keys(entries["keys"]), data)
        if "query" in entries:
            query = parse_query(entries["query"], self._limits)
            return await self._items.update_by_query(rights, collection, query, data)
        raise InvalidPayload('"keys" or "query" is required')

    async def _read_back(self, rights: Rights, collection: str, keys: Sequence[Key], query: Query) -> Response:
        try:
            return data_answer(await self._items.read_keys(rights, collection, keys, query))
        except Forbidden:
            return no_content()

    async def _read_written(self, rights: Rights, collection: str, written: Written, query: Query) -> Response:
        try:
            return data_answer(await self._items.read_written(rights, collection, written, query))
        except Forbidden:
            return no_content()

    async def _read_back_singleton(self, rights: Rights, collection: str, query: Query) -> Response:
        try:
            return data_answer(await self._items.read_singleton(rights, collection, query))
        except Forbidden:
            return no_content()
