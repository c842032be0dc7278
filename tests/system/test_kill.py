"""The process is killed while it writes: acknowledged writes are there, the others are whole or absent.

What was told is there as well.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.directus import ask
from tests.support.engines import environment, temporary_database
from tests.support.probes import DatabaseEngine
from tests.support.server import ADMIN, ServerProcess, running_server, seed

WRITERS = 4
ROWS_PER_WRITE = 3
KILLED_AFTER = (1, 25, 60)
"""How many acknowledged writes each round waits for before the kill."""


class Writes:
    """Writes of several rows each, by several clients at once, until the server no longer answers."""

    def __init__(self, server: ServerProcess, wanted: int) -> None:
        self._server = server
        self._wanted = wanted
        self._numbers = count()
        self._enough = asyncio.Event()
        self.acknowledged: list[int] = []
        self.told: set[tuple[str, int]] = set()
        """Text and room of the created rows that a listener heard of."""

    async def until_killed(self) -> None:
        listening = asyncio.Event()
        hearing = asyncio.create_task(self._hear(listening))
        await listening.wait()
        await asyncio.gather(hearing, *(self._write() for _ in range(WRITERS)), self._kill())

    async def _hear(self, listening: asyncio.Event) -> None:
        token = ADMIN["Authorization"].removeprefix("Bearer ")
        query = {"fields": ["text", "room"], "limit": 1}
        async with connect(f"{self._server.websocket_url}?access_token={token}", proxy=None) as socket:
            await socket.send(json.dumps({"type": "subscribe", "collection": "messages", "query": query}))
            with suppress(ConnectionClosed):
                while True:
                    message = json.loads(await socket.recv())
                    listening.set()
                    if message.get("event") == "create":
                        self.told.update((row["text"], row["room"]) for row in message["data"])

    async def _write(self) -> None:
        async with httpx.AsyncClient(base_url=self._server.url, headers=ADMIN, timeout=20) as client:
            with suppress(httpx.TransportError):
                while True:
                    number = next(self._numbers)
                    rows = [{"text": f"write {number}", "room": row} for row in range(ROWS_PER_WRITE)]
                    (await client.post("/items/messages", json=rows)).raise_for_status()
                    self.acknowledged.append(number)
                    if len(self.acknowledged) >= self._wanted:
                        self._enough.set()

    async def _kill(self) -> None:
        async with asyncio.timeout(60):
            await self._enough.wait()
        await self._server.kill()


async def rows_of_writes(engine: DatabaseEngine, url: str) -> Mapping[str, list[int]]:
    """The rooms of every write that is there, after checking that an embedded database is sound."""
    if engine == "sqlite":
        assert await ask(engine, url, ["PRAGMA integrity_check"]) == [("ok",)]
        assert await ask(engine, url, ["PRAGMA foreign_key_check"]) == []
    rows: dict[str, list[int]] = {}
    for text, room in await ask(
        engine, url, ["SELECT text, room FROM messages WHERE text LIKE 'write %' ORDER BY room"]
    ):
        rows.setdefault(text, []).append(room)
    return rows


@pytest.mark.parametrize(
    ("engine", "writes"), [*(("sqlite", writes) for writes in KILLED_AFTER), ("postgresql", 25), ("mariadb", 25)]
)
async def test_server_killed_while_writing_keeps_every_acknowledged_write(
    tmp_path: Path, engine: DatabaseEngine, writes: int
) -> None:
    async with temporary_database(engine) as url:
        async with running_server(environment(url), folder=tmp_path) as server:
            await seed(server)
            under_way = Writes(server, writes)
            await under_way.until_killed()
        async with (
            running_server(environment(url), folder=tmp_path) as restarted,
            httpx.AsyncClient(base_url=restarted.url, headers=ADMIN, timeout=20) as client,
        ):
            served = (await client.get("/items/messages", params={"fields": "text", "limit": -1})).json()["data"]
            after_restart = await client.post("/items/messages", json={"text": "still writable"})
            assert after_restart.status_code == 200
        found = await rows_of_writes(engine, url)
    acknowledged = {f"write {number}" for number in under_way.acknowledged}
    assert acknowledged <= {row["text"] for row in served}
    assert acknowledged <= set(found)
    assert all(rooms == list(range(ROWS_PER_WRITE)) for rooms in found.values()), "a write is there in part"
    assert under_way.told
    assert under_way.told <= {(text, room) for text, rooms in found.items() for room in rooms}
