"""The outbox of the ASGI adapter, against a server that delays, fails or never reads."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from tidegate.realtime.socket import AsgiSocket, Outboxes


class Server:
    """The `send` of an ASGI server; `stalled` keeps messages from leaving, `broken` is raised instead."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.readable = asyncio.Event()
        self.readable.set()
        self.broken: Exception | None = None

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.readable.wait()
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


async def drained() -> None:
    """Wait until everything that the test has sent has been handed over, the close included."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


async def test_socket_sends_in_order_and_then_closes() -> None:
    server = Server()
    socket = AsgiSocket(server.send, Outboxes(1000))
    socket.send(b'{"a":', b"1}")
    socket.send("ä".encode())
    socket.close(1001, "bye")
    socket.send(b"too late")
    await drained()
    assert server.texts == ['{"a":1}', "ä"]
    assert server.sent[-1] == {"type": "websocket.close", "code": 1001, "reason": "bye"}
    assert not socket.open
    assert socket.buffered == 0


async def test_sending_never_waits_for_the_reader() -> None:
    server = Server()
    server.readable.clear()
    outboxes = Outboxes(10)
    socket = AsgiSocket(server.send, outboxes)
    socket.send(b"12345")
    await asyncio.sleep(0)
    socket.send(b"67890")
    assert (socket.buffered, socket.open, outboxes.slow) == (10, True, 0)


async def test_slow_reader_is_closed_with_1013_and_counted() -> None:
    server = Server()
    server.readable.clear()
    outboxes = Outboxes(10)
    socket = AsgiSocket(server.send, outboxes)
    for text in (b"12345", b"67890", b"!", b"?"):
        socket.send(text)
    assert outboxes.slow == 1
    assert (socket.open, socket.buffered) == (False, 0)
    server.readable.set()
    await drained()
    assert server.sent[-1]["code"] == 1013


async def test_message_larger_than_the_outbox_closes_even_an_idle_socket() -> None:
    outboxes = Outboxes(1)
    socket = AsgiSocket(Server().send, outboxes)
    socket.send(b"12")
    assert (socket.open, outboxes.slow) == (False, 1)
    await drained()


@pytest.mark.parametrize("broken", [OSError("gone"), RuntimeError("after websocket.close")])
async def test_socket_whose_client_is_gone_drops_what_waits(broken: Exception) -> None:
    server = Server()
    server.broken = broken
    socket = AsgiSocket(server.send, Outboxes(100))
    socket.send(b"one")
    socket.send(b"two")
    await drained()
    assert (socket.open, socket.buffered, server.sent) == (False, 0, [])
