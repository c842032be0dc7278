"""Windows in a real Redis: shared counts, and what happens while it is away."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.support.engines import private_server, redis_url
from tests.support.private_servers import free_port
from tidegate.clock import ManualClock
from tidegate.ratelimit.base import Verdict
from tidegate.ratelimit.redis import RETRY_SECONDS, RedisRateLimiter, connect


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis]:
    client = connect(url)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def client() -> AsyncIterator[Redis]:
    async with connected(await redis_url()) as client:
        yield client


@pytest.fixture
def prefix() -> str:
    return f"tidegate-test-{secrets.token_hex(6)}"


def limiter(client: Redis, prefix: str, points: int = 2, duration: float = 60) -> RedisRateLimiter:
    return RedisRateLimiter(client, prefix, points, duration, ManualClock())


async def test_processes_share_one_count(client: Redis, prefix: str) -> None:
    one, other = limiter(client, prefix), limiter(client, prefix)
    first = await one.hit("a")
    assert (first.allowed, first.limit, first.remaining) == (True, 2, 1)
    assert 59 < first.reset_seconds <= 60
    assert (await other.hit("a")).remaining == 0
    refused = await one.hit("a")
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert (await one.hit("b")).allowed


async def test_prefixes_are_counted_apart(client: Redis, prefix: str) -> None:
    await limiter(client, prefix, points=1).hit("a")
    assert (await limiter(client, f"{prefix}-other", points=1).hit("a")).allowed


async def test_simultaneous_hits_are_each_counted_once(client: Redis, prefix: str) -> None:
    limiters = [limiter(client, prefix, points=50) for _ in range(4)]
    verdicts = await asyncio.gather(*(limiters[number % 4].hit("a") for number in range(80)))
    assert sum(verdict.allowed for verdict in verdicts) == 50
    assert sorted(verdict.remaining for verdict in verdicts if verdict.allowed) == list(range(50))


async def test_window_ends_with_the_key_and_later_hits_do_not_prolong_it(client: Redis, prefix: str) -> None:
    windows = limiter(client, prefix, points=1)
    await windows.hit("a")
    await client.pexpire(f"{prefix}:a", 30_000)
    assert (await windows.hit("a")).reset_seconds <= 30
    await client.pexpire(f"{prefix}:a", 0)
    assert await windows.hit("a") == Verdict(allowed=True, limit=1, remaining=0, reset_seconds=60)


async def test_key_that_lost_its_expiry_gets_a_new_one(client: Redis, prefix: str) -> None:
    windows = limiter(client, prefix)
    await windows.hit("a")
    await client.persist(f"{prefix}:a")
    await windows.hit("a")
    assert 0 < await client.pttl(f"{prefix}:a") <= 60_000


async def test_refund_gives_a_hit_back_and_keeps_the_window(client: Redis, prefix: str) -> None:
    windows = limiter(client, prefix, points=1)
    await windows.hit("a")
    await client.pexpire(f"{prefix}:a", 30_000)
    await windows.refund("a")
    await windows.refund("a")
    verdict = await windows.hit("a")
    assert verdict.allowed
    assert verdict.reset_seconds <= 30


async def test_refund_of_a_key_without_a_window_leaves_nothing(client: Redis, prefix: str) -> None:
    await limiter(client, prefix).refund("a")
    assert await client.exists(f"{prefix}:a") == 0


async def test_process_counts_for_itself_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(f"redis://:hidden@127.0.0.1:{free_port()}") as client:
        windows = limiter(client, "away", points=1)
        with caplog.at_level(logging.WARNING, logger="tidegate.ratelimit.redis"):
            assert await windows.hit("a") == Verdict(allowed=True, limit=1, remaining=0, reset_seconds=60)
            await windows.refund("a")
            assert (await windows.hit("a")).allowed
            assert not (await windows.hit("a")).allowed
    assert len(caplog.records) == 1
    assert "hidden" not in caplog.text


async def test_paused_redis_delays_one_request_and_counts_again_when_it_is_back() -> None:
    clock = ManualClock()
    async with private_server("redis") as server, connected(server.url) as client, connected(server.url) as admin:
        windows = RedisRateLimiter(client, "paused", 5, 60, clock)
        assert (await windows.hit("a")).remaining == 4
        await admin.client_pause(3_600_000, all=False)
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(5):
            assert (await windows.hit("a")).allowed
        assert not (await windows.hit("a")).allowed
        assert loop.time() - started < 2, "only the first request may wait for Redis"
        await admin.client_unpause()
        assert not (await windows.hit("a")).allowed, "Redis is left alone for a while"
        clock.advance(RETRY_SECONDS)
        assert (await windows.hit("a")).allowed
