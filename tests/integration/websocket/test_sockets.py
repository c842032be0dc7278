"""Both adapters of the socket port, on a real server with real clients."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers

from tests.integration.websocket.serving import serve
from tidegate.http.uvicorn_protocol import UvicornHttpProtocol
from tidegate.realtime.socket import EXTENSION, AsgiSocket, Outboxes, Socket, open_socket
from tidegate.realtime.uvicorn_protocol import UvicornSocket

ADAPTERS = ("asgi", "uvicorn")


class Application:
    """Accepts sockets and keeps them in `sockets` for the test to use."""

    def __init__(self, adapter: str, limit: int = 1_000_000) -> None:
        self.outboxes = Outboxes(limit)
        self.sockets: asyncio.Queue[Socket] = asyncio.Queue()
        self.ended: asyncio.Queue[int] = asyncio.Queue()
        self._adapter = adapter

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if self._adapter == "asgi":
            del scope["extensions"][EXTENSION]
        socket = open_socket(scope, send, self.outboxes)
        assert isinstance(socket, AsgiSocket if self._adapter == "asgi" else UvicornSocket)
        await self.sockets.put(socket)
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                await self.ended.put(message["code"])
                return
            socket.send(message["text"].encode())


async def closed(client: ClientConnection) -> tuple[int, str]:
    await client.wait_closed()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000])
async def test_client_receives_messages_of_every_size(adapter: str, size: int) -> None:
    app = Application(adapter)
    async with serve(app) as address, connect(f"ws://{address}/", max_size=None) as client:
        socket = await app.sockets.get()
        socket.send(b"a" * (size // 2), b"b" * (size - size // 2))
        socket.send("ende €".encode())
        assert await client.recv() == "a" * (size // 2) + "b" * (size - size // 2)
        assert await client.recv() == "ende €"


async def test_client_receives_what_was_sent_before_the_close(adapter: str) -> None:
    app = Application(adapter)
    async with serve(app) as address, connect(f"ws://{address}/") as client:
        socket = await app.sockets.get()
        socket.send(b"last words")
        socket.close(4403, "Forbidden")
        socket.send(b"unheard")
        assert not socket.open
        assert await client.recv() == "last words"
        assert await closed(client) == (4403, "Forbidden")
        assert await app.ended.get() == 4403


async def test_client_that_closes_ends_the_socket(adapter: str) -> None:
    app = Application(adapter)
    async with serve(app) as address:
        async with connect(f"ws://{address}/") as client:
            socket = await app.sockets.get()
            await client.send("hello")
            assert await client.recv() == "hello"
        await app.ended.get()
        socket.send(b"to nobody")
        socket.close()


async def test_client_that_does_not_read_is_closed_and_others_are_not(adapter: str) -> None:
    app = Application(adapter, limit=100_000)
    async with serve(app) as address, connect(f"ws://{address}/") as witness:
        witness_socket = await app.sockets.get()
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        slow = await app.sockets.get()
        for _ in range(10_000):
            slow.send(b"x" * 10_000)
            if not slow.open:
                break
            await asyncio.sleep(0)
        assert app.outboxes.slow == 1
        assert not slow.open
        witness_socket.send(b"still here")
        assert await witness.recv() == "still here"
        received = bytearray()
        while chunk := await reader.read(1_000_000):
            received += chunk
            if bytes.fromhex("88") + bytes([2 + len("Too slow")]) + (1013).to_bytes(2, "big") in received[-64:]:
                break
        else:
            pytest.fail("the slow client was not told 1013")
        writer.close()


async def test_server_that_stops_closes_with_1001() -> None:
    app = Application("uvicorn")
    async with serve(app) as address:
        client = await connect(f"ws://{address}/")
        await app.sockets.get()
    assert await closed(client) == (1001, "")


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Only what is not referred to any more goes away."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
async def test_open_socket_keeps_nothing_of_its_handshake() -> None:
    app = Application("uvicorn")
    async with serve(app, http=UvicornHttpProtocol) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert (await app.sockets.get()).open
        kept = gc.get_objects()
        assert not [it for it in kept if isinstance(it, UvicornHttpProtocol)]
        assert not [it for it in kept if isinstance(it, Headers) and it]
        writer.close()
        await writer.wait_closed()
