"""A WebSocket client that says what it is told, right or wrong: frames built by hand on a TCP connection (RFC 6455)."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any, NamedTuple

ANSWER_SECONDS = 10.0


class Opcode(IntEnum):
    """RFC 6455, section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Frame(NamedTuple):
    """A whole frame that the server sent."""

    opcode: int
    payload: bytes


def head(opcode: int, length: int, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """The start of a frame that announces `length` bytes of payload, up to its mask (all zero) where it has one."""
    first, mask = fin << 7 | rsv << 4 | opcode, masked << 7
    if length < 126:
        start = struct.pack("!BB", first, mask | length)
    elif length < 1 << 16:
        start = struct.pack("!BBH", first, mask | 126, length)
    else:
        start = struct.pack("!BBQ", first, mask | 127, length)
    return start + bytes(4 if masked else 0)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A frame as bytes; the mask is all zero, so the payload stands in it as it is."""
    return head(opcode, len(payload), fin=fin, rsv=rsv, masked=masked) + payload


def text(payload: str | bytes) -> bytes:
    return frame(Opcode.TEXT, payload.encode() if isinstance(payload, str) else payload)


def message(**parts: Any) -> bytes:
    return text(json.dumps(parts))


class RawWebSocket:
    """The connection after the upgrade; frames of the server are read with `receive`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write bytes as they are; that the server has closed meanwhile is seen when reading."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> Frame | None:
        """The next frame, or None when the server has ended the connection."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                opcode, length = await self._reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack("!H", await self._reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
                return Frame(opcode & 0x0F, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def half_close(self) -> None:
        """Say that nothing more will be sent, and go on listening."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Vanish: the server's kernel sees a TCP reset instead of an end."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@asynccontextmanager
async def tcp_connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def raw_websocket(port: int, path: str = "/websocket") -> AsyncIterator[RawWebSocket]:
    """An upgraded connection, without any extension."""
    async with tcp_connection(port) as (reader, writer):
        writer.write(upgrade_request(port, path))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield RawWebSocket(reader, writer)


def upgrade_request(port: int, path: str = "/websocket", **headers: str | None) -> bytes:
    """The request for an upgrade; `headers` (with `_` for `-`) replace its own, or leave them out as None."""
    fields = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    if path.startswith("/graphql"):
        fields["Sec-WebSocket-Protocol"] = "graphql-transport-ws"
    replaced: dict[str, str | None] = {**fields, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}" for name, value in replaced.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()
