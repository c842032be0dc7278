"""The GraphQL schema that somebody may see, built from the schema snapshot and their rights.

What may not be read does not exist in it, and what may not be written has no mutation, so that a forbidden field is
told apart from an unknown one nowhere (PROTOCOL section 4). How root fields are answered is the `Resolvers`' business.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
)

from tidegate.access.rights import Rights
from tidegate.graphql.inputs import Inputs
from tidegate.graphql.names import functions_of, functions_type, nameable, root_name, sayable
from tidegate.graphql.scalars import EVENT, JSON, OUTPUT
from tidegate.graphql.selections import FUNCTIONS_SUFFIX, read_name
from tidegate.schema import Collection, Field, FieldType, RelationKind, RelationView, Schema

_AGGREGATES: Final = ("count", "countDistinct", "sum", "sumDistinct", "avg", "avgDistinct", "min", "max")
_NUMBERS: Final = (FieldType.INTEGER, FieldType.BIG_INTEGER, FieldType.FLOAT, FieldType.DECIMAL)
STRUCTURE: Final = frozenset({"directus_collections", "directus_fields", "directus_relations"})
"""Changed through the structure endpoints only, which change tables with them."""


class Resolvers(Protocol):
    """How the root fields of a collection are answered; each gets GraphQL's arguments as keywords."""

    def many(self, collection: Collection) -> GraphQLFieldResolver: ...
    def singleton(self, collection: Collection) -> GraphQLFieldResolver: ...
    def one(self, collection: Collection) -> GraphQLFieldResolver: ...
    def aggregated(self, collection: Collection) -> GraphQLFieldResolver: ...
    def create_items(self, collection: Collection) -> GraphQLFieldResolver: ...
    def create_item(self, collection: Collection) -> GraphQLFieldResolver: ...
    def update_items(self, collection: Collection) -> GraphQLFieldResolver: ...
    def update_batch(self, collection: Collection) -> GraphQLFieldResolver: ...
    def update_item(self, collection: Collection) -> GraphQLFieldResolver: ...
    def update_singleton(self, collection: Collection) -> GraphQLFieldResolver: ...
    def delete_items(self, collection: Collection) -> GraphQLFieldResolver: ...
    def delete_item(self, collection: Collection) -> GraphQLFieldResolver: ...


Fields = dict[str, GraphQLField]


