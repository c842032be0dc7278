"""One HTTP request as handlers see it: whose it is, what it asks for, what it carries."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tidegate.access.authenticator import Authenticator
from tidegate.access.directory import Directory
from tidegate.access.identity import Identity, Public
from tidegate.access.rights import Rights
from tidegate.access.sessions import Client
from tidegate.http.address import ClientAddress
from tidegate.http.answers import route_not_found
from tidegate.http.bodies import read_json
from tidegate.http.credentials import request_token, without_token
from tidegate.query.model import Limits, Query
from tidegate.query.parse import query_from_params

REMEMBERED_LENGTH = 512
"""Bytes of a query string up to which its parsed query is kept."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What it takes to understand a request."""

    authenticator: Authenticator
    directory: Directory
    limits: Limits
    session_cookie: str
    """The cookie's name."""
    max_payload: int
    """Bytes."""
    address: ClientAddress


class ApiRequest(Request):
    """One request."""

    def __init__(self, scope: Scope, receive: Receive, context: RequestContext) -> None:
        super().__init__(scope, receive)
        self._context = context
        self.params = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @property
    def address(self) -> str | None:
        return self._context.address(self.scope)

    @property
    def asker(self) -> Client:
        """Where the request comes from."""
        return Client(self.address, self.headers.get("user-agent"), self.headers.get("origin"))

    async def identity(self) -> Identity:
        """Raises INVALID_CREDENTIALS and TOKEN_EXPIRED for a bad token, INVALID_PAYLOAD for several."""
        cookie = self.cookies.get(self._context.session_cookie) if "cookie" in self.headers else None
        token = request_token(self.headers.get("authorization"), self.params, cookie)
        if token is None:
            return Public(self.address)
        return await self._context.authenticator.by_token(token, self.address)

    async def rights(self) -> Rights:
        """What the request may do. Raises as `identity` does."""
        return await self._context.directory.rights(await self.identity())

    def query(self) -> Query:
        """The query of the URL. Raises INVALID_QUERY."""
        params = without_token(self.params)
        if len(self.scope["query_string"]) <= REMEMBERED_LENGTH:
            return _parsed(tuple(params), self._context.limits)
        return query_from_params(params, self._context.limits)

    async def payload(self) -> Any:
        """The JSON body; None where there is none. Raises INVALID_PAYLOAD, CONTENT_TOO_LARGE."""
        return await read_json(self, self._context.max_payload)


@lru_cache(maxsize=1024)
def _parsed(params: tuple[tuple[str, str], ...], limits: Limits) -> Query:
    """Clients ask the same again and again. What is kept depends on nothing else, so nothing has to empty it."""
    return query_from_params(params, limits)


Handler = Callable[[ApiRequest], Awaitable[Response]]


class Endpoint:
    """One path as an ASGI application: a handler for each method.

    `HEAD` is answered as `GET`; the server drops the body.
    """

    def __init__(self, context: RequestContext, handlers: Mapping[str, Handler]) -> None:
        self._context = context
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get(scope["method"])
        if handler is None:
            raise route_not_found(scope["path"])
        response = await handler(ApiRequest(scope, receive, self._context))
        await response(scope, receive, send)
