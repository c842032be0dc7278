"""The ASGI application as a whole: alone, mounted in another, before its start, and when it cannot start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message, Scope

from tests.conformance.conformance import ADMIN_TOKEN, BASE_ENV
from tests.integration.http.project import BASE_URL, client_of, running_project
from tidegate.app import Tidegate, create_app
from tidegate.errors import TidegateError
from tidegate.settings import Settings, load_settings


def settings_in(folder: Path, **environ: str) -> Settings:
    return load_settings({**BASE_ENV, "DB_CLIENT": "sqlite3", "DB_FILENAME": str(folder / "data.db"), **environ})


class Server:
    """What a server does with an application: the lifespan protocol, and the answers to one scope."""

    def __init__(self, app: Tidegate) -> None:
        self.app = app
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.outbox: asyncio.Queue[Message] = asyncio.Queue()

    async def live(self) -> None:
        await self.app({"type": "lifespan"}, self.inbox.get, self.outbox.put)

    async def exchange(self, message: str) -> Message:
        await self.inbox.put({"type": message})
        return await self.outbox.get()


async def upgrade(app: Tidegate, path: str) -> list[Message]:
    """What is sent to a client that asks for a WebSocket at `path`."""
    scope: Scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_application_lives_by_lifespan_protocol(tmp_path: Path) -> None:
    server = Server(create_app(settings_in(tmp_path)))
    life = asyncio.create_task(server.live())
    assert await server.exchange("lifespan.startup") == {"type": "lifespan.startup.complete"}
    async with client_of(server.app) as client:
        assert (await client.get("/server/ping")).text == "pong"
    assert await server.exchange("lifespan.shutdown") == {"type": "lifespan.shutdown.complete"}
    await life


async def test_application_says_why_it_cannot_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, DB_CLIENT="pg", DB_HOST="127.0.0.1", DB_PORT="1", DB_DATABASE="x", DB_USER="x")
    server = Server(create_app(settings))
    life = asyncio.create_task(server.live())
    assert (await server.exchange("lifespan.startup"))["type"] == "lifespan.startup.failed"
    with pytest.raises(TidegateError) as caught:
        await life
    assert caught.value.code == "SERVICE_UNAVAILABLE"


async def test_application_outside_of_its_life_is_unavailable(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    async with client_of(app) as client:
        before = await client.get("/server/ping")
        async with app.lifespan():
            during = await client.get("/server/ping")
        after = await client.get("/server/ping")
    assert [answer.status_code for answer in (before, during, after)] == [503, 200, 503]


async def test_application_starts_again_on_the_same_database(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    for _ in range(2):
        async with app.lifespan(), client_of(app) as client:
            answer = await client.get("/users", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
            assert [user["email"] for user in answer.json()["data"]] == ["admin@example.com"]


async def test_application_serves_mounted_in_another(tmp_path: Path) -> None:
    tidegate = create_app(settings_in(tmp_path))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with tidegate.lifespan():
            yield

    host = Starlette(routes=[Mount("/realtime", tidegate)], lifespan=lifespan)
    async with (
        host.router.lifespan_context(host),
        httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=BASE_URL) as client,
    ):
        assert (await client.get("/realtime/server/ping")).text == "pong"
        assert (await client.get("/realtime/users/me")).status_code == 401
        assert (await client.get("/realtime/nowhere")).json()["errors"][0]["extensions"]["code"] == "ROUTE_NOT_FOUND"
        assert (await client.get("/server/ping")).status_code == 404


async def test_unknown_socket_path_is_not_found(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    async with app.lifespan():
        start, _ = await upgrade(app, "/websocketx")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)


@pytest.mark.parametrize("path", ["/websocket", "/server/ping"])
async def test_switched_off_socket_is_not_found(tmp_path: Path, path: str) -> None:
    app = create_app(settings_in(tmp_path, WEBSOCKETS_ENABLED="false"))
    async with app.lifespan():
        start, _ = await upgrade(app, path)
    assert start["status"] == 404


async def test_requests_are_limited_by_settings(tmp_path: Path) -> None:
    environ = {"RATE_LIMITER_ENABLED": "true", "RATE_LIMITER_POINTS": "2", "RATE_LIMITER_DURATION": "5"}
    async with running_project(tmp_path, environ) as project:
        answers = [await project.client.get("/nowhere") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [404, 404, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[2].headers["retry-after"] == "5"
        project.clock.advance(5)
        assert (await project.client.get("/nowhere")).status_code == 404


async def test_other_origin_reads_errors_too(tmp_path: Path) -> None:
    environ = {"CORS_ENABLED": "true", "CORS_ORIGIN": "https://a.example", "RATE_LIMITER_ENABLED": "true"}
    async with running_project(tmp_path, environ) as project:
        answer = await project.client.get("/nowhere", headers={"origin": "https://a.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, "https://a.example")
