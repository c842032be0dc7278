"""What belongs to whoever asks: `/users/me`, `/roles/me`, `/policies/me/globals`, `/permissions/me`."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from starlette.responses import Response

from tidegate.access.identity import User
from tidegate.access.rights import EVERY_FIELD, Action, Rights, Rule
from tidegate.database.engine import Database
from tidegate.errors import Forbidden, TidegateError
from tidegate.http.answers import data_answer
from tidegate.http.payloads import as_object
from tidegate.http.request import ApiRequest, Handler
from tidegate.items.service import Items
from tidegate.query.model import Query


class OwnHandlers:
    def __init__(self, items: Items, database: Database) -> None:
        self._items = items
        self._database = database

    def paths(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "/users/me": {"GET": self.user, "PATCH": self.update_user},
            "/roles/me": {"GET": self.roles},
            "/policies/me/globals": {"GET": self.globals},
            "/permissions/me": {"GET": self.permissions},
        }

    async def user(self, request: ApiRequest) -> Response:
        rights = await request.rights()
        return await self._user(rights, user_id(rights), request.query())

    async def update_user(self, request: ApiRequest) -> Response:
        body = as_object(await request.payload())
        rights = await request.rights()
        key, query = user_id(rights), request.query()
        await self._items.update(rights, "directus_users", [key], body)
        return await self._user(rights, key, query)

    async def roles(self, request: ApiRequest) -> Response:
        """The user's role and its ancestors."""
        rights = await request.rights()
        user_id(rights)
        try:
            return data_answer(await self._items.read_keys(rights, "directus_roles", rights.roles, request.query()))
        except Forbidden:
            return data_answer([{"id": role} for role in rights.roles])

    async def globals(self, request: ApiRequest) -> Response:
        """What the policies in force give beyond items."""
        rights = await request.rights()
        return data_answer({"app_access": rights.app, "admin_access": rights.admin, "enforce_tfa": rights.enforce_tfa})

    async def permissions(self, request: ApiRequest) -> Response:
        """How far each action on each collection goes."""
        rights = await request.rights()
        return data_answer(access_by_collection(rights, self._database.schema.collections))

    async def _user(self, rights: Rights, key: str, query: Query) -> Response:
        """Who they are is told to everybody who has logged in, the rest as far as they may read it."""
        try:
            return data_answer(await self._items.read_one(rights, "directus_users", key, query))
        except Forbidden:
            return data_answer({"id": key})


def user_id(rights: Rights) -> str:
    """Raises INVALID_CREDENTIALS for somebody who has not logged in."""
    if not isinstance(rights.identity, User):
        raise TidegateError("INVALID_CREDENTIALS")
    return rights.identity.id


def access_by_collection(rights: Rights, collections: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`{collection: {action: {"access": "none" | "partial" | "full"[, "fields", "presets"]}}}`."""
    if rights.admin:
        return {name: {action: _access([_EVERYTHING]) for action in get_args(Action)} for name in collections}
    return {
        name: {action: _access(rights.rules_for(name, action)) for action in get_args(Action)}
        for name in collections
        if rights.knows(name)
    }


_EVERYTHING = Rule(filter={}, fields=frozenset({EVERY_FIELD}), validation={}, presets={})


def _access(rules: Iterable[Rule]) -> dict[str, Any]:
    rules = list(rules)
    if not rules:
        return {"access": "none"}
    fields = frozenset[str]().union(*(rule.fields for rule in rules))
    presets: dict[str, Any] = {}
    for rule in rules:
        presets |= rule.presets
    return {
        "access": "full" if any(not rule.filter for rule in rules) else "partial",
        "fields": [EVERY_FIELD] if EVERY_FIELD in fields else sorted(fields),
        "presets": presets,
    }
