"""The socket as everything above sees it: a port of four members, and its adapter for any ASGI server.

Nothing here waits for a reader. What a client does not read gathers in its outbox; past the bound the client is closed
with 1013 and counted, and nobody else notices. `uvicorn_protocol` holds the second adapter.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

NORMAL_CLOSURE = 1000
GOING_AWAY = 1001
SERVICE_RESTART = 1012
"""The server restarts, or cannot tell the client any more what it has missed (IANA WebSocket close code registry)."""
TRY_AGAIN_LATER = 1013
"""The client reads too slowly (IANA WebSocket close code registry)."""

CHANGES_MISSED = "Changes were missed"
"""The reason of a close."""

EXTENSION = "tidegate.socket"
"""In the ASGI scope's `extensions`: `{"open": Outboxes -> Socket}`, if the server can be written to without waiting."""


class Outboxes:
    """The bound of every outbox, and how many connections went past it."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes that may wait for one client."""
        self.limit = limit
        self.slow = 0
        """Connections closed because their client did not read."""


class Socket(Protocol):
    """An open WebSocket. No member waits, none raises, and all may be called after the socket has closed."""

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client."""
        ...

    @property
    def open(self) -> bool:
        """False from the moment either side has begun to close."""
        ...

    def send(self, text: bytes, tail: bytes = b"") -> None:
        """Send one text message, UTF-8 made of both parts; past the bound close with 1013 instead."""
        ...

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Send what waits, then close."""
        ...


Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def open_socket(scope: MutableMapping[str, Any], send: Send, outboxes: Outboxes) -> Socket:
    """The socket of a connection that has been accepted: the server's own where it offers one."""
    extension = scope.get("extensions", {}).get(EXTENSION)
    if extension is None:
        return AsgiSocket(send, outboxes)
    socket: Socket = extension["open"](outboxes)
    return socket


class AsgiSocket:
    """Writes through ASGI's `send`, which may wait: a task drains the outbox while there is something in it."""

    __slots__ = ("_closing", "_drain", "_outbox", "_outboxes", "_send", "buffered")

    def __init__(self, send: Send, outboxes: Outboxes) -> None:
        self._send = send
        self._outboxes = outboxes
        self._outbox: deque[bytes] = deque()
        self._closing: tuple[int, str] | None = None
        self._drain: asyncio.Task[None] | None = None
        self.buffered = 0

    @property
    def open(self) -> bool:
        return self._closing is None

    def send(self, text: bytes, tail: bytes = b"") -> None:
        if self._closing is not None:
            return
        message = text + tail
        if self.buffered + len(message) > self._outboxes.limit:
            self._outboxes.slow += 1
            self._outbox.clear()
            self.buffered = 0
            self.close(TRY_AGAIN_LATER, "Too slow")
            return
        self._outbox.append(message)
        self.buffered += len(message)
        self._wake()

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        if self._closing is None:
            self._closing = code, reason
            self._wake()

    def _wake(self) -> None:
        if self._drain is None or self._drain.done():
            self._drain = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._outbox:
                message = self._outbox.popleft()
                await self._send({"type": "websocket.send", "text": message.decode()})
                # An outbox that was given up meanwhile counts nothing any more.
                self.buffered = max(0, self.buffered - len(message))
            if self._closing is not None:
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            # The client is gone (ASGI 2.4: OSError) or the server has closed already; `receive` tells the endpoint.
            self._closing = self._closing or (NORMAL_CLOSURE, "")
            self._outbox.clear()
            self.buffered = 0
