"""A TCP proxy before a database server, which loses connections when it is told to: at a COMMIT, or anywhere.

It can also hold a COMMIT or its answer for as long as the client lives.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Literal

Loss = Literal["before", "after", "late"]
"""`before`: the COMMIT never reaches the server. `after`: its answer never reaches the client. `late`: it reaches the
server, which knows of no loss until then, at `deliver`, when the client has long lost the connection."""

_CHUNK = 65_536
_COMMIT = b"COMMIT"


class Proxy:
    """Forwards what it is given; `lose` makes the next COMMIT end its connection, `hold` has it wait for an answer."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._loss: Loss | None = None
        self._held_text: bytes | None = None
        self.held = asyncio.Event()
        """Whether a COMMIT of `hold` has come."""
        self.port = 0
        self.answered = 0
        """Bytes that servers have answered so far."""
        self._breaks_at = 0
        self._breaks = 0
        self.lost = 0
        """Connections that it has ended."""
        self._late: tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes] | None = None

    def lose(self, loss: Loss) -> None:
        self._loss, self._held_text = loss, None

    def hold(self, loss: Literal["before", "after"], text: str) -> None:
        """Have the COMMIT behind this text, or its answer, wait until its client has gone, and lose it then."""
        self._loss, self._held_text = loss, text.encode()
        self.held.clear()

    def break_off(self, byte: int, times: int) -> None:
        """Have that many connections end before this byte of their answers is delivered, counted from their start."""
        self._breaks_at, self._breaks = byte, times

    async def deliver(self) -> None:
        """Hand the late COMMIT to the server and wait for what it says, or for its end of the connection."""
        assert self._late is not None
        reader, writer, chunk = self._late
        self._late = None
        writer.write(chunk)
        with contextlib.suppress(ConnectionError):
            await reader.read(_CHUNK)
        writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        answers = asyncio.ensure_future(self._forward(server_reader, writer))
        seen = False
        try:
            while chunk := await reader.read(_CHUNK):
                seen = seen or self._held_text is None or self._held_text in chunk
                if _COMMIT in chunk and seen and self._loss is not None:
                    loss, self._loss, self.lost = self._loss, None, self.lost + 1
                    answers.cancel()
                    await asyncio.wait([answers])
                    if loss == "after":
                        server_writer.write(chunk)
                        await server_reader.read(_CHUNK)
                    if loss == "late":
                        self._late = server_reader, server_writer, chunk
                    if self._held_text is not None:
                        self.held.set()
                        await reader.read()
                    break
                server_writer.write(chunk)
                await server_writer.drain()
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            writer.transport.abort()
            if self._late is None or self._late[1] is not server_writer:
                server_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forwarded = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK):
                self.answered += len(chunk)
                forwarded += len(chunk)
                if self._breaks and forwarded > self._breaks_at >= forwarded - len(chunk):
                    self._breaks, self.lost = self._breaks - 1, self.lost + 1
                    writer.write(chunk[: self._breaks_at - forwarded])
                    break
                writer.write(chunk)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def proxy_before(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy on a free port of 127.0.0.1."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy
