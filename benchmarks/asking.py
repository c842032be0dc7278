"""`python -m benchmarks.asking http|echo URL -c 16 -s 3`: how often a second so many connections are answered when each
asks again as soon as it has its answer.

`http` reads 20 messages as the yardstick does. The yardstick's client takes about two milliseconds of its core for each
request, and so measures itself; this one has a parser in C on a plain socket. `echo` asks the bare broadcaster for its
shortest answer over WebSockets: nothing on that server can be answered more often.
"""

import argparse
import asyncio
import sys
import time
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

REQUEST = (
    "GET /items/messages?limit=20 HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n"
    "Authorization: Bearer static-u00001\r\n\r\n"
)


class Count:
    """Answers and how long each took, of all connections."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def answered(self, asked: float) -> None:
        self.seconds.append(time.perf_counter() - asked)

    def report(self, name: str, seconds: float) -> None:
        if not self.seconds:
            sys.exit("no answer")
        ordered = sorted(self.seconds)
        p50, p99 = (ordered[int(len(ordered) * share)] * 1e3 for share in (0.5, 0.99))
        print(f"{name}: {len(self.seconds) / seconds:.0f}/s p50 {p50:.2f} p99 {p99:.2f} ms")


class HttpAsker(asyncio.Protocol):
    """One connection that is kept alive."""

    def __init__(self, request: bytes, count: Count) -> None:
        self._request = request
        self._count = count
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        if self._complete:
            if (status := self._parser.get_status_code()) != 200:
                sys.exit(f"answered with status {status}")
            self._count.answered(self._asked)
            self._ask()

    def on_message_complete(self) -> None:
        self._complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        sys.exit(f"the server ended a connection: {exc}")

    def _ask(self) -> None:
        self._complete = False
        self._asked = time.perf_counter()
        self._transport.write(self._request)


class EchoAsker(WSListener):
    """One socket."""

    def __init__(self, count: Count) -> None:
        self._count = count

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._ask(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._count.answered(self._asked)
            self._ask(transport)

    def _ask(self, transport: WSTransport) -> None:
        self._asked = time.perf_counter()
        transport.send(WSMsgType.TEXT, b"sub")


async def ask(what: str, url: str, connections: int, seconds: float) -> None:
    count, place = Count(), urlsplit(url)
    request = REQUEST.format(host=place.netloc).encode()
    for _ in range(connections):
        if what == "http":
            await asyncio.get_running_loop().create_connection(
                partial(HttpAsker, request, count), place.hostname or "", place.port or 80
            )
        else:
            await ws_connect(partial(EchoAsker, count), url.replace("http", "ws", 1) + "/")
    count.seconds.clear()
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    count.report(what, time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["http", "echo"])
    parser.add_argument("url")
    parser.add_argument("-c", type=int, default=16)
    parser.add_argument("-s", type=float, default=3)
    given = parser.parse_args()
    uvloop.run(ask(given.what, given.url, given.c, given.s))


if __name__ == "__main__":
    main()
