"""Two processes write the same rows: every follower of either hears each commit once, in the order of the commits.

What that order is, the database itself writes down: a trigger that runs while the row is locked.
"""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support import engines
from tests.support.directus import ask
from tests.support.probes import DatabaseEngine
from tests.support.server import ADMIN, ServerProcess, running_server, seed
from tests.support.waiting import until

TOKEN = "?access_token=admin-static-token"
ROWS = 4
WRITERS = 3
"""At each process."""
FOLLOWERS = {"postgresql": 100, "mariadb": 20, "sqlite": 20}
"""At each process; they subscribe while the others write."""
SLOW_COMMIT = """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.title = 'slow') EXECUTE FUNCTION wait();
"""
GIVEN_UP_SECONDS = 5.0
"""A silent bus is given up after two seconds; the rest is for a busy machine. Redis itself is given up after ten."""


def history(engine: DatabaseEngine) -> list[str]:
    """Statements that have the database write down what becomes of each row."""
    number = {
        "postgresql": "bigserial PRIMARY KEY",
        "mariadb": "bigint AUTO_INCREMENT PRIMARY KEY",
        "sqlite": "integer PRIMARY KEY AUTOINCREMENT",
    }[engine]
    note = "INSERT INTO history (id, title) VALUES (NEW.id, NEW.title);"
    statements = [
        f"CREATE TABLE history (number {number}, id integer, title varchar(255))",
        "INSERT INTO history (id, title) SELECT id, title FROM notes",
    ]
    if engine == "postgresql":
        function = f"CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {note} RETURN NULL; END $$"
        trigger = "CREATE TRIGGER kept AFTER INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION keep()"
        return [*statements, function, trigger]
    events = ("INSERT", "UPDATE")
    return statements + [
        f"CREATE TRIGGER kept_{event} AFTER {event} ON notes FOR EACH ROW BEGIN {note} END" for event in events
    ]


class Follower:
    """What one subscription hears of each row: titles, the first of them from `init`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.inits = 0
        self.heard: dict[int, list[str]] = {}
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        query = {"fields": ["id", "title"], "limit": -1}
        await self.socket.send(json.dumps({"type": "subscribe", "collection": "notes", "query": query}))
        async for text in self.socket:
            message = json.loads(text)
            if message["type"] == "subscription":
                self.inits += message["event"] == "init"
                for row in message["data"]:
                    self.heard.setdefault(row["id"], []).append(row["title"])


class LateBus:
    """A way to Redis on which nothing arrives while it is held up."""

    def __init__(self, redis_url: str) -> None:
        self._target = urlsplit(redis_url)
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = asyncio.Event()
        self.open.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        for source, target, late in ((reader, redis_writer, False), (redis_reader, writer, True)):
            task = asyncio.create_task(self._forward(source, target, late))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: bool) -> None:
        try:
            while chunk := await reader.read(65_536):
                if late:
                    await self.open.wait()
                writer.write(chunk)
        finally:
            writer.close()


async def write(server: ServerProcess, keys: Sequence[int], name: str, enough: asyncio.Event) -> None:
    """Write without a pause, and every title once."""
    async with httpx.AsyncClient(base_url=server.url, headers=ADMIN, timeout=30) as client:
        for number in itertools.count():
            if enough.is_set():
                return
            key = keys[number % len(keys)]
            answer = await client.patch(f"/items/notes/{key}", json={"title": f"{name}-{number}"})
            assert answer.is_success, answer.text


@pytest.fixture
async def late_bus(redis_url: str) -> AsyncIterator[tuple[LateBus, str]]:
    """With its URL."""
    bus = LateBus(redis_url)
    listening = await asyncio.start_server(bus.accept, "127.0.0.1", 0)
    async with listening:
        yield bus, f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.fixture
def engine() -> DatabaseEngine:
    return "postgresql"


@pytest.fixture
async def servers(
    engine: DatabaseEngine, redis_url: str, late_bus: tuple[LateBus, str]
) -> AsyncIterator[tuple[str, list[ServerProcess]]]:
    """The URL of the database, and two processes on it and on one bus, of which the second has the late way to it."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(engines.temporary_database(engine))
        bus = {"REDIS": redis_url, "REDIS_BUS_NAMESPACE": f"tidegate-test-{secrets.token_hex(6)}"}
        variables = {**engines.environment(url), **bus}
        first = await stack.enter_async_context(running_server(variables))
        await seed(first)
        late = {**variables, "REDIS": late_bus[1]}
        yield url, [first, await stack.enter_async_context(running_server(late))]


