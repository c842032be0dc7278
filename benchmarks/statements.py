"""`python -m benchmarks.statements DATABASE_URL -n 500 -k 10 -m 20`: how many statements an event costs the database of
a process with n plain subscribers in k groups.

The process reaches PostgreSQL through a proxy that counts. Another process beside it writes: its events come over
Redis with their rows. Then events come as another program on the bus sends them, without rows.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import httpx
import uvloop
from redis.asyncio import Redis
from tests.support.engines import environment
from tests.support.server import ADMIN, running_server

from benchmarks.servers import VARIABLES, bus
from benchmarks.yardstick import Subscriber, Tally, gather_connections, number_in, tokens, until

STARTUP = 196_608
"""The version in a start-up message, the only one without a type but for requests of encryption."""
STATEMENTS = b"EQ"
"""Types of the messages Execute and Query (PostgreSQL's frontend protocol)."""


class CountingProxy:
    """Forwards to PostgreSQL and counts what it is asked to run."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self.statements = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Its port on 127.0.0.1."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_connection(*self._target)
        back = asyncio.ensure_future(_forward(answers, writer))
        try:
            while True:
                head = await reader.readexactly(8)
                upstream.write(head + await reader.readexactly(int.from_bytes(head[:4]) - 8))
                if int.from_bytes(head[4:]) == STARTUP:
                    break
            while True:
                head = await reader.readexactly(5)
                self.statements += head[0] in STATEMENTS
                upstream.write(head + await reader.readexactly(int.from_bytes(head[1:]) - 4))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            back.cancel()
            for each in (writer, upstream):
                each.transport.abort()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
    writer.close()


async def count(database: str, n: int, k: int, m: int) -> None:
    place = urlsplit(database)
    proxy = CountingProxy(place.hostname or "", place.port or 5432)
    shared = {**environment(database), **VARIABLES, **await bus()}
    async with (
        proxy.listening() as port,
        running_server({**shared, "DB_HOST": "127.0.0.1", "DB_PORT": str(port)}) as telling,
        running_server(shared) as writing,
        httpx.AsyncClient(base_url=writing.url, timeout=60, headers=ADMIN) as http,
        Redis.from_url(shared["REDIS"]) as redis,
    ):
        tally, ready = Tally(), [0]

        def ready_one() -> None:
            ready[0] += 1

        def subscriber(number: int) -> Subscriber:
            hello = {"type": "auth", "access_token": tokens(number)}
            query = {"fields": ["id", "text"], "limit": 1, "filter": {"room": {"_gt": -1 - number % k}}}
            subscribe = {"type": "subscribe", "collection": "messages", "uid": "s", "query": query}

            def receive(payload: bytes) -> None:
                tally.receive(number, number_in(payload))

            return Subscriber(json.dumps(hello).encode(), json.dumps(subscribe).encode(), receive, ready_one)

        links = await gather_connections(n, subscriber, telling.url.replace("http", "ws", 1) + "/websocket")
        assert await until(lambda: ready[0] == n), "they subscribe"

        async def statements_per_event(publish: Callable[[int], Awaitable[None]]) -> float:
            before = proxy.statements
            for number in range(m):
                heard = len(tally.latency)
                tally.sent[number] = time.perf_counter()
                await publish(number)
                await until(lambda heard=heard: len(tally.latency) >= heard + n, seconds=20)
            return (proxy.statements - before) / m

        keys: list[int] = []

        async def write(number: int) -> None:
            answer = await http.post("/items/messages?fields=id", json={"text": f"m#{number}#", "room": 1})
            keys.append(answer.raise_for_status().json()["data"]["id"])

        async def tell(number: int) -> None:
            text = {"collection": "messages", "action": "update", "keys": [keys[number]], "payload": {"room": 1}}
            await redis.publish(f"{shared['REDIS_BUS_NAMESPACE']}:websocket.event", json.dumps(text))

        start = time.perf_counter()
        with_row = await statements_per_event(write)
        tally.report(f"with rows n={n} k={k}", n * m, time.perf_counter() - start, 0)
        tally.got.clear()
        tally.last.clear()
        without = await statements_per_event(tell)
        tally.report(f"without rows n={n} k={k}", n * m, time.perf_counter() - start, 0)
        print(f"statements: {with_row:g} for an event with its row, {without:g} for an event without, {k} groups")
    del links


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database")
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("-m", type=int, default=20)
    given = parser.parse_args()
    uvloop.run(count(given.database, given.n, given.k, given.m))


if __name__ == "__main__":
    main()
