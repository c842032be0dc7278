"""Unmodified Directus SDKs on Node against a real server: what their users do all day, and a restart in between.

On Node these SDKs take one message from each read of the socket and drop what came with it, so a test that waits for
two messages makes them come apart.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.node.clients import Driver, driver, install
from tests.support.server import ADMIN, ServerProcess, running_server, seed

VERSIONS = {"sdk18": "18.0.3", "sdk26": "26.0.0"}
MESSAGES = {"fields": ["id", "text"]}


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    install()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with running_server({}, folder=tmp_path) as server:
        await seed(server)
        yield server


@asynccontextmanager
async def logged_in(version: str, server: ServerProcess) -> AsyncIterator[Driver]:
    async with driver("sdk.mjs", version, server.url) as client:
        assert await client.command("version") == VERSIONS[version]
        await client.command("login", "member@example.com", "member-password")
        await client.command("connect")
        await client.hears("message", type="auth", status="ok")
        yield client


@pytest.fixture(params=VERSIONS)
async def client(request: pytest.FixtureRequest, server: ServerProcess) -> AsyncIterator[Driver]:
    async with logged_in(request.param, server) as client:
        yield client


async def write_message(server: ServerProcess, text: str) -> None:
    """Another user writes, over HTTP."""
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN) as http:
        (await http.post("/items/messages", json={"text": text, "room": 1})).raise_for_status()


async def test_client_reads_items_over_http_and_over_the_socket(client: Driver) -> None:
    expected = [{"id": 1, "text": "hello"}, {"id": 2, "text": "world"}, {"id": 3, "text": "other room"}]
    assert await client.command("readItems", "messages", MESSAGES) == expected
    await client.command(
        "sendMessage", {"type": "items", "action": "read", "collection": "messages", "query": MESSAGES}
    )
    assert (await client.hears("message", type="items"))["data"] == expected


async def test_client_hears_what_it_and_others_write_until_it_unsubscribes(
    client: Driver, server: ServerProcess
) -> None:
    await client.command("subscribe", "messages", {"uid": "chat", "query": MESSAGES})
    assert len((await client.hears("event", event="init"))["data"]) == 3

    create = {"type": "items", "action": "create", "collection": "messages", "data": {"text": "mine"}}
    await client.command("sendMessage", create)
    event = await client.hears("event", event="create")
    assert (event["uid"], event["data"]) == ("chat", [{"id": 4, "text": "mine"}])

    await write_message(server, "theirs")
    assert (await client.hears("event", event="create"))["data"] == [{"id": 5, "text": "theirs"}]

    await client.command("unsubscribe", "chat")
    await client.hears("message", type="subscription", event="unsubscribe", uid="chat")
    await write_message(server, "unheard")
    await client.command("sendMessage", {**create, "uid": "last"})
    assert (await client.hears("message", type="items", uid="last"))["data"]["id"] == 7
    assert [line for line in client.seen if line["what"] == "event" and line["value"]["event"] == "create"] == []


async def test_client_reconnects_and_resubscribes_after_the_server_restarts(
    client: Driver, server: ServerProcess, tmp_path: Path
) -> None:
    await client.command("subscribe", "messages", {"uid": "chat", "event": "create", "query": MESSAGES})
    await client.hears("event", event="init")
    await server.stop()
    await client.hears("close")
    async with running_server({}, folder=tmp_path, port=server.port) as restarted:
        await client.hears("message", type="auth", status="ok")
        await client.hears("message", type="subscription", event="init", uid="chat")
        await write_message(restarted, "after the restart")
        assert (await client.hears("event", event="create"))["data"] == [{"id": 4, "text": "after the restart"}]


@pytest.mark.parametrize("version", VERSIONS)
async def test_subscription_of_a_client_goes_on_when_its_token_expires(version: str, tmp_path: Path) -> None:
    async with running_server({"ACCESS_TOKEN_TTL": "2s"}, folder=tmp_path) as server:
        await seed(server)
        async with logged_in(version, server) as client:
            await client.command("subscribe", "notes", {"uid": "own", "query": {"fields": ["title"]}})
            await client.hears("event", event="init")
            # The client gives its new token by itself when it is told that the old one has expired.
            await client.hears("message", type="auth", status="ok")
            headers = {"Authorization": "Bearer member-static-token"}
            async with httpx.AsyncClient(base_url=server.url, headers=headers) as http:
                (await http.post("/items/notes", json={"title": "later"})).raise_for_status()
            assert (await client.hears("event", event="create"))["data"] == [{"title": "later"}]
