"""`python -m benchmarks.growth`: how cost grows with subscribers, groups, writes and processes; the tables and the plot
of docs/performance.md, which `--write` puts there. Everything is measured three times, and the median is shown. Takes
ten minutes on a quiet machine.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import median

from tests.integration.realtime.world import World, open_world
from tests.support.engines import temporary_database
from tests.support.schemas import ADMIN

from benchmarks.machine import conditions, measure
from benchmarks.page import PAGE, table, write
from benchmarks.plot import plot
from benchmarks.scenarios import DELIVERIES, P99, find, right
from benchmarks.servers import Server, load, seed, started
from tidegate.errors import TidegateError
from tidegate.items.changes import Change
from tidegate.query.model import Limits
from tidegate.query.parse import parse_query
from tidegate.realtime.subscription import Subscription
from tidegate.websocket.answers import event_tail
from tidegate.websocket.events import encode_rows

PLOT = PAGE.with_suffix(".svg")
CREATES = r"ws create: ([\d.]+)/s"
TIMES = 3
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
    """A figure of an answer. Raises `SystemExit` where there is none or something went wrong."""
    found = find(pattern, answer)
    if found is None or not right(answer):
        sys.exit(f"not a measurement: {answer[-400:]}")
    return found


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
        return {
            groups: median(seconds_per_event(world, 1_000, groups) for _ in range(TIMES)) * 1e6 for groups in GROUPS
        }


async def by_subscribers(tidegate: str, bare: str, users: int) -> list[tuple[int, float, float, float, float]]:
    """Subscribers; deliveries a second of the server and of the bare one; their ratio; p99 of a private row in ms."""
    rows = []
    many = ["--users", str(users)]
    for n in (n for n in SUBSCRIBERS if n <= users):
        size = ["-n", str(n), "-m", writes_for(n)]
        shared, ceiling, p99 = [], [], []
        for _ in range(TIMES):
            ceiling.append(read(DELIVERIES, await load("yardstick", "bare", bare, *size)))
            shared.append(read(DELIVERIES, await load("yardstick", "shared", tidegate, *size, *many)))
            p99.append(read(P99, await load("yardstick", "private", tidegate, "-n", str(n), "-m", "200", *many)))
        ratio = median(ours / theirs for ours, theirs in zip(shared, ceiling, strict=True))
        rows.append((n, median(shared), median(ceiling), ratio, median(p99)))
        print(f"{n} subscribers: {median(shared):.0f}/s, ratio {ratio:.2f}, p99 {median(p99)} ms", flush=True)
    return rows


async def by_writers(tidegate: str) -> Mapping[int, float]:
    """Writes a second through as many sockets."""
    rates: dict[int, list[float]] = {writers: [] for writers in WRITERS}
    for _ in range(TIMES):
        for writers, seen in rates.items():
            seen.append(read(CREATES, await load("yardstick", "ops", tidegate, "-c", str(writers), "-s", "1")))
    return {writers: median(seen) for writers, seen in rates.items()}


async def by_workers(database: str, users: int) -> tuple[float, float]:
    """Deliveries a second with one process and with two over Redis, wherever the machine runs them."""
    kinds: tuple[Server, Server] = ("one worker", "two workers")
    rates: dict[Server, list[float]] = {kind: [] for kind in kinds}
    for _ in range(TIMES):
        for kind, seen in rates.items():
            async with started(kind, database) as target:
                size = ["-n", str(min(WORKERS, users)), "-m", "50", "--users", str(users)]
                seen.append(read(DELIVERIES, await load("yardstick", "shared", target.url, *size)))
    one, two = (median(rates[kind]) for kind in kinds)
    return one, two


def drawn(subscribers: Sequence[tuple[int, float, float, float, float]]) -> str:
    """The plot as SVG."""
    lines = {
        "bare broadcaster": [(n, bare) for n, _, bare, _, _ in subscribers],
        "Tidegate": [(n, shared) for n, shared, _, _, _ in subscribers],
    }
    return plot("Deliveries a second to n subscribers", "subscribers", "deliveries/s", lines)


async def run(users: int, *, writes: bool) -> bool:
    """Measure and show, and write where it is asked for. Raises `SystemExit` where something went wrong."""
    circumstances = conditions()
    print(circumstances, flush=True)
    groups = await by_groups()
    async with temporary_database("postgresql") as database:
        print(await seed(database, users), flush=True)
        async with started("tidegate", database) as target, started("bare sockets", database) as bare:
            subscribers = await by_subscribers(target.url, bare.url, users)
            writers = await by_writers(target.url)
        one, two = await by_workers(database, users)
    figures = "\n\n".join(
        [
            circumstances,
            table(
                ["subscribers", "deliveries/s", "bare broadcaster", "ratio", "private row: p99"],
                [
                    [f"{n:,}", f"{shared:,.0f}", f"{ceiling:,.0f}", f"{ratio:.2f}", f"{p99:.1f} ms"]
                    for n, shared, ceiling, ratio, p99 in subscribers
                ],
            ),
            f"![Deliveries a second by subscribers]({PLOT.name})",
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
    print(f"\n{figures}")
    if writes:
        PLOT.write_text(drawn(subscribers), encoding="utf-8")
        write("growth", figures)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=SUBSCRIBERS[-1], help="and so at most how many subscribers")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    given = parser.parse_args()
    return measure(lambda: run(given.users, writes=given.write))


if __name__ == "__main__":
    sys.exit(main())