class TypeBuilder:
    """Builds one GraphQL schema; each type once."""

    def __init__(self, schema: Schema, rights: Rights, resolvers: Resolvers, *, system: bool) -> None:
        """`system`: for the system collections' own endpoint."""
        self._schema = schema
        self._rights = rights
        self._resolvers = resolvers
        self._system = system
        self._names = nameable(schema)
        self._inputs = Inputs(schema, rights, self._names)
        self._objects: dict[str, GraphQLObjectType] = {}
        self._functions: dict[tuple[str, ...], GraphQLObjectType] = {}
        self._unions: dict[tuple[str, str], GraphQLUnionType] = {}
        self._deleted_one = GraphQLObjectType("delete_one", {"id": GraphQLField(GraphQLNonNull(GraphQLID))})
        self._deleted_many = GraphQLObjectType(
            "delete_many", {"ids": GraphQLField(GraphQLNonNull(GraphQLList(GraphQLID)))}
        )

    def build(self, queries: Mapping[str, GraphQLField], mutations: Mapping[str, GraphQLField]) -> GraphQLSchema:
        """The schema of all that may be seen, with these root fields besides."""
        query, mutation, subscription = dict(queries), dict(mutations), {}
        for collection in self._schema.collections.values():
            if collection.name not in self._names:
                continue
            readable = self.readable(collection.name)
            if readable is not None and not self._system:
                subscription[f"{collection.name}_mutated"] = self._mutated(collection)
            if collection.system is self._system:
                if readable is not None:
                    query |= self._queries(collection)
                if collection.name not in STRUCTURE:
                    mutation |= self._mutations(collection)
        if not query:
            query["_empty"] = GraphQLField(GraphQLString, resolve=lambda *_: None)
        return GraphQLSchema(
            GraphQLObjectType("Query", query),
            GraphQLObjectType("Mutation", mutation) if mutation else None,
            GraphQLObjectType("Subscription", subscription) if subscription else None,
        )

    def object(self, collection: Collection) -> GraphQLObjectType:
        """The type of the collection's items."""
        if collection.name not in self._objects:
            fields = partial(self._object_fields, collection)
            self._objects[collection.name] = GraphQLObjectType(collection.name, fields)
        return self._objects[collection.name]

    def readable(self, name: str) -> Collection | None:
        """The collection, if anything of it may be read."""
        found = self._schema.collections.get(name)
        if found is None or name not in self._names or not self._rights.may(name, "read"):
            return None
        return found if any(self._is_readable(field) for field in found.fields.values()) else None

    def _is_readable(self, field: Field) -> bool:
        return sayable(field.name) and self._rights.may_field(field.collection, "read", field.name)

    def _object_fields(self, collection: Collection) -> Fields:
        fields: Fields = {}
        for field in collection.fields.values():
            if not self._is_readable(field):
                continue
            view = self._schema.relation(collection.name, field.name)
            made = self._related_field(field, view) if view is not None else None
            if made is None and not field.alias:
                made = GraphQLField(self._plain_type(field), resolve=_plain(field.name))
            if made is not None:
                fields[field.name] = made
            functions = functions_of(field, view is not None and view.kind is RelationKind.O2M)
            if functions and f"{field.name}{FUNCTIONS_SUFFIX}" not in collection.fields:
                kind = self._functions_type(functions)
                fields[f"{field.name}{FUNCTIONS_SUFFIX}"] = GraphQLField(kind, resolve=_functions_of(field.name))
        return fields or {"_empty": GraphQLField(GraphQLString)}

    def _related_field(self, field: Field, view: RelationView) -> GraphQLField | None:
        if view.kind is RelationKind.A2O:
            union = self._union(field, view)
            discriminator = view.relation.one_collection_field
            return None if union is None else GraphQLField(union, resolve=_any_of(field.name, discriminator or ""))
        target = self.readable(view.target)
        if target is None:
            return None
        kind = self.object(target)
        related = GraphQLList(kind) if view.kind is RelationKind.O2M else kind
        return GraphQLField(related, self._arguments(target), _related)

    def _union(self, field: Field, view: RelationView) -> GraphQLUnionType | None:
        targets = [found for name in view.relation.one_allowed_collections if (found := self.readable(name))]
        if not targets:
            return None
        key = field.collection, field.name
        if key not in self._unions:
            self._unions[key] = GraphQLUnionType(
                f"{field.collection}_{field.name}_union",
                [self.object(target) for target in targets],
                resolve_type=lambda value, *_: value["__typename"],
            )
        return self._unions[key]

    def _plain_type(self, field: Field) -> GraphQLOutputType:
        if field.primary_key:
            return GraphQLNonNull(GraphQLID) if self._always_there(field) else GraphQLID
        if field.type is FieldType.CSV:
            return GraphQLList(GraphQLString)
        return OUTPUT.get(field.type, GraphQLString)

    def _always_there(self, key: Field) -> bool:
        """Whether every row that may be read shows its key; a singleton has none before it is first written."""
        if self._schema.collections[key.collection].singleton:
            return False
        rules = self._rights.rules_for(key.collection, "read")
        return self._rights.admin or all(rule.names(key.name) for rule in rules)

    def _functions_type(self, functions: tuple[str, ...]) -> GraphQLObjectType:
        if functions not in self._functions:
            fields = {name: GraphQLField(GraphQLInt, resolve=_function_value) for name in functions}
            self._functions[functions] = GraphQLObjectType(functions_type(functions), fields)
        return self._functions[functions]

    def _arguments(self, collection: Collection) -> dict[str, GraphQLArgument]:
        return {
            "filter": GraphQLArgument(self._inputs.filter(collection)),
            "sort": GraphQLArgument(GraphQLList(GraphQLString)),
            "limit": GraphQLArgument(GraphQLInt),
            "offset": GraphQLArgument(GraphQLInt),
            "page": GraphQLArgument(GraphQLInt),
            "search": GraphQLArgument(GraphQLString),
        }

    def _queries(self, collection: Collection) -> Fields:
        name, kind = root_name(collection.name, self._system), self.object(collection)
        if collection.singleton:
            return {name: GraphQLField(kind, resolve=self._resolvers.singleton(collection))}
        found = GraphQLNonNull(GraphQLList(GraphQLNonNull(kind)))
        key = {"id": GraphQLArgument(GraphQLNonNull(GraphQLID))}
        aggregated = GraphQLNonNull(GraphQLList(GraphQLNonNull(self._aggregated_type(collection))))
        arguments = {"groupBy": GraphQLArgument(GraphQLList(GraphQLString)), **self._arguments(collection)}
        return {
            name: GraphQLField(found, self._arguments(collection), self._resolvers.many(collection)),
            f"{name}_by_id": GraphQLField(kind, key, self._resolvers.one(collection)),
            f"{name}_aggregated": GraphQLField(aggregated, arguments, self._resolvers.aggregated(collection)),
        }

    def _aggregated_type(self, collection: Collection) -> GraphQLObjectType:
        name = f"{collection.name}_aggregated"
        columns = [field for field in collection.fields.values() if self._is_readable(field) and not field.alias]
        counted: Fields = {field.name: GraphQLField(GraphQLInt) for field in columns}
        fields: Fields = {"group": GraphQLField(JSON), "countAll": GraphQLField(GraphQLInt)}
        if counted:
            kind = GraphQLObjectType(f"{name}_count", counted)
            fields |= {each: GraphQLField(kind) for each in _AGGREGATES[:2]}
        computed: Fields = {f.name: GraphQLField(GraphQLFloat) for f in columns if f.type in _NUMBERS}
        if computed:
            kind = GraphQLObjectType(f"{name}_fields", computed)
            fields |= {each: GraphQLField(kind) for each in _AGGREGATES[2:]}
        return GraphQLObjectType(name, fields)

    def _mutations(self, collection: Collection) -> Fields:
        name, readable = root_name(collection.name, self._system), self.readable(collection.name)
        item: GraphQLOutputType = GraphQLBoolean if readable is None else self.object(collection)
        items: GraphQLOutputType = GraphQLBoolean
        arguments: dict[str, GraphQLArgument] = {}
        if readable is not None:
            items, arguments = GraphQLNonNull(GraphQLList(GraphQLNonNull(item))), self._arguments(collection)
        make = self._resolvers
        fields: Fields = {}
        key = {"id": GraphQLArgument(GraphQLNonNull(GraphQLID))}
        keys = {"ids": GraphQLArgument(GraphQLNonNull(GraphQLList(GraphQLID)))}
        if self._inputs.writable(collection.name, "create") and not collection.singleton:
            data = GraphQLNonNull(self._inputs.written(collection, "create"))
            many = {**arguments, "data": GraphQLArgument(GraphQLList(data))}
            fields[f"create_{name}_items"] = GraphQLField(items, many, make.create_items(collection))
            one = {"data": GraphQLArgument(data)}
            fields[f"create_{name}_item"] = GraphQLField(item, one, make.create_item(collection))
        if self._inputs.writable(collection.name, "update"):
            data = GraphQLNonNull(self._inputs.written(collection, "update"))
            one = {"data": GraphQLArgument(data)}
            if collection.singleton:
                fields[f"update_{name}"] = GraphQLField(item, one, make.update_singleton(collection))
            else:
                fields[f"update_{name}_items"] = GraphQLField(
                    items, {**arguments, **keys, **one}, make.update_items(collection)
                )
                batch = {**arguments, "data": GraphQLArgument(GraphQLList(data))}
                fields[f"update_{name}_batch"] = GraphQLField(items, batch, make.update_batch(collection))
                fields[f"update_{name}_item"] = GraphQLField(item, {**key, **one}, make.update_item(collection))
        if self._rights.may(collection.name, "delete") and not collection.singleton:
            fields[f"delete_{name}_items"] = GraphQLField(self._deleted_many, keys, make.delete_items(collection))
            fields[f"delete_{name}_item"] = GraphQLField(self._deleted_one, key, make.delete_item(collection))
        return fields

    def _mutated(self, collection: Collection) -> GraphQLField:
        fields = {
            "key": GraphQLField(GraphQLNonNull(GraphQLID)),
            "event": GraphQLField(EVENT),
            "data": GraphQLField(self.object(collection)),
        }
        kind = GraphQLObjectType(f"{collection.name}_mutated", fields)
        return GraphQLField(kind, {"event": GraphQLArgument(EVENT)})


def _plain(name: str) -> GraphQLFieldResolver:
    return lambda row, _info: row.get(name)


def _related(row: Mapping[str, Any], info: GraphQLResolveInfo[Any], **_arguments: Any) -> Any:
    return row.get(read_name(info.path.key))


def _any_of(name: str, discriminator: str) -> GraphQLFieldResolver:
    def resolve(row: Mapping[str, Any], _info: GraphQLResolveInfo[Any]) -> Any:
        item = row.get(name)
        return {**item, "__typename": row.get(discriminator)} if isinstance(item, Mapping) else None

    return resolve


def _functions_of(name: str) -> Callable[..., tuple[Mapping[str, Any], str]]:
    return lambda row, _info: (row, name)


def _function_value(source: tuple[Mapping[str, Any], str], info: GraphQLResolveInfo[Any]) -> Any:
    row, name = source
    return row.get(f"{name}_{info.field_name}")
