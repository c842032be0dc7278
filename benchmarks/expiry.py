"""`python -m benchmarks.expiry`: 10,000 sockets whose tokens expire one after the other, on one server process.

Every socket holds a subscription and a token of its own, minted with the server's SECRET; the tokens expire evenly over
ten seconds. Measured is how late each socket is told TOKEN_EXPIRED, and meanwhile how long 50 other clients wait for
the answers to their pings. The exit code says whether both bars are reached and all were told exactly once, not early.

The server has one core and the load another; what the load takes to notice counts against the server.
"""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

import httpx
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from tests.conformance.conformance import BASE_ENV
from tests.support.server import ADMIN, running_server

from benchmarks.machine import LOAD_CORES, SERVER_CORES, pinned
from benchmarks.servers import VARIABLES
from tidegate.access.tokens import Claims, encode

SOCKETS = 10_000
USERS = 100
PINGING = 50
PING_PERIOD = 0.1
SPREAD_SECONDS = 10.0
LEAD_SECONDS = 15.0
"""From the first authentication to the first expiry."""
AFTER_SECONDS = 3.0
AT_ONCE = 200
"""Handshakes under way."""
LATENESS_BAR = 0.250
PING_BAR = 0.050

SUBSCRIBE = b'{"type":"subscribe","collection":"messages","event":"create","uid":"s"}'
CREATE_MESSAGES = {
    "collection": "messages",
    "schema": {},
    "meta": {},
    "fields": [
        {
            "field": "id",
            "type": "integer",
            "schema": {"is_primary_key": True, "has_auto_increment": True},
            "meta": {},
        },
        {"field": "text", "type": "string", "schema": {}, "meta": {}},
    ],
}


def text_of(frame: WSFrame) -> bytes:
    return bytes(frame.get_payload_as_memoryview())


class Expiring(WSListener):
    """A socket that opens with a lasting token, subscribes, and then takes one that expires."""

    def __init__(self) -> None:
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.authenticated: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.told: list[float] = []
        """When it was told TOKEN_EXPIRED, in seconds since the epoch."""
        self.expires = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, SUBSCRIBE)

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        now = time.time()
        if frame.msg_type != WSMsgType.TEXT:
            return
        text = text_of(frame)
        if b"TOKEN_EXPIRED" in text:
            self.told.append(now)
        elif b'"init"' in text:
            self.subscribed.set_result(None)
        elif text == b'{"type":"auth","status":"ok"}':
            self.authenticated.set_result(None)
        elif b'"ping"' in text[:20]:
            self.transport.send(WSMsgType.TEXT, b'{"type":"pong"}')

    def authenticate(self, user: str, expires: float) -> None:
        self.expires = expires
        claims = Claims(user, None, app_access=False, admin_access=False, iat=int(time.time()), exp=expires)  # type: ignore[arg-type]  # a NumericDate may have a fraction (RFC 7519)
        token = encode(claims, BASE_ENV["SECRET"])
        self.transport.send(WSMsgType.TEXT, b'{"type":"auth","access_token":"%s"}' % token.encode())


