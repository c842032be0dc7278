"""Clients that do not answer any more, on a real server: they are found, and nothing of them stays."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.integration.http.project import MEMBER, Project, seeded_project
from tests.integration.websocket.serving import serve
from tests.support.raw_websocket import Opcode, RawWebSocket, message, raw_websocket
from tests.support.waiting import until

PERIOD = 0.05
PING = {"type": "ping"}


@pytest_asyncio.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    environ = {"WEBSOCKETS_HEARTBEAT_ENABLED": "true", "WEBSOCKETS_HEARTBEAT_PERIOD": f"{PERIOD}s"}
    async with seeded_project(tmp_path, environ) as running:
        yield running


async def said(socket: RawWebSocket) -> object:
    """The next message; of a close its code."""
    frame = await socket.receive()
    assert frame is not None
    return int.from_bytes(frame.payload[:2], "big") if frame.opcode == Opcode.CLOSE else json.loads(frame.payload)


async def test_silent_client_is_terminated_and_one_that_answers_is_not(project: Project) -> None:
    async with serve(project.app) as address:
        port = int(address.rpartition(":")[2])
        async with raw_websocket(port, "/graphql") as silent, raw_websocket(port, "/graphql") as lively:
            for socket in (silent, lively):
                await socket.send(message(type="connection_init", payload={"access_token": MEMBER}))
                assert await said(socket) == {"type": "connection_ack"}
                subscription = {"query": "subscription { messages_mutated { key } }"}
                await socket.send(message(type="subscribe", id="1", payload=subscription))
            await until(lambda: len(project.app.running.subscriptions) == 2)
            project.clock.advance(PERIOD)
            assert [await said(silent), await said(lively)] == [PING, PING]
            await lively.send(message(type="pong"))
            await lively.send(message(type="ping"))
            assert await said(lively) == {"type": "pong"}
            project.clock.advance(PERIOD)
            assert [await said(silent), await said(lively)] == [4499, PING]
            await until(lambda: len(project.app.running.connections) == 1)
            assert len(project.app.running.subscriptions) == 1
