"""An operator stops the server: everybody is told (1001, RFC 6455 section 7.4.1), and the process ends at once."""

import asyncio
import json
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.raw_websocket import tcp_connection
from tests.support.server import ServerProcess, running_server, seed

SECONDS = 2.0
"""Without what the server had to wait for a processor that others had."""


async def open_sockets(server: ServerProcess, stack: AsyncExitStack) -> list[ClientConnection]:
    """Connections in every state: waiting for the handshake, authenticated, subscribed, and each kind of endpoint."""
    token = "?access_token=member-static-token"
    waiting = await stack.enter_async_context(connect(server.websocket_url, proxy=None))
    authenticated = await stack.enter_async_context(connect(server.websocket_url + token, proxy=None))
    subscribed = await stack.enter_async_context(connect(server.websocket_url + token, proxy=None))
    await subscribed.send(json.dumps({"type": "subscribe", "collection": "messages"}))
    assert json.loads(await subscribed.recv())["event"] == "init"
    logs = await stack.enter_async_context(
        connect(f"{server.websocket_url}/logs?access_token=admin-static-token", proxy=None)
    )
    return [waiting, authenticated, subscribed, logs]


def seconds_without_processor(server: ServerProcess) -> float:
    """How long it was ready to run and did not, since it began; 0 where the system does not tell (Linux does)."""
    statistics = Path(f"/proc/{server.process.pid}/schedstat")
    return int(statistics.read_text().split()[1]) / 1e9 if statistics.exists() else 0.0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
async def test_stopped_server_closes_its_sockets_with_1001_and_exits_in_time(how: signal.Signals) -> None:
    async with running_server({}) as server, AsyncExitStack() as stack:
        await seed(server)
        sockets = await open_sockets(server, stack)
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url))
        await client.get("/server/ping")  # leaves an idle connection open
        await stack.enter_async_context(tcp_connection(server.port))  # and this one never says anything

        asked_at, waited = time.monotonic(), seconds_without_processor(server)
        server.process.send_signal(how)
        async with asyncio.timeout(30):
            await asyncio.to_thread(os.waitid, os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT)
        took = time.monotonic() - asked_at - (seconds_without_processor(server) - waited)
        code = await server.ended(SECONDS)
        await asyncio.gather(*(socket.wait_closed() for socket in sockets))

        assert code == 0, server.log
        assert took < SECONDS
        assert [socket.close_code for socket in sockets] == [1001] * len(sockets)
        assert "Traceback" not in server.log
