"""One HTTP request as handlers see it: whose it is, what it asks for, what it carries."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tidegate.access.authenticator import Authenticator
from tidegate.access.directory import Directory
from tidegate.access.identity import Identity, Public
from tidegate.access.rights import Rights
from tidegate.http.address import ClientAddress
from tidegate.http.answers import method_not_allowed
from tidegate.http.bodies import read_json
from tidegate.http.credentials import request_token, without_token
from tidegate.query.model import Limits, Query
from tidegate.query.parse import query_from_params


class Desk:
    """What it takes to receive a request."""

    def __init__(
        self,
        authenticator: Authenticator,
        directory: Directory,
        limits: Limits,
        *,
        session_cookie: str,
        max_payload: int,
        address: ClientAddress,
    ) -> None:
        """`session_cookie` is the cookie's name, `max_payload` in bytes."""
        self.authenticator = authenticator
        self.directory = directory
        self.limits = limits
        self.session_cookie = session_cookie
        self.max_payload = max_payload
        self.address = address


class Call(Request):
    """A request at the desk."""

    def __init__(self, scope: Scope, receive: Receive, desk: Desk) -> None:
        super().__init__(scope, receive)
        self._desk = desk
        self.params = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @property
    def address(self) -> str | None:
        return self._desk.address(self.scope)

    async def identity(self) -> Identity:
        """Raises INVALID_CREDENTIALS and TOKEN_EXPIRED for a bad token, INVALID_PAYLOAD for several."""
        cookie = self.cookies.get(self._desk.session_cookie) if "cookie" in self.headers else None
        token = request_token(self.headers.get("authorization"), self.params, cookie)
        if token is None:
            return Public(self.address)
        return await self._desk.authenticator.by_token(token, self.address)

    async def rights(self) -> Rights:
        """What the request may do. Raises as `identity` does."""
        return await self._desk.directory.rights(await self.identity())

    def query(self) -> Query:
        """The query of the URL. Raises INVALID_QUERY."""
        return query_from_params(without_token(self.params), self._desk.limits)

    async def payload(self) -> Any:
        """The JSON body; None where there is none. Raises INVALID_PAYLOAD, CONTENT_TOO_LARGE."""
        return await read_json(self, self._desk.max_payload)


Handler = Callable[[Call], Awaitable[Response]]


class Endpoint:
    """One path as an ASGI application: a handler for each method.

    `HEAD` is answered as `GET`; the server drops the body.
    """

    def __init__(self, desk: Desk, handlers: Mapping[str, Handler]) -> None:
        self._desk = desk
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get(scope["method"])
        if handler is None:
            response = method_not_allowed(self._handlers)
        else:
            response = await handler(Call(scope, receive, self._desk))
        await response(scope, receive, send)
