"""What breaks while everybody writes and listens: a process, Redis, PostgreSQL. All are real, and the test's own.

Each client keeps the picture that it is told. In the end, whatever happened, that is what it would read. On the way,
from one `init` to the next, it is told of each row what was committed, in that order and nothing twice, and of nothing
that it may not see; and what was lost is made good by an `init` or by the end of the connection.
"""

import asyncio
import itertools
import json
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import engines, private_servers
from tests.support.directus import ask
from tests.support.private_servers import Server
from tests.support.probes import UnreachableError
from tests.support.proxy import proxy_before
from tests.support.server import ADMIN, ServerProcess, running_server, seed
from tests.support.waiting import until
from tests.system.test_order import SLOW_COMMIT, history

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN_TOKEN, MEMBER_TOKEN = "admin-static-token", "member-static-token"
FOLLOWERS = 4
"""Of each server, half of them administrators who follow everything and half members who follow what is theirs."""
SETTLE_SECONDS = 30.0
ALONE, LOST = "goes on alone", "messages to other processes are lost"
"""What the log says when a silent Redis is not waited for any more, and when its connections are given up."""


class Follower:
    """A client that connects again when it has to."""

    def __init__(self, server: ServerProcess, member: str | None) -> None:
        """`member`: the id of the user that it is; None for the administrator."""
        self.server = server
        self.member = member
        self.token = ADMIN_TOKEN if member is None else MEMBER_TOKEN
        self.task = asyncio.create_task(self.run())
        self.picture: dict[int, Mapping[str, Any]] = {}
        self.states: dict[tuple[int, int], list[str]] = {}
        """By `init` and row, the titles as they were heard."""
        self.told: set[str] = set()
        """The titles that events have told of."""
        self.inits = 0
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

    def told_since(self, port: int, first: int) -> bool:
        """Whether an event has told of a write to this port with this number or a higher one."""
        return any(title.startswith(f"{port}-") and int(title.split("-")[1]) >= first for title in self.told)

    def _hear(self, message: Mapping[str, Any]) -> None:
        if message["type"] != "subscription":
            assert message["type"] == "ping", message
            return
        event, data = message["event"], message["data"]
        if event == "init":
            self.inits += 1
            self.picture = {}
        for entry in data:
            if event in {"delete", "leave"}:
                self.picture.pop(int(entry), None)
                continue
            assert self.member in (None, entry["owner"]), f"a leak: {entry}"
            key, title = entry["id"], entry["title"]
            self.picture[key] = entry
            self.states.setdefault((self.inits, key), []).append(title)
            if event != "init":
                self.told.add(title)


@dataclass
class Load:
    """Writes to every server until the block ends; they may fail."""

    owners: Sequence[str | None]
    failed: int = 0
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    acknowledged: list[str] = field(default_factory=list)
    """Titles, each of which is written once."""

    @asynccontextmanager
    async def on(self, *servers: ServerProcess) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._write(server)) for server in servers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            assert task.cancelled(), task.exception()

    async def _write(self, server: ServerProcess) -> None:
        keys: list[int] = []
        async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=20) as client:
            for number in self.numbers:
                title = f"{server.port}-{number}"
                body = {"title": title, "owner": self.owners[number % len(self.owners)]}
                try:
                    if number % 3 and keys:
                        answer = await client.patch(f"/items/notes/{keys[number % len(keys)]}", json=body)
                    else:
                        answer = await client.post("/items/notes", json=body)
                        if answer.is_success:
                            keys.append(answer.json()["data"]["id"])
                except httpx.TransportError:
                    self.failed += 1
                else:
                    assert answer.is_success or answer.status_code == 503, answer.text
                    self.failed += not answer.is_success
                    if answer.is_success:
                        self.acknowledged.append(title)
                await asyncio.sleep(0.02)


