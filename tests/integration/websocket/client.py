"""A client of one ASGI application in this process: no network, no server, no waiting but for the application."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any, Self

ASGIApplication = Any
SECONDS = 60.0
"""After which a test gives up waiting for a message."""


class Refused(Exception):  # noqa: N818 - what happened, not an error
    """The upgrade was refused with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Client:
    """One socket. `send` and `receive` speak JSON; `close_code` is set once the server has closed."""

    def __init__(self, app: ASGIApplication, path: str, headers: dict[str, str] | None = None) -> None:
        route, _, query = path.partition("?")
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": route,
            "raw_path": route.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in {"host": "here", **(headers or {})}.items()],
            "client": ("192.0.2.7", 1234),
            "server": ("here", 80),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self.close_code: int | None = None
        self._app = app
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.unread = 0
        """Messages that the application has not taken yet."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._app(self.scope, self._receive, self._from_app.put))
        await self._to_app.put({"type": "websocket.connect"})
        answer = await self._next()
        if answer["type"] != "websocket.accept":
            await self._task
            raise Refused(answer.get("status", 403))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await self._to_app.put({"type": "websocket.disconnect", "code": 1005})
            await asyncio.wait_for(self._task, SECONDS)

    async def send(self, **message: Any) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        self.unread += 1
        await self._to_app.put({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        self.unread += 1
        await self._to_app.put({"type": "websocket.receive", "bytes": data})

    async def receive(self) -> Any:
        """The next message; None where the server has closed instead."""
        message = await self._next()
        if message["type"] == "websocket.close":
            self.close_code = message["code"]
            await self._to_app.put({"type": "websocket.disconnect", "code": message["code"]})
            return None
        return json.loads(message["text"])

    async def ask(self, **message: Any) -> Any:
        """Send, and take the next message."""
        await self.send(**message)
        return await self.receive()

    async def nothing_more(self) -> None:
        """A round trip through everything that was sent before: what comes next is its answer."""
        assert await self.ask(type="items", uid="round trip") == {
            "type": "items",
            "status": "error",
            "error": {
                "code": "INVALID_PAYLOAD",
                "message": 'Invalid payload. In the "items" message: Object missing required field `action`.',
            },
            "uid": "round trip",
        }

    async def _receive(self) -> dict[str, Any]:
        message = await self._to_app.get()
        self.unread -= message["type"] == "websocket.receive"
        return message

    async def _next(self) -> MutableMapping[str, Any]:
        return await asyncio.wait_for(self._from_app.get(), SECONDS)
