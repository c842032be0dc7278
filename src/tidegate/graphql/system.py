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

from tidegate.access.authenticator import Authenticator, Login, Mode
from tidegate.access.identity import User
from tidegate.access.rights import Rights
from tidegate.errors import InvalidPayload, TidegateError
from tidegate.graphql.cookies import Cookies
from tidegate.graphql.resolvers import Context, Info, ItemResolvers
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

    authenticator: Authenticator
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
            client, mode = info.context.client, mode or "json"
            login = await self.authenticator.by_password(
                email, password, otp, client.ip, client.user_agent, client.origin, mode
            )
            return _handed_over(info.context, login, mode)

        return resolve

    def _refresh(self) -> GraphQLFieldResolver:
        async def resolve(
            _root: object, info: Info, refresh_token: str | None = None, mode: Mode | None = None
        ) -> Mapping[str, Any]:
            client = info.context.client
            token, mode = await self._refresh_token(info.context, refresh_token, mode)
            login = await self.authenticator.by_refresh(token, client.ip, client.user_agent, client.origin, mode)
            return _handed_over(info.context, login, mode)

        return resolve

    def _logout(self) -> GraphQLFieldResolver:
        async def resolve(
            _root: object, info: Info, refresh_token: str | None = None, mode: Mode | None = None
        ) -> bool:
            token, mode = await self._refresh_token(info.context, refresh_token, mode)
            await self.authenticator.logout(token)
            if info.context.cookies is not None:
                info.context.cookies.ended.append(mode)
            return True

        return resolve

    async def _refresh_token(self, context: Context, given: str | None, mode: Mode | None) -> tuple[str, Mode]:
        """The refresh token, and how its successor is handed over: as asked for, else as it came."""
        cookies = context.cookies or Cookies()
        if given is not None:
            return given, mode or "json"
        if mode in (None, "cookie") and cookies.refresh_token:
            return cookies.refresh_token, "cookie"
        if mode in (None, "session") and cookies.session_token:
            user = await self.authenticator.by_token(cookies.session_token, context.client.ip)
            if user.session is None:
                raise TidegateError("INVALID_CREDENTIALS")
            return user.session, "session"
        raise InvalidPayload('"refresh_token" is required, as an argument or as a cookie')


def _handed_over(context: Context, login: Login, mode: Mode) -> Mapping[str, Any]:
    """What a client gets in the answer itself: nothing of what goes into a cookie, out of reach of scripts."""
    told: dict[str, Any] = {"expires": login.expires_in}
    if mode != "json":
        if context.cookies is None:
            raise InvalidPayload(f'"mode" cannot be "{mode}" here')
        context.cookies.opened.append((mode, login))
    if mode != "session":
        told["access_token"] = login.access_token
    if mode == "json":
        told["refresh_token"] = login.refresh_token
    return told


def _pong(_root: object, _info: Info) -> str:
    return "pong"


def _own_key(rights: Rights) -> str:
    if not isinstance(rights.identity, User):
        raise TidegateError("INVALID_CREDENTIALS")
    return rights.identity.id
