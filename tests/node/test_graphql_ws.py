"""An unmodified graphql-ws client on Node against a real server, in the three modes."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.node.clients import Driver, driver, install
from tests.support.server import ADMIN, ServerProcess, running_server, seed

MEMBER = "member-static-token"
MESSAGES = {"query": "subscription { messages_mutated(event: create) { key data { text } } }"}
QUERY = {"query": "{ messages(limit: 1) { id } }"}
MODES: dict[str, tuple[str, dict[str, str]]] = {
    "handshake": ("", {"token": MEMBER}),
    "public": ("", {}),
    "strict": (f"?access_token={MEMBER}", {}),
}
"""By mode, what follows the URL and who the client says it is."""


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    install()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fixture's database, to begin every test with."""
    folder = tmp_path_factory.mktemp("seeded")
    async with running_server({}, folder=folder) as server:
        await seed(server)
    return folder


@pytest.fixture
def folder(seeded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(seeded, tmp_path / "project")


@pytest.fixture(params=MODES)
async def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def server(mode: str, folder: Path) -> AsyncIterator[ServerProcess]:
    async with running_server({"WEBSOCKETS_GRAPHQL_AUTH": mode}, folder=folder) as server:
        yield server


def client_of(server: ServerProcess, mode: str, **options: Any) -> AbstractAsyncContextManager[Driver]:
    query, identity = MODES[mode]
    url = f"ws://127.0.0.1:{server.port}/graphql{query}"
    return driver("graphql_ws.mjs", url, json.dumps({**identity, **options}))


async def write_message(server: ServerProcess, text: str) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN) as http:
        (await http.post("/items/messages", json={"text": text})).raise_for_status()


async def subscribed(client: Driver, name: str, payload: dict[str, Any]) -> None:
    """Subscribe, and wait until the server has taken the message: it answers the query that is sent behind it."""
    await client.command("subscribe", name, payload)
    await client.command("subscribe", f"{name}, then", QUERY)
    await client.hears("complete", name=f"{name}, then")


async def heard_text(client: Driver, name: str) -> str:
    result = await client.hears("next", name=name)
    text: str = result["data"]["messages_mutated"]["data"]["text"]
    return text


async def test_operations_share_one_connection_and_end_one_by_one(server: ServerProcess, mode: str) -> None:
    async with client_of(server, mode) as client:
        assert (await client.command("version")).startswith("6.4.")
        await subscribed(client, "one", MESSAGES)
        await subscribed(client, "other", MESSAGES)
        await write_message(server, "to both")
        assert await heard_text(client, "one") == await heard_text(client, "other") == "to both"
        await client.command("stop", "one")
        await client.hears("complete", name="one")
        await write_message(server, "to the other")
        assert await heard_text(client, "other") == "to the other"
        await client.command("subscribe", "bad", {"query": "subscription { nothing_mutated { key } }"})
        assert "nothing_mutated" in (await client.hears("error", name="bad"))["errors"][0]["message"]
        assert [line["what"] for line in client.seen if line["what"] in ("connected", "closed")] == ["connected"]
        assert [line for line in client.seen if line["what"] == "next" and line["value"]["name"] == "one"] == []


async def test_client_reconnects_and_subscribes_again_after_a_restart(
    server: ServerProcess, mode: str, folder: Path
) -> None:
    async with client_of(server, mode) as client:
        await subscribed(client, "live", MESSAGES)
        await client.hears("connected")
        await server.stop()
        await client.hears("closed")
        again = {"WEBSOCKETS_GRAPHQL_AUTH": mode}
        async with running_server(again, folder=folder, port=server.port) as restarted:
            await client.hears("connected")
            await client.command("subscribe", "q", QUERY)
            await client.hears("complete", name="q")
            await write_message(restarted, "after the restart")
            assert await heard_text(client, "live") == "after the restart"


async def test_lazy_client_connects_for_an_operation_only(server: ServerProcess, mode: str) -> None:
    async with client_of(server, mode, lazy=True, lazyCloseTimeout=50) as client:
        assert await client.command("version")
        assert client.seen == []
        await client.command("subscribe", "q", QUERY)
        assert (await client.hears("next", name="q"))["data"] == {"messages": [{"id": "1"}]}
        assert (await client.hears("closed"))["code"] == 1000


async def test_eager_client_keeps_its_connection_alive_with_pings(server: ServerProcess, mode: str) -> None:
    async with client_of(server, mode, lazy=False, keepAlive=100) as client:
        await client.hears("connected")
        for _ in range(2):
            await client.hears("ping", received=False)
            await client.hears("pong", received=True)


@pytest.mark.parametrize("mode", ["handshake"], indirect=True)
async def test_client_comes_back_with_a_new_token_after_the_old_one_expired(mode: str, folder: Path) -> None:
    settings = {"WEBSOCKETS_GRAPHQL_AUTH": mode, "ACCESS_TOKEN_TTL": "2s"}
    async with running_server(settings, folder=folder) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            login = await http.post("/auth/login", json={"email": "member@example.com", "password": "member-password"})
        token = login.json()["data"]["access_token"]
        async with client_of(server, mode, tokens=[token, MEMBER]) as client:
            await client.command("subscribe", "live", MESSAGES)
            await client.hears("connected")
            assert await client.hears("closed") == {"code": 4403, "reason": "Forbidden"}
            await client.hears("connected")
            await client.command("subscribe", "q", QUERY)
            await client.hears("complete", name="q")
            await write_message(server, "with the new token")
            assert await heard_text(client, "live") == "with the new token"
