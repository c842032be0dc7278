"""The HTTP API as an OpenAPI 3.1 document (spec.openapis.org): what the asker may do, and nothing else. Pure.

Values are described as they stand in JSON (docs/architecture.md, "Values").
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tidegate import __version__
from tidegate.access.rights import Action, Rights
from tidegate.http.openapi_fixed import ERROR, ERRORS, NO_CONTENT, body, data, fixed_paths, json
from tidegate.http.system import READABLE, WRITABLE, collection_of
from tidegate.schema import Collection, Field, FieldType, RelationKind, Schema

Object = dict[str, Any]

_TYPES: Mapping[FieldType, Object] = {
    FieldType.STRING: {"type": "string"},
    FieldType.TEXT: {"type": "string"},
    FieldType.HASH: {"type": "string"},
    FieldType.UNKNOWN: {"type": "string"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.BIG_INTEGER: {"type": "string", "pattern": "^-?[0-9]+$"},
    FieldType.FLOAT: {"type": "number"},
    FieldType.DECIMAL: {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.TIME: {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}:[0-9]{2}$"},
    FieldType.DATE_TIME: {"type": "string", "description": "A date and time without a zone, `2021-02-03T04:05:06`"},
    FieldType.TIMESTAMP: {"type": "string", "format": "date-time"},
    FieldType.JSON: {},
    FieldType.CSV: {"type": "array", "items": {"type": "string"}},
    FieldType.UUID: {"type": "string", "format": "uuid"},
    FieldType.BINARY: {"type": "string", "contentEncoding": "base64"},
}
_QUERY: Mapping[str, Object] = {
    "fields": {"type": "array", "items": {"type": "string"}},
    "filter": {"type": "object"},
    "search": {"type": "string"},
    "sort": {"type": "array", "items": {"type": "string"}},
    "limit": {"type": "integer", "minimum": -1},
    "offset": {"type": "integer", "minimum": 0},
    "page": {"type": "integer", "minimum": 1},
    "aggregate": {"type": "object"},
    "groupBy": {"type": "array", "items": {"type": "string"}},
    "deep": {"type": "object"},
    "alias": {"type": "object"},
    "meta": {"type": "array", "items": {"enum": ["total_count", "filter_count", "*"]}},
}
"""The parameters of a read."""


def describe_api(schema: Schema, rights: Rights, url: str, graphql: str) -> Object:
    """The document, as JSON values.

    `url` is where clients reach the server; `/` stands for where it is read from. `graphql` is the path of GraphQL.
    """
    served = _served(schema, rights)
    names = frozenset(served)
    paths = fixed_paths(rights, graphql)
    for collection, path in served.values():
        paths |= _paths(path, collection, rights)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tidegate", "version": __version__},
        "servers": [{"url": url}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "parameters": {name: _parameter(name, described) for name, described in _QUERY.items()},
            "responses": {"Error": {"description": "An error", "content": json(ERRORS)}},
            "schemas": {_component(name): _item(schema, found, rights, names) for name, (found, _) in served.items()},
        },
    }


def _served(schema: Schema, rights: Rights) -> Mapping[str, tuple[Collection, str]]:
    """Every collection of which the asker may do anything, with its path, by name.

    One with a slash in its name has no path: it would be taken for an item of another collection.
    """
    system = {collection_of(name): f"/{name}" for name in (*WRITABLE, *READABLE)}
    found = {}
    for name, collection in schema.collections.items():
        path = system.get(name) if collection.system else f"/items/{quote(name, safe='')}"
        if path is not None and "/" not in name and any(rights.may(name, action) for action in _actions(collection)):
            found[name] = collection, path
    return found


def _actions(collection: Collection) -> tuple[Action, ...]:
    if collection.name in {collection_of(name) for name in READABLE}:
        return ("read",)
    return ("read", "update") if collection.singleton else ("create", "read", "update", "delete")


def _paths(path: str, collection: Collection, rights: Rights) -> Object:
    may = {action for action in _actions(collection) if rights.may(collection.name, action)}
    item = {"$ref": f"#/components/schemas/{_component(collection.name)}"}
    items = {"type": "array", "items": item}
    keys = {"type": "array", "items": _TYPES[collection.key_field.type]}
    about = {"tags": [collection.name]}
    many: Object = {}
    one: Object = {}
    read = {"responses": {"200": data(item if collection.singleton else items), "default": ERROR}, **about}
    if "read" in may:
        many["get"] = {**read, "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _QUERY]}
        one["get"] = {"responses": {"200": data(item), "default": ERROR}, **about}
    written = {"200": data({"anyOf": [item, items]}), "204": NO_CONTENT, "default": ERROR}
    if "create" in may:
        many["post"] = {"requestBody": body({"anyOf": [item, items]}), "responses": written, **about}
    if "update" in may:
        alike = {"type": "object", "required": ["data"], "properties": {"keys": keys, "data": item}}
        changed = item if collection.singleton else {"anyOf": [items, alike]}
        many["patch"] = {"requestBody": body(changed), "responses": written, **about}
        one["patch"] = {"requestBody": body(item), "responses": written, **about}
    if "delete" in may:
        many["delete"] = {"requestBody": body(keys), "responses": {"204": NO_CONTENT, "default": ERROR}, **about}
        one["delete"] = {"responses": {"204": NO_CONTENT, "default": ERROR}, **about}
    if collection.singleton:
        return {path: many}
    key = {"name": "key", "in": "path", "required": True, "schema": _TYPES[collection.key_field.type]}
    return {path: many, f"{path}/{{key}}": {**one, "parameters": [key]}}


def _item(schema: Schema, collection: Collection, rights: Rights, served: frozenset[str]) -> Object:
    """The item with the fields that the asker may read or write."""
    properties: Object = {}
    for field in collection.fields.values():
        actions = [action for action in _actions(collection) if rights.may_field(collection.name, action, field.name)]
        described = _field(schema, field, served) if actions else None
        if described is not None:
            if actions == ["read"]:
                described["readOnly"] = True
            elif "read" not in actions:
                described["writeOnly"] = True
            properties[field.name] = described
    return {"type": "object", "properties": properties}


def _field(schema: Schema, field: Field, served: frozenset[str]) -> Object | None:
    """None for an alias field that holds nothing."""
    view = schema.relation(field.collection, field.name)
    if view is None:
        return None if field.alias else _value(field)
    if view.kind is RelationKind.A2O:
        targets = [name for name in view.relation.one_allowed_collections if name in schema.collections]
    else:
        targets = [view.target]
    keys = [_TYPES[schema.collections[name].key_field.type] for name in targets]
    objects = [{"$ref": f"#/components/schemas/{_component(name)}"} for name in targets if name in served]
    if view.kind is RelationKind.O2M:
        return {"type": ["array", "null"], "items": {"anyOf": [*keys, *objects]}}
    return {"anyOf": [_value(field), *objects]}


def _value(field: Field) -> Object:
    described = dict(_TYPES[field.type])
    if field.max_length is not None and field.type in (FieldType.STRING, FieldType.TEXT):
        described["maxLength"] = field.max_length
    if "type" in described and field.nullable:
        described["type"] = [described["type"], "null"]
    return described


def _component(collection: str) -> str:
    """A name of the letters that OpenAPI takes there, another one for each collection."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda sign: f".{ord(sign[0]):x}.", collection)


def _parameter(name: str, described: Object) -> Object:
    return {"name": name, "in": "query", "content": json(described)}
