"""`python -m benchmarks.slow_reader without|with URL -n 500 -m 400`: what n subscribers notice of one more who asks for
long rows and reads none of them.

Each subscriber takes the titles of m papers that are written one after the other. The slow reader subscribes to whole
papers, until the server closes it; what was sent to it is read at the end.
"""

import argparse
import asyncio
import json
import secrets
import socket
import struct
import time
from urllib.parse import urlsplit

import httpx
import uvloop
from tests.conformance.conformance import ADMIN_TOKEN
from tests.support.raw_websocket import Opcode, RawWebSocket, frame, message, upgrade_request
from tests.support.server import ADMIN

from benchmarks.yardstick import Subscriber, Tally, gather_connections, number_in, until

LENGTH = 36_000
"""Characters of a paper: of 400 about 300 fill the default of WEBSOCKETS_OUTBOX_LIMIT and what the kernel takes."""
WINDOW = 4096
"""Bytes that the kernel takes for the slow reader."""
FIELDS = [
    {"field": "id", "type": "integer", "schema": {"is_primary_key": True, "has_auto_increment": True}, "meta": {}},
    {"field": "title", "type": "string", "schema": {}, "meta": {}},
    {"field": "body", "type": "text", "schema": {}, "meta": {}},
]


async def slow_reader(port: int, collection: str) -> RawWebSocket:
    """A subscriber to whole papers; nothing is read before somebody calls `receive`."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=WINDOW)
    writer.write(upgrade_request(port))
    await reader.readuntil(b"\r\n\r\n")
    reading = RawWebSocket(reader, writer)
    await reading.send(message(type="auth", access_token=ADMIN_TOKEN))
    await reading.receive()
    await reading.send(message(type="subscribe", collection=collection, event="create", query={"fields": ["*"]}))
    await reading.receive()
    return reading


async def told(reading: RawWebSocket) -> str:
    """How many events a reader was sent, and the code that it was closed with; 1000 is the answer to its own close."""
    await reading.send(frame(Opcode.CLOSE, struct.pack("!H", 1000)))
    events = code = 0
    while (heard := await reading.receive()) is not None:
        if heard.opcode == Opcode.CLOSE:
            (code,) = struct.unpack("!H", heard.payload[:2])
            break
        events += len(heard.payload) > LENGTH
    return f"slow reader: {events} events waited for it, closed with {code}"


async def fan_out(url: str, n: int, m: int, *, slow: bool) -> None:
    tally, ready = Tally(), [0]
    collection = f"papers_{secrets.token_hex(4)}"

    def ready_one() -> None:
        ready[0] += 1

    def subscriber(number: int) -> Subscriber:
        query = {"fields": ["id", "title"]}
        subscribe = {"type": "subscribe", "collection": collection, "event": "create", "uid": "s", "query": query}
        hello = {"type": "auth", "access_token": ADMIN_TOKEN}

        def receive(payload: bytes) -> None:
            tally.receive(number, number_in(payload))

        return Subscriber(json.dumps(hello).encode(), json.dumps(subscribe).encode(), receive, ready_one)

    async with httpx.AsyncClient(base_url=url, timeout=60, headers=ADMIN) as http:
        made = {"collection": collection, "schema": {}, "meta": {}, "fields": FIELDS}
        (await http.post("/collections", json=made)).raise_for_status()
        links = await gather_connections(n, subscriber, url.replace("http", "ws", 1) + "/websocket")
        assert await until(lambda: ready[0] == n), "they subscribe"
        reading = await slow_reader(urlsplit(url).port or 80, collection) if slow else None
        start = time.perf_counter()
        for number in range(m):
            tally.sent[number] = time.perf_counter()
            paper = {"title": f"m#{number}#", "body": "x" * LENGTH}
            (await http.post(f"/items/{collection}?fields=id", json=paper)).raise_for_status()
        published = m / (time.perf_counter() - start)
        await until(lambda: len(tally.latency) >= n * m, watch=lambda: len(tally.latency))
        tally.report(f"slow reader n={n} m={m}", n * m, time.perf_counter() - start, published)
        if reading is not None:
            print(await told(reading))
    del links


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slow", choices=["without", "with"])
    parser.add_argument("url")
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("-m", type=int, default=400)
    given = parser.parse_args()
    uvloop.run(fan_out(given.url, given.n, given.m, slow=given.slow == "with"))


if __name__ == "__main__":
    main()
