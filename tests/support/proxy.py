"""A TCP proxy before a database server, which loses connections when it is told to: at a COMMIT, or anywhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Literal

Loss = Literal["before", "after"]
"""`before`: the COMMIT never reaches the server. `after`: its answer never reaches the client."""

_CHUNK = 65_536
_COMMIT = b"COMMIT"


class Proxy:
    """Forwards what it is given; `lose` makes the next COMMIT end its connection."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._loss: Loss | None = None
        self.port = 0
        self.answered = 0
        """Bytes that servers have answered so far."""
        self.lost_at: int | None = None
        """The byte in each connection's answers that is not delivered any more."""
        self.lost = 0
        """Connections that it has ended."""

    def lose(self, loss: Loss) -> None:
        self._loss = loss

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        answers = asyncio.ensure_future(self._forward(server_reader, writer))
        try:
            while chunk := await reader.read(_CHUNK):
                if _COMMIT in chunk and self._loss is not None:
                    loss, self._loss, self.lost = self._loss, None, self.lost + 1
                    if loss == "after":
                        answers.cancel()
                        await asyncio.wait([answers])
                        server_writer.write(chunk)
                        await server_reader.read(_CHUNK)
                    break
                server_writer.write(chunk)
                await server_writer.drain()
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            for each in (writer, server_writer):
                each.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forwarded = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK):
                self.answered += len(chunk)
                forwarded += len(chunk)
                if self.lost_at is not None and forwarded > self.lost_at:
                    writer.write(chunk[: self.lost_at - forwarded])
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
