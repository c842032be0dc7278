"""The paths of every project, as OpenAPI describes them, and the parts that all paths are made of. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.access.identity import User
from tidegate.access.rights import Rights
from tidegate.schema import FieldType

Object = dict[str, Any]

ERROR = {"$ref": "#/components/responses/Error"}
NO_CONTENT: Object = {"description": "Done"}


def json(described: Object) -> Object:
    return {"application/json": {"schema": described}}


def body(described: Object) -> Object:
    return {"required": True, "content": json(described)}


def data(described: Object) -> Object:
    """An answer."""
    answer = {"type": "object", "required": ["data"], "properties": {"data": described, "meta": {"type": "object"}}}
    return {"description": "Done", "content": json(answer)}


def array(described: Object) -> Object:
    return {"type": "array", "items": described}


ERRORS: Object = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": array(
            {
                "type": "object",
                "required": ["message", "extensions"],
                "properties": {
                    "message": {"type": "string"},
                    "extensions": {
                        "type": "object",
                        "required": ["code"],
                        "properties": {"code": {"type": "string"}},
                    },
                },
            }
        )
    },
}


def fixed_paths(rights: Rights, graphql: str) -> Object:
    """Those that the asker may use. `graphql` is where GraphQL is served."""
    system = f"{graphql.rstrip('/')}/system"
    paths = {**_FOR_EVERYBODY, graphql: _graphql("items"), system: _graphql("system collections")}
    if isinstance(rights.identity, User):
        paths |= _FOR_USERS
        if rights.may("directus_users", "update"):
            paths["/users/me"] = {**paths["/users/me"], "patch": _operation("users", _OBJECT, _OBJECT)}
    return {**paths, **_FOR_ADMINISTRATORS} if rights.admin else paths


def _object(required: Sequence[str] = (), **properties: Object) -> Object:
    described: Object = {"type": "object", "properties": properties}
    return {**described, "required": list(required)} if required else described


def _operation(tag: str, answer: Object | None, given: Object | None = None) -> Object:
    """`answer` is the data; None where there is none. `given` is the body of the request."""
    done = {"204": NO_CONTENT} if answer is None else {"200": data(answer)}
    described: Object = {"responses": {**done, "default": ERROR}, "tags": [tag]}
    return described if given is None else {**described, "requestBody": body(given)}


def _graphql(what: str) -> Object:
    asked = _object(["query"], query=_TEXT, variables=_OBJECT_OR_NULL, operationName=_TEXT_OR_NULL)
    answer = {"description": "Of GraphQL", "content": json({"type": "object"})}
    responses = {"200": answer, "default": ERROR}
    parameters = [{"name": "query", "in": "query", "required": True, "schema": _TEXT}]
    return {
        "summary": f"GraphQL for the {what}",
        "get": {"parameters": parameters, "responses": responses, "tags": ["graphql"]},
        "post": {"requestBody": body(asked), "responses": responses, "tags": ["graphql"]},
    }


def _text_answer(description: str) -> Object:
    return {"get": {"responses": {"200": {"description": description}, "default": ERROR}, "tags": ["server"]}}


def _named(*names: str) -> Object:
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]}


_TEXT: Object = {"type": "string"}
_TEXT_OR_NULL: Object = {"type": ["string", "null"]}
_OBJECT: Object = {"type": "object"}
_OBJECT_OR_NULL: Object = {"type": ["object", "null"]}

_TOKENS = _object(access_token=_TEXT, refresh_token=_TEXT, expires={"type": "integer", "description": "Milliseconds"})
_MODE: Object = {"enum": ["json", "cookie", "session"]}
_LOGIN = _object(["email", "password"], email=_TEXT, password=_TEXT, otp=_TEXT, mode=_MODE)
_REFRESH = body(_object(refresh_token=_TEXT, mode=_MODE)) | {"required": False}
"""The body of a request whose refresh token may also come in a cookie."""
_FOR_EVERYBODY: Mapping[str, Object] = {
    "/auth/login": {"post": _operation("auth", _TOKENS, _LOGIN)},
    "/auth/refresh": {"post": {**_operation("auth", _TOKENS), "requestBody": _REFRESH}},
    "/auth/logout": {"post": {**_operation("auth", None), "requestBody": _REFRESH}},
    "/policies/me/globals": {"get": _operation("policies", _OBJECT)},
    "/permissions/me": {"get": _operation("permissions", _OBJECT)},
    "/server/ping": _text_answer("`pong`"),
    "/server/info": {"get": _operation("server", _OBJECT)},
    "/server/health": {
        "get": {"responses": {"200": {"description": "Well"}, "503": {"description": "Not well"}}, "tags": ["server"]}
    },
    "/server/specs/oas": _text_answer("This document"),
    **{f"/server/specs/graphql{scope}": _text_answer("A schema of GraphQL") for scope in ("", "/items", "/system")},
}
_FOR_USERS: Mapping[str, Object] = {
    "/users/me": {"get": _operation("users", _OBJECT)},
    "/roles/me": {"get": _operation("roles", array(_OBJECT))},
}

# The structure: shapes as Directus documents them.

_COLLECTION = _object(["collection"], collection=_TEXT, meta=_OBJECT_OR_NULL, schema=_OBJECT_OR_NULL)
_FIELD = _object(
    ["field"],
    collection=_TEXT,
    field=_TEXT,
    type={"enum": [kind.value for kind in FieldType]},
    meta=_OBJECT_OR_NULL,
    schema=_OBJECT_OR_NULL,
)
_NEW_COLLECTION: Object = {**_COLLECTION, "properties": {**_COLLECTION["properties"], "fields": array(_FIELD)}}
_RELATION = _object(
    ["collection", "field"],
    collection=_TEXT,
    field=_TEXT,
    related_collection=_TEXT_OR_NULL,
    meta=_OBJECT_OR_NULL,
    schema=_OBJECT_OR_NULL,
)
_META = _object(meta=_OBJECT_OR_NULL)
_SOME_COLLECTIONS: Object = {"anyOf": [_COLLECTION, array(_COLLECTION)]}


def _one(tag: str, described: Object, change: Object) -> Object:
    """What can be done with one collection, field or relation."""
    return {
        "get": _operation(tag, described),
        "patch": _operation(tag, described, change),
        "delete": _operation(tag, None),
    }


_FIELD_CHANGE = _object(type=_FIELD["properties"]["type"], meta=_OBJECT_OR_NULL, schema=_OBJECT_OR_NULL)
_RELATION_CHANGE = _object(meta=_OBJECT_OR_NULL, schema=_OBJECT_OR_NULL)
_FOR_ADMINISTRATORS: Mapping[str, Object] = {
    "/collections": {
        "get": _operation("collections", array(_COLLECTION)),
        "post": _operation("collections", _SOME_COLLECTIONS, {"anyOf": [_NEW_COLLECTION, array(_NEW_COLLECTION)]}),
        "patch": _operation("collections", array(_COLLECTION), array(_COLLECTION)),
    },
    "/collections/{collection}": {**_one("collections", _COLLECTION, _META), **_named("collection")},
    "/fields": {"get": _operation("fields", array(_FIELD))},
    "/fields/{collection}": {
        "get": _operation("fields", array(_FIELD)),
        "post": _operation("fields", _FIELD, _FIELD),
        "patch": _operation("fields", array(_FIELD), array(_FIELD)),
        **_named("collection"),
    },
    "/fields/{collection}/{field}": {**_one("fields", _FIELD, _FIELD_CHANGE), **_named("collection", "field")},
    "/relations": {
        "get": _operation("relations", array(_RELATION)),
        "post": _operation("relations", _RELATION, _RELATION),
    },
    "/relations/{collection}": {"get": _operation("relations", array(_RELATION)), **_named("collection")},
    "/relations/{collection}/{field}": {
        **_one("relations", _RELATION, _RELATION_CHANGE),
        **_named("collection", "field"),
    },
}
