"""The input types of one schema: filters, and what a write may contain."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Final

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLString,
)

from tidegate.access.rights import Action, Rights
from tidegate.graphql.names import functions_of, functions_type, sayable
from tidegate.graphql.scalars import BIG_INT, DATE, HASH, JSON, STRING_OR_FLOAT
from tidegate.schema import Collection, Field, FieldType, RelationKind, Schema

_ORDERED: Final = ("_eq", "_neq", "_gt", "_gte", "_lt", "_lte")
_LISTS: Final = ("_in", "_nin")
_RANGES: Final = ("_between", "_nbetween")
_TEXT: Final = tuple(
    f"_{negated}{folded}{name}"
    for name in ("contains", "starts_with", "ends_with")
    for folded in ("", "i")
    for negated in ("", "n")
)
_NULL: Final = ("_null", "_nnull")
_EMPTY: Final = ("_empty", "_nempty")


def _operators(
    name: str,
    value: GraphQLInputType,
    single: tuple[str, ...],
    lists: tuple[str, ...],
    flags: tuple[str, ...],
    bound: GraphQLInputType | None = None,
) -> GraphQLInputObjectType:
    """`bound`: of a range; None where there are no ranges."""
    fields: dict[str, GraphQLInputField] = {operator: GraphQLInputField(value) for operator in single}
    fields |= {operator: GraphQLInputField(GraphQLList(value)) for operator in lists}
    fields |= {operator: GraphQLInputField(GraphQLBoolean) for operator in flags}
    if bound is not None:
        fields |= {operator: GraphQLInputField(GraphQLList(bound)) for operator in _RANGES}
    return GraphQLInputObjectType(f"{name}_filter_operators", fields)


_STRING: Final = _operators("string", GraphQLString, ("_eq", "_neq", *_TEXT), _LISTS, (*_NULL, *_EMPTY))
_ID: Final = _operators("id", GraphQLID, ("_eq", "_neq", *_TEXT), _LISTS, (*_NULL, *_EMPTY))
_NUMBER: Final = _operators("number", STRING_OR_FLOAT, _ORDERED, _LISTS, _NULL, STRING_OR_FLOAT)
_BIG: Final = _operators("big_int", BIG_INT, _ORDERED, _LISTS, _NULL, BIG_INT)
_DATE: Final = _operators("date", GraphQLString, _ORDERED, _LISTS, _NULL, STRING_OR_FLOAT)
_BOOLEAN: Final = _operators("boolean", GraphQLBoolean, ("_eq", "_neq"), (), _NULL)
_HASH: Final = _operators("hash", GraphQLString, (), (), (*_NULL, *_EMPTY))
_JSON: Final = _operators("json", GraphQLString, (), (), _NULL)

_FILTERS: Final[Mapping[FieldType, GraphQLInputObjectType]] = {
    FieldType.INTEGER: _NUMBER,
    FieldType.FLOAT: _NUMBER,
    FieldType.DECIMAL: _NUMBER,
    FieldType.BIG_INTEGER: _BIG,
    FieldType.DATE: _DATE,
    FieldType.TIME: _DATE,
    FieldType.DATE_TIME: _DATE,
    FieldType.TIMESTAMP: _DATE,
    FieldType.BOOLEAN: _BOOLEAN,
    FieldType.UUID: _ID,
    FieldType.HASH: _HASH,
    FieldType.JSON: _JSON,
}


@cache
def _function_filter(functions: tuple[str, ...]) -> GraphQLInputObjectType:
    fields = {function: GraphQLInputField(_NUMBER) for function in functions}
    return GraphQLInputObjectType(f"{functions_type(functions).removesuffix('s')}_filter_operators", fields)


_WRITTEN: Final[Mapping[FieldType, GraphQLInputType]] = {
    FieldType.INTEGER: GraphQLInt,
    FieldType.BIG_INTEGER: BIG_INT,
    FieldType.FLOAT: GraphQLFloat,
    FieldType.DECIMAL: GraphQLFloat,
    FieldType.BOOLEAN: GraphQLBoolean,
    FieldType.DATE: DATE,
    FieldType.DATE_TIME: DATE,
    FieldType.TIMESTAMP: DATE,
    FieldType.UUID: GraphQLID,
    FieldType.JSON: JSON,
    FieldType.HASH: HASH,
    FieldType.CSV: GraphQLList(GraphQLString),
}


class Inputs:
    """Builds each input type once, when it is first asked for."""

    def __init__(self, schema: Schema, rights: Rights, names: frozenset[str]) -> None:
        """`names`: the collections that GraphQL has a name for."""
        self._schema = schema
        self._names = names
        self._rights = rights
        self._filters: dict[str, GraphQLInputObjectType] = {}
        self._written: dict[tuple[str, Action], GraphQLInputObjectType] = {}

    def filter(self, collection: Collection) -> GraphQLInputObjectType:
        """`{collection}_filter`."""
        name = collection.name
        if name not in self._filters:
            fields = partial(self._filter_fields, collection)
            self._filters[name] = GraphQLInputObjectType(f"{name}_filter", fields)
        return self._filters[name]

    def written(self, collection: Collection, action: Action) -> GraphQLInputObjectType:
        """`create_{collection}_input` or `update_{collection}_input`."""
        key = collection.name, action
        if key not in self._written:
            fields = partial(self._written_fields, collection, action)
            self._written[key] = GraphQLInputObjectType(f"{action}_{collection.name}_input", fields)
        return self._written[key]

    def _filter_fields(self, collection: Collection) -> dict[str, GraphQLInputField]:
        own = self.filter(collection)
        fields: dict[str, GraphQLInputField] = {}
        for field in collection.fields.values():
            if not (sayable(field.name) and self._rights.may_field(collection.name, "read", field.name)):
                continue
            view = self._schema.relation(collection.name, field.name)
            to_many = view is not None and view.kind is RelationKind.O2M
            functions = functions_of(field, to_many)
            if view is not None and view.kind is RelationKind.A2O:
                for name in view.relation.one_allowed_collections:
                    target = self._readable(name)
                    if target is not None:
                        fields[f"{field.name}__{name}"] = GraphQLInputField(self.filter(target))
            elif view is not None and (target := self._readable(view.target)) is not None:
                kind = self._quantified(target) if to_many else self.filter(target)
                fields[field.name] = GraphQLInputField(kind)
            elif field.alias:
                continue
            else:
                fields[field.name] = GraphQLInputField(_FILTERS.get(field.type, _STRING))
            if functions and f"{field.name}_func" not in collection.fields:
                fields[f"{field.name}_func"] = GraphQLInputField(_function_filter(functions))
        joined = GraphQLInputField(GraphQLList(own))
        return {**fields, "_and": joined, "_or": joined}

    def _quantified(self, collection: Collection) -> GraphQLInputObjectType:
        """A filter on related items: as they are, or under `_some` and `_none`."""
        name = f"{collection.name}_quantifier_filter"
        if name not in self._filters:

            def fields() -> dict[str, GraphQLInputField]:
                inner = GraphQLInputField(self.filter(collection))
                return {**self.filter(collection).fields, "_some": inner, "_none": inner}

            self._filters[name] = GraphQLInputObjectType(name, fields)
        return self._filters[name]

    def _readable(self, name: str) -> Collection | None:
        found = self._schema.collections.get(name)
        return found if found is not None and name in self._names and self._rights.may(name, "read") else None

    def writable(self, name: str, action: Action) -> bool:
        """Whether there is anything to write, and so an input type."""
        found = self._schema.collections.get(name) if name in self._names else None
        return found is not None and any(
            sayable(field.name) and not field.alias and self._rights.may_field(name, action, field.name)
            for field in found.fields.values()
        )

    def _written_fields(self, collection: Collection, action: Action) -> dict[str, GraphQLInputField]:
        fields: dict[str, GraphQLInputField] = {}
        for field in collection.fields.values():
            # The rows of a batch are named by their keys, whether or not these may be changed.
            naming = field.primary_key and action == "update"
            if sayable(field.name) and (naming or self._rights.may_field(collection.name, action, field.name)):
                kind = self._written_type(collection, field, action)
                if kind is not None:
                    fields[field.name] = GraphQLInputField(kind)
        return fields

    def _written_type(self, collection: Collection, field: Field, action: Action) -> GraphQLInputType | None:
        view = self._schema.relation(collection.name, field.name)
        if view is not None and view.kind is RelationKind.A2O:
            return JSON
        if view is not None and self.writable(view.target, action):
            related = self.written(self._schema.collections[view.target], action)
            return GraphQLList(related) if view.kind is RelationKind.O2M else related
        if field.alias:
            return None
        return GraphQLID if field.primary_key else _WRITTEN.get(field.type, GraphQLString)
