"""How the root fields of collections are answered: each with one call of `Items`, as whoever asks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import GraphQLFieldResolver, GraphQLObjectType, GraphQLResolveInfo

from tidegate.access.exchange import Cookies
from tidegate.access.rights import Rights
from tidegate.access.sessions import Client
from tidegate.graphql.selections import SelectionReader
from tidegate.items.changes import Key
from tidegate.items.service import Items
from tidegate.query.model import Limits, Query
from tidegate.query.parse import parse_query
from tidegate.schema import Collection, Schema

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, for one execution."""

    rights: Rights
    client: Client
    cookies: Cookies = field(default_factory=Cookies)
    """Of the request; on a socket no cookie comes or goes."""


Info = GraphQLResolveInfo[Context]


class ItemResolvers:
    """The root fields of one schema snapshot."""

    def __init__(self, items: Items, schema: Schema, limits: Limits) -> None:
        self._items = items
        self._schema = schema
        self._limits = limits

    def many(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, **arguments: Any) -> Sequence[Row]:
            query = self._query(collection, info, arguments)
            return await self._items.read(info.context.rights, collection.name, query)

        return resolve

    def singleton(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info) -> Row:
            return await self._items.read_singleton(info.context.rights, collection.name, self._query(collection, info))

        return resolve

    def one(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, id: Key) -> Row:  # noqa: A002 - GraphQL's name of the argument
            return await self._items.read_one(info.context.rights, collection.name, id, self._query(collection, info))

        return resolve

    def one_of(self, collection: Collection, key_of: Callable[[Rights], Key]) -> GraphQLFieldResolver:
        """The one item whose key goes by who asks."""

        async def resolve(_root: object, info: Info) -> Row:
            rights = info.context.rights
            return await self._items.read_one(rights, collection.name, key_of(rights), self._query(collection, info))

        return resolve

    def aggregated(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, **arguments: Any) -> Sequence[Row]:
            reader = self._reader(info)
            asked = reader.query(collection, (), arguments)
            functions: dict[str, set[str]] = {}
            for nodes in reader.children(info.field_nodes).values():
                name = nodes[0].name.value
                below = {each[0].name.value for each in reader.children(nodes).values()} - {"__typename"}
                if name == "countAll" or below:
                    functions.setdefault(name, set()).update(["*"] if name == "countAll" else below)
            # A query that computes nothing would read rows; the number of them is computed and not shown.
            computing = parse_query(
                {"aggregate": {name: sorted(of) for name, of in functions.items()} or {"countAll": ["*"]}}, self._limits
            )
            query = replace(asked, fields=(), aggregate=computing.aggregate)
            rows = await self._items.read(info.context.rights, collection.name, query)
            computed = {name for name, _ in query.aggregate}
            return [
                {**row, "group": {name: value for name, value in row.items() if name not in computed}} for row in rows
            ]

        return resolve

    def create_items(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, data: Sequence[Row] | None = None, **arguments: Any) -> Any:
            keys = await self._items.create(info.context.rights, collection.name, data or ())
            return await self._read_back(collection, info, keys, arguments)

        return resolve

    def create_item(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, data: Row) -> Any:
            keys = await self._items.create(info.context.rights, collection.name, [data])
            return await self._read_back_one(collection, info, keys[0])

        return resolve

    def update_items(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, ids: Sequence[Key], data: Row, **arguments: Any) -> Any:
            keys = await self._items.update(info.context.rights, collection.name, ids, data)
            return await self._read_back(collection, info, keys, arguments)

        return resolve

    def update_batch(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, data: Sequence[Row] | None = None, **arguments: Any) -> Any:
            keys = await self._items.update_batch(info.context.rights, collection.name, data or ())
            return await self._read_back(collection, info, keys, arguments)

        return resolve

    def update_item(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, id: Key, data: Row) -> Any:  # noqa: A002 - as above
            await self._items.update(info.context.rights, collection.name, [id], data)
            return await self._read_back_one(collection, info, id)

        return resolve

    def update_singleton(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, data: Row) -> Any:
            rights = info.context.rights
            await self._items.write_singleton(rights, collection.name, data)
            if not _has_items(info):
                return True
            return await self._items.read_singleton(rights, collection.name, self._query(collection, info))

        return resolve

    def delete_items(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, ids: Sequence[Key]) -> Row:
            return {"ids": await self._items.delete(info.context.rights, collection.name, ids)}

        return resolve

    def delete_item(self, collection: Collection) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info, id: Key) -> Row:  # noqa: A002 - as above
            await self._items.delete(info.context.rights, collection.name, [id])
            return {"id": id}

        return resolve

    async def _read_back(
        self, collection: Collection, info: Info, keys: Sequence[Key], arguments: Mapping[str, Any]
    ) -> Any:
        if not _has_items(info):
            return True
        query = self._query(collection, info, arguments)
        return await self._items.read_keys(info.context.rights, collection.name, keys, query)

    async def _read_back_one(self, collection: Collection, info: Info, key: Key) -> Any:
        if not _has_items(info):
            return True
        return await self._items.read_one(info.context.rights, collection.name, key, self._query(collection, info))

    def _query(self, collection: Collection, info: Info, arguments: Mapping[str, Any] | None = None) -> Query:
        return self._reader(info).query(collection, info.field_nodes, arguments or {})

    def _reader(self, info: Info) -> SelectionReader:
        return SelectionReader(self._schema, info.schema, info.fragments, info.variable_values, self._limits)


def _has_items(info: Info) -> bool:
    """Whether the field gives items: it is a Boolean for who may write and not read."""
    named = info.return_type
    while hasattr(named, "of_type"):
        named = named.of_type
    return isinstance(named, GraphQLObjectType)
