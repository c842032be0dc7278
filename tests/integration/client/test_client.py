"""The Python client against a real server process, over the things that only time and a restart bring about."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Generator
from itertools import repeat
from pathlib import Path

import httpx
import pytest

from tests.conformance.conformance import ADMIN_TOKEN
from tests.support.server import running_server, seed
from tidegate.client import Client, Event, Login, TidegateError, Token, TokenSource

SECONDS = 20.0
MEMBER = Login("member@example.com", "member-password")
QUERY = {"fields": ["id", "text"], "filter": {"id": {"_gt": 100}}}


def short_delays() -> Generator[float]:
    yield from repeat(0.02)


async def next_event(events: AsyncIterator[Event]) -> Event:
    return await asyncio.wait_for(anext(events), SECONDS)


@pytest.fixture(scope="module")
def seeded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vectors' project, made once."""
    folder = tmp_path_factory.mktemp("seeded")

    async def make() -> None:
        async with running_server({}, folder=folder) as server:
            await seed(server)

    asyncio.run(make())
    return folder


@pytest.fixture
def folder(seeded_folder: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return shutil.copytree(seeded_folder, tmp_path, dirs_exist_ok=True)


async def test_client_writes_reads_and_hears(folder: Path) -> None:
    async with running_server({}, folder=folder) as server:
        client = Client(server.url, Token(ADMIN_TOKEN))
        async with client, client.subscribe("messages", QUERY) as events:
            assert await next_event(events) == Event("init", [])
            created = await client.create("messages", {"id": 101, "text": "one"}, {"fields": ["id", "text"]})
            assert created == {"id": 101, "text": "one"}
            assert await next_event(events) == Event("create", [created])
            await client.update("messages", 101, {"text": "two"})
            assert await next_event(events) == Event("update", [{"id": 101, "text": "two"}])
            assert (await client.read_one("messages", 101))["text"] == "two"
            assert len(await client.read("messages", {"filter": QUERY["filter"]})) == 1
            await client.delete("messages", 101)
            assert (await next_event(events)).name == "delete"


async def test_server_refuses_with_its_code(folder: Path) -> None:
    async with running_server({}, folder=folder) as server:
        with pytest.raises(TidegateError) as refused:
            async with Client(server.url, Login("member@example.com", "wrong")):
                pass
        assert refused.value.code == "AUTH_FAILED"
        async with Client(server.url, MEMBER) as client:
            with pytest.raises(TidegateError) as forbidden:
                await client.read("no_such_collection")
            assert forbidden.value.code == "INVALID_COLLECTION"


async def test_login_outlives_its_access_token(folder: Path) -> None:
    """The token expires twice while the subscription goes on: the refresh token is rotated, and used again."""
    async with (
        running_server({"ACCESS_TOKEN_TTL": "1s"}, folder=folder) as server,
        Client(server.url, MEMBER) as client,
        client.subscribe("messages", {"fields": ["text"]}, event="create") as events,
        Client(server.url, Token(ADMIN_TOKEN)) as administrator,
    ):
        assert (await next_event(events)).name == "init"
        for text in ("first", "second", "third"):
            await asyncio.sleep(1.1)  # the server's clock decides when a token expires
            await client.read("messages")
            await administrator.create("messages", {"text": text})
            assert await next_event(events) == Event("create", [{"text": text}])


async def test_token_source_is_asked_when_the_token_expires(folder: Path) -> None:
    async with running_server({"ACCESS_TOKEN_TTL": "1s"}, folder=folder) as server:
        handed_out: list[str] = []

        async def log_in() -> str:
            async with httpx.AsyncClient(base_url=server.url) as http:
                credentials = {"email": MEMBER.email, "password": MEMBER.password}
                answer = await http.post("/auth/login", json=credentials)
            handed_out.append(answer.json()["data"]["access_token"])
            return handed_out[-1]

        async with Client(server.url, TokenSource(log_in)) as client:
            await asyncio.sleep(1.1)
            await client.read("messages")
        assert len(handed_out) == 2


async def test_subscription_begins_again_after_a_restart_of_the_server(folder: Path) -> None:
    async with running_server({}, folder=folder) as server:
        client = Client(server.url, Token(ADMIN_TOKEN), delays=short_delays)
        async with client, client.subscribe("messages", QUERY) as events:
            assert await next_event(events) == Event("init", [])
            await client.create("messages", {"id": 101, "text": "before"})
            assert (await next_event(events)).name == "create"
            await server.stop()
            async with running_server({}, folder=folder, port=server.port):
                assert await next_event(events) == Event("init", [{"id": 101, "text": "before"}])
                await client.create("messages", {"id": 102, "text": "after"})
                assert await next_event(events) == Event("create", [{"id": 102, "text": "after"}])
