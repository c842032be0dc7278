"""`python -m benchmarks.growth`: how cost grows with subscribers, groups and writes. Writes the figures of
docs/performance.md and its plot; takes ten minutes on a quiet machine, of which most is making 10,000 users.
"""

import asyncio
import contextlib
import os
import platform
import re
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.integration.realtime.world import World, open_world
from tests.support import engines
from tests.support.engines import environment, temporary_database
from tests.support.schemas import ADMIN
from tests.support.server import running_server

from benchmarks.plot import plot
from benchmarks.run import SERVER_CORES, VARIABLES, bare_server, pinned, unlimited_files, yardstick
from benchmarks.scenarios import DELIVERIES, FAULTS, P99
from tidegate.errors import TidegateError
from tidegate.items.changes import Change
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.realtime.subscription import Subscription
from tidegate.websocket.answers import event_tail
from tidegate.websocket.events import encode_rows

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PLOT = PAGE.with_suffix(".svg")
MARKS = ("<!-- figures -->", "<!-- end of figures -->")
SUBSCRIBERS = (1, 10, 100, 1_000, 10_000)
DELIVERED = 100_000
"""About how many deliveries one measurement makes."""
MOST_WRITES = 200
GROUPS = (1, 10, 100, 1_000)
WRITERS = (1, 4, 16, 64)
EVENTS = 200
WORKERS = 1_000
"""Subscribers of the measurement with two workers."""


