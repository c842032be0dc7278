"""More writes than connections, as another program holds a row: refused, while everybody else is served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.http.project import ADMIN, Project, seeded_project
from tests.integration.websocket.client import Client
from tests.support.engines import environment, temporary_database
from tests.support.probes import DatabaseEngine
from tests.support.schemas import started_database
from tests.support.waiting import until
from tidegate.database import connections_server

WAIT_SECONDS = 0.5
HEARTBEAT = {"WEBSOCKETS_HEARTBEAT_ENABLED": "true", "WEBSOCKETS_HEARTBEAT_PERIOD": "1"}
EVERYTHING = {"type": "subscribe", "collection": "notes", "query": {"fields": ["id", "title"], "limit": -1}}


@pytest.fixture(params=["postgresql", "mariadb"])
async def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Project, str]]:
    """With the URL of its database."""
    monkeypatch.setattr(connections_server, "POOL_WAIT_SECONDS", WAIT_SECONDS)
    engine: DatabaseEngine = request.param
    async with (
        temporary_database(engine) as url,
        seeded_project(tmp_path, {**environment(url), **HEARTBEAT}) as project,
    ):
        yield project, url


@asynccontextmanager
async def locked(url: str, key: int) -> AsyncIterator[None]:
    """Another program has the row, and does not let go of it."""
    async with started_database(url) as other, other.transaction() as transaction:
        notes = transaction.tables["notes"]
        await transaction.fetch(sa.select(notes).where(notes.c.id == key).with_for_update())
        yield


async def test_more_writes_than_connections_are_refused_and_all_others_served(project: tuple[Project, str]) -> None:
    server, url = project
    _, made = await server.ask("POST", "/items/notes", [{"title": "held"}, {"title": "free"}])
    held, free = (f"/items/notes/{row['id']}" for row in made["data"])
    titles = [f"late-{number}" for number in range(connections_server.WRITERS)]
    connections: Any = server.app.running.items._database._connections.writer.pool
    async with Client(server.app, f"/websocket?access_token={ADMIN}") as client:
        assert (await client.ask(**EVERYTHING))["event"] == "init"
        async with locked(url, made["data"][0]["id"]):
            late = [asyncio.create_task(server.ask("PATCH", held, {"title": title})) for title in titles]
            await until(lambda: connections.checkedout() == len(late))
            refused = [server.code("PATCH", free, {"title": "refused"}) for _ in range(4)]
            assert await asyncio.gather(*refused) == [(503, "SERVICE_UNAVAILABLE")] * 4
            assert (await server.ask("GET", held))[1]["data"]["title"] == "held"
            assert (await client.ask(**EVERYTHING, uid="second"))["event"] == "init"
            server.clock.advance(1)
            assert await client.receive() == {"type": "ping"}
            await client.send(type="pong")
            assert not any(task.done() for task in late)
        assert [status for status, _ in await asyncio.gather(*late)] == [200] * len(late)
        assert (await server.ask("PATCH", free, {"title": "after"}))[0] == 200
        events = [await client.receive() for _ in range(2 * (len(late) + 1))]
    told = [event["data"][0]["title"] for event in events if "uid" not in event]
    assert (sorted(told[:-1]), told[-1]) == (titles, "after")
    assert (await server.ask("GET", held))[1]["data"]["title"] == told[-2]