class Pinging(WSListener):
    """A socket that pings and waits for each answer."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._sent: float | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        if b'"pong"' in text_of(frame) and self._sent is not None:
            self.waits.append(time.perf_counter() - self._sent)
            self._sent = None

    async def ping(self, until: float, delay: float) -> None:
        await asyncio.sleep(delay)
        while time.time() < until:
            if self._sent is None:
                self._sent = time.perf_counter()
                self.transport.send(WSMsgType.TEXT, b'{"type":"ping","uid":1}')
            await asyncio.sleep(PING_PERIOD)
        if self._sent is not None:
            self.waits.append(time.perf_counter() - self._sent)


@dataclass
class Figures:
    sockets: list[Expiring] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def reached(self) -> bool:
        late = self.lateness()
        told_once = all(len(socket.told) == 1 for socket in self.sockets)
        return told_once and late[0] >= 0 and late[-1] < LATENESS_BAR and quantile(self.waits, 0.99) < PING_BAR

    def lateness(self) -> list[float]:
        """Seconds, in order; endless where nothing was told."""
        return sorted((socket.told[0] if socket.told else float("inf")) - socket.expires for socket in self.sockets)

    def lines(self) -> Sequence[str]:
        late = self.lateness()
        once = sum(len(socket.told) == 1 for socket in self.sockets)
        return (
            f"{once} of {len(self.sockets)} told TOKEN_EXPIRED exactly once, {sum(each < 0 for each in late)} early",
            f"late: {spread(late)} (bar: all below {LATENESS_BAR * 1000:.0f} ms)",
            f"pings: {len(self.waits)} by {PINGING} clients, {spread(self.waits)} (bar: p99 {PING_BAR * 1000:.0f} ms)",
            "reached" if self.reached() else "MISSED",
        )


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")


def spread(values: Sequence[float]) -> str:
    p50, p99, most = (quantile(values, share) * 1000 for share in (0.5, 0.99, 1.0))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {most:.1f} ms"


async def make_users(url: str) -> list[str]:
    """The ids of users who may read messages; the first has a static token."""
    async with httpx.AsyncClient(base_url=url, headers=ADMIN, timeout=60) as http:

        async def make(path: str, body: object) -> object:
            answer = await http.post(path, json=body)
            answer.raise_for_status()
            return answer.json()["data"] if answer.content else None

        async def made(path: str, body: object) -> str:
            row = await make(path, body)
            assert isinstance(row, dict)
            return str(row["id"])

        await make("/collections", CREATE_MESSAGES)
        role, policy = await made("/roles", {"name": "Member"}), await made("/policies", {"name": "Member"})
        await made("/access", {"role": role, "policy": policy})
        await made("/permissions", {"policy": policy, "collection": "messages", "action": "read", "fields": ["*"]})
        rows = [{"email": f"u{i}@example.com", "role": role, "token": f"static-{i}"} for i in range(USERS)]
        users = await make("/users", rows)
        assert isinstance(users, list)
        return [user["id"] for user in users]


def returned(listener: WSListener) -> WSListener:
    """For picows, which makes the listener itself."""
    return listener


async def measure(url: str) -> Figures:
    users = await make_users(url)
    figures, gate = Figures(), asyncio.Semaphore(AT_ONCE)
    address = url.replace("http", "ws", 1) + "/websocket?access_token=static-{}"

    async def open_one(number: int) -> None:
        async with gate:
            socket = Expiring()
            await ws_connect(partial(returned, socket), address.format(number % USERS))
            await socket.subscribed
            figures.sockets.append(socket)

    started = time.monotonic()
    await asyncio.gather(*(open_one(number) for number in range(SOCKETS)))
    print(f"{SOCKETS} sockets opened and subscribed in {time.monotonic() - started:.1f} s", flush=True)
    pinging = [Pinging() for _ in range(PINGING)]
    for ping in pinging:
        await ws_connect(partial(returned, ping), address.format(0))

    first = time.time() + LEAD_SECONDS
    started = time.monotonic()
    for number, socket in enumerate(figures.sockets):
        socket.authenticate(users[number % USERS], first + SPREAD_SECONDS * number / SOCKETS)
        if number % AT_ONCE == 0:
            await socket.authenticated
    await asyncio.gather(*(socket.authenticated for socket in figures.sockets))
    print(f"{SOCKETS} authenticated anew in {time.monotonic() - started:.1f} s", flush=True)
    assert time.time() < first, "LEAD_SECONDS is too short for this machine"
    await asyncio.sleep(first - time.time())
    end = first + SPREAD_SECONDS
    await asyncio.gather(*(ping.ping(end, PING_PERIOD * number / PINGING) for number, ping in enumerate(pinging)))
    await asyncio.sleep(AFTER_SECONDS)
    figures.waits = [wait for ping in pinging for wait in ping.waits]
    return figures


async def run() -> bool:
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}", flush=True)
    async with AsyncExitStack() as stack:
        with pinned(SERVER_CORES):
            server = await stack.enter_async_context(running_server(VARIABLES))
        with pinned(LOAD_CORES):
            figures = await measure(server.url)
    print("\n".join(figures.lines()))
    return figures.reached()


def main() -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return 0 if uvloop.run(run()) else 1


if __name__ == "__main__":
    sys.exit(main())