@pytest.mark.parametrize("engine", engines.DATABASE_ENGINES)
async def test_rows_that_two_processes_write_are_told_in_the_order_of_the_commits(
    engine: DatabaseEngine, servers: tuple[str, list[ServerProcess]]
) -> None:
    url, processes = servers
    async with httpx.AsyncClient(base_url=processes[0].url, headers=ADMIN) as client:
        rows = (await client.post("/items/notes", json=[{"title": f"first-{row}"} for row in range(ROWS)])).json()
    keys = [row["id"] for row in rows["data"]]
    async with AsyncExitStack() as stack:
        await ask(engine, url, history(engine))
        names, enough = itertools.count(), asyncio.Event()
        writing = [
            asyncio.create_task(write(process, keys[start:] + keys[:start], f"w{next(names)}", enough))
            for process in processes
            for start in range(WRITERS)
        ]
        followers: list[Follower] = []
        for _ in range(FOLLOWERS[engine]):
            for process in processes:
                socket = await stack.enter_async_context(connect(process.websocket_url + TOKEN, proxy=None))
                followers.append(Follower(socket))
                stack.callback(followers[-1].task.cancel)
        enough.set()
        await asyncio.gather(*writing)
        committed: dict[int, list[str]] = {key: [] for key in keys}
        for key, title in await ask(engine, url, ["SELECT id, title FROM history ORDER BY number"]):
            committed.setdefault(key, []).append(title)
        last = {committed[key][-1] for key in keys}
        await until(lambda: all(last <= _said(one) for one in followers), 10)
        async with httpx.AsyncClient(base_url=processes[1].url, headers=ADMIN) as client:
            # Behind everything else, so whatever is told twice has been told by then.
            await client.post("/items/notes", json={"title": "the end"})
        await until(lambda: all("the end" in _said(one) for one in followers))
        wrong = [
            (number % len(processes), key, follower.heard[key], titles[-len(follower.heard[key]) :])
            for number, follower in enumerate(followers)
            for key, titles in ((key, committed[key]) for key in keys)
            if follower.heard[key] != titles[-len(follower.heard[key]) :]
        ]
        assert [follower.inits for follower in followers] == [1] * len(followers)
        assert wrong == [], f"{len(wrong)} of {len(followers) * ROWS} differ from what was committed"


async def test_what_the_data_shows_is_not_told_again_however_late_it_arrives(
    servers: tuple[str, list[ServerProcess]], late_bus: tuple[LateBus, str]
) -> None:
    here, there = servers[1]
    bus, _ = late_bus
    subscribe = {"type": "subscribe", "collection": "notes", "query": {"fields": ["id", "title"], "limit": -1}}
    async with (
        httpx.AsyncClient(base_url=here.url, headers=ADMIN, timeout=30) as client,
        connect(there.websocket_url + TOKEN, proxy=None) as socket,
    ):
        made = (await client.post("/items/notes", json={"title": "one"})).json()["data"]
        bus.open.clear()
        assert (await client.patch(f"/items/notes/{made['id']}", json={"title": "two"})).is_success
        await socket.send(json.dumps(subscribe))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await socket.recv()
        bus.open.set()
        async with asyncio.timeout(30):
            init = json.loads(await socket.recv())
            assert (init["event"], {"id": made["id"], "title": "two"} in init["data"]) == ("init", True)
            await client.post("/items/notes", json={"title": "three"})
            event = json.loads(await socket.recv())
        assert (event["event"], event["data"][0]["title"]) == ("create", "three")


async def test_silent_bus_holds_writes_up_no_longer_while_another_process_commits(
    servers: tuple[str, list[ServerProcess]], late_bus: tuple[LateBus, str]
) -> None:
    url, (here, there) = servers
    bus, _ = late_bus
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(url)
        stack.push_async_callback(database.close)
        await database.execute(SLOW_COMMIT)
        await database.execute("SELECT pg_advisory_lock(1)")
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=process.url, headers=ADMIN, timeout=30))
            for process in (here, there)
        ]
        committing = asyncio.create_task(clients[0].post("/items/notes", json={"title": "slow"}))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
        async with asyncio.timeout(10):
            while not await database.fetchval(waiting):
                pass
        bus.open.clear()
        async with asyncio.timeout(GIVEN_UP_SECONDS):
            assert (await clients[1].post("/items/notes", json={"title": "other"})).is_success
        await database.execute("SELECT pg_advisory_unlock(1)")
        assert (await committing).is_success
        bus.open.set()


def _said(follower: Follower) -> set[str]:
    return {title for titles in follower.heard.values() for title in titles}
