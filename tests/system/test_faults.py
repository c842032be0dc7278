"""What breaks while everybody writes and listens: a process, Redis, PostgreSQL. All are real, and the test's own.

Each client keeps the picture that it is told. In the end, whatever happened, that is what it would read; on the way it
is told of nothing that it may not see; and what was lost is made good by an `init` or by the end of the connection.
"""

import asyncio
import itertools
import json
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import engines, private_servers
from tests.support.private_servers import Server
from tests.support.probes import UnreachableError
from tests.support.server import ADMIN, ServerProcess, running_server, seed
from tests.support.waiting import until

ADMIN_TOKEN, MEMBER_TOKEN = "admin-static-token", "member-static-token"
FOLLOWERS = 6
"""Of each server, half of them administrators who follow everything and half members who follow what is theirs."""
SETTLE_SECONDS = 30.0


class Follower:
    """A client that connects again when it has to."""

    def __init__(self, server: ServerProcess, member: str | None) -> None:
        """`member`: the id of the user that it is; None for the administrator."""
        self.server = server
        self.member = member
        self.token = ADMIN_TOKEN if member is None else MEMBER_TOKEN
        self.task: asyncio.Task[None]
        self.picture: dict[int, Mapping[str, Any]] = {}
        self.inits = 0
        self.events = 0
        self.close_codes: list[int | None] = []
        self.refused: list[str] = []
        """Why a subscription could not go on; the client connects again then."""

    async def run(self) -> None:
        while True:
            with suppress(OSError, ConnectionClosed, TimeoutError):
                async with connect(f"{self.server.websocket_url}?access_token={self.token}", proxy=None) as socket:
                    await self._follow(socket)
            await asyncio.sleep(0.05)

    async def _follow(self, socket: ClientConnection) -> None:
        query = {"fields": ["id", "title", "owner"], "limit": -1}
        await socket.send(json.dumps({"type": "subscribe", "collection": "notes", "query": query, "leave": True}))
        try:
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "subscribe":
                    self.refused.append(message["error"]["code"])
                    return
                self._hear(message)
        finally:
            self.close_codes.append(socket.close_code)

    def _hear(self, message: Mapping[str, Any]) -> None:
        if message["type"] != "subscription":
            assert message["type"] == "ping", message
            return
        event, data = message["event"], message["data"]
        if event == "init":
            self.inits += 1
            self.picture = {}
        self.events += event != "init"
        for entry in data:
            if event in {"delete", "leave"}:
                self.picture.pop(int(entry), None)
                continue
            assert self.member in (None, entry["owner"]), f"a leak: {entry}"
            self.picture[entry["id"]] = entry


@dataclass
class Load:
    """Writes to every server until the block ends; they may fail."""

    owners: list[str | None]
    failed: int = 0
    pause: float = 0.02

    @asynccontextmanager
    async def on(self, *servers: ServerProcess) -> AsyncIterator[None]:
        numbers = itertools.count()
        tasks = [asyncio.create_task(self._write(server, numbers)) for server in servers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            assert task.cancelled(), task.exception()

    async def _write(self, server: ServerProcess, numbers: "itertools.count[int]") -> None:
        keys: list[int] = []
        async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=20) as client:
            for number in numbers:
                owner = self.owners[number % len(self.owners)]
                title = f"{server.port}-{number}"
                try:
                    if number % 3 and keys:
                        key = keys[number % len(keys)]
                        answer = await client.patch(f"/items/notes/{key}", json={"title": title, "owner": owner})
                    else:
                        answer = await client.post("/items/notes", json={"title": title, "owner": owner})
                        if answer.is_success:
                            keys.append(answer.json()["data"]["id"])
                except httpx.TransportError:
                    self.failed += 1
                else:
                    assert answer.is_success or answer.status_code == 503, answer.text
                    self.failed += not answer.is_success
                await asyncio.sleep(self.pause)


@dataclass
class World:
    """Two servers on one database and one bus, and their followers."""

    servers: list[ServerProcess]
    followers: list[Follower]
    load: Load
    redis: Server
    postgresql: Server | None
    stack: ExitStack

    def of(self, server: ServerProcess) -> list[Follower]:
        return [follower for follower in self.followers if follower.server is server]

    async def reads(self, follower: Follower) -> dict[int, Mapping[str, Any]]:
        async with httpx.AsyncClient(base_url=follower.server.url, timeout=20) as client:
            answer = await client.get(
                "/items/notes",
                params={"fields": "id,title,owner", "limit": -1},
                headers={"Authorization": f"Bearer {follower.token}"},
            )
        return {row["id"]: row for row in answer.raise_for_status().json()["data"]}

    async def agreed(self, followers: list[Follower]) -> None:
        """Wait until each of them holds what it would read."""
        for follower in followers:
            expected = await self.reads(follower)
            assert expected
            with suppress(TimeoutError):
                await until(lambda one=follower, rows=expected: one.picture == rows, SETTLE_SECONDS)  # type: ignore[misc]  # a lambda's defaults have no types
            assert not follower.task.done(), follower.task.exception()
            held = follower.picture
            assert held == expected, [row for key, row in expected.items() if held.get(key) != row][:5]


