"""The site of `deploy/nginx` on a real nginx, before two processes as in `deploy/compose.yaml`."""

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.conformance.conformance import BASE_ENV
from tests.support import engines
from tests.support.nginx import nginx_command, running_nginx
from tests.support.private_servers import free_port
from tests.support.server import ADMIN, ServerProcess, running_server, seed
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "member-static-token"
UPSTREAM = "upstream-compose.conf"


@dataclass
class Site:
    """nginx and what stands behind it."""

    port: int
    folder: Path
    database: str
    processes: list[ServerProcess]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=30)

    @contextlib.asynccontextmanager
    async def subscribed(self, **headers: str) -> AsyncIterator[ClientConnection]:
        address = f"ws://127.0.0.1:{self.port}/websocket?access_token={TOKEN}"
        async with connect(address, proxy=None, additional_headers=headers) as socket:
            await socket.send(json.dumps({"type": "subscribe", "collection": "messages", "event": "create"}))
            assert json.loads(await socket.recv())["event"] == "init"
            yield socket


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    nginx_command(folder, UPSTREAM, port, [1, 2])  # skips before anything is started
    variables = {
        "PUBLIC_URL": "https://public.example",  # so that the site is known by its Host alone
        "REDIS": await engines.redis_url(),
        "REDIS_BUS_NAMESPACE": f"tidegate-test-{secrets.token_hex(6)}",
        "WEBSOCKETS_DRAIN_TIME": "0.5",
    }
    async with (
        engines.temporary_database("postgresql") as database,
        running_server({**engines.environment(database), **variables}) as first,
        running_server({**engines.environment(database), **variables}) as second,
    ):
        await seed(first)
        processes = [first, second]
        with running_nginx(folder, UPSTREAM, port, [process.port for process in processes]):
            async with httpx.AsyncClient() as client:
                await until(lambda: (folder / "pid").exists())
                assert (await client.get(f"http://127.0.0.1:{port}/server/ping")).text == "pong"
            yield Site(port, folder, database, processes)


async def test_sockets_of_both_processes_hear_what_is_written_through_either(site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack, site.http() as http:
        sockets = [await stack.enter_async_context(site.subscribed()) for _ in range(4)]
        for number in range(4):
            (await http.post("/items/messages", json={"text": f"{number}"}, headers=ADMIN)).raise_for_status()
        async with asyncio.timeout(10):
            for socket in sockets:
                heard = [json.loads(await socket.recv())["data"][0]["text"] for _ in range(4)]
                assert sorted(heard) == ["0", "1", "2", "3"]


async def test_address_of_a_client_is_what_nginx_saw(site: Site) -> None:
    credentials = {"email": BASE_ENV["ADMIN_EMAIL"], "password": BASE_ENV["ADMIN_PASSWORD"]}
    forged = {"X-Forwarded-For": "203.0.113.7"}
    async with site.http() as http:
        (await http.post("/auth/login", json=credentials, headers=forged)).raise_for_status()
    connection = await asyncpg.connect(site.database)
    try:
        assert await connection.fetchval("SELECT DISTINCT ip FROM directus_sessions") == "127.0.0.1"
    finally:
        await connection.close()


async def test_pages_of_the_site_may_open_sockets_and_others_may_not(site: Site) -> None:
    async with site.subscribed(origin=site.url):
        pass
    with pytest.raises(InvalidStatus) as refused:
        async with site.subscribed(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_body_that_is_too_long_is_refused_by_the_server(site: Site) -> None:
    async with site.http() as http:
        answer = await http.post("/items/messages", json={"text": "x" * 1_500_000}, headers=ADMIN)
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["extensions"]["code"] == "CONTENT_TOO_LARGE"


async def test_no_token_is_in_the_log(site: Site) -> None:
    async with site.subscribed(), site.http() as http:
        (await http.get("/items/messages", params={"access_token": TOKEN, "limit": 1})).raise_for_status()
        await http.get(f"/items/{quote('a b')}")
    log = site.folder / "tidegate.log"
    await until(lambda: log.read_text().count("\n") >= 4)
    assert '"GET /items/messages" 200' in log.read_text()
    assert TOKEN not in log.read_text() + (site.folder / "errors").read_text()


async def has_ended(socket: ClientConnection) -> bool:
    try:
        await asyncio.wait_for(socket.recv(), 0.5)
    except ConnectionClosed:
        return True
    except TimeoutError:
        return False
    return False


# The last one, as it ends a process.
async def test_one_process_after_the_other_is_replaced_without_a_failing_request(site: Site) -> None:
    async with site.subscribed() as one, site.subscribed() as other, site.http() as http:
        first = site.processes[0]
        first.process.send_signal(signal.SIGHUP)
        answers = [(await http.get("/server/ping")).status_code for _ in range(20)]
        assert await first.ended(20) == 0
        answers += [(await http.get("/server/ping")).status_code for _ in range(20)]
        assert set(answers) == {200}
        codes = [socket.close_code for socket in (one, other) if await has_ended(socket)]
        assert codes == [1012]
        async with site.subscribed():
            pass
