"""The gate of an endpoint: from an upgrade request to an open socket whose identity is known, or to a refusal.

The order of the checks is that of their cost: how many are open, where the page is from, then the token.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from tidegate.access.rights import Rights
from tidegate.access.sessions import Client
from tidegate.clock import Clock
from tidegate.errors import Forbidden, TidegateError
from tidegate.realtime.auth import AuthMachine, Mode
from tidegate.realtime.encoding import encode_json
from tidegate.realtime.socket import Outboxes, Send, Socket, open_socket
from tidegate.realtime.upgrade import OriginRule, Scope, take_token
from tidegate.realtime.verify import Credentials, Token, Verified

Receive = Callable[[], Awaitable[Any]]
Verify = Callable[[Credentials, Client], Awaitable[Verified]]
"""Checks credentials; raises `TidegateError`."""


@dataclass(frozen=True, slots=True)
class Door:
    """What the gates of all endpoints share."""

    origins: OriginRule
    session_cookie: str
    """The cookie's name."""
    address: Callable[[Scope], str | None]
    """Finds the client's address."""
    outboxes: Outboxes
    clock: Clock


@dataclass(frozen=True, slots=True)
class Admission:
    """An accepted socket."""

    socket: Socket
    auth: AuthMachine
    client: Client
    rights: Rights | None
    """Of the user whose token came with the request."""


class Gate:
    """Admits sockets to one endpoint."""

    def __init__(
        self, door: Door, verify: Verify, mode: Mode, auth_timeout: float, connection_limit: int | None = None
    ) -> None:
        """`auth_timeout` in seconds."""
        self._door = door
        self._verify = verify
        self._mode = mode
        self._auth_timeout = auth_timeout
        self._limit = connection_limit
        self.open = 0
        """Sockets that are open, or whose token is being checked."""

    @asynccontextmanager
    async def admit(
        self, scope: Scope, receive: Receive, send: Send, subprotocol: str | None = None
    ) -> AsyncIterator[Admission | None]:
        """The accepted socket, which counts until the end of the block; None where the request has been refused."""
        await receive()
        client = _client(scope, self._door.address)
        auth = AuthMachine(self._mode, self._auth_timeout, client.ip)
        if self._limit is not None and self.open >= self._limit:
            await _refuse(scope, receive, send, Forbidden("Too many connections."))
            yield None
            return
        self.open += 1
        try:
            try:
                rights = await self._identify(scope, auth, client)
            except TidegateError as error:
                await _refuse(scope, receive, send, error)
                yield None
                return
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
            yield Admission(open_socket(scope, send, self._door.outboxes), auth, client, rights)
        finally:
            self.open -= 1
            auth.close(self._door.clock.now())

    async def _identify(self, scope: Scope, auth: AuthMachine, client: Client) -> Rights | None:
        """The rights of the token's user, where there is one. Raises what the upgrade is refused with."""
        token = take_token(scope, self._door.session_cookie)
        if not self._door.origins.allows(scope):
            raise Forbidden("This origin is not allowed.")
        if token is None:
            auth.anonymous(self._door.clock.now())
            verified = None
        else:
            verified = await self._verify(Token(token), client)
            auth.verified(verified.user, self._door.clock.now())
        if auth.closed:
            raise TidegateError("INVALID_CREDENTIALS")
        return None if verified is None else verified.rights


def _client(scope: Scope, address: Callable[[Scope], str | None]) -> Client:
    headers = Headers(scope=scope)
    return Client(address(scope), headers.get("user-agent"), headers.get("origin"))


async def _refuse(scope: Scope, receive: Receive, send: Send, error: TidegateError) -> None:
    """Answer with the error's status where the server can, else with 403 (ASGI: Websocket Denial Response)."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    response = Response(encode_json({"errors": [error.entry()]}), error.row.status, media_type="application/json")
    await response(scope, receive, send)