@asynccontextmanager
async def world(*, own_postgresql: bool = False) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        closing = stack.enter_context(ExitStack())
        try:
            redis = await private_servers.start("redis", closing)
            postgresql = await private_servers.start("postgresql", closing) if own_postgresql else None
        except UnreachableError as reason:
            pytest.skip(f"a server of the test's own: {reason}")
        if postgresql is None:
            url = await stack.enter_async_context(engines.temporary_database("postgresql"))
        else:
            url = f"{postgresql.url}/postgres"
        bus = {"REDIS": redis.url, "REDIS_BUS_NAMESPACE": f"tidegate-test-{secrets.token_hex(6)}"}
        variables = {**engines.environment(url), **bus}
        first = await stack.enter_async_context(running_server(variables))
        member = (await seed(first))["member"]
        servers = [first, await stack.enter_async_context(running_server(variables))]
        followers = [
            Follower(server, member if number % 2 else None) for server in servers for number in range(FOLLOWERS)
        ]
        for follower in followers:
            follower.task = asyncio.create_task(follower.run())
        try:
            await until(lambda: all(follower.inits for follower in followers))
            yield World(servers, followers, Load([member, None]), redis, postgresql, closing)
            assert [follower.task.exception() for follower in followers if follower.task.done()] == []
            assert not any("Traceback" in server.log for server in servers), "see the logs"
        except Exception as failure:
            for server in servers:
                failure.add_note(f"The log of {server.url}:\n{server.log}")
            raise
        finally:
            for follower in followers:
                follower.task.cancel()
            await asyncio.wait([follower.task for follower in followers])


async def test_process_that_is_killed_takes_nobody_else_along() -> None:
    async with world() as there:
        dying, staying = there.servers
        async with there.load.on(*there.servers):
            await asyncio.sleep(1.5)
            await dying.kill()
            survivors = there.of(staying)
            heard = [follower.events for follower in survivors]
            for follower in there.of(dying):
                follower.server = staying
            await until(lambda: all(one.events > before for one, before in zip(survivors, heard, strict=True)))
            await asyncio.sleep(1)
        moved = [follower for follower in there.followers if follower not in survivors]
        assert [follower.close_codes for follower in moved] == [[1006]] * FOLLOWERS
        await there.agreed(there.followers)
        assert {follower.inits for follower in survivors} <= {1, 2}


async def test_redis_that_pauses_delays_the_others_and_nobody_else() -> None:
    async with world() as there:
        here, _ = there.servers
        assert there.redis.process is not None
        async with there.load.on(*there.servers):
            there.redis.process.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(2)
                before = [follower.events for follower in there.of(here)]
                await asyncio.sleep(8)
                heard = [follower.events for follower in there.of(here)]
            finally:
                there.redis.process.send_signal(signal.SIGCONT)
            assert all(later > earlier for earlier, later in zip(before, heard, strict=True)), "local events go on"
            await asyncio.sleep(1)
        await there.agreed(there.followers)
        assert there.load.failed == 0


async def test_redis_that_was_away_is_made_good_by_a_new_init() -> None:
    async with world() as there:
        async with there.load.on(*there.servers):
            await asyncio.sleep(0.5)
            there.redis = await private_servers.restart("redis", there.redis, there.stack, 3)
            await until(lambda: all(follower.inits > 1 for follower in there.followers))
            await asyncio.sleep(1)
        await there.agreed(there.followers)
        assert there.load.failed == 0
        assert not any(one.close_codes or one.refused for one in there.followers), "nobody had to connect again"


async def refused(server: ServerProcess) -> None:
    """Read until the server says that its database is away."""
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=20) as client, asyncio.timeout(30):
        status = 200
        while status != 503:
            status = (await client.get("/items/notes", params={"limit": 1})).status_code
            assert status in {200, 503}
            await asyncio.sleep(0.05)


async def test_postgresql_that_restarts_is_waited_for() -> None:
    async with world(own_postgresql=True) as there:
        assert there.postgresql is not None
        async with there.load.on(*there.servers):
            await asyncio.sleep(1)
            refusals = [asyncio.create_task(refused(server)) for server in there.servers]
            there.postgresql = await private_servers.restart("postgresql", there.postgresql, there.stack, 2)
            await asyncio.gather(*refusals)
            heard = [follower.events for follower in there.followers]
            await until(lambda: all(one.events > before for one, before in zip(there.followers, heard, strict=True)))
            await asyncio.sleep(1)
        await there.agreed(there.followers)
