"""What one client may use up: places for sockets, and time to ask for one (PROTOCOL sections 3.1 and 8)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.integration.http.project import ADMIN, Project, seeded_project
from tests.integration.websocket.client import Client, Refused
from tests.integration.websocket.serving import serve
from tests.support.raw_websocket import tcp_connection, upgrade_request
from tidegate.graphql.messages import SUBPROTOCOL
from tidegate.http.uvicorn_protocol import UvicornHttpProtocol

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS = {"/websocket": "REST", "/websocket/logs": "LOGS", "/graphql": "GRAPHQL"}
PLACES = 2
AUTH_TIMEOUT = 1.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    environ = {f"WEBSOCKETS_{name}_CONN_LIMIT": str(PLACES) for name in ENDPOINTS.values()}
    environ |= {f"WEBSOCKETS_{name}_AUTH_TIMEOUT": "1" for name in ENDPOINTS.values()}
    async with seeded_project(tmp_path_factory.mktemp("limits"), environ) as running:
        yield running


def socket(project: Project, path: str, token: str | None) -> Client:
    client = Client(project.app, path if token is None else f"{path}?access_token={token}")
    client.scope["subprotocols"] = [SUBPROTOCOL] if path == "/graphql" else []
    return client


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_every_open_socket_takes_a_place_until_it_closes(project: Project, path: str) -> None:
    async with socket(project, path, ADMIN):
        async with socket(project, path, None):
            for token in (ADMIN, None):
                with pytest.raises(Refused, match="403"):
                    await socket(project, path, token).__aenter__()
        with pytest.raises(Refused, match="401"):
            await socket(project, path, "nope").__aenter__()
        async with socket(project, path, None):
            pass


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_silent_sockets_give_their_places_back_in_time(project: Project, path: str) -> None:
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(socket(project, path, None)) for _ in range(PLACES)]
        with pytest.raises(Refused, match="403"):
            await socket(project, path, ADMIN).__aenter__()
        project.clock.advance(AUTH_TIMEOUT)
        for client in silent:
            if path != "/graphql":
                assert (await client.receive())["error"]["code"] == "AUTH_FAILED"
            assert await client.receive() is None
            await client.__aexit__()
        async with AsyncExitStack() as again:
            for _ in range(PLACES):
                await again.enter_async_context(socket(project, path, ADMIN))


class Impatient(UvicornHttpProtocol):
    head_seconds = 0.2


UNFINISHED: dict[str, Callable[[bytes], bytes]] = {
    "silent": lambda _: b"",
    "first-byte": lambda request: request[:1],
    "half-a-handshake": lambda request: request[: len(request) // 2],
    "all-but-the-last-byte": lambda request: request[:-1],
    "second-request-on-the-connection": lambda request: (
        b"GET /server/ping HTTP/1.1\r\nHost: here\r\n\r\n" + request[:-1]
    ),
}


@pytest.mark.parametrize("begun", UNFINISHED)
async def test_handshake_that_never_ends_is_dropped_and_others_go_on(project: Project, begun: str) -> None:
    async with serve(project.app, http=Impatient) as address:
        port = int(address.rpartition(":")[2])
        async with connect(f"ws://{address}/websocket?access_token={ADMIN}", proxy=None) as witness:
            async with tcp_connection(port) as (reader, writer):
                writer.write(UNFINISHED[begun](upgrade_request(port)))
                async with asyncio.timeout(5):
                    with contextlib.suppress(ConnectionError):
                        await reader.read()
            await witness.send('{"type":"unsubscribe","uid":"still there"}')
            assert "still there" in str(await witness.recv())
        async with httpx.AsyncClient(base_url=f"http://{address}") as http:
            assert (await http.get("/server/ping")).text == "pong"