@dataclass
class World:
    """Servers on one database and one bus, and their followers."""

    url: str
    redis: Server
    postgresql: Server
    variables: Mapping[str, str]
    closing: ExitStack
    """Ends the servers that the test has started itself."""
    stack: AsyncExitStack
    servers: list[ServerProcess] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    load: Load = field(default_factory=lambda: Load([]))

    async def join(self, **variables: str) -> ServerProcess:
        """One more server, once its followers have their first data."""
        server = await self.stack.enter_async_context(running_server({**self.variables, **variables}))
        if not self.servers:
            self.load.owners = [(await seed(server))["member"], None]
            await ask("postgresql", self.url, history("postgresql"))
        self.servers.append(server)
        mine = [Follower(server, self.load.owners[number % 2]) for number in range(FOLLOWERS)]
        self.followers += mine
        await until(lambda: all(follower.inits for follower in mine))
        return server

    def of(self, server: ServerProcess) -> list[Follower]:
        return [follower for follower in self.followers if follower.server is server]

    async def leave(self, followers: Sequence[Follower]) -> None:
        self.followers = [follower for follower in self.followers if follower not in followers]
        for follower in followers:
            follower.task.cancel()
        await asyncio.gather(*(follower.task for follower in followers), return_exceptions=True)

    async def begun_anew(self, followers: Sequence[Follower] | None = None) -> None:
        """Wait until each has got another `init` since this was called."""
        waiting = [(follower, follower.inits) for follower in followers or self.followers]
        await until(lambda: all(follower.inits > before for follower, before in waiting))

    async def heard_anew(self, server: ServerProcess) -> None:
        """Wait until the server's followers have been told of something that was sent to it after this was called."""
        first = next(self.load.numbers)
        await until(lambda: all(one.told_since(server.port, first) for one in self.of(server)))

    async def reads(self, follower: Follower) -> dict[int, Mapping[str, Any]]:
        async with httpx.AsyncClient(base_url=follower.server.url, timeout=20) as client:
            answer = await client.get(
                "/items/notes",
                params={"fields": "id,title,owner", "limit": -1},
                headers={"Authorization": f"Bearer {follower.token}"},
            )
        return {row["id"]: row for row in answer.raise_for_status().json()["data"]}

    async def agreed(self) -> set[str]:
        """Wait until each follower holds what it would read, and see that all that it was told was committed.

        Returns the titles that were ever committed.
        """
        for follower in self.followers:
            expected = await self.reads(follower)
            assert expected
            with suppress(TimeoutError):
                await until(lambda one=follower, rows=expected: one.picture == rows, SETTLE_SECONDS)  # type: ignore[misc]  # a lambda's defaults have no types
            assert not follower.task.done(), follower.task.exception()
            held = follower.picture
            assert held == expected, [row for key, row in expected.items() if held.get(key) != row][:5]
        committed: dict[int, list[str]] = {}
        for key, title in await ask("postgresql", self.url, ["SELECT id, title FROM history ORDER BY number"]):
            committed.setdefault(key, []).append(title)
        stored = {title for titles in committed.values() for title in titles}
        assert stored >= set(self.load.acknowledged)
        for follower in self.followers:
            for (_, key), titles in follower.states.items():
                told = iter(committed.get(key, []))
                assert all(title in told for title in titles), f"{titles} of {committed.get(key)}"
        return stored


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        closing = stack.enter_context(ExitStack())
        try:
            redis = await private_servers.start("redis", closing)
            postgresql = await private_servers.start("postgresql", closing)
        except UnreachableError as reason:
            pytest.skip(f"a server of the test's own: {reason}")
        url = f"{postgresql.url}/postgres"
        bus = {"REDIS": redis.url, "REDIS_BUS_NAMESPACE": f"tidegate-test-{secrets.token_hex(6)}"}
        world = World(url, redis, postgresql, {**engines.environment(url), **bus}, closing, stack)
        try:
            for _ in range(2):
                await world.join()
            yield world
        finally:
            await world.leave(world.followers)


@pytest_asyncio.fixture(loop_scope="module")
async def there(deployment: World) -> AsyncIterator[World]:
    """Two servers, on which nothing has failed so far, and which in the end have told what is stored."""
    deployment.load.failed = 0
    for follower in deployment.followers:
        follower.close_codes.clear()
        follower.refused.clear()
    yield deployment
    for server in deployment.servers:
        sys.stdout.write(f"The log of {server.url}:\n{server.log}\n")
    await deployment.agreed()
    assert not any("Traceback" in server.log for server in deployment.servers), "see the logs"


async def written(server: ServerProcess, title: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=60) as client:
        return await client.post("/items/notes", json={"title": title})


async def unanswered(server: ServerProcess, title: str) -> None:
    with pytest.raises(httpx.TransportError):
        await written(server, title)


@asynccontextmanager
async def stuck_commits(there: World) -> AsyncIterator[asyncpg.Connection]:
    """A connection that has PostgreSQL carry out no COMMIT of a row `slow` as long as it holds a lock."""
    database = await asyncpg.connect(there.url)
    try:
        await database.execute(SLOW_COMMIT)
        await database.execute("SELECT pg_advisory_lock(1)")
        yield database
    finally:
        await database.close()