def writes_for(subscribers: int) -> str:
    return str(max(10, min(MOST_WRITES, DELIVERED // subscribers)))


def read(pattern: str, answer: str) -> float:
    """A figure of an answer of the yardstick. Raises `SystemExit` where there is none or something went wrong."""
    found, faults = re.search(pattern, answer), FAULTS.search(answer)
    if found is None or (faults is not None and any(int(number) for number in faults.groups())):
        sys.exit(f"not a measurement: {answer.strip()[-400:]}")
    return float(found[1])


class Silent:
    """A subscriber whose socket costs nothing, so that what is measured is the dispatch."""

    valid_until = float("inf")

    def __init__(self) -> None:
        self.heard = 0

    def send(self, _text: bytes, _tail: bytes) -> None:
        self.heard += 1

    def settle(self) -> None:
        raise AssertionError("its identity never ends")

    def end(self, _subscription: Subscription, error: TidegateError) -> None:
        raise error


def seconds_per_event(world: World, subscribers: int, groups: int) -> float:
    """Of a change that every group has to be asked about, and that every subscriber hears of."""
    somebody, joined = Silent(), []
    for number in range(subscribers):
        query = parse_query(
            {"fields": ["id", "title", "views"], "filter": {"views": {"_gte": number % groups}}}, Limits()
        )
        subscription = Subscription(somebody, "articles", query, encode_rows, event_tail(str(number)))
        world.dispatcher.watch(subscription, ADMIN)
        joined.append(subscription)
    names = world.database.schema.collections["articles"].fields
    image = {**dict.fromkeys(names), "id": 1, "title": "t", "views": groups}
    start = time.perf_counter()
    for _ in range(EVENTS):
        world.dispatcher.changed([Change("articles", "update", (1,), (image,), (image,))])
    seconds = (time.perf_counter() - start) / EVENTS
    assert somebody.heard == EVENTS * subscribers
    for subscription in joined:
        world.dispatcher.remove(subscription)
    return seconds


async def by_groups() -> Mapping[int, float]:
    """Microseconds of dispatch for an event to 1,000 subscribers."""
    async with temporary_database("sqlite") as url, open_world(url) as world:
        return {groups: seconds_per_event(world, 1_000, groups) * 1e6 for groups in GROUPS}


async def by_subscribers(url: str, users: int) -> list[tuple[int, float, float, float]]:
    """Subscribers; deliveries a second of the server and of the bare one; p99 in milliseconds of a private row."""
    rows = []
    many = ["--users", str(users)]
    async with bare_server() as bare_url:
        for n in (n for n in SUBSCRIBERS if n <= users):
            size = ["-n", str(n), "-m", writes_for(n)]
            bare = read(DELIVERIES, await yardstick("bare", bare_url, *size))
            shared = read(DELIVERIES, await yardstick("shared", url, *size, *many))
            p99 = read(P99, await yardstick("private", url, "-n", str(n), "-m", "100", *many))
            rows.append((n, shared, bare, p99))
            print(f"{n} subscribers: {shared:.0f}/s of {bare:.0f}/s, private p99 {p99} ms", flush=True)
    return rows


async def by_writers(url: str) -> Mapping[int, float]:
    """Writes a second through as many sockets."""
    return {
        writers: read(r"ws create: ([\d.]+)/s", await yardstick("ops", url, "-c", str(writers), "-s", "2"))
        for writers in WRITERS
    }


async def with_two_workers(database: str, users: int) -> tuple[float, float]:
    """Deliveries a second with one process and with two over Redis, wherever the machine runs them."""
    size = ["-n", str(WORKERS), "-m", "50", "--users", str(users)]
    bus = {"REDIS": await engines.redis_url(), "REDIS_BUS_NAMESPACE": f"tidegate-bench-{secrets.token_hex(6)}"}
    figures = []
    for arguments in ((), ("--workers", "2")):
        async with running_server({**environment(database), **VARIABLES, **bus}, arguments=arguments) as server:
            figures.append(read(DELIVERIES, await yardstick("shared", server.url, *size)))
    return figures[0], figures[1]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["--:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


async def figures(users: int) -> str:
    groups = await by_groups()
    async with temporary_database("postgresql") as database:
        async with contextlib.AsyncExitStack() as stack:
            with pinned(SERVER_CORES):
                server = await stack.enter_async_context(running_server({**environment(database), **VARIABLES}))
            print((await yardstick("seed", server.url, "--users", str(users))).strip(), flush=True)
            load = os.getloadavg()[0]
            subscribers = await by_subscribers(server.url, users)
            writers = await by_writers(server.url)
        one, two = await with_two_workers(database, users)
    lines = {
        "bare broadcaster": [(n, bare) for n, _, bare, _ in subscribers],
        "Tidegate": [(n, shared) for n, shared, _, _ in subscribers],
    }
    PLOT.write_text(
        plot("Deliveries a second to n subscribers", "subscribers", "deliveries/s", lines), encoding="utf-8"
    )
    cores = len(os.sched_getaffinity(0))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n\n".join(
        [
            f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} with {python} on {cores} cores; the load of the "
            f"machine (one minute's average) was {load:.1f} when it began.",
            table(
                ["subscribers", "deliveries/s", "bare broadcaster", "ratio", "private row: p99"],
                [
                    [f"{n:,}", f"{shared:,.0f}", f"{bare:,.0f}", f"{shared / bare:.2f}", f"{p99:.1f} ms"]
                    for n, shared, bare, p99 in subscribers
                ],
            ),
            "![Deliveries a second by subscribers](performance.svg)",
            table(
                ["groups of 1,000 subscribers", "dispatch of one event"],
                [[f"{number:,}", f"{micros:,.0f} µs"] for number, micros in groups.items()],
            ),
            table(
                ["sockets that write", "writes/s"],
                [[f"{number:,}", f"{rate:,.0f}"] for number, rate in writers.items()],
            ),
            table(
                ["processes over Redis", f"deliveries/s to {WORKERS:,} subscribers"],
                [["1", f"{one:,.0f}"], ["2", f"{two:,.0f}"]],
            ),
        ]
    )


def main() -> int:
    """An argument: how many users, and so at most how many subscribers, there are (10,000)."""
    users = int(sys.argv[1]) if len(sys.argv) > 1 else SUBSCRIBERS[-1]
    unlimited_files()
    try:
        measured = asyncio.run(figures(users))
    except pytest.skip.Exception as missing:
        print(f"nothing to measure on: {missing}")
        return 1
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{measured}\n\n{MARKS[1]}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
