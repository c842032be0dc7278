"""The client on real sockets, against a scripted server that can answer, refuse, close and come back."""

import asyncio
import json
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from itertools import repeat
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from tidegate.client import (
    Client,
    ConnectionLostError,
    RefusedError,
    SubscriptionOverflowError,
    TidegateError,
    Token,
    connection,
)
from tidegate.client.connection import websocket_url


def no_delays() -> Generator[float]:
    yield from repeat(0.0)


class ScriptedServer:
    """Takes every token but `bad`, answers every read, and lets the test push and close."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.connections: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.answering = True
        self.url = ""

    async def handle(self, websocket: ServerConnection) -> None:
        await self.connections.put(websocket)
        async for text in websocket:
            message = json.loads(text)
            await self.received.put(message)
            if message["type"] == "auth":
                await self._authenticate(websocket, message)
            elif message["type"] == "items" and self.answering:
                await websocket.send(json.dumps({"type": "items", "data": [{"id": 1}], "uid": message["uid"]}))

    async def _authenticate(self, websocket: ServerConnection, message: dict[str, Any]) -> None:
        if message["access_token"] == "bad":
            error = {"code": "AUTH_FAILED", "message": "Authentication failed."}
            await websocket.send(json.dumps({"type": "auth", "status": "error", "error": error}))
            await websocket.close()
        else:
            await websocket.send('{"type":"auth","status":"ok"}')

    async def expect(self, kind: str) -> dict[str, Any]:
        message = await asyncio.wait_for(self.received.get(), 5)
        assert message["type"] == kind
        return message

    async def connection(self) -> ServerConnection:
        return await asyncio.wait_for(self.connections.get(), 5)


def port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    script = ScriptedServer()
    async with serve(script.handle, "127.0.0.1", 0) as server:
        script.url = f"http://127.0.0.1:{port_of(server)}"
        yield script


@pytest.fixture
async def script() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as running:
        yield running


async def test_client_authenticates_and_reads(script: ScriptedServer) -> None:
    async with Client(script.url, Token("t")) as client:
        assert await script.expect("auth") == {"type": "auth", "access_token": "t"}
        assert await client.read("messages", {"limit": 1}) == [{"id": 1}]
        assert await script.expect("items") == {
            "type": "items",
            "action": "read",
            "collection": "messages",
            "query": {"limit": 1},
            "uid": "1",
        }


async def test_wrong_credentials_raise_when_entering(script: ScriptedServer) -> None:
    with pytest.raises(TidegateError, match=r"Authentication failed\."):
        async with Client(script.url, Token("bad")):
            pass


async def test_server_that_is_not_there_raises_when_entering() -> None:
    async with scripted_server() as stopped:
        url = stopped.url
    with pytest.raises(OSError, match=r"Connect call failed"):
        async with Client(url):
            pass


async def test_lost_connection_is_opened_again_with_its_subscriptions(script: ScriptedServer) -> None:
    async with (
        Client(script.url, Token("t"), delays=no_delays) as client,
        client.subscribe("messages", {"fields": ["text"]}) as events,
    ):
        first = await script.connection()
        await script.expect("auth")
        subscribe = await script.expect("subscribe")
        await first.close(1001)
        second = await script.connection()
        await script.expect("auth")
        assert await script.expect("subscribe") == subscribe
        await second.send(json.dumps({"type": "subscription", "event": "init", "data": [], "uid": subscribe["uid"]}))
        assert (await anext(events)).name == "init"


async def test_request_under_way_raises_when_the_connection_is_lost(script: ScriptedServer) -> None:
    script.answering = False
    async with Client(script.url, Token("t"), delays=no_delays) as client:
        websocket = await script.connection()
        read = asyncio.create_task(client.read("messages"))
        await script.expect("auth")
        await script.expect("items")
        await websocket.close(1011)
        with pytest.raises(ConnectionLostError):
            await read


async def test_credentials_refused_later_end_subscriptions_and_requests(script: ScriptedServer) -> None:
    async with Client(script.url, Token("t")) as client, client.subscribe("messages") as events:
        websocket = await script.connection()
        error = {"code": "TOKEN_EXPIRED", "message": "Token expired."}
        await websocket.send(json.dumps({"type": "auth", "status": "error", "error": error}))
        with pytest.raises(TidegateError, match="Token expired"):
            await anext(events)
        with pytest.raises(TidegateError, match="Token expired"):
            await client.read("messages")


async def test_leaving_the_block_unsubscribes(script: ScriptedServer) -> None:
    async with Client(script.url) as client:
        async with client.subscribe("messages", event="create"):
            subscribe = await script.expect("subscribe")
        assert await script.expect("unsubscribe") == {"type": "unsubscribe", "uid": subscribe["uid"]}


async def test_events_that_are_not_taken_end_the_subscription(
    script: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "EVENTS_WAITING", 2)
    async with Client(script.url) as client, client.subscribe("messages") as events:
        websocket = await script.connection()
        subscribe = await script.expect("subscribe")
        event = {"type": "subscription", "event": "create", "data": [], "uid": subscribe["uid"]}
        for _ in range(4):
            await websocket.send(json.dumps(event))
        await client.read("messages")
        assert [(await anext(events)).name, (await anext(events)).name] == ["create", "create"]
        with pytest.raises(SubscriptionOverflowError):
            await anext(events)


async def test_refused_upgrade_raises_when_entering() -> None:
    async with serve(
        lambda _: asyncio.sleep(0),
        "127.0.0.1",
        0,
        process_request=lambda websocket, _: websocket.respond(403, ""),
    ) as server:
        with pytest.raises(RefusedError, match="HTTP 403"):
            async with Client(f"ws://127.0.0.1:{port_of(server)}"):
                pass


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8055", "ws://127.0.0.1:8055/websocket"),
        ("https://data.example.com/", "wss://data.example.com/websocket"),
        ("wss://data.example.com/live?access_token=t", "wss://data.example.com/live?access_token=t"),
    ],
)
def test_url_of_the_server_becomes_that_of_the_socket(url: str, expected: str) -> None:
    assert websocket_url(url) == expected


@pytest.mark.parametrize("url", ["127.0.0.1:8055", "ftp://host", "http://", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not an http"):
        websocket_url(url)