async def killed(there: World, victim: ServerProcess) -> None:
    """`kill -9`; its clients go to the first server, and those who are there already begin anew."""
    there.servers.remove(victim)
    moved, stayed = there.of(victim), there.of(there.servers[0])
    anew = asyncio.create_task(there.begun_anew(stayed))
    await victim.kill()
    for follower in moved:
        follower.server = there.servers[0]
    await until(lambda: all(follower.close_codes for follower in moved))
    assert [follower.close_codes for follower in moved] == [[1006]] * len(moved)
    await anew
    assert not any(follower.close_codes for follower in stayed), "nobody else had to connect again"


async def test_worker_that_is_killed_around_its_commit_leaves_nothing_wrong_and_nothing_untold(there: World) -> None:
    staying, _ = there.servers
    database = urlsplit(there.url)
    assert database.hostname is not None
    assert database.port is not None
    async with proxy_before(database.hostname, database.port) as proxy:
        for loss in ("before", "after"):
            victim = await there.join(DB_HOST="127.0.0.1", DB_PORT=str(proxy.port))
            async with there.load.on(*there.servers):
                proxy.hold(loss, f"killed {loss}")
                writing = asyncio.create_task(unanswered(victim, f"killed {loss}"))
                async with asyncio.timeout(20):
                    await proxy.held.wait()
                assert (await written(staying, f"behind {loss}")).is_success
                assert not any(f"behind {loss}" in one.told for one in there.followers), "its turn has not come"
                moved = there.of(victim)
                await killed(there, victim)
                await writing
            titles = await there.agreed()
            assert not any(f"killed {loss}" in one.told for one in there.followers), "an event of the dead"
            await there.leave(moved)
    assert titles & {"killed before", "killed after"} == {"killed after"}
    assert {"behind before", "behind after"} <= titles


async def test_commit_that_would_outlive_its_worker_is_ended(there: World) -> None:
    victim = await there.join()
    async with stuck_commits(there) as database, there.load.on(*there.servers):
        writing = asyncio.create_task(unanswered(victim, "slow"))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
        async with asyncio.timeout(20):
            while not await database.fetchval(waiting):
                pass
        moved = there.of(victim)
        await killed(there, victim)
        await writing
        await database.execute("SELECT pg_advisory_unlock(1)")
    assert "slow" not in await there.agreed()
    await there.leave(moved)


async def test_silent_redis_holds_nobody_up_and_what_was_missed_is_made_good(there: World) -> None:
    """First for as long as its connections are kept, then for longer."""
    assert there.redis.process is not None
    async with there.load.on(*there.servers):
        for notice in (ALONE, LOST):
            said = [server.log.count(notice) for server in there.servers]
            there.redis.process.send_signal(signal.SIGSTOP)
            try:
                for server, before in zip(there.servers, said, strict=True):
                    await until(lambda one=server, more=before, what=notice: one.log.count(what) > more)  # type: ignore[misc]
                await asyncio.gather(*(there.heard_anew(server) for server in there.servers))
                anew = asyncio.create_task(there.begun_anew())
                await asyncio.sleep(0)
            finally:
                there.redis.process.send_signal(signal.SIGCONT)
            await anew
    assert there.load.failed == 0
    assert not any(one.close_codes or one.refused for one in there.followers), "nobody had to connect again"


async def test_redis_that_restarts_is_made_good_by_a_new_init(there: World) -> None:
    async with there.load.on(*there.servers):
        anew = asyncio.create_task(there.begun_anew())
        there.redis = await private_servers.restart("redis", there.redis, there.closing, 1)
        await anew
    assert there.load.failed == 0
    assert not any(one.close_codes or one.refused for one in there.followers), "nobody had to connect again"


async def refused(server: ServerProcess) -> None:
    """Read until the server says that its database is away."""
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=20) as client, asyncio.timeout(30):
        status = 200
        while status != 503:
            status = (await client.get("/items/notes", params={"limit": 1})).status_code
            assert status in {200, 503}


async def test_postgresql_that_restarts_is_waited_for(there: World) -> None:
    async with there.load.on(*there.servers):
        refusals = [asyncio.create_task(refused(server)) for server in there.servers]
        there.postgresql = await private_servers.restart("postgresql", there.postgresql, there.closing, 1)
        await asyncio.gather(*refusals)
        await asyncio.gather(*(there.heard_anew(server) for server in there.servers))
    assert there.load.failed
