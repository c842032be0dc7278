"""The root fields of `/graphql/system` that belong to no collection: logging in and out, oneself, the server."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)

from tidegate.access.authenticator import Mode
from tidegate.access.exchange import TokenExchange
from tidegate.access.identity import User
from tidegate.access.rights import Rights
from tidegate.errors import TidegateError
from tidegate.graphql.resolvers import Info, ItemResolvers
from tidegate.graphql.scalars import BIG_INT, JSON
from tidegate.graphql.types import Fields, TypeBuilder

Describe = Callable[[Rights], Awaitable[Mapping[str, Any]]]
"""What `/server/info` tells these rights."""

_TEXT: Final = GraphQLArgument(GraphQLString)
_NEEDED: Final = GraphQLArgument(GraphQLNonNull(GraphQLString))
_MODE: Final = GraphQLArgument(GraphQLEnumType("auth_mode", {mode: mode for mode in ("json", "cookie", "session")}))
_TOKENS: Final = GraphQLObjectType(
    "auth_tokens",
    {
        "access_token": GraphQLField(GraphQLString),
        "expires": GraphQLField(BIG_INT, description="Milliseconds until the access token expires."),
        "refresh_token": GraphQLField(GraphQLString),
    },
)
_INFO: Final = GraphQLObjectType(
    "server_info",
    {
        name: GraphQLField(JSON)
        for name in ("project", "rateLimit", "rateLimitGlobal", "queryLimit", "websocket", "version")
    },
)


@dataclass(frozen=True, slots=True)
class SystemFields:
    """Builds the root fields."""

    exchange: TokenExchange
    describe: Describe

    def queries(self, builder: TypeBuilder, resolvers: ItemResolvers) -> Fields:
        fields = {
            "server_ping": GraphQLField(GraphQLString, resolve=_pong),
            "server_info": GraphQLField(_INFO, resolve=self._info()),
        }
        users = builder.readable("directus_users")
        if users is not None:
            fields["users_me"] = GraphQLField(builder.object(users), resolve=resolvers.one_of(users, _own_key))
        return fields

    def mutations(self) -> Fields:
        return {
            "auth_login": GraphQLField(
                _TOKENS, {"email": _NEEDED, "password": _NEEDED, "mode": _MODE, "otp": _TEXT}, self._login()
            ),
            "auth_refresh": GraphQLField(_TOKENS, {"refresh_token": _TEXT, "mode": _MODE}, self._refresh()),
            "auth_logout": GraphQLField(GraphQLBoolean, {"refresh_token": _TEXT, "mode": _MODE}, self._logout()),
        }

    def _info(self) -> GraphQLFieldResolver:
        async def resolve(_root: object, info: Info) -> Mapping[str, Any]:
            return await self.describe(info.context.rights)

        return resolve

    def _login(self) -> GraphQLFieldResolver:
        async def resolve(
            _root: object, info: Info, email: str, password: str, mode: Mode | None = None, otp: str | None = None
        ) -> Mapping[str, Any]:
            asked = info.context
            return await self.exchange.login(email, password, otp, mode or "json", asked.client, asked.cookies)

        return resolve

    def _refresh(self) -> GraphQLFieldResolver:
        async def resolve(
            _root: object, info: Info, refresh_token: str | None = None, mode: Mode | None = None
        ) -> Mapping[str, Any]:
            return await self.exchange.refresh(refresh_token, mode, info.context.client, info.context.cookies)

        return resolve

    def _logout(self) -> GraphQLFieldResolver:
        async def resolve(
            _root: object, info: Info, refresh_token: str | None = None, mode: Mode | None = None
        ) -> bool:
            await self.exchange.logout(refresh_token, mode, info.context.client, info.context.cookies)
            return True

        return resolve


def _pong(_root: object, _info: Info) -> str:
    return "pong"


def _own_key(rights: Rights) -> str:
    if not isinstance(rights.identity, User):
        raise TidegateError("INVALID_CREDENTIALS")
    return rights.identity.id
