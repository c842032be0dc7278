"""Twenty rows over HTTP from an application that does nothing else, in plain ASGI: the ceiling for reads on one uvicorn
process. What it says to `GET /items/messages?limit=20` is as long as what Tidegate says.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

ROW = {
    "id": 1,
    "text": "bench",
    "room": 2,
    "user_created": "57e65c2d-e2bf-4be6-9ebc-00d12405bfd2",
    "date_created": "2026-11-23T16:00:00.000Z",
}
BODY = json.dumps({"data": [ROW] * 20}, separators=(",", ":")).encode()
HEADERS = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(BODY)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
